"""Reports for a terminal, readable without colour and at 80 columns."""

from collections.abc import Iterable, Iterator, Sequence

from harness.experiment import Experiment
from harness.gate import Summary, overall_verdict
from harness.report.coverage import sentence
from harness.report.failing import failing
from harness.report.figure import SPENT_HEAD, UNKNOWN, count, dollars, figure, percent, spent_figures
from harness.report.layout import WIDTH, Part, Table, Text, rendered
from harness.report.text import excerpt, shell_word
from harness.schema import canonical_json
from harness.tally import counted

_GROUPS_SHOWN = 5
_REASONS_SHOWN = 2
_SUITES_SHOWN = 3
_EXCERPT = 280  # a miss says what was recorded and what is asked now


def verdicts(summaries: Sequence[Summary], *, experiment: str = "latest", width: int = WIDTH, colour: bool = False) -> str:
    """Return the verdict table, the reasons, and the first failing cases with the command to look at one."""
    parts: list[Part] = [_verdict_table(summaries), *_coverage(summaries)]
    for summary in summaries:
        parts += [*_reasons(summary), *_failing(summary, experiment)]
    verdict = overall_verdict(summary.verdict for summary in summaries)
    return rendered([*parts, Text(""), Text(f"verdict: {verdict}", style=verdict)], width, colour=colour)


def show_experiment(experiment: Experiment, summaries: Sequence[Summary], *, width: int = WIDTH, colour: bool = False) -> str:
    """Return one experiment: its provenance, its verdicts, and every figure of every suite."""
    parts: list[Part] = [*_head(experiment), Text(""), _verdict_table(summaries), *_coverage(summaries)]
    for summary in summaries:
        parts += [*_reasons(summary), *_failing(summary, experiment.id), *_provenance(summary), *_figures(summary), *_costs(summary)]
    return rendered(parts, width, colour=colour)


def show_list(experiments: Iterable[Experiment], *, width: int = WIDTH, colour: bool = False) -> str:
    """Return a list of experiments in the order given, and how to look at one."""
    head = ("experiment", "started (UTC)", "status", "verdict", "cases", "suites", "commit")
    rows = tuple(_listed(experiment) for experiment in experiments)
    if not rows:
        return rendered([Text("no experiments; `harness run` makes one")], width, colour=colour)
    table = Table(head, rows, frozenset({"cases"}), frozenset(head) - {"suites"})
    closer = f"look closer: harness show {shell_word(rows[-1][0])}, or harness view"
    return rendered([table, Text(""), Text(closer)], width, colour=colour)


def _verdict_table(summaries: Sequence[Summary]) -> Table:
    what = "trials" if any(summary.tally.repeats > 1 for summary in summaries) else "cases"
    head = ("suite", what, "pass", "fail", "error", "stale", "route acc.", "tokens", "cost", "verdict")
    return Table(head, tuple(_verdict_row(summary) for summary in summaries), frozenset(head[1:-1]))


def _verdict_row(summary: Summary) -> tuple[str, ...]:
    tally, metrics = summary.tally, summary.tally.metrics()
    tokens = metrics["tokens.total"].value
    return (
        summary.provenance.name,
        *(count(number) for number in (tally.trials, tally.passed, tally.failed, tally.errors, tally.stale)),
        percent(metrics["route.accuracy"].value),
        count(None if tokens is None else round(tokens)),
        dollars(metrics["cost_usd.total"].value),
        summary.verdict.verdict,
    )


def _coverage(summaries: Sequence[Summary]) -> Iterator[Part]:
    """Say what of each graph was covered; of a selection that cannot be told."""
    whole = [summary for summary in summaries if not summary.provenance.selected]
    if whole:
        yield Text("")
    yield from (Text(f"{summary.provenance.name}: {sentence(summary.tally)}") for summary in whole)


def _reasons(summary: Summary) -> Iterator[Part]:
    verdict = summary.verdict
    if verdict.reasons or verdict.notes:
        yield from (Text(""), Text(f"{summary.provenance.name}: {verdict.verdict}", style=verdict.verdict))
    yield from (Text(reason, 2, mark="- ") for reason in verdict.reasons)
    yield from (Text(f"note: {note}", 2, mark="- ") for note in verdict.notes)


