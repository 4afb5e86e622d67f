"""Stale trials: why they are stale, and what recording anew would take."""

from typing import NamedTuple

from harness.experiment import Trial


class StaleCause(NamedTuple):
    """Why cases are stale: the requests that are stale of themselves, by what they differ in."""

    cause: str
    cases: tuple[str, ...]
    calls: int


class Renewal(NamedTuple):
    """What re-recording the stale requests takes: `own` are stale of themselves, `follow` may only follow from them."""

    own: int
    follow: int
    tokens: tuple[int | None, ...]
    cost_usd: tuple[float | None, ...]


class Staleness:
    """Counts the misses of stale trials by their cause."""

    def __init__(self) -> None:
        self._cases: dict[str, set[str]] = {}
        self._calls: dict[str, int] = {}
        self._follow = 0
        self._own = 0
        self._tokens: list[int | None] = []
        self._cost_usd: list[float | None] = []

    def add(self, trial: Trial) -> None:
        """Count one stale trial."""
        if not trial.misses:
            self._cases.setdefault("no miss is noted", set()).add(trial.case)
        for miss in trial.misses:
            if not miss.follows:
                self._cases.setdefault(miss.cause, set()).add(trial.case)
                self._calls[miss.cause] = self._calls.get(miss.cause, 0) + 1
            self._own += not miss.follows
            self._follow += miss.follows
            self._tokens.append(miss.tokens)
            self._cost_usd.append(miss.cost_usd)

    @property
    def causes(self) -> tuple[StaleCause, ...]:
        """Return why cases are stale, the cause of most cases first."""
        causes = (StaleCause(cause, tuple(sorted(cases)), self._calls.get(cause, 0)) for cause, cases in self._cases.items())
        return tuple(sorted(causes, key=lambda one: (-len(one.cases), one.cause)))

    @property
    def renewal(self) -> Renewal:
        """Return what re-recording takes."""
        tokens, cost = tuple(sorted(self._tokens, key=_unknown_last)), tuple(sorted(self._cost_usd, key=_unknown_last))
        return Renewal(self._own, self._follow, tokens, cost)


def _unknown_last(number: float | None) -> tuple[bool, float]:
    return number is None, number or 0.0
