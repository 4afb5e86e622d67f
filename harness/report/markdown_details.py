"""The details of a Markdown summary, folded away: every figure, how each router decided, what was spent."""

from collections.abc import Iterator

from harness.gate import Summary
from harness.ledger import CaseSpent, Ledger
from harness.report.coverage import sentence
from harness.report.figure import SPENT_HEAD, count, dollars, figure, percent, spent_figures
from harness.report.markup import escaped, table
from harness.stats import Bin, Calibration, Confusion, RouteFigures, wilson
from harness.tally import counted

_LABELS_SHOWN = 20


def details(summary: Summary) -> Iterator[str]:
    """Yield the details of one suite."""
    tally = summary.tally
    yield from ("", "<details><summary>Routers, costs, all figures</summary>")
    yield from ("", f"Coverage: {escaped(sentence(tally))}")
    for router in tally.routing.routers:
        yield from _router(router, tally.routing.confusion(router))
        if router in tally.routing.sure_routers:
            yield from _calibration(tally.routing.calibration(router))
    yield from _costs(tally.ledger)
    figures = {name: metric.value for name, metric in tally.metrics().items() if metric.value is not None}
    yield from ("", "### Figures")
    yield from table(("metric", "value"), ((escaped(name), figure(name, value)) for name, value in figures.items()), left=1)
    yield from ("", "</details>")


def _router(router: str, confusion: Confusion) -> Iterator[str]:
    yield from ("", f"### Router {escaped(router)}: {_accuracy(confusion)}")
    labels = confusion.labels
    if len(labels) <= _LABELS_SHOWN:
        counts = dict(confusion.counts)
        rows = [(escaped(wanted), *(str(counts.get((wanted, taken), 0)) for taken in labels)) for wanted in labels]
        yield from table(("expected ↓ / taken →", *map(escaped, labels)), rows, left=1)
    else:
        yield from ("", f"{len(labels)} routes: the matrix is left out.")
    yield from table(("route", "expected", "taken", "right", "precision", "recall"), map(_figures, confusion.figures()), left=1)


def _costs(ledger: Ledger) -> Iterator[str]:
    groups = (("node", ledger.by_node), ("model", ledger.by_model))
    if not ledger.by_node:
        return
    yield from ("", "### What it cost")
    for name, spent in groups:
        rows = [(escaped(each), *figures) for each, figures in zip(spent, map(spent_figures, spent.values()), strict=True)]
        yield from table((name, *SPENT_HEAD), rows, left=1)
    dearest = [(escaped(_trial_name(each)), count(each.tokens), dollars(-each.minus_usd)) for each in ledger.dearest]
    if dearest:
        yield from table(("dearest cases", "tokens", "cost"), dearest, left=1)


def _trial_name(spent: CaseSpent) -> str:
    return spent.case if spent.repeat == 1 else f"{spent.case} ({spent.repeat})"


def _calibration(calibration: Calibration) -> Iterator[str]:
    """Show how often the router was right, by how sure it was; bins without a decision are left out."""
    error = "" if calibration.ece is None else f", expected calibration error {calibration.ece:.3f}"
    yield from ("", f"Confidence of {counted(calibration.decisions, 'decision')}{error}:")
    rows = ((f"{one.low:.1f} to {one.high:.1f}", *_reliability(one)) for one in calibration.bins if one.decisions)
    yield from table(("confidence", "decisions", "mean confidence", "right", "accuracy"), rows, left=1)


def _reliability(one: Bin) -> tuple[str, ...]:
    return count(one.decisions), f"{one.mean_confidence:.3f}", count(one.right), percent(one.accuracy)


def _accuracy(confusion: Confusion) -> str:
    right = sum(number for (wanted, taken), number in confusion.counts if wanted == taken)
    interval = wilson(right, confusion.total)
    shown = f", 95 % interval {percent(interval[0])} to {percent(interval[1])} (Wilson)" if interval else ""
    return f"{right:,} of {counted(confusion.total, 'decision')} right, {percent(confusion.accuracy)}{shown}"


def _figures(route: RouteFigures) -> tuple[str, ...]:
    numbers = (route.expected, route.routed, route.right)
    return (escaped(route.route), *map(count, numbers), percent(route.precision), percent(route.recall))
