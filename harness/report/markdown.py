"""The Markdown summary for a CI job."""

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.gate import Summary, overall_verdict
from harness.ledger import CaseSpent, Ledger
from harness.report.coverage import sentence
from harness.report.failing import failing_cases
from harness.report.figure import SPENT_HEAD, count, dollars, percent, spent_figures
from harness.report.text import excerpt, line
from harness.stats import Bin, Calibration, Confusion, RouteFigures, wilson
from harness.tally import Failure, counted

_ACTIVE = re.compile(r"([\\`*_\[\]|~#!$])")
_LEADING = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")
_CASES_SHOWN = 20
_LABELS_SHOWN = 20


def markdown(experiment: str, summaries: Sequence[Summary]) -> str:
    """Return summary.md: verdicts, why, failing cases, and how each router decided."""
    verdict = overall_verdict(summary.verdict for summary in summaries)
    lines = [f"# {verdict}: experiment {escaped(experiment)}", "", *_overview(summaries)]
    for summary in summaries:
        lines += ["", f"## {escaped(summary.provenance.name)}: {summary.verdict.verdict}", *_suite(summary, experiment)]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return foreign text as one line that Markdown shows as it is: no markup, no HTML, no link, no cell border."""
    shown = line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _ACTIVE.sub(r"\\\1", shown).replace("://", ":\\//").replace("www.", "www\\.")
    return _LEADING.sub(_escaped_start, shown)


def _escaped_start(match: re.Match[str]) -> str:
    """Escape what would start a list; of a number, the dot behind it is what counts."""
    space, start = match.groups()
    return f"{space}&#{ord(start[0])};{start[1:]}" if start[0].isdigit() else f"{space}\\{start}"


def _overview(summaries: Sequence[Summary]) -> list[str]:
    head = ("suite", "verdict", "trials", "pass", "fail", "error", "stale", "unscored", "route accuracy", "tokens", "cost")
    return list(_table(head, [_row(summary) for summary in summaries], left=2))


def _row(summary: Summary) -> tuple[str, ...]:
    tally, metrics = summary.tally, summary.tally.metrics()
    numbers = (tally.trials, tally.passed, tally.failed, tally.errors, tally.stale, tally.unscored)
    tokens = metrics["tokens.total"].value
    return (
        escaped(summary.provenance.name),
        f"**{summary.verdict.verdict}**",
        *(count(number) for number in numbers),
        percent(metrics["route.accuracy"].value),
        count(None if tokens is None else round(tokens)),
        dollars(metrics["cost_usd.total"].value),
    )


def _suite(summary: Summary, experiment: str) -> Iterator[str]:
    yield from _bullets("", summary.verdict.reasons)
    yield from _bullets("Notes", summary.verdict.notes)
    yield from ("", f"Coverage: {escaped(sentence(summary.tally))}")
    yield from _failing(summary, experiment)
    for router in summary.tally.routers:
        yield from _router(router, summary.tally.confusion(router))
        if router in summary.tally.sure_routers:
            yield from _calibration(summary.tally.calibration(router))
    yield from _costs(summary.tally.ledger)


def _bullets(title: str, texts: Iterable[str]) -> Iterator[str]:
    items = [f"- {escaped(text)}" for text in texts]
    if items:
        yield from ("", *((f"{title}:", "") if title else ()), *items)


def _failing(summary: Summary, experiment: str) -> Iterator[str]:
    cases = failing_cases(summary)
    if not cases:
        return
    rows = [_failing_row(case, found) for case, found in cases[:_CASES_SHOWN]]
    yield from ("", "### Cases that did not pass", "", *_table(("case", "outcome", "why"), rows, left=3))
    if len(cases) > _CASES_SHOWN:
        yield from ("", f"… and more: `harness show {line(experiment).replace('`', '')}`")


def _failing_row(case: str, failures: Sequence[Failure]) -> tuple[str, str, str]:
    outcomes = dict.fromkeys(failure.outcome for failure in failures)
    reasons = list(dict.fromkeys(failure.reason for failure in failures))
    more = [f"and {len(reasons) - 3} more"] if len(reasons) > 3 else []  # noqa: PLR2004, three say enough
    return escaped(case), ", ".join(outcomes), "<br>".join([*(escaped(excerpt(reason, 300)) for reason in reasons[:3]), *more])


def _router(router: str, confusion: Confusion) -> Iterator[str]:
    yield from ("", f"### Router {escaped(router)}: {_accuracy(confusion)}")
    labels = confusion.labels
    if len(labels) <= _LABELS_SHOWN:
        counts = dict(confusion.counts)
        rows = [(escaped(wanted), *(str(counts.get((wanted, taken), 0)) for taken in labels)) for wanted in labels]
        yield from ("", *_table(("expected ↓ / taken →", *map(escaped, labels)), rows, left=1))
    else:
        yield from ("", f"{len(labels)} routes: the matrix is left out.")
    yield from ("", *_table(("route", "expected", "taken", "right", "precision", "recall"), map(_figures, confusion.figures()), left=1))


def _costs(ledger: Ledger) -> Iterator[str]:
    groups = (("node", ledger.by_node), ("model", ledger.by_model))
    if not ledger.by_node:
        return
    yield from ("", "### What it cost")
    for name, spent in groups:
        rows = [(escaped(each), *figures) for each, figures in zip(spent, map(spent_figures, spent.values()), strict=True)]
        yield from ("", *_table((name, *SPENT_HEAD), rows, left=1))
    dearest = [(escaped(_trial_name(each)), count(each.tokens), dollars(-each.minus_usd)) for each in ledger.dearest]
    if dearest:
        yield from ("", *_table(("dearest cases", "tokens", "cost"), dearest, left=1))


def _trial_name(spent: CaseSpent) -> str:
    return spent.case if spent.repeat == 1 else f"{spent.case} ({spent.repeat})"


def _calibration(calibration: Calibration) -> Iterator[str]:
    """Show how often the router was right, by how sure it was; bins without a decision are left out."""
    error = "" if calibration.ece is None else f", expected calibration error {calibration.ece:.3f}"
    yield from ("", f"Confidence of {counted(calibration.decisions, 'decision')}{error}:", "")
    rows = ((f"{one.low:.1f} to {one.high:.1f}", *_reliability(one)) for one in calibration.bins if one.decisions)
    yield from _table(("confidence", "decisions", "mean confidence", "right", "accuracy"), rows, left=1)


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


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> Iterator[str]:
    """Return a table whose first `left` columns are text and the others numbers."""
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' if column < left else '---:' for column in range(len(head)))} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