def _failing(summary: Summary, experiment: str) -> Iterator[Part]:
    groups = failing(summary)
    if not groups:
        return
    yield from (Text(""), Text(f"{summary.provenance.name}: cases that did not pass"))
    for group in groups[:_GROUPS_SHOWN]:
        yield Text(f"{', '.join(group.named)}: {', '.join(group.outcomes)}", 2)
        yield from (Text(excerpt(reason, _EXCERPT), 4) for reason in group.reasons[:_REASONS_SHOWN])
        if len(group.reasons) > _REASONS_SHOWN:
            yield Text(f"and {len(group.reasons) - _REASONS_SHOWN} more", 4)
    left = sum(len(group.cases) for group in groups[_GROUPS_SHOWN:])
    if left:
        yield Text(f"and {counted(left, 'case')} more", 2)
    yield Text(f"look closer: harness show {shell_word(experiment)} {shell_word(groups[0].cases[0])}", 2)


def _head(experiment: Experiment) -> Iterator[Part]:
    finished = f", finished {experiment.finished_at}" if experiment.finished_at else ""
    yield Text(f"experiment {experiment.id}: {experiment.status}")
    yield Text(f"started {experiment.started_at}{finished}")
    yield Text(f"commit {experiment.commit or 'unknown'}, price table {experiment.price_table or 'unknown'}, repeats {experiment.repeat}")
    yield Text(f"sockets opened: {experiment.sockets_opened}")
    if experiment.packages:
        yield Text("packages: " + ", ".join(f"{name} {version}" for name, version in sorted(experiment.packages.items())))


def _provenance(summary: Summary) -> Iterator[Part]:
    of = summary.provenance
    yield from (Text(""), Text(f"{of.name}: what was run"))
    yield Text(f"graph {of.graph}, fingerprint {of.graph_fingerprint}, mode {of.mode}, built per {of.build}", 2)
    yield Text(f"dataset {of.dataset}, digest {of.dataset_digest}, {of.cases:,} cases{' selected' if of.selected else ''}", 2)
    yield Text(f"cassettes {of.cassettes_digest}, match {of.match}; checks {', '.join(of.checks)}", 2)
    if of.prompts:
        yield Text("prompts " + ", ".join(f"{name} {version}" for name, version in sorted(of.prompts.items())), 2)
    if of.model or of.parameters:
        yield Text(f"model {of.model or 'as built'}, parameters {canonical_json(of.parameters)}", 2)


def _figures(summary: Summary) -> Iterator[Part]:
    """Show the figures, then the names of those that have none, by their reason."""
    metrics = summary.tally.metrics()
    rows = tuple((name, figure(name, metric.value)) for name, metric in metrics.items() if metric.value is not None)
    yield from (Text(""), Table((f"{summary.provenance.name}: metric", "value"), rows, frozenset({"value"})))
    for reason in sorted({metric.reason for metric in metrics.values() if metric.value is None}):
        names = ", ".join(name for name, metric in metrics.items() if metric.value is None and metric.reason == reason)
        yield Text(f"no value of {names}: {reason}", 2, mark="- ")


def _costs(summary: Summary) -> Iterator[Part]:
    """Show what was spent, by node and by model, then the dearest cases."""
    ledger, numbers = summary.tally.ledger, frozenset(SPENT_HEAD)
    for what, group in (("node", ledger.by_node), ("model", ledger.by_model)):
        rows = tuple((name, *spent_figures(spent)) for name, spent in group.items())
        if rows:
            yield from (Text(""), Table((f"{summary.provenance.name}: {what}", *SPENT_HEAD), rows, numbers))
    dearest = tuple((each.case, str(each.repeat), count(each.tokens), dollars(-each.minus_usd)) for each in ledger.dearest)
    if dearest:
        head = (f"{summary.provenance.name}: dearest cases", "repeat", "tokens", "cost")
        yield from (Text(""), Table(head, dearest, frozenset(head[1:])))


def _listed(experiment: Experiment) -> tuple[str, ...]:
    names = [suite.name for suite in experiment.suites]
    more = f" and {len(names) - _SUITES_SHOWN} more" if len(names) > _SUITES_SHOWN else ""
    return (
        experiment.id,
        experiment.started_at[:16].replace("T", " "),
        experiment.status,
        experiment.verdict or UNKNOWN,
        count(sum(suite.cases for suite in experiment.suites)),
        ", ".join(names[:_SUITES_SHOWN]) + more,
        (experiment.commit or UNKNOWN)[:10],
    )
