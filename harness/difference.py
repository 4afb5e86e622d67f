"""What two trials of one case did differently: path, tools, end, final state."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import JsonValue

from harness.experiment import Trial
from harness.schema import Value, canonical_json
from harness.trace import Trace

Kind = Literal["path", "tools", "ends", "text", "state"]

_SHOWN = 160
_CHANGES_SHOWN = 20


class Difference(Value):
    """One thing that is otherwise: `place` is a dotted path into the state, the position of a visit or a call, or empty."""

    kind: Kind
    place: str
    before: str
    after: str


def differences(base: Trial, candidate: Trial) -> tuple[Difference, ...]:
    """Return what differs, in the order of what decides most: path, tools, how it ended, text, state."""
    before, after = base.trace, candidate.trace
    return (
        *_sequence("path", before.nodes, after.nodes),
        *_sequence("tools", [_tool(tool.name, tool.args) for tool in before.tools], [_tool(tool.name, tool.args) for tool in after.tools]),
        *_single("ends", before.ends, after.ends),
        *_single("text", before.text or "", after.text or ""),
        *_state(before, after),
    )


def _tool(name: str, args: JsonValue) -> str:
    return f"{name}({canonical_json(args)})"


def _single(kind: Kind, before: str, after: str) -> Iterator[Difference]:
    if before != after:
        yield Difference(kind=kind, place="", before=_short(before), after=_short(after))


def _sequence(kind: Kind, before: Sequence[str], after: Sequence[str]) -> Iterator[Difference]:
    """Yield the stretches of two sequences that differ, with the place of the first item, from 1."""
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            old, new = ", ".join(before[start:end]), ", ".join(after[new_start:new_end])
            yield Difference(kind=kind, place=str(start + 1), before=_short(old), after=_short(new))


def _state(before: Trace, after: Trace) -> Iterator[Difference]:
    """Yield what differs in the final states, place by place; the first 20."""
    if before.state == after.state:
        return
    from deepdiff import DeepDiff  # noqa: PLC0415, costs 0.1 s that equal states need not pay

    found = DeepDiff(before.state, after.state, view="tree", verbose_level=2)
    changes = {".".join(map(str, change.path(output_format="list"))): change for changed in found.values() for change in changed}
    for place in sorted(changes)[:_CHANGES_SHOWN]:
        yield Difference(kind="state", place=place, before=_shown(changes[place].t1), after=_shown(changes[place].t2))


def _shown(value: object) -> str:
    from deepdiff.helper import notpresent  # noqa: PLC0415, as above

    return "" if value is notpresent else _short(canonical_json(value))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
