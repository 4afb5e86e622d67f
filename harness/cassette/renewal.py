"""A renewal: what a recording makes of a cassette, change by change: create, fix, trim, update."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.cassette.answer import whole_body
from harness.cassette.event_stream import is_event_stream
from harness.cassette.exchange import Exchange, Request
from harness.cassette.likeness import nearest
from harness.cassette.segments import Segments, match_key, segments
from harness.cassette.tape import Cassette
from harness.schema import canonical_json, read_json

TakenApart = Callable[[Request], Segments]
Change = Literal["create", "fix", "trim", "update"]
_VOLATILE = frozenset({"id", "created", "created_at", "completed_at", "system_fingerprint", "service_tier", "timings"})


@dataclass(frozen=True, slots=True)
class Renewal:
    """A cassette after a recording. `changes` names each exchange that is new, in a new form, gone, or answered anew."""

    exchanges: tuple[Exchange, ...]
    changes: tuple[Change, ...] = ()

    def count(self, change: Change) -> int:
        """Return how many exchanges changed so."""
        return self.changes.count(change)


@dataclass(slots=True)
class _Work:
    """The exchanges that were there and the fresh ones, while it is decided what stands where another stood."""

    old: tuple[Exchange, ...]
    fresh: tuple[Exchange, ...]
    cassette: Cassette
    marks: dict[int, tuple[str, ...]]
    successors: dict[int, list[int]] = field(default_factory=dict)
    answered_anew: set[int] = field(default_factory=set)


def added(
    old: tuple[Exchange, ...], fresh: tuple[Exchange, ...], used: Mapping[str, frozenset[int]], taken_apart: TakenApart = segments
) -> Renewal:
    """Add what a cassette lacked. `used` holds, by variant, the indices that its finished trial used, fresh ones after the old ones.

    An exchange that a variant no longer asks for is replaced by the one which that variant asks now at the same place, the nearest;
    if another variant uses it, it stays and loses the mark of that variant only.
    """
    everything = (*old, *fresh)
    marks = {index: exchange.variants for index, exchange in enumerate(everything)}
    askers = {
        index: [name for name, indices in used.items() if index in indices and _is_new(name, marks[index], index, len(old))]
        for index in marks
    }
    for variant, indices in used.items():
        for index in indices:
            if variant not in marks[index] and (marks[index] or index >= len(old)):  # what another tool recorded notes none
                marks[index] = (*marks[index], variant)
    work = _Work(old, fresh, Cassette(everything, taken_apart), marks)
    outdated = set()
    for after in (index for index in marks if askers[index]):
        released = {index: _released(work, index, askers[after], used) for index in range(len(old)) if _same_spot(work, index, after)}
        before = _nearest(work, [index for index, names in released.items() if names], after)
        if before is None:
            continue
        if after >= len(old):
            work.successors.setdefault(before, []).append(after)
        work.marks[before] = tuple(name for name in work.marks[before] if name not in released[before])
        outdated.add(before)
    return _settled(work, trimmed=frozenset(outdated))


def _is_new(variant: str, marks: tuple[str, ...], index: int, old: int) -> bool:
    """Tell whether a variant asks something that it did not: it is fresh, or was recorded for others alone."""
    return index >= old or bool(marks and variant not in marks)


def anew(old: tuple[Exchange, ...], fresh: tuple[Exchange, ...], variants: frozenset[str], taken_apart: TakenApart = segments) -> Renewal:
    """Put a recording of all that these variants ask in the place of the one before; what other variants use too stays for them.

    An exchange whose answer is the same, but for ids and times, stays as it is.
    """
    everything = (*old, *fresh)
    marks = {index: exchange.variants for index, exchange in enumerate(everything)}
    work = _Work(old, fresh, Cassette(everything, taken_apart), marks)
    for index, exchange in enumerate(old):
        work.marks[index] = tuple(name for name in exchange.variants if name not in variants)
    own = [index for index, exchange in enumerate(old) if variants & set(exchange.variants) or not exchange.variants]
    for after in range(len(old), len(everything)):
        equal = [index for index in own if index not in work.successors and _key(work, index) == _key(work, after)]
        if equal:
            work.successors[equal[0]] = [after]
            work.answered_anew.add(after)
    for after in range(len(old), len(everything)):
        if after not in work.answered_anew:
            free = [index for index in own if index not in work.successors and _same_spot(work, index, after)]
            before = _nearest(work, free, after)
            if before is not None:
                work.successors[before] = [after]
    return _settled(work, trimmed=frozenset(own))


def _key(work: _Work, index: int) -> tuple[int, str, str | None]:
    exchange = work.cassette.exchanges[index]
    return exchange.draw, match_key(work.cassette.digests[index], "strict"), exchange.place


def _same_spot(work: _Work, before: int, after: int) -> bool:
    one, other = work.cassette.exchanges[before], work.cassette.exchanges[after]
    same_place = (one.draw, one.place) == (other.draw, other.place)
    return same_place and work.cassette.digests[before]["endpoint"] == work.cassette.digests[after]["endpoint"]


def _released(work: _Work, before: int, askers: list[str], used: Mapping[str, frozenset[int]]) -> list[str]:
    """Return the variants among `askers` that an old exchange was recorded for and that ask it no more."""
    if not work.old[before].variants and not any(before in indices for indices in used.values()):
        return askers if before not in work.successors else []  # nothing is noted of who asked it
    return [name for name in askers if name in work.marks[before] and before not in used[name]]


def _nearest(work: _Work, candidates: list[int], after: int) -> int | None:
    if not candidates:
        return None
    return nearest(work.cassette.taken_apart(work.cassette.exchanges[after].request), work.cassette, among=candidates, played=())


def _settled(work: _Work, *, trimmed: frozenset[int]) -> Renewal:
    """Put each fresh exchange where the one that it succeeds stood, and those that succeed none at the end."""
    exchanges: list[Exchange] = []
    changes: list[Change] = []
    for index in range(len(work.old)):
        for exchange, change in _placed(work, index, trimmed):
            exchanges += [exchange] if exchange is not None else []
            changes += [change] if change is not None else []
    taken = {after for successors in work.successors.values() for after in successors}
    for index in range(len(work.old), len(work.cassette.exchanges)):
        if index not in taken:
            exchanges.append(_marked(work, index))
            changes.append("create")
    return Renewal(tuple(sorted(exchanges, key=lambda exchange: exchange.draw)), tuple(changes))


def _placed(work: _Work, index: int, trimmed: frozenset[int]) -> Iterator[tuple[Exchange | None, Change | None]]:
    """Yield what stands in the place of an old exchange, each with the change that it is."""
    successors = work.successors.get(index, [])
    old = work.old[index]
    if not successors:
        is_gone = index in trimmed and not work.marks[index]
        yield (None, "trim") if is_gone else (_marked(work, index), None)
        return
    if (
        successors[0] in work.answered_anew
        and _asks_the_same(work, index, successors[0])
        and same_answer(old, work.cassette.exchanges[successors[0]])
    ):
        both = (*work.marks[index], *(name for name in work.marks[successors[0]] if name not in work.marks[index]))
        yield replace(old, variants=_in_order(both, old.variants)), None
        return
    if work.marks[index]:
        yield _marked(work, index), None
    for after in successors:
        yield _marked(work, after), "update" if after in work.answered_anew else "fix"


def _marked(work: _Work, index: int) -> Exchange:
    return replace(work.cassette.exchanges[index], variants=work.marks[index])


def _in_order(names: tuple[str, ...], before: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in the order that they were noted in before, new ones last."""
    return (*(name for name in before if name in names), *(name for name in names if name not in before))


def _asks_the_same(work: _Work, before: int, after: int) -> bool:
    """Tell whether two requests of one key are the same, but for what the normalisers of the suite look past."""
    one, other = (work.cassette.exchanges[index].request for index in (before, after))
    asked = work.cassette.taken_apart(other)
    return _value(one.body) == _value(other.body) or (bool(asked.normalised) and asked == work.cassette.taken_apart(one))


def same_answer(one: Exchange, other: Exchange) -> bool:
    """Tell whether two answers say the same in the same form, but for what differs from call to call."""
    return (
        one.response.status == other.response.status
        and is_event_stream(one.response.body) == is_event_stream(other.response.body)
        and _answer(one) == _answer(other)
    )


def _value(body: bytes) -> Any:
    try:
        return canonical_json(read_json(body))
    except ValueError:
        return body


def _answer(exchange: Exchange) -> Any:
    """Return what an answer says, without what differs from call to call."""
    body = whole_body(exchange.response.body)
    if body is None:
        return exchange.response.body
    return canonical_json({name: value for name, value in body.items() if name not in _VOLATILE})
