"""What changed between two cassettes: exchanges added, removed, and changed in what they ask or answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.cassette.answer import Answer, read
from harness.cassette.exchange import Exchange
from harness.cassette.redact import BUILT_IN
from harness.cassette.segments import NAMES, Segments, segments
from harness.cassette.tape import drift_details
from harness.schema import canonical_json

_SHOWN = 60
_AROUND = 15
_NOTES = ("latency_s", "ttft_s", "place", "variants", "recorded_at", "scripted")


@dataclass(frozen=True, slots=True)
class Difference:
    """One part in which two exchanges differ, and both sides in short around the place where they part."""

    part: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one exchange; indices are from 0 and None on the side where it is not. `notes` differ beside it."""

    kind: Literal["added", "removed", "changed", "noted"]
    before: int | None
    after: int | None
    exchange: Exchange
    request: tuple[Difference, ...] = ()
    answer: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileChanges:
    """What changed in one cassette file; `problem` says why that cannot be told."""

    name: str
    changes: tuple[Change, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Side:
    exchange: Exchange
    segments: Segments
    key: str


def changes(before: Sequence[Exchange], after: Sequence[Exchange]) -> tuple[Change, ...]:
    """Return what changed, in the order of the newer cassette, what was removed last; unchanged exchanges are left out."""
    old, new = [_side(exchange) for exchange in before], [_side(exchange) for exchange in after]
    pairs = _paired(old, new)
    found = [_change(old, new, pairs.get(index), index) for index in range(len(new))]
    gone = set(range(len(old))) - set(pairs.values())
    found += [Change("removed", index, None, old[index].exchange) for index in sorted(gone)]
    return tuple(change for change in found if change is not None)


def _side(exchange: Exchange) -> _Side:
    parts = segments(exchange.request)
    return _Side(exchange, parts, "".join(parts.digests().values()))


def _node(side: _Side) -> str | None:
    return side.exchange.place and f"{side.exchange.draw} {side.exchange.place.partition('#')[0]}"


_PASSES: tuple[Callable[[_Side], str | None], ...] = (
    lambda side: f"{side.exchange.draw} {side.key} {side.exchange.place}",
    lambda side: f"{side.exchange.draw} {side.key}",
    lambda side: side.exchange.place and f"{side.exchange.draw} {side.exchange.place}",
    _node,
)


def _paired(old: Sequence[_Side], new: Sequence[_Side]) -> dict[int, int]:
    """Pair newer with older exchanges: by what they ask, then by place, then by node, then by order."""
    pairs: dict[int, int] = {}
    for key_of in _PASSES:
        taken = set(pairs.values())
        waiting: dict[str, list[int]] = {}
        for index, side in enumerate(old):
            key = key_of(side)
            if key is not None and index not in taken:
                waiting.setdefault(key, []).append(index)
        for index, side in enumerate(new):
            candidates = waiting.get(key_of(side) or "")
            if index not in pairs and candidates:
                pairs[index] = candidates.pop(0)
    return pairs | _by_order(old, new, pairs)


def _by_order(old: Sequence[_Side], new: Sequence[_Side], pairs: dict[int, int]) -> dict[int, int]:
    """Pair what is left by endpoint and order; two exchanges that were asked at different places are never one."""
    taken = set(pairs.values())
    waiting = [index for index in range(len(old)) if index not in taken]
    found: dict[int, int] = {}
    for index in range(len(new)):
        partner = next((other for other in waiting if index not in pairs and _may_be(old[other], new[index])), None)
        if partner is not None:
            found[index] = partner
            waiting.remove(partner)
    return found


def _may_be(one: _Side, other: _Side) -> bool:
    placed = one.exchange.place and other.exchange.place
    return one.exchange.draw == other.exchange.draw and not placed and one.segments.parts["endpoint"] == other.segments.parts["endpoint"]


def _change(old: Sequence[_Side], new: Sequence[_Side], before: int | None, after: int) -> Change | None:
    if before is None:
        return Change("added", None, after, new[after].exchange)
    one, other = old[before], new[after]
    request, answer = tuple(_request_differences(one, other)), tuple(_answer_differences(one.exchange, other.exchange))
    notes = tuple(name for name in _NOTES if getattr(one.exchange, name) != getattr(other.exchange, name))
    if not (request or answer or notes):
        return None
    return Change("changed" if request or answer else "noted", before, after, other.exchange, request, answer, notes)


def _request_differences(one: _Side, other: _Side) -> Iterator[Difference]:
    for name in NAMES:
        if one.segments.text(name) != other.segments.text(name):
            keys = drift_details(one.segments, other.segments, (name,)) if name == "sampling" else (name,)
            yield _difference(", ".join(keys), one.segments.text(name), other.segments.text(name))


def _answer_differences(one: Exchange, other: Exchange) -> Iterator[Difference]:
    if one.response == other.response:
        return
    before, after = _told(one), _told(other)
    differing = [_difference(name, before[name], after[name]) for name in before if before[name] != after[name]]
    yield from differing or [Difference("body", f"{len(one.response.body)} bytes", f"{len(other.response.body)} bytes")]


def _told(exchange: Exchange) -> dict[str, str]:
    """Return what an answer says, part by part, as text."""
    answer: Answer = read(exchange.response)
    usage = answer.usage
    return {
        "status": str(exchange.response.status),
        "model": answer.model or "",
        "text": answer.text or "",
        "tool calls": ", ".join(f"{call.name}({canonical_json(call.args)})" for call in answer.tool_requests),
        "usage": f"{usage.input_tokens} + {usage.output_tokens} tokens" if usage else "",
        "finish reason": answer.finish_reason or "",
        "error": answer.error or "",
    }


def _difference(part: str, before: str, after: str) -> Difference:
    before, after = BUILT_IN.text(before), BUILT_IN.text(after)  # whole: a secret that is cut in two is not known as one
    start = max(0, _parting(before, after) - _AROUND)
    return Difference(part, _excerpt(before, start), _excerpt(after, start))


def _parting(one: str, other: str) -> int:
    """Return where two texts begin to differ."""
    return next((index for index, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), min(len(one), len(other)))


def _excerpt(text: str, start: int) -> str:
    end = start + _SHOWN
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
