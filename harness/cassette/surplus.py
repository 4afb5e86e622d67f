"""Surplus: exchanges that no trial plays, copies that none needs, cassettes that look alike."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.cassette.continuation import is_continuation
from harness.cassette.exchange import Exchange
from harness.cassette.tape import Cassette
from harness.schema import digest


@dataclass(frozen=True, slots=True)
class Surplus:
    """Indices of the exchanges that no trial plays, the copies among them with what they are copies of, and copies that are played."""

    unused: tuple[int, ...]
    duplicates: tuple[tuple[int, int], ...]
    shared: tuple[tuple[int, ...], ...]

    @property
    def removable(self) -> frozenset[int]:
        """Return what could go without any trial missing it."""
        return frozenset({*self.unused, *(index for index, _ in self.duplicates)})


def surplus(exchanges: Sequence[Exchange], plays: Collection[frozenset[int]]) -> Surplus:
    """Tell what of a cassette its trials do not need; `plays` holds what each of them played. What sweeps recorded is theirs."""
    played = frozenset().union(*plays)
    groups = _copies(exchanges)
    unplayed = [index for index, exchange in enumerate(exchanges) if index not in played and not is_continuation(exchange)]
    originals = {index: _original(index, groups[index], played) for index in unplayed}
    return Surplus(
        unused=tuple(index for index in unplayed if originals[index] is None),
        duplicates=tuple((index, original) for index in unplayed if (original := originals[index]) is not None),
        shared=tuple(_shared(groups, played, plays)),
    )


def _copies(exchanges: Sequence[Exchange]) -> list[tuple[int, ...]]:
    """Return, for each exchange, the indices of all that ask and answer the same."""
    said = [_said(exchange, digests) for exchange, digests in zip(exchanges, Cassette(tuple(exchanges)).digests, strict=True)]
    groups: dict[str, list[int]] = {}
    for index, text in enumerate(said):
        groups.setdefault(text, []).append(index)
    return [tuple(groups[text]) for text in said]


def _said(exchange: Exchange, digests: Mapping[str, str]) -> str:
    return f"{exchange.draw} {''.join(digests.values())} {exchange.response.status} {digest(exchange.response.body)}"


def _original(index: int, copies: tuple[int, ...], played: frozenset[int]) -> int | None:
    """Return what an exchange is a needless copy of: one that is played, else one that comes before it."""
    return next((other for other in copies if other in played), copies[0] if copies[0] < index else None)


def _shared(groups: Sequence[tuple[int, ...]], played: frozenset[int], plays: Collection[frozenset[int]]) -> Iterator[tuple[int, ...]]:
    """Yield copies that are all played, but fewer of them by any one trial: it could do with those."""
    for group in dict.fromkeys(groups):
        copies = played.intersection(group)
        if len(copies) > max(len(copies & trial) for trial in plays or [frozenset()]):
            yield tuple(sorted(copies))


def alike(cassettes: Mapping[str, Sequence[Exchange]]) -> list[tuple[str, ...]]:
    """Return the names of cassettes that hold the same requests, in whatever order and with whatever answers."""
    groups: dict[frozenset[tuple[str, int]], list[str]] = {}
    for name, exchanges in cassettes.items():
        keys = Counter("".join(digests.values()) for digests in Cassette(tuple(exchanges)).digests)
        if keys:
            groups.setdefault(frozenset(keys.items()), []).append(name)
    return [tuple(names) for names in groups.values() if len(names) > 1]
