"""A cassette in memory: exchanges indexed by what their requests ask, and the cursor of one trial over them."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.cassette.exchange import Exchange
from harness.cassette.segments import NAMES, Policy, Segments, match_key, segments
from harness.schema import canonical_json


@dataclass(frozen=True, slots=True)
class Match:
    """The exchange that answers a request, and the parts in which the two differ within the policy."""

    index: int
    exchange: Exchange
    drift: tuple[str, ...]


class Cassette:
    """The exchanges recorded for one case, never changed; looking one up costs the same however many there are."""

    def __init__(self, exchanges: tuple[Exchange, ...] = ()) -> None:
        self.exchanges = exchanges
        self.digests = tuple(segments(exchange.request).digests() for exchange in exchanges)
        self._queues: dict[Policy, dict[tuple[str, str | None], list[int]]] = {}

    def queues(self, policy: Policy) -> dict[tuple[str, str | None], list[int]]:
        """Return the indices of the exchanges by key and place, and by key alone, in recorded order."""
        if policy not in self._queues:
            queues: dict[tuple[str, str | None], list[int]] = {}
            for index, digests in enumerate(self.digests):
                key = match_key(digests, policy)
                place = self.exchanges[index].place
                for slot in {(key, place), (key, None)}:
                    queues.setdefault(slot, []).append(index)
            self._queues[policy] = queues
        return self._queues[policy]


class Cursor:
    """What one trial has played of a cassette. Equal requests are answered in recorded order, each exchange once.

    Among equal requests the exact one goes first, then the one recorded at the same place of the graph.
    """

    def __init__(self, cassette: Cassette, policy: Policy) -> None:
        self.cassette = cassette
        self.policy = policy
        self._played: set[int] = set()
        self._lent: set[int] = set()
        self._next: dict[tuple[Policy, str, str | None], int] = {}

    def take(self, digests: dict[str, str], place: str | None) -> Match | None:
        """Return the exchange that answers a request of these digests, once; None where there is none left."""
        match = self._find(digests, place)
        if match is not None:
            self._played.add(match.index)
        return match

    def lend(self, digests: dict[str, str], place: str | None) -> Match | None:
        """Return the exchange that answers such a request; it is still there for the next."""
        match = self._find(digests, place)
        if match is not None:
            self._lent.add(match.index)
        return match

    def _find(self, digests: dict[str, str], place: str | None) -> Match | None:
        for policy in dict.fromkeys(("strict", self.policy)):
            key = match_key(digests, policy)
            for slot in ((key, place), (key, None)):
                index = self._first_unplayed(policy, slot)
                if index is not None:
                    recorded = self.cassette.digests[index]
                    drift = tuple(name for name in NAMES if recorded[name] != digests[name])
                    return Match(index, self.cassette.exchanges[index], drift)
        return None

    def _first_unplayed(self, policy: Policy, slot: tuple[str, str | None]) -> int | None:
        queue = self.cassette.queues(policy).get(slot, [])
        position = self._next.get((policy, *slot), 0)
        while position < len(queue) and queue[position] in self._played:
            position += 1
        self._next[(policy, *slot)] = position
        return queue[position] if position < len(queue) else None

    def holds(self, digests: dict[str, str]) -> bool:
        """Tell whether the cassette has such an exchange at all, played or not."""
        return (match_key(digests, self.policy), None) in self.cassette.queues(self.policy)

    @property
    def played(self) -> frozenset[int]:
        """Return the indices of the exchanges played so far."""
        return frozenset(self._played)

    def unused(self, variant: str) -> Iterator[int]:
        """Yield the indices of the exchanges recorded under this variant that were not played."""
        for index, exchange in enumerate(self.cassette.exchanges):
            if index not in self._played | self._lent and variant in (exchange.variants or (variant,)):
                yield index


def drift_details(recorded: Segments, asked: Segments, names: tuple[str, ...]) -> tuple[str, ...]:
    """Name what differs in the given parts: `sampling.temperature`, or the part alone where it has no keys."""
    details: list[str] = []
    for name in names:
        before, after = recorded.parts[name], asked.parts[name]
        if isinstance(before, dict) and isinstance(after, dict):
            keys = sorted(before.keys() | after.keys())
            details += [
                f"{name}.{key}" for key in keys if canonical_json(before.get(key)) != canonical_json(after.get(key))
            ]  # True is not 1
        else:
            details.append(name)
    return tuple(details)
