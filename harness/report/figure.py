"""Figures as people read them: shares in per cent, money in dollars, counts with commas."""

from harness.ledger import Spent

UNKNOWN = "–"  # noqa: RUF001, a dash is what a table shows for no figure

SPENT_HEAD = ("calls", "cached", "tokens", "cost")

_SMALLEST = 0.000001


def figure(name: str, value: float | None) -> str:
    """Return a metric's value in the unit of its name."""
    if value is None:
        return UNKNOWN
    if name.endswith((".accuracy", ".coverage", "rate")) or name.startswith(("pass@", "pass^")):
        return percent(value)
    if name.endswith(".ece"):
        return f"{value:.3f}"
    if name.startswith("cost_usd"):
        return dollars(value)
    if {"duration_s", "ttft_s"} & {*name.split(".")}:
        return f"{value:.3f} s"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def percent(share: float | None) -> str:
    """Return a share in per cent; only all is 100 %, only none is 0 %."""
    if share is None:
        return UNKNOWN
    shown = f"{share * 100:.1f}"
    if shown == "100.0" and share < 1:
        shown = "99.9"
    if shown == "0.0" and share > 0:
        shown = "0.1"
    return f"{shown} %"


def dollars(amount: float | None) -> str:
    """Return dollars with as many digits as small amounts need."""
    if amount is None:
        return UNKNOWN
    if 0 < amount < _SMALLEST:
        return f"<${_SMALLEST:.6f}"
    return f"${amount:,.2f}" if amount == 0 or amount >= 1 else f"${amount:.6f}"


def count(number: int | None) -> str:
    """Return a whole number with commas."""
    return UNKNOWN if number is None else f"{number:,}"


def spent_figures(spent: Spent) -> tuple[str, ...]:
    """Return what was spent, under `SPENT_HEAD`."""
    return count(spent.calls), count(spent.cached), count(spent.tokens), dollars(spent.cost_usd)
