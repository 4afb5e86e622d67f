"""What two trials of one case did differently: path, tools, end, final state."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import JsonValue

from harness.experiment import Trial
from harness.schema import Value, canonical_json
from harness.trace import Trace

Kind = Literal["path", "tools", "ends", "text", "state"]

_SHOWN = 160
_CHANGES_SHOWN = 20
_LARGE = 20_000  # items; a sequence that large is told as one change
_HUGE = 200_000  # characters of JSON; a part of the state that large is told as one change


class Difference(Value):
    """One thing that is otherwise: `place` is a dotted path into the state, the position of a visit or a call, or empty.

    An empty `before` or `after` says that there is nothing on that side. `more` tells of how many further ones stand for it.
    """

    kind: Kind
    place: str
    before: str
    after: str
    more: int = 0


def differences(base: Trial, candidate: Trial) -> tuple[Difference, ...]:
    """Return what differs, in the order of what decides most: path, tools, how it ended, state, text.

    A stale trial ended where its cassette did: what it would have done is not known, so that only its end is told.
    """
    before, after = base.trace, candidate.trace
    if "stale" in {base.outcome, candidate.outcome}:
        return tuple(_single("ends", _end(base), _end(candidate)))
    return (
        *_sequence("path", before.nodes, after.nodes),
        *_sequence("tools", [_tool(tool.name, tool.args) for tool in before.tools], [_tool(tool.name, tool.args) for tool in after.tools]),
        *_single("ends", _end(base), _end(candidate)),
        *_state(before, after),
        *_single("text", before.text or "", after.text or ""),
    )


def _tool(name: str, args: JsonValue) -> str:
    return f"{name}({canonical_json(args)})"


def _end(trial: Trial) -> str:
    """Return how a trial ended; of one that crashed or is stale, why."""
    why = next(iter(trial.reasons), "no reason is noted")
    return f"{trial.outcome}: {why}" if trial.outcome in {"error", "stale"} else trial.trace.ends


def _single(kind: Kind, before: str, after: str) -> Iterator[Difference]:
    if before != after:
        yield Difference(kind=kind, place="", before=_short(before), after=_short(after))


def _sequence(kind: Kind, before: Sequence[str], after: Sequence[str]) -> Iterator[Difference]:
    """Yield the stretches of two sequences that differ, with the place of the first item, from 1."""
    if len(before) + len(after) > _LARGE:
        if before != after:
            yield Difference(kind=kind, place="", before=f"{len(before):,} items", after=f"{len(after):,} items")
        return
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            old, new = ", ".join(before[start:end]), ", ".join(after[new_start:new_end])
            yield Difference(kind=kind, place=str(start + 1), before=_short(old), after=_short(new))


def _state(before: Trace, after: Trace) -> Iterator[Difference]:
    """Yield what differs in the final states, place by place: the first 20, the last of which counts the rest.

    States are compared as the JSON that they are stored as: `true` is not 1, and 1 is not 1.0.
    """
    changes = sorted(_changes(before.state, after.state), key=lambda change: change[0])
    for number, (place, old, new) in enumerate(changes[:_CHANGES_SHOWN], start=1):
        more = len(changes) - number if number == _CHANGES_SHOWN else 0
        yield Difference(kind="state", place=".".join(map(str, place)), before=old, after=new, more=more)


_Change = tuple[tuple[str, ...], str, str]


def _changes(before: JsonValue, after: JsonValue, place: tuple[str, ...] = ()) -> Iterator[_Change]:
    """Yield what differs, key by key; below that, what deepdiff finds, unless a value is huge."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            if key not in before or key not in after:
                yield (*place, key), _told(before, key), _told(after, key)
            else:
                yield from _changes(before[key], after[key], (*place, key))
        return
    old, new = canonical_json(before), canonical_json(after)
    if old == new:
        return
    if not (isinstance(before, list) and isinstance(after, list)) or len(old) + len(new) > _HUGE:
        yield place, _short(old), _short(new)
        return
    yield from _of_lists(before, after, place)


def _told(side: Mapping[str, JsonValue], key: str) -> str:
    return _short(canonical_json(side[key])) if key in side else ""


def _of_lists(before: list[JsonValue], after: list[JsonValue], place: tuple[str, ...]) -> Iterator[_Change]:
    """Yield items that came, went or changed, by position; a moved item went and came."""
    old, new = _spelt(before), _spelt(after)
    start = next((index for index, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new)))
    end = next((index for index, (one, other) in enumerate(_backwards(old, new, start)) if one != other), min(len(old), len(new)) - start)
    left, right = before[start : len(before) - end], after[start : len(after) - end]
    if len(left) == len(right) == 1:
        yield from _changes(left[0], right[0], (*place, str(start)))
    elif not (left and right):
        for index, item in enumerate(left or right, start):
            told = _short(canonical_json(item))
            yield (*place, str(index)), told if left else "", "" if left else told
    else:
        yield from _mixed(old, new, place)


def _backwards(old: list[Any], new: list[Any], start: int) -> Iterator[tuple[Any, Any]]:
    """Yield the items of both lists from their ends, as far as the part that begins at `start` reaches."""
    return zip(reversed(old[start:]), reversed(new[start:]), strict=False)


def _mixed(old: list[Any], new: list[Any], place: tuple[str, ...]) -> Iterator[_Change]:
    """Yield what deepdiff finds in two lists whose leaves are spelt."""
    from deepdiff import DeepDiff  # noqa: PLC0415, it imports pandas, which other states need not pay for
    from deepdiff.helper import notpresent  # noqa: PLC0415, as above

    found = DeepDiff(old, new, view="tree", verbose_level=2, threshold_to_diff_deeper=0)
    for change in (change for kind in found.values() for change in kind):
        inside = (str(part) for part in change.path(output_format="list"))
        gone, come = ("" if side is notpresent else _short(_spelling(side)) for side in (change.t1, change.t2))
        yield (*place, *inside), gone, come


def _spelt(value: JsonValue) -> Any:
    """Return a value whose leaves are their JSON text, since Python, and so deepdiff, takes True for 1 and 1 for 1.0."""
    if isinstance(value, dict):
        return {key: _spelt(each) for key, each in value.items()}
    return [_spelt(each) for each in value] if isinstance(value, list) else canonical_json(value)


def _spelling(spelt: Any) -> str:
    """Return the JSON of a value that was spelt."""
    if isinstance(spelt, dict):
        return "{" + ",".join(f"{canonical_json(key)}:{_spelling(each)}" for key, each in sorted(spelt.items())) + "}"
    return f"[{','.join(map(_spelling, spelt))}]" if isinstance(spelt, list) else str(spelt)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
