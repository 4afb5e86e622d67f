"""How values are quoted in a reason: on one line, short, the same every time."""

import json
from collections.abc import Iterable
from typing import Any

_NODES_SHOWN = 30


def quote(value: Any, limit: int = 80) -> str:
    """Return text in Python's quotes, everything else as JSON; cut to `limit` characters."""
    return cut(repr(value) if isinstance(value, str) else as_json(value), limit)


def as_json(value: Any) -> str:
    """Return JSON with sorted keys; not-a-number is written, not refused."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(", ", ": "))


def cut(text: str, limit: int) -> str:
    """Return `text` on one line, with an ellipsis for what goes beyond `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def listed(values: Iterable[str]) -> str:
    """Return the values joined by commas, or `nothing`."""
    return ", ".join(values) or "nothing"


def arrows(nodes: tuple[str, ...]) -> str:
    """Return a path as `a → b → c`; the middle of a long one is left out."""
    if len(nodes) > _NODES_SHOWN:
        half = _NODES_SHOWN // 2
        nodes = (*nodes[:half], f"… {len(nodes) - 2 * half} more …", *nodes[-half:])
    return " → ".join(nodes) or "(no node)"


def times(count: int, noun: str) -> str:
    """Return `1 visit`, `2 visits`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
