"""A cassette in memory: exchanges indexed by what their requests ask, and the cursor of one trial over them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.cassette.exchange import UNKNOWN_HOST, Exchange, Request
from harness.cassette.segments import NAMES, Policy, Segments, match_key, segments
from harness.schema import canonical_json

Slot = tuple[int, str, str | None, str | None]
"""A draw, a key, a place and a variant; None stands for any."""


@dataclass(frozen=True, slots=True)
class Match:
    """The exchange that answers a request, and the parts in which the two differ within the policy."""

    index: int
    exchange: Exchange
    drift: tuple[str, ...]


class Cassette:
    """The exchanges recorded for one case, never changed; looking one up costs the same however many there are.

    `taken_apart` takes requests apart, those asked and those recorded alike.
    """

    def __init__(self, exchanges: tuple[Exchange, ...] = (), taken_apart: Callable[[Request], Segments] = segments) -> None:
        self.exchanges = exchanges
        self.draws = tuple(sorted({exchange.draw for exchange in exchanges}))
        self._lacks_addresses = any(exchange.request.host == UNKNOWN_HOST for exchange in exchanges)
        self._taken_apart = taken_apart
        self.digests = tuple(self.taken_apart(exchange.request).digests() for exchange in exchanges)
        self._queues: dict[Policy, dict[Slot, list[int]]] = {}

    def taken_apart(self, request: Request) -> Segments:
        """Take a request apart; by the last part of its path alone where addresses were redacted when this was recorded."""
        asked = self._taken_apart(request)
        return asked.without_address() if self._lacks_addresses else asked

    def queues(self, policy: Policy) -> "dict[Slot, list[int]]":
        """Return the indices of the exchanges by draw, key, place and variant, and also without either of the last, in recorded order."""
        if policy not in self._queues:
            queues: dict[Slot, list[int]] = {}
            for index, digests in enumerate(self.digests):
                key = match_key(digests, policy)
                exchange = self.exchanges[index]
                place, variants = exchange.place, (*exchange.variants, None)
                for slot in {(exchange.draw, key, where, variant) for where in (place, None) for variant in variants}:
                    queues.setdefault(slot, []).append(index)
            self._queues[policy] = queues
        return self._queues[policy]


class Cursor:
    """What one trial has played of a draw of a cassette. Equal requests are answered in recorded order, each exchange once.

    Among equal requests the exact one goes first, then the one recorded under the trial's variant, then that of the same place of the
    graph.
    """

    def __init__(self, cassette: Cassette, policy: Policy, variant: str | None = None, draw: int = 1) -> None:
        self.cassette = cassette
        self.draw = draw
        self.policy = policy
        self._played: set[int] = set()
        self._lent: set[int] = set()
        self._next: dict[tuple[Policy, Slot], int] = {}
        self._variants = tuple(dict.fromkeys((variant, None)))

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
            for slot in ((self.draw, key, where, variant) for variant in self._variants for where in (place, None)):
                index = self._first_unplayed(policy, slot)
                if index is not None:
                    recorded = self.cassette.digests[index]
                    drift = tuple(name for name in NAMES if recorded[name] != digests[name])
                    return Match(index, self.cassette.exchanges[index], drift)
        return None

    def _first_unplayed(self, policy: Policy, slot: Slot) -> int | None:
        queue = self.cassette.queues(policy).get(slot, [])
        position = self._next.get((policy, slot), 0)
        while position < len(queue) and queue[position] in self._played:
            position += 1
        self._next[(policy, slot)] = position
        return queue[position] if position < len(queue) else None

    def holds(self, digests: dict[str, str]) -> bool:
        """Tell whether the draw has such an exchange at all, played or not."""
        return bool(self._equal(digests, self.draw))

    def elsewhere(self, digests: dict[str, str]) -> int | None:
        """Return the first exchange of another draw that answers such a request; None where there is none."""
        return next((equal[0] for draw in self.cassette.draws if draw != self.draw and (equal := self._equal(digests, draw))), None)

    def equal(self, digests: dict[str, str]) -> int:
        """Return the first exchange of the draw that answers such a request, which it has to hold."""
        return self._equal(digests, self.draw)[0]

    def _equal(self, digests: dict[str, str], draw: int) -> list[int]:
        return self.cassette.queues(self.policy).get((draw, match_key(digests, self.policy), None, None), [])

    @property
    def played(self) -> frozenset[int]:
        """Return the indices of the exchanges played so far."""
        return frozenset(self._played)

    @property
    def needed(self) -> frozenset[int]:
        """Return the indices of the exchanges that answered so far, those whose answer a fault damaged among them."""
        return frozenset(self._played | self._lent)

    def unused(self, variant: str) -> Iterator[int]:
        """Yield the indices of the exchanges recorded under this variant that were not played."""
        for index, exchange in enumerate(self.cassette.exchanges):
            if exchange.draw == self.draw and index not in self.needed and variant in (exchange.variants or (variant,)):
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
