"""What was spent: by node, by model, and by the dearest cases. The order of trials changes nothing."""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from harness.experiment import Trial
from harness.trace import Place, WireCall

OUTSIDE = "(outside any node)"
_DEAREST = 10
_PICO = 10**12  # costs have 12 digits, so that their sums are exact


@dataclass(slots=True)
class Spent:
    """Calls that were paid for, their tokens and dollars, and answers from a cache, which cost nothing. None where a part is unknown."""

    calls: int = 0
    cached: int = 0
    _tokens: int = 0
    _pico: int = 0
    _silent: bool = False
    _unpriced: bool = False

    @property
    def tokens(self) -> int | None:
        """Return the tokens of all calls."""
        return None if self._silent else self._tokens

    @property
    def cost_usd(self) -> float | None:
        """Return the dollars of all calls."""
        return None if self._unpriced else self._pico / _PICO

    def add(self, call: WireCall) -> None:
        """Count one paid call."""
        self.calls += 1
        self._silent |= call.usage is None
        self._unpriced |= call.cost_usd is None
        self._tokens += call.usage.total_tokens if call.usage else 0
        self._pico += round((call.cost_usd or 0.0) * _PICO)


class CaseSpent(NamedTuple):
    """What one trial spent; it runs on one thread, so this is the session's too. `minus_usd` sorts the dearest first."""

    minus_usd: float
    case: str
    repeat: int
    tokens: int | None


class Ledger:
    """Adds up trials; keeps one entry for each node and model, and the dearest cases."""

    def __init__(self) -> None:
        self._by_node: dict[str, Spent] = {}
        self._by_model: dict[str, Spent] = {}
        self._dearest: list[CaseSpent] = []

    def add(self, trial: Trial) -> None:
        """Count the paid calls and the cached answers of a trial."""
        for call in trial.trace.paid:
            self._by_node.setdefault(_node(call.place), Spent()).add(call)
            self._by_model.setdefault(call.model or call.answered_model or "(unnamed model)", Spent()).add(call)
        for answer in trial.trace.cached:
            self._by_node.setdefault(_node(answer.place), Spent()).cached += 1
            self._by_model.setdefault(answer.model or "(unnamed model)", Spent()).cached += 1
        for step in trial.trace.steps:
            if step.cached:
                self._by_node.setdefault(_node(step.place), Spent()).cached += 1
        if trial.trace.cost_usd:
            insort(self._dearest, CaseSpent(-trial.trace.cost_usd, trial.case, trial.repeat, trial.trace.total_tokens))
            del self._dearest[_DEAREST:]

    @property
    def by_node(self) -> dict[str, Spent]:
        """Return what was spent by node, by name."""
        return dict(sorted(self._by_node.items()))

    @property
    def by_model(self) -> dict[str, Spent]:
        """Return what was spent by model, by name."""
        return dict(sorted(self._by_model.items()))

    @property
    def dearest(self) -> tuple[CaseSpent, ...]:
        """Return what the dearest trials spent; those whose cost is unknown are not among them."""
        return tuple(self._dearest)


def ledger_of(trials: Iterable[Trial]) -> Ledger:
    """Return the ledger of these trials."""
    ledger = Ledger()
    for trial in trials:
        ledger.add(trial)
    return ledger


def _node(place: Place) -> str:
    return "/".join((*place.namespace, place.node)) if place.node else OUTSIDE
