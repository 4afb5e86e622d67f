"""What a comparison has to say, before it is laid out: one sentence, groups of cases that moved alike, rows of figures."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.compare import PRIMARY, CasePair, Comparison, MetricChange, Movement
from harness.difference import Difference
from harness.gate import SuiteVerdict
from harness.report.figure import UNKNOWN, count, dollars, figure
from harness.report.text import excerpt
from harness.standing import Spending, Standing
from harness.tally import counted

TOLD: tuple[Movement, ...] = ("worse", "crashed", "stale", "unscored", "only in base", "only in candidate", "better")
"""The movements of which cases are named."""

_SIDE_SHOWN = 70
_NODE = "node."


class Compared(NamedTuple):
    """One suite compared: the pairing, the gate's answer with the base as the baseline, and what single cases did differently.

    `origins` say which experiment or baseline each side is. `differences` has the cases that were looked at.
    """

    comparison: Comparison
    verdict: SuiteVerdict
    origins: tuple[str, str] = ("", "")
    spent: tuple[Mapping[str, Spending], Mapping[str, Spending]] = ({}, {})
    differences: Mapping[str, Sequence[Difference]] = {}


def title(compared: Compared) -> str:
    """Return what is compared: two variants of one experiment, or one suite of two experiments."""
    comparison, (base, candidate) = compared.comparison, compared.origins
    if comparison.base == comparison.candidate:
        return f"{comparison.base}: {base} → {candidate}"
    if base == candidate:
        return f"{comparison.base} → {comparison.candidate} ({base})"
    return f"{comparison.base} ({base}) → {comparison.candidate} ({candidate})"


def sentence(comparison: Comparison) -> str:
    """Return what a reviewer needs to know, in one sentence."""
    change = comparison.change(PRIMARY)
    if change is None or comparison.shown == "nothing":
        return f"nothing was compared: no case was measured on both sides ({_moved(comparison) or 'no case at all'})"
    moved = _moved(comparison)
    if comparison.shown in {"better", "worse"}:
        return f"the candidate is {comparison.shown}: {moved} ({p_value(change)}); {_rate(change)}"
    if not change.rose and not change.fell:
        return f"no case moved: {moved}; {_power(change)}"
    return f"no difference is shown: {moved} ({p_value(change)}); {_rate(change)}; {_power(change)}"


def _moved(comparison: Comparison) -> str:
    counts = comparison.counts
    words: tuple[Movement, ...] = ("better", "worse", "crashed", "stale", "unscored", "same", "only in base", "only in candidate")
    told = [(word, counts[word]) for word in words if counts[word] or (word in {"better", "worse"} and len(comparison.pairs))]
    return ", ".join(f"{number:,} {word}" for word, number in told)


def _rate(change: MetricChange) -> str:
    low, high = change.interval or (None, None)
    known = "" if low is None or high is None else f" (95 % interval {points(low)} to {points(high)})"
    return f"pass rate {points(change.difference)}{known}"


def _power(change: MetricChange) -> str:
    if change.detectable_drop is None:
        return "so few cases cannot show any drop"
    return f"{counted(change.cases, 'case')} would show a true drop of {points(change.detectable_drop).strip('+')} four times in five"


def p_value(change: MetricChange) -> str:
    """Return `p = 0.031`, `p < 0.001`, or a dash where no test was made."""
    value = change.p_value
    return UNKNOWN if value is None else "p < 0.001" if value < 0.001 else f"p = {value:.3f}"  # noqa: PLR2004


def points(difference: float | None) -> str:
    """Return a difference of shares in percentage points."""
    return UNKNOWN if difference is None else f"{difference * 100 + 0.0:+.1f} pp"


def unmeasured(comparison: Comparison) -> str:
    """Return how many of the cases that are the same could not be measured on either side; "" for none."""
    found = Counter(pair.unmeasured for pair in comparison.pairs if pair.movement == "same" and pair.unmeasured)
    return ", ".join(f"{number:,} {word}" for word, number in sorted(found.items()))


class Group(NamedTuple):
    """Cases that moved alike: the same outcomes and the same flips on both sides, the same drift."""

    what: str
    drift: str
    pairs: tuple[CasePair, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """Return the cases."""
        return tuple(pair.case for pair in self.pairs)


def groups(pairs: Iterable[CasePair]) -> tuple[Group, ...]:
    """Return cases by what happened to them, the largest group first."""
    found: dict[tuple[str, str], list[CasePair]] = {}
    for pair in pairs:
        found.setdefault((_what(pair), ", ".join(pair.drift)), []).append(pair)
    ordered = sorted(found.items(), key=lambda group: (-len(group[1]), group[0]))
    return tuple(Group(what, drift, tuple(members)) for (what, drift), members in ordered)


def _what(pair: CasePair) -> str:
    flips = [f"{router}: {before} → {after}" for router, (before, after) in pair.flips.items()]
    return ", ".join([f"{_outcomes(pair.base)} → {_outcomes(pair.candidate)}", *flips])


def _outcomes(side: Standing | None) -> str:
    if side is None:
        return UNKNOWN
    alone = side.trials == 1
    return " + ".join(word if alone else f"{number} {word}" for word, number in side.outcomes.items())


def difference(one: Difference) -> str:
    """Return one difference as one line."""
    place = f" {one.place}" if one.place else ""
    before, after = (excerpt(side, _SIDE_SHOWN) or "(nothing)" for side in (one.before, one.after))
    return f"{excerpt(f'{one.kind}{place}', _SIDE_SHOWN)}: {before} → {after}{f'; and {one.more:,} more' if one.more else ''}"


def drifted(comparison: Comparison) -> str:
    """Return how many of the cases that are the same in outcome did otherwise, by class of drift; "" for none."""
    same = [pair for pair in comparison.pairs if pair.movement == "same" and pair.drift]
    kinds = Counter(kind for pair in same for kind in pair.drift)
    told = ", ".join(f"{kind} in {number:,}" for kind, number in sorted(kinds.items()))
    return f"of the cases that are the same in outcome, {len(same):,} did otherwise: {told}" if same else ""


METRICS = ("metric", "base", "candidate", "mean diff.", "95 % interval", "rose", "fell", "p")


def moved_metrics(changes: Sequence[MetricChange]) -> list[MetricChange]:
    """Return the metrics that changed, but those of single nodes: the pass rate, which is always told, other tested ones, the rest."""
    return sorted((one for one in changes if _tells(one)), key=lambda one: (one.name != PRIMARY, one.p_value is None, one.name))


def metric_rows(changes: Sequence[MetricChange]) -> tuple[tuple[tuple[str, ...], ...], str]:
    """Return a row for each metric that changed, and a sentence on those that have no row of their own."""
    first: dict[tuple[str, ...], str] = {}
    alike: dict[str, list[str]] = {}
    for change in moved_metrics(changes):
        figures = _figures(change)
        if figures in first and change.p_value is not None:
            alike.setdefault(first[figures], []).append(change.name)
        else:
            first.setdefault(figures, change.name)
    rows = tuple((name, *figures) for figures, name in first.items())
    rest = [change for change in changes if not _tells(change) and not change.name.startswith(_NODE)]
    without = sum(change.base is None for change in rest)
    notes = [f"{', '.join(names)}: as {name}" for name, names in alike.items()]
    notes += [f"{counted(len(rest) - without, 'metric')} unchanged"] if len(rest) > without else []
    notes += [f"{counted(without, 'metric')} measured on neither side"] if without else []
    return rows, "; ".join(notes)


def _tells(change: MetricChange) -> bool:
    moved = change.base != change.candidate or bool(change.rose or change.fell) or change.name == PRIMARY
    return moved and not change.name.startswith(_NODE)


def _figures(change: MetricChange) -> tuple[str, ...]:
    low, high = change.interval or (None, None)
    return (
        figure(change.name, change.base),
        figure(change.name, change.candidate),
        _signed(change.name, change.difference),
        UNKNOWN if low is None else f"{_signed(change.name, low)} to {_signed(change.name, high)}",
        count(change.rose) if change.cases else UNKNOWN,
        count(change.fell) if change.cases else UNKNOWN,
        p_value(change).removeprefix("p ").removeprefix("= "),
    )


def _signed(name: str, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if name.startswith("cost_usd"):
        return f"{'-' if value < 0 else '+'}{dollars(abs(value))}"
    if name.endswith((".accuracy", "rate", ".coverage")):
        return points(value)
    return f"{value:+,.3f} s" if name.startswith("duration_s") else f"{value:+,.2f}"


SPENDING = ("node", "calls", "tokens", "cost", "recorded time", "visit p50")


def spending_rows(compared: Compared) -> Iterator[tuple[str, ...]]:
    """Yield for each node what its calls took, before and after; nodes where nothing changed are left out."""
    before, after = compared.spent
    visits = {change.name: change for change in compared.comparison.metrics if change.name.startswith(_NODE)}
    named = (name.removeprefix(_NODE).removesuffix(".duration_s.p50") for name in visits if name.endswith(".duration_s.p50"))
    for node in sorted({*before, *after, *named}):
        old, new = before.get(node, Spending()), after.get(node, Spending())
        visit = visits.get(f"{_NODE}{node}.duration_s.p50", MetricChange(name=""))
        if old != new or (visit.base or 0.0) != (visit.candidate or 0.0):
            yield (
                node,
                _to(count(old.calls), count(new.calls)),
                _to(count(old.tokens), count(new.tokens)),
                _to(dollars(old.cost_usd), dollars(new.cost_usd)),
                _to(_seconds(old.latency_s), _seconds(new.latency_s)),
                _to(_seconds(visit.base), _seconds(visit.candidate)),
            )


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f} s" if value >= 10 else f"{value:.2f} s" if value >= 1 else f"{value:.3f} s"  # noqa: PLR2004


def _to(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def flip_table(router: str, comparison: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]] | None:
    """Return head and rows of how a router's decisions before became those after; None where none flipped."""
    moved = comparison.flips(router)
    if all(before == after for before, after in moved):
        return None
    befores, afters = sorted({before for before, _ in moved}), sorted({after for _, after in moved})
    rows = tuple((before, *(count(moved.get((before, after), 0)) for after in afters)) for before in befores)
    return (f"{router}: before ↓ / after →", *afters), rows
