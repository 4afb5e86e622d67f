"""A candidate against its baseline, over the cases that both have: figures, missing cases, non-inferiority.

What could not be measured of the candidate counts as not passed, so that a crash or a gap never helps it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from statistics import NormalDist

from harness.baseline import Baseline
from harness.compare import is_share
from harness.errors import ExitCode
from harness.experiment import NonInferiority, SuiteProvenance
from harness.gate.verdict import Finding, finding, listed
from harness.standing import Standing
from harness.stats import Pairs, cases_for, difference_interval, mean, non_inferiority, quantile
from harness.tally import counted

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Against:
    """A baseline, and what the cases of the candidate came to. `metrics` are the candidate's figures over all its cases."""

    def __init__(self, baseline: Baseline, cases: Mapping[str, Standing], metrics: Mapping[str, float | None]) -> None:
        self.baseline = baseline
        self._base = baseline.standings.cases
        self._candidate = cases
        self._metrics = metrics

    @cached_property
    def shared(self) -> tuple[str, ...]:
        """Return the cases that both sides have."""
        return tuple(sorted({*self._base} & {*self._candidate}))

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
        return self._figure(name, self._base, self.baseline.standings.metrics)

    def after(self, name: str) -> float | None:
        """Return the candidate's figure of a metric over the shared cases; None where it cannot be told."""
        return self._figure(name, self._candidate, self._metrics)

    def _figure(self, name: str, side: Mapping[str, Standing], metrics: Mapping[str, float | None]) -> float | None:
        if len(self.shared) == len(side):
            return metrics.get(name)
        return _of_cases(name, [side[case].values for case in self.shared])

    def differences(self, name: str) -> list[float]:
        """Return the difference of each case that the baseline has measured, candidate less base; an unmeasured one counts as 0."""
        known = [(case, standing.values[name]) for case, standing in sorted(self._base.items()) if name in standing.values]
        return [self._share(case, name) - before for case, before in known if case in self._candidate]

    def _share(self, case: str, name: str) -> float:
        """Return the share of a case's trials that pass: those that give no evidence do not."""
        standing = self._candidate[case]
        unmeasured = sum(count for outcome, count in standing.outcomes.items() if outcome in {"stale", "unscored"})
        kept = 1.0 if name == "pass.rate" else 1 - unmeasured / standing.trials
        return standing.values.get(name, 0.0) * kept


def _of_cases(name: str, values: Sequence[Mapping[str, float]]) -> float | None:
    """Return a figure from what single cases came to; None for one that needs more than that."""
    family, _, kind = name.rpartition(".")
    stored = {"cost_usd": "cost_usd.mean", "tokens": "tokens.mean", "duration_s": "duration_s.p50", "steps": "steps.mean"}.get(family, name)
    numbers = [value[stored] for value in values if stored in value]
    if len(numbers) < len(values) and not is_share(name):
        return None
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
    if not against.shared:
        yield Finding(ExitCode.NOTHING_RAN, "no case is in the baseline too, so nothing can be compared with it")


def inferior(name: str, asked: NonInferiority, against: Against, cases: tuple[str, ...]) -> Iterator[Finding]:
    """Tell that a share is not shown to be within the margin of the baseline's: it failed, or more cases are needed to say."""
    pairs = Pairs.of(against.differences(name))
    if non_inferiority(pairs, asked.margin) <= asked.alpha:
        return
    interval = difference_interval(pairs, confidence=1 - 2 * asked.alpha)
    worse = interval is not None and interval[1] < -asked.margin
    what = f"{name} is {'worse than' if worse else 'not shown to be within'} {asked.margin:g} of the baseline"
    if worse:
        yield finding(ExitCode.GATE_FAILED, f"{what}: {_told(pairs, interval, asked)}", cases)
    else:
        yield Finding(ExitCode.INCONCLUSIVE, f"{what}: {_told(pairs, interval, asked)}; {_enough(pairs, asked)}")


def _told(pairs: Pairs, interval: tuple[float, float] | None, asked: NonInferiority) -> str:
    if interval is None or pairs.difference is None:
        return "no case could be paired"
    low, high = interval
    span = f"{1 - 2 * asked.alpha:.0%} interval {low:+.3f} to {high:+.3f}"
    return f"{counted(pairs.cases, 'case')}, {pairs.better:g} better, {pairs.worse:g} worse, difference {pairs.difference:+.3f} ({span})"


def _enough(pairs: Pairs, asked: NonInferiority) -> str:
    """Say how many cases would settle it, four times in five, if the cases to come are like these."""
    distance = asked.margin + (pairs.difference or 0.0)
    if distance <= 0:
        return "no number of cases like these would show it"
    flips = (pairs.better + pairs.worse) / pairs.cases if pairs.cases else asked.margin
    needed = max(cases_for(distance, flips, alpha=2 * asked.alpha), _without_flips(asked))
    return f"about {max(needed, pairs.cases + 1):,} cases would settle it"


def _without_flips(asked: NonInferiority) -> int:
    """Return how many cases show the margin where none flips."""
    z = NormalDist().inv_cdf(1 - asked.alpha)
    return int(z * z * (1 - asked.margin) / asked.margin) + 1


def notes(against: Against) -> Iterator[str]:
    """Say what the baseline is, and which cases it lacks."""
    base = against.baseline
    yield f"compared with the baseline of experiment {base.experiment}{f' at commit {base.commit[:10]}' if base.commit else ''}"
    if base.forced:
        yield "the baseline was blessed by force: its gate had not passed"
    if against.added:
        yield f"{counted(len(against.added), 'case')} not in the baseline: {listed(against.added)}"
