"""A candidate against its baseline, over the cases that both have: figures, differences, missing cases.

What could not be measured of the candidate counts as not passed, so that a crash or a gap never helps it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from harness.baseline import OLD_AFTER_DAYS, Baseline
from harness.errors import ExitCode
from harness.experiment import SuiteProvenance
from harness.gate.verdict import Finding, finding, listed
from harness.standing import Standing
from harness.stats import mean, quantile
from harness.tally import counted
from harness.terms import is_passed_share

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Against:
    """A baseline, and what the cases of the candidate came to. `metrics` are the candidate's figures over all its cases.

    `aside` are cases that are not compared: those of a quarantine, and those that are stale, which shows nothing of the candidate.
    """

    def __init__(
        self,
        baseline: Baseline,
        cases: Mapping[str, Standing],
        metrics: Mapping[str, float | None],
        *,
        aside: frozenset[str] = frozenset(),
    ) -> None:
        self.baseline = baseline
        self._base = baseline.standings.cases
        self._candidate = cases
        self._metrics = metrics
        self.aside = aside

    def without(self, aside: frozenset[str]) -> "Against":
        """Return the comparison of the other cases."""
        return Against(self.baseline, self._candidate, self._metrics, aside=self.aside | aside)

    @cached_property
    def shared(self) -> tuple[str, ...]:
        """Return the cases that are compared: those that both sides have."""
        return tuple(sorted(({*self._base} & {*self._candidate}) - self.aside))

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Return the cases that only the baseline has."""
        return tuple(sorted({*self._base} - {*self._candidate}))

    @cached_property
    def added(self) -> tuple[str, ...]:
        """Return the cases that only the candidate has."""
        return tuple(sorted({*self._candidate} - {*self._base}))

    def before(self, name: str) -> float | None:
        """Return the baseline's figure of a metric over the shared cases; None where it cannot be told."""
        cases = self._compared(name)
        if not cases:
            return self.baseline.standings.metrics.get(name) if self._is_whole else None
        return _of_cases(name, [self._base[case].values[_stored(name)] for case in cases])

    def after(self, name: str) -> float | None:
        """Return the candidate's figure of a metric over the shared cases; None where it cannot be told."""
        cases = self._compared(name)
        if not cases:
            return self._metrics.get(name) if self._is_whole else None
        if is_passed_share(name):
            return mean([self._share(case, name) for case in cases])
        known = (self._candidate[case].values for case in cases)
        return _of_cases(name, [values[_stored(name)] for values in known if _stored(name) in values])

    @cached_property
    def _is_whole(self) -> bool:
        """Tell whether figures that cannot be made of single cases can be compared: those of all cases of the baseline."""
        return len(self.shared) == len(self._base)

    def _compared(self, name: str) -> list[str]:
        """Return the shared cases that the baseline has measured: for an amount also the candidate, unless it did so nowhere."""
        measured = [case for case in self.shared if _stored(name) in self._base[case].values]
        both = [case for case in measured if _stored(name) in self._candidate[case].values]
        return measured if is_passed_share(name) or not both else both

    def differences(self, name: str) -> dict[str, float]:
        """Return the difference of each case that the baseline has measured, candidate less base; an unmeasured one counts as 0."""
        known = ((case, self._base[case].values) for case in self.shared)
        return {case: self._share(case, name) - values[name] for case, values in known if name in values}

    def _share(self, case: str, name: str) -> float:
        """Return the share of a case's trials that pass: those that give no evidence do not."""
        standing = self._candidate[case]
        unmeasured = sum(count for outcome, count in standing.outcomes.items() if outcome in {"stale", "unscored"})
        kept = 1.0 if name == "pass.rate" else 1 - unmeasured / standing.trials
        return standing.values.get(name, 0.0) * kept


def _stored(name: str) -> str:
    """Return the figure of single cases that a metric is made of."""
    family, _, kind = name.rpartition(".")
    of_cases = {"cost_usd": "cost_usd.mean", "tokens": "tokens.mean", "duration_s": "duration_s.p50", "steps": "steps.mean"}
    return of_cases.get(family, name) if kind in {"mean", "total", "max", *_QUANTILES} else name


def _of_cases(name: str, numbers: Sequence[float]) -> float | None:
    """Return a figure from what single cases came to; None for one that needs more than that."""
    kind = name.rpartition(".")[2]
    if kind in _QUANTILES:
        return quantile(numbers, _QUANTILES[kind])
    if kind in {"total", "max"}:
        return (sum(numbers) if kind == "total" else max(numbers)) if numbers else None
    return mean(numbers)


def missing_cases(provenance: SuiteProvenance, against: Against) -> Iterator[Finding]:
    """Tell of cases that the baseline has and the candidate lacks: they fail, unless cases were selected."""
    if against.missing and not provenance.selected:
        what = f"{counted(len(against.missing), 'case')} of the baseline did not run"
        yield finding(ExitCode.GATE_FAILED, what, against.missing)


def nothing_shared(against: Against) -> Iterator[Finding]:
    """Tell that no case can be compared, neither those that are new nor those in quarantine or stale."""
    if not against.shared:
        which = "case that is neither stale nor in quarantine" if against.aside else "case"
        yield Finding(ExitCode.NOTHING_RAN, f"no {which} is in the baseline too, so nothing can be compared with it")


def notes(against: Against, today: dt.date | None = None) -> Iterator[str]:
    """Say what the baseline is, how old, and which cases it lacks."""
    base = against.baseline
    yield f"compared with the baseline of experiment {base.experiment}{f' at commit {base.commit[:10]}' if base.commit else ''}"
    age = None if today is None else base.age_days(today)
    if age is not None and age > OLD_AFTER_DAYS:
        yield f"the baseline is {age} days old; `harness bless EXPERIMENT` makes a newer experiment the baseline"
    if base.forced:
        yield "the baseline was blessed by force: its gate had not passed"
    if against.added:
        yield f"{counted(len(against.added), 'case')} not in the baseline: {listed(against.added)}"
