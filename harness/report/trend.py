"""How the metrics of a suite went over its experiments."""

from collections.abc import Mapping, Sequence

from harness.experiment import Experiment
from harness.report.figure import UNKNOWN, figure
from harness.report.layout import WIDTH, Table, Text, rendered

USUAL = ("pass.rate", "route.accuracy", "tokens.mean", "cost_usd.mean", "duration_s.p95")

_BARS = "▁▂▃▄▅▆▇█"
_COMMIT = 10


def show(
    rows: Sequence[tuple[Experiment, Mapping[str, float | None]]], metrics: Sequence[str], *, width: int = WIDTH, colour: bool = False
) -> str:
    """Return a table of experiments, the oldest first, and a sparkline of each metric; the usual metrics where none is named."""
    names = tuple(metrics) or tuple(name for name in USUAL if any(found.get(name) is not None for _, found in rows))
    table = Table(
        ("experiment", "commit", *names),
        tuple((head.id, (head.commit or UNKNOWN)[:_COMMIT], *(figure(name, found.get(name)) for name in names)) for head, found in rows),
        frozenset(names),
        frozenset({"experiment"}),
    )
    lines = [Text(f"{name} {sparkline([found.get(name) for _, found in rows])}") for name in names]
    return rendered([table, Text(""), *lines], width, colour=colour)


def sparkline(values: Sequence[float | None]) -> str:
    """Return a bar for each value between the least and the greatest one; a gap is a space."""
    known = [value for value in values if value is not None]
    low, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    return "".join(" " if value is None else _BARS[round((value - low) / span * (len(_BARS) - 1)) if span else 3] for value in values)
