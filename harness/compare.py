"""Two experiments, or an experiment and a baseline, paired case by case: what got better, what got worse, and whether that is chance."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from harness.experiment import Outcome, SuiteProvenance
from harness.schema import Value
from harness.standing import Standing, Standings
from harness.stats import Pairs, bootstrap_intervals, detectable_drop, difference_interval, holm, mcnemar, mean

Movement = Literal["better", "worse", "same", "crashed", "stale", "unscored", "only in base", "only in candidate"]
MOVEMENTS: tuple[Movement, ...] = ("worse", "crashed", "stale", "unscored", "only in base", "only in candidate", "better", "same")
"""Every movement, what a reviewer must see first."""

Shown = Literal["better", "worse", "no difference", "nothing"]
"""What a comparison shows: nothing where no case was measured on both sides."""

SIGNIFICANT = 0.05
PRIMARY = "pass.rate"
"""The share that a comparison is about: its test stands by itself, those of the other shares are adjusted for being several."""

Drift = Literal["routing", "arguments", "content"]

_SHARES = ("pass.rate", "error.rate")
_DIGITS = 12


class CasePair(Value):
    """One case in both experiments.

    `movement` is that of its pass rate; a case of which a trial crashed, is stale or could not be scored, on either side, is
    `crashed`, `stale` or `unscored`, unless it is so on both sides and nothing moved: then it is `same`, and `unmeasured`.
    `flips` are the routers that decided otherwise, with the decision before and after. `drift` names what else changed: the route
    (visits, decisions), arguments of tools, the content; of a stale side it is not known what the case would have done.
    """

    case: str
    movement: Movement
    base: Standing | None = None
    candidate: Standing | None = None
    flips: dict[str, tuple[str, str]] = {}
    drift: tuple[Drift, ...] = ()

    @property
    def unmeasured(self) -> Movement | None:
        """Return what keeps the case from being compared: a crash, a stale or an unscored trial on a side; None for nothing."""
        return _unmeasured([side for side in (self.base, self.candidate) if side])

    @property
    def changed(self) -> bool:
        """Tell whether anything about the case is otherwise than before."""
        return bool(self.drift) or self.movement != "same"


class MetricChange(Value):
    """One metric on both sides, and in how many cases it rose and fell.

    `difference` is the mean over the cases that have the figure on both sides, candidate less base, with its 95 % interval: Tango's for
    shares, the BCa bootstrap's for amounts. `p_value` is the exact McNemar test's over the cases that moved; those of all shares but
    `pass.rate`, which the comparison is about, are adjusted by Holm. `detectable_drop` is the least true drop that so many cases would
    show four times in five.
    """

    name: str
    base: float | None = None
    candidate: float | None = None
    cases: int = 0
    rose: int = 0
    fell: int = 0
    difference: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    detectable_drop: float | None = None


class Comparison(Value):
    """Two sides of one suite. `unlike` says what makes them hard to compare: nothing in the usual case."""

    base: str
    candidate: str
    pairs: tuple[CasePair, ...]
    metrics: tuple[MetricChange, ...]
    unlike: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of cases by movement; every movement is there."""
        counted = Counter(pair.movement for pair in self.pairs)
        return {movement: counted[movement] for movement in MOVEMENTS}

    @property
    def measured(self) -> int:
        """Return how many cases were measured on both sides; a crash is a measurement."""
        change = self.change(PRIMARY)
        return change.cases if change else 0

    def change(self, name: str) -> MetricChange | None:
        """Return how one metric changed; None where neither side has it."""
        return next((change for change in self.metrics if change.name == name), None)

    @property
    def shown(self) -> Shown:
        """Return what the share of passes shows, at the 5 % level: a difference that is not shown may be there all the same."""
        change = self.change(PRIMARY)
        if change is None or not change.cases:
            return "nothing"
        if change.p_value is None or change.p_value > SIGNIFICANT or change.rose == change.fell:
            return "no difference"
        return "better" if change.rose > change.fell else "worse"

    def cases(self, movement: Movement) -> tuple[str, ...]:
        """Return the cases that moved so."""
        return tuple(pair.case for pair in self.pairs if pair.movement == movement)

    def flips(self, router: str) -> dict[tuple[str, str], int]:
        """Return how often a router's decision before became each decision after, unchanged ones included."""
        both = ((pair.base, pair.candidate) for pair in self.pairs)
        moved = Counter((b.routes[router], c.routes[router]) for b, c in both if b and c and router in b.routes and router in c.routes)
        return dict(sorted(moved.items()))

    @property
    def routers(self) -> tuple[str, ...]:
        """Return the routers that decided on both sides."""
        found = ({*pair.base.routes} & {*pair.candidate.routes} for pair in self.pairs if pair.base and pair.candidate)
        return tuple(sorted(set[str]().union(*found)))


def compare(base: Standings, candidate: Standings, *, price_tables: tuple[str, str] = ("", "")) -> Comparison:
    """Pair two suites case by case. Swapping the sides gives the mirrored comparison."""
    cases = sorted({*base.cases, *candidate.cases})
    pairs = tuple(_pair(case, base.cases.get(case), candidate.cases.get(case)) for case in cases)
    return Comparison(
        base=base.name,
        candidate=candidate.name,
        pairs=pairs,
        metrics=_changes(base, candidate),
        unlike=tuple(_unlike(base.provenance, candidate.provenance, price_tables)),
    )


