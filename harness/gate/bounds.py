"""Bounds: what breaks one, and the failures of checks that one covers."""

from collections.abc import Iterator, Mapping

from harness.experiment import SuiteProvenance
from harness.terms import Bound

TOLERANCE = 1e-12


def deciding(provenance: SuiteProvenance, before: Mapping[str, float | None]) -> set[str]:
    """Return the metrics whose bound can be evaluated; `before` holds the baseline's figures."""
    return {name for name, bound in provenance.gate.items() if decides(name, bound, before)}


def decides(name: str, bound: Bound, before: Mapping[str, float | None]) -> bool:
    """Tell whether a bound can be evaluated: an absolute one always, a relative one against a baseline that has the metric."""
    if bound.min is not None or bound.max is not None:
        return True
    return bool(bound.relative) and before.get(name) is not None


def covers(bounded: set[str], check: str, circumstance: str) -> bool:
    """Tell whether one of these bounds decides in the place of a failed check."""
    if "pass.rate" in bounded or f"{check}.pass_rate" in bounded:
        return True
    if check == "route":
        return "route.accuracy" in bounded or f"{circumstance}.accuracy" in bounded
    return circumstance == "limit" and "limit_hit.rate" in bounded


def broken(name: str, bound: Bound, value: float) -> Iterator[str]:
    """Say which absolute bounds a figure breaks; the one of `error.rate` is told with the crashes."""
    if bound.min is not None and value < bound.min - TOLERANCE:
        yield f"{name} is {shown(value, bound.min)}, below min {shown(bound.min, value)}"
    if bound.max is not None and name != "error.rate" and value > bound.max + TOLERANCE:
        yield f"{name} is {shown(value, bound.max)}, above max {shown(bound.max, value)}"


def moved_too_far(name: str, bound: Bound, before: float, after: float) -> Iterator[str]:
    """Say which point bounds a figure breaks against the baseline's."""
    if bound.max_drop is not None and before - after > bound.max_drop + TOLERANCE:
        yield f"{name} fell from {shown(before, after)} to {shown(after, before)}, more than max_drop {bound.max_drop:g}"
    if bound.max_rise_pct is not None and after > before * (1 + bound.max_rise_pct / 100) + TOLERANCE:
        yield f"{name} rose from {shown(before, after)} to {shown(after, before)}, more than max_rise_pct {bound.max_rise_pct:g}"


def shown(value: float, beside: float) -> str:
    """Show a figure in six digits, or in as many as tell it from the one beside it."""
    short = f"{value:.6g}"
    return short if value == beside or short != f"{beside:.6g}" else f"{value:.12g}"
