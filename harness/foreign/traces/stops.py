"""Where the run of a trace stopped to be answered, which no case that is made of it is."""

from collections.abc import Iterator

from harness.foreign.records import at
from harness.foreign.traces.seen import table
from harness.foreign.traces.tree import Tree, is_node

_WENT_ON = "it went on after an interrupt, or with further turns; what was given then is not in it, so add `resume` or `turns` to the case"
_ENDED = "it ended at an interrupt; the case expects an answer, so add `ends` to what it expects, or `resume` to the case"


def stops(tree: Tree) -> Iterator[str]:
    """Yield what the case lacks of the answers to interrupts, or of what was said in further turns."""
    metadata = [table(at(dict(run), "extra.metadata")) for run in tree.inside if is_node(run)]
    ours = [known for known in metadata if {"turn", "stops", "interrupted"} <= known.keys()]  # pushed by the harness
    if any(known["stops"] > known["interrupted"] or known["turn"] > 1 for known in ours):
        yield _WENT_ON
    if table(tree.root.get("outputs")).get("__interrupt__") or at(dict(tree.root), "extra.metadata.ends") == "interrupt":
        yield _ENDED