def paired(base: Standings, candidate: Standings) -> dict[str, list[float]]:
    """Return the differences of each metric, candidate less base, over the cases that have it on both sides.

    The pass rate of a case with a stale or an unscored trial is not known, so it is left out; a crash is no pass.
    """
    moved: dict[str, list[float]] = {}
    for case in sorted({*base.cases} & {*candidate.cases}):
        before, after = base.cases[case], candidate.cases[case]
        known = before.values.keys() & after.values.keys() - (() if before.measured and after.measured else {"pass.rate"})
        for name in known:
            moved.setdefault(name, []).append(round(after.values[name] - before.values[name], _DIGITS))
    return moved


def is_share(metric: str) -> bool:
    """Tell a metric that counts passes from one that is an amount."""
    return metric in _SHARES or metric.endswith((".pass_rate", ".accuracy"))


def _pair(case: str, base: Standing | None, candidate: Standing | None) -> CasePair:
    if base is None or candidate is None:
        movement: Movement = "only in candidate" if base is None else "only in base"
        return CasePair(case=case, movement=movement, base=base, candidate=candidate)
    flips = {
        router: (before, candidate.routes[router])
        for router, before in base.routes.items()
        if candidate.routes.get(router, before) != before
    }
    return CasePair(
        case=case,
        movement=_movement(base, candidate),
        base=base,
        candidate=candidate,
        flips=flips,
        drift=tuple(_drift(base, candidate, flips)),
    )


_UNMEASURED: tuple[tuple[Movement, Outcome], ...] = (("crashed", "error"), ("stale", "stale"), ("unscored", "unscored"))


def _unmeasured(sides: Sequence[Standing]) -> Movement | None:
    return next((movement for movement, outcome in _UNMEASURED if any(side.had(outcome) for side in sides)), None)


def _movement(base: Standing, candidate: Standing) -> Movement:
    if base.outcomes == candidate.outcomes:
        return "same"
    unmeasured = _unmeasured((base, candidate))
    if unmeasured:
        return unmeasured
    before, after = base.values["pass.rate"], candidate.values["pass.rate"]
    return "better" if after > before else "worse" if after < before else "same"


def _drift(base: Standing, candidate: Standing, flips: Mapping[str, object]) -> Iterator[Drift]:
    if base.had("stale") or candidate.had("stale"):
        return
    if flips or base.path != candidate.path:
        yield "routing"
    if base.tools != candidate.tools:
        yield "arguments"
    if base.content != candidate.content:
        yield "content"


def _changes(base: Standings, candidate: Standings) -> tuple[MetricChange, ...]:
    moved = paired(base, candidate)
    intervals = bootstrap_intervals({name: by for name, by in moved.items() if not is_share(name)})
    names = sorted({*base.metrics, *candidate.metrics})
    changes = [_change(name, base, candidate, moved.get(name, []), intervals.get(name)) for name in names]
    tested = holm({change.name: change.p_value for change in changes if change.p_value is not None and change.name != PRIMARY})
    return tuple(change.model_copy(update={"p_value": tested[change.name]}) if change.name in tested else change for change in changes)


def _change(name: str, base: Standings, candidate: Standings, moved: list[float], interval: tuple[float, float] | None) -> MetricChange:
    before, after = base.metrics.get(name), candidate.metrics.get(name)
    if not moved:
        return MetricChange(name=name, base=before, candidate=after)
    rose, fell = sum(one > 0 for one in moved), sum(one < 0 for one in moved)
    share = is_share(name)
    return MetricChange(
        name=name,
        base=before,
        candidate=after,
        cases=len(moved),
        rose=rose,
        fell=fell,
        difference=round(mean(moved) or 0.0, _DIGITS),
        interval=_rounded(difference_interval(Pairs.of(moved)) if share else interval),
        p_value=mcnemar(rose, fell) if share else None,
        detectable_drop=detectable_drop((rose + fell) / len(moved), len(moved)) if share else None,
    )


def _rounded(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if interval is None else (round(interval[0], _DIGITS), round(interval[1], _DIGITS))


def _unlike(base: SuiteProvenance, candidate: SuiteProvenance, price_tables: tuple[str, str]) -> Iterator[str]:
    if base.suite != candidate.suite:
        yield f"the suites differ: {base.suite!r} and {candidate.suite!r}"
    if base.dataset_digest != candidate.dataset_digest:
        yield f"the datasets differ: {_dataset(base)} and {_dataset(candidate)}"
    if base.selected != candidate.selected:
        yield f"only one side ran selected cases: {_ran(base)} and {_ran(candidate)}"
    if base.faults != candidate.faults:
        yield f"the faults of every case differ: {_faults(base)} and {_faults(candidate)}"
    if base.checks != candidate.checks:
        yield f"the checks differ: {', '.join(sorted({*base.checks} ^ {*candidate.checks})) or 'their order'}"
    if len(set(price_tables)) > 1:
        yield f"the price tables differ: {price_tables[0] or 'none'} and {price_tables[1] or 'none'}"


def _ran(side: SuiteProvenance) -> str:
    return f"{side.cases:,}" if side.selected else f"all {side.cases:,}"


def _faults(side: SuiteProvenance) -> str:
    return ", ".join(side.faults) or "none"


def _dataset(side: SuiteProvenance) -> str:
    return f"{side.dataset} ({side.dataset_digest}, {side.cases} cases)"
