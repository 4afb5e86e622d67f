"""The figures of a suite: metrics with their interval, bound and history, and what was spent."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.compare import Comparison, MetricChange, is_share
from harness.gate import Summary
from harness.gate.bounds import broken, moved_too_far
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
        _metric(name, metric, cases, past) | _held(name, metric, moved.get(name), summary.provenance.gate.get(name))
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


def _held(name: str, metric: Metric, change: MetricChange | None, bound: Bound | None) -> dict[str, Any]:
    """Return what a metric is held against: its bound, and the baseline's."""
    return {"bound": _bound(name, bound, metric, change) if bound else None} | ({"change": _change(change)} if change else {})


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


def _bound(name: str, bound: Bound, metric: Metric, change: MetricChange | None) -> dict[str, Any]:
    asked = bound.model_dump(mode="json", exclude_none=True)
    told = ", ".join(f"{part} {value}" for part, value in asked.items())
    if metric.value is None:
        return {"asked": told, "broken": []}
    found = list(broken(name, bound, metric.value))
    if change and change.base is not None and change.candidate is not None:
        found += moved_too_far(name, bound, change.base, change.candidate)
    return {"asked": told, "broken": found}


def _change(change: MetricChange) -> dict[str, Any]:
    return {
        "base": figure(change.name, change.base),
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
