"""The figures of a suite: metrics with their interval, bound and history, and what was spent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.compare import Comparison, MetricChange, is_share
from harness.gate import SuiteVerdict, Summary
from harness.ledger import Ledger, Spent
from harness.metric import Metric
from harness.report.figure import figure
from harness.report.html.evidence import Past
from harness.standing import Standing
from harness.stats import bootstrap_interval, wilson
from harness.terms import Bound

_DIGITS = 6


def metrics(summary: Summary, cases: Mapping[str, Standing], past: Sequence[Past], comparison: Comparison | None) -> list[dict[str, Any]]:
    """Return every metric: its value or why there is none, its 95 % interval, its bound, its values before."""
    moved = {change.name: change for change in comparison.metrics} if comparison else {}
    found = summary.tally.metrics()
    bounded = {name: found.get(name) or summary.tally.metric(name) for name in summary.provenance.gate}
    return [
        _metric(name, metric, cases, past) | _held(name, summary, moved.get(name))
        for name, metric in sorted({**found, **bounded}.items(), key=lambda item: (item[0] not in bounded, item[0]))
    ]


def _metric(name: str, metric: Metric, cases: Mapping[str, Standing], past: Sequence[Past]) -> dict[str, Any]:
    interval, method = _interval(name, cases) if metric.value is not None else (None, "")
    return {
        "name": name,
        "value": metric.value,
        "shown": figure(name, metric.value),
        "why": metric.reason,
        "interval": [figure(name, end) for end in interval] if interval else None,
        "method": method,
        "past": [one.metrics.get(name) for one in past],
        "past_shown": [figure(name, one.metrics.get(name)) for one in past],
    }


def _held(name: str, summary: Summary, change: MetricChange | None) -> dict[str, Any]:
    """Return what a metric is held against: its bound, and the baseline's."""
    bound = summary.provenance.gate.get(name)
    return {"bound": _bound(name, bound, summary.verdict) if bound else None} | ({"change": _change(change)} if change else {})


def _interval(name: str, cases: Mapping[str, Standing]) -> tuple[tuple[float, float] | None, str]:
    """Return the interval over cases and its method: Wilson's for shares of single trials, the BCa bootstrap's for means."""
    values = [standing.values[name] for standing in cases.values() if name in standing.values]
    if is_share(name) and set(values) <= {0.0, 1.0}:
        return wilson(int(sum(values)), len(values)), "Wilson"
    if is_share(name) or name.endswith(".mean"):
        found = bootstrap_interval(values)
        return (None if found is None else (_rounded(found[0]), _rounded(found[1]))), "BCa bootstrap over cases"
    return None, ""


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _bound(name: str, bound: Bound, verdict: SuiteVerdict) -> dict[str, Any]:
    """Return what is asked, and what the verdict says of it: what is broken, and what could not be decided."""
    reasons = [reason for reason in verdict.reasons if reason.startswith((f"{name} ", f"{name}: "))]
    unclear = [reason for reason in reasons if "is not clear yet" in reason or "has no value" in reason]
    skipped = [note for note in verdict.notes if any(note.startswith(f"{part} of {name} skipped") for part in bound.relative)]
    return {
        "asked": ", ".join(_asked(name, bound)),
        "broken": [reason for reason in reasons if reason not in unclear],
        "open": [*unclear, *skipped],
    }


def _asked(name: str, bound: Bound) -> Iterator[str]:
    """Yield the parts of a bound, in the unit of the metric."""
    for part in ("min", "max", "max_drop"):
        value = getattr(bound, part)
        if value is not None:
            yield f"{part} {figure(name, value)}"
    if bound.max_rise_pct is not None:
        yield f"max_rise_pct {bound.max_rise_pct:g} %"
    if bound.non_inferiority is not None:
        yield f"non_inferiority: margin {figure(name, bound.non_inferiority.margin)}, alpha {bound.non_inferiority.alpha:g}"


def _change(change: MetricChange) -> dict[str, Any]:
    return {
        "base": figure(change.name, change.base),
        "cases": change.cases,
        "difference": _signed(change.name, change.difference),
        "interval": [_signed(change.name, end) for end in change.interval] if change.interval else None,
        "rose": change.rose,
        "fell": change.fell,
        "p": change.p_value,
        "moved": change.base != change.candidate or bool(change.rose or change.fell),
    }


def _signed(name: str, value: float | None) -> str:
    if value is None:
        return figure(name, None)
    sign = "−" if value < 0 else "+"  # noqa: RUF001, the minus sign of print
    return f"{sign}{figure(name, abs(value))}"


def spending(ledger: Ledger) -> dict[str, Any]:
    """Return what was spent, by node and by model."""
    return {
        "node": {name: _spent(spent) for name, spent in ledger.by_node.items()},
        "model": {name: _spent(spent) for name, spent in ledger.by_model.items()},
    }


def _spent(spent: Spent) -> dict[str, Any]:
    return {"calls": spent.calls, "cached": spent.cached, "tokens": spent.tokens, "cost_usd": spent.cost_usd}
