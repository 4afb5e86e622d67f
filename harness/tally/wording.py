"""How counts are worded: numbers with their noun, names of nodes, long texts cut."""

from harness.trace import Place

_KEPT = 300


def node_name(place: Place) -> str:
    """Return the name of a node with those of the subgraphs around it, `research/search`."""
    return "/".join((*place.namespace, place.node or ""))


def counted(number: int, noun: str) -> str:
    """Return `1 case`, `2 cases`, `1,000 cases`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def short(text: str) -> str:
    """Return a text, cut after 300 characters."""
    return text if len(text) <= _KEPT else text[: _KEPT - 1] + "…"
