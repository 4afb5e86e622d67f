"""Reports for a terminal, readable without colour and at 80 columns."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from harness.experiment import Experiment, Trial
from harness.gate import Summary, overall_verdict
from harness.report.coverage import sentence
from harness.report.figure import SPENT_HEAD, UNKNOWN, count, dollars, figure, percent, spent_figures
from harness.report.layout import WIDTH, Part, Table, Text, rendered
from harness.report.text import excerpt, shell_word, visible
from harness.schema import canonical_json
from harness.trace import NodeStep, ToolCall, WireCall

_CASES_SHOWN = 5
_REASONS_SHOWN = 2
_NUMBERS = frozenset({"step", "visit", "tokens", "cost", "start", "took", "latency"})
_EXCERPT = 280  # a miss says what was recorded and what is asked now
_TEXT_SHOWN = 2000


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


def show_trial(trial: Trial, *, width: int = WIDTH, colour: bool = False) -> str:
    """Return one trial: steps, calls, tools, scores, what went wrong, and the final text."""
    repeat = f", repeat {trial.repeat}" if trial.repeat > 1 else ""
    draw = f" of draw {trial.draw}" if trial.played and trial.draw < trial.repeat else ""
    title = f"{trial.suite}@{trial.variant}, case {trial.case!r}{repeat}: {trial.outcome} (ended as {trial.trace.ends})"
    spent = f"{_plural(trial.trace.total_tokens, 'token')}, {dollars(trial.trace.cost_usd)}"
    played = f"exchanges{draw}: {trial.played} played, {trial.recorded} recorded, {trial.unused} unused; {spent}"
    parts = [Text(title, style=trial.outcome), Text(played), *_measured(trial), *_sections(trial), *_reasons_of(trial), *_final_text(trial)]
    return rendered(parts, width, colour=colour)


def show_list(experiments: Iterable[Experiment], *, width: int = WIDTH, colour: bool = False) -> str:
    """Return a list of experiments in the order given."""
    head = ("experiment", "started", "status", "cases", "suites", "commit")
    rows = tuple(_listed(experiment) for experiment in experiments)
    part = Table(head, rows, frozenset({"cases"}), frozenset({"experiment", "started"})) if rows else Text("no experiments")
    return rendered([part], width, colour=colour)


def _verdict_table(summaries: Sequence[Summary]) -> Table:
    head = ("suite", "cases", "pass", "fail", "error", "stale", "route acc.", "tokens", "cost", "verdict")
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
    cases = [(case, list(found)) for case, found in groupby(summary.tally.failures, key=lambda failure: failure.case)]
    if not cases:
        return
    yield from (Text(""), Text(f"{summary.provenance.name}: first cases that did not pass"))
    for case, failures in cases[:_CASES_SHOWN]:
        yield Text(f"{case}: {', '.join(dict.fromkeys(failure.outcome for failure in failures))}", 2)
        reasons = list(dict.fromkeys(failure.reason for failure in failures))
        yield from (Text(excerpt(reason, _EXCERPT), 4) for reason in reasons[:_REASONS_SHOWN])
        if len(reasons) > _REASONS_SHOWN:
            yield Text(f"and {len(reasons) - _REASONS_SHOWN} more", 4)
    yield Text(f"look at one: harness show {shell_word(experiment)} {shell_word(cases[0][0])}", 2)


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
    names = ", ".join(suite.name for suite in experiment.suites)
    cases = sum(suite.cases for suite in experiment.suites)
    return experiment.id, experiment.started_at, experiment.status, count(cases), names, (experiment.commit or UNKNOWN)[:10]


def _measured(trial: Trial) -> Iterator[Part]:
    if trial.trace.real_time:
        yield Text(f"took {_seconds(trial.trace.duration_s)}; all times but latencies were measured in real time, and are no figures")


def _sections(trial: Trial) -> Iterator[Part]:
    trace = trial.trace
    calls = ("node", "step", "model", "tokens", "cost", "start", "latency", "finish", "source", "error")
    sections = (
        ("steps", Table(("step", "node", "visit", "start", "took", "note"), tuple(map(_step, trace.steps)), _NUMBERS)),
        ("model calls", Table(calls, tuple(map(_call, trace.calls)), _NUMBERS)),
        ("answers from a cache, not paid", Table(("node", "step", "model", "tokens"), _cached(trial), _NUMBERS)),
        ("tools", Table(("node", "tool", "start", "took", "arguments", "output or error"), tuple(map(_tool, trace.tools)), _NUMBERS)),
        ("scores", Table(("score", "status", "value", "reason"), tuple(_scores(trial)), frozenset({"value"}))),
    )
    for title, table in sections:
        if table.rows:
            yield from (Text(""), Text(title, style="bold"), table)


def _step(step: NodeStep) -> tuple[str, ...]:
    attempts = f"{step.attempts} attempts" if step.attempts > 1 else ""
    notes = (
        f"turn {step.place.turn}" if step.place.turn > 1 else "",
        attempts,
        "from the cache" if step.cached else "",
        "interrupted" if step.interrupted else "",
        f"error: {step.error}" if step.error else "",
    )
    node = "/".join((*step.place.namespace, step.place.node or UNKNOWN))
    return _optional(step.place.step), node, _optional(step.place.visit), *_times(step), "; ".join(note for note in notes if note)


def _call(call: WireCall) -> tuple[str, ...]:
    status = f"HTTP {call.status}" if call.status is not None and not call.answered else ""
    left = call.duration_s is not None and call.duration_s < (call.latency_s or 0) and f"left after {_seconds(call.duration_s)}"
    problems = (left, call.fault and f"fault {call.fault}", status, call.error, call.drift and f"drift: {', '.join(call.drift)}")
    return (
        call.place.node or UNKNOWN,
        _optional(call.place.step),
        call.answered_model or call.model or call.kind,
        count(call.usage.total_tokens if call.usage else None),
        dollars(call.cost_usd),
        _seconds(call.start_s),
        _seconds(call.latency_s),
        call.finish_reason or UNKNOWN,
        call.source,
        excerpt("; ".join(problem for problem in problems if problem), _EXCERPT),
    )


def _cached(trial: Trial) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            each.place.node or UNKNOWN,
            _optional(each.place.step),
            each.model or UNKNOWN,
            count(each.usage.total_tokens if each.usage else None),
        )
        for each in trial.trace.cached
    )


def _tool(tool: ToolCall) -> tuple[str, ...]:
    outcome = f"error: {tool.error}" if tool.error is not None else tool.output or ""
    return tool.place.node or UNKNOWN, tool.name, *_times(tool), excerpt(canonical_json(tool.args), _EXCERPT), excerpt(outcome, _EXCERPT)


def _scores(trial: Trial) -> Iterator[tuple[str, ...]]:
    for score in trial.scores:
        yield score.name, score.status, UNKNOWN if score.value is None else f"{score.value:.6g}", score.reason


def _reasons_of(trial: Trial) -> Iterator[Part]:
    if trial.reasons:
        yield from (
            Text(""),
            Text(f"why it is {trial.outcome}", style="bold"),
            *(Text(reason, 2, mark="- ") for reason in trial.reasons),
        )
    for interrupt in trial.trace.interrupts:
        where = f"before node {interrupt.node!r}: " if interrupt.node else ""
        yield Text(f"interrupt {where}{excerpt(canonical_json(interrupt.payload), _EXCERPT)}")


def _final_text(trial: Trial) -> Iterator[Part]:
    text = trial.trace.text
    if text is None:
        return
    shown = text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]}…"
    yield from (Text(""), Text("final text", style="bold"))
    yield from (Text(visible(part).expandtabs(4), 2) for part in shown.split("\n"))


def _times(timed: NodeStep | ToolCall) -> tuple[str, str]:
    return _seconds(timed.start_s), _seconds(timed.duration_s)


def _seconds(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds:.3f} s"


def _optional(number: int | None) -> str:
    return UNKNOWN if number is None else str(number)


def _plural(number: int | None, noun: str) -> str:
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"
