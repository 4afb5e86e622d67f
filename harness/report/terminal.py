"""Reports for a terminal, readable without colour and at 80 columns."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from harness.experiment import Experiment, Trial
from harness.gate import Summary, overall_verdict
from harness.report.figure import UNKNOWN, count, dollars, figure, percent
from harness.report.text import excerpt, line, shell_word, visible
from harness.schema import canonical_json
from harness.trace import NodeStep, ToolCall, WireCall

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 80

_STYLES = {"pass": "green", "fail": "red", "error": "bold red", "stale": "magenta", "inconclusive": "yellow", "unscored": "yellow"}
_CASES_SHOWN = 5
_REASONS_SHOWN = 2
_EXCERPT = 200
_TEXT_SHOWN = 2000


class _Text(NamedTuple):
    """A paragraph, indented by so many columns, behind a mark if it is an item; a word in `_STYLES` sets its colour."""

    text: str
    indent: int = 0
    style: str = ""
    mark: str = ""


class _Table(NamedTuple):
    """Rows under a head; columns named in `numbers` stand to the right; neither they nor those named in `whole` are broken."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()


_Part = _Text | _Table


def verdicts(summaries: Sequence[Summary], *, experiment: str = "latest", width: int = WIDTH, colour: bool = False) -> str:
    """Return the verdict table, the reasons, and the first failing cases with the command to look at one."""
    parts: list[_Part] = [_verdict_table(summaries)]
    for summary in summaries:
        parts += [*_reasons(summary), *_failing(summary, experiment)]
    verdict = overall_verdict(summary.verdict for summary in summaries)
    return _rendered([*parts, _Text(""), _Text(f"verdict: {verdict}", style=verdict)], width, colour=colour)


def show_experiment(experiment: Experiment, summaries: Sequence[Summary], *, width: int = WIDTH, colour: bool = False) -> str:
    """Return one experiment: its provenance, its verdicts, and every figure of every suite."""
    parts: list[_Part] = [*_head(experiment), _Text(""), _verdict_table(summaries)]
    for summary in summaries:
        parts += [*_reasons(summary), *_failing(summary, experiment.id), *_provenance(summary), *_figures(summary)]
    return _rendered(parts, width, colour=colour)


def show_trial(trial: Trial, *, width: int = WIDTH, colour: bool = False) -> str:
    """Return one trial: steps, calls, tools, scores, what went wrong, and the final text."""
    repeat = f", repeat {trial.repeat}" if trial.repeat > 1 else ""
    title = f"{trial.suite}@{trial.variant}, case {trial.case!r}{repeat}: {trial.outcome} (ended as {trial.trace.ends})"
    spent = f"{_plural(trial.trace.total_tokens, 'token')}, {dollars(trial.trace.cost_usd)}"
    played = f"exchanges: {trial.played} played, {trial.recorded} recorded, {trial.unused} unused; {spent}"
    parts = [_Text(title, style=trial.outcome), _Text(played), *_sections(trial), *_reasons_of(trial), *_final_text(trial)]
    return _rendered(parts, width, colour=colour)


def show_list(experiments: Iterable[Experiment], *, width: int = WIDTH, colour: bool = False) -> str:
    """Return a list of experiments in the order given."""
    head = ("experiment", "started", "status", "cases", "suites", "commit")
    rows = tuple(_listed(experiment) for experiment in experiments)
    part = _Table(head, rows, frozenset({"cases"}), frozenset({"experiment", "started"})) if rows else _Text("no experiments")
    return _rendered([part], width, colour=colour)


def _verdict_table(summaries: Sequence[Summary]) -> _Table:
    head = ("suite", "cases", "pass", "fail", "error", "stale", "route acc.", "tokens", "cost", "verdict")
    return _Table(head, tuple(_verdict_row(summary) for summary in summaries), frozenset(head[1:-1]))


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


def _reasons(summary: Summary) -> Iterator[_Part]:
    verdict = summary.verdict
    if verdict.reasons or verdict.notes:
        yield from (_Text(""), _Text(f"{summary.provenance.name}: {verdict.verdict}", style=verdict.verdict))
    yield from (_Text(reason, 2, mark="- ") for reason in verdict.reasons)
    yield from (_Text(f"note: {note}", 2, mark="- ") for note in verdict.notes)


def _failing(summary: Summary, experiment: str) -> Iterator[_Part]:
    cases = [(case, list(found)) for case, found in groupby(summary.tally.failures, key=lambda failure: failure.case)]
    if not cases:
        return
    yield from (_Text(""), _Text(f"{summary.provenance.name}: first cases that did not pass"))
    for case, failures in cases[:_CASES_SHOWN]:
        yield _Text(f"{case}: {', '.join(dict.fromkeys(failure.outcome for failure in failures))}", 2)
        reasons = list(dict.fromkeys(failure.reason for failure in failures))
        yield from (_Text(excerpt(reason, _EXCERPT), 4) for reason in reasons[:_REASONS_SHOWN])
        if len(reasons) > _REASONS_SHOWN:
            yield _Text(f"and {len(reasons) - _REASONS_SHOWN} more", 4)
    yield _Text(f"look at one: harness show {shell_word(experiment)} {shell_word(cases[0][0])}", 2)


def _head(experiment: Experiment) -> Iterator[_Part]:
    finished = f", finished {experiment.finished_at}" if experiment.finished_at else ""
    yield _Text(f"experiment {experiment.id}: {experiment.status}")
    yield _Text(f"started {experiment.started_at}{finished}")
    yield _Text(f"commit {experiment.commit or 'unknown'}, price table {experiment.price_table or 'unknown'}, repeats {experiment.repeat}")
    yield _Text(f"sockets opened: {experiment.sockets_opened}")
    if experiment.packages:
        yield _Text("packages: " + ", ".join(f"{name} {version}" for name, version in sorted(experiment.packages.items())))


def _provenance(summary: Summary) -> Iterator[_Part]:
    of = summary.provenance
    yield from (_Text(""), _Text(f"{of.name}: what was run"))
    yield _Text(f"graph {of.graph}, fingerprint {of.graph_fingerprint}, mode {of.mode}, built per {of.build}", 2)
    yield _Text(f"dataset {of.dataset}, digest {of.dataset_digest}, {of.cases:,} cases{' selected' if of.selected else ''}", 2)
    yield _Text(f"cassettes {of.cassettes_digest}, match {of.match}; checks {', '.join(of.checks)}", 2)
    if of.prompts:
        yield _Text("prompts " + ", ".join(f"{name} {version}" for name, version in sorted(of.prompts.items())), 2)
    if of.model or of.parameters:
        yield _Text(f"model {of.model or 'as built'}, parameters {canonical_json(of.parameters)}", 2)


def _figures(summary: Summary) -> Iterator[_Part]:
    """Show the figures, then the names of those that have none, by their reason."""
    metrics = summary.tally.metrics()
    rows = tuple((name, figure(name, metric.value)) for name, metric in metrics.items() if metric.value is not None)
    yield from (_Text(""), _Table((f"{summary.provenance.name}: metric", "value"), rows, frozenset({"value"})))
    for reason in sorted({metric.reason for metric in metrics.values() if metric.value is None}):
        names = ", ".join(name for name, metric in metrics.items() if metric.value is None and metric.reason == reason)
        yield _Text(f"no value of {names}: {reason}", 2, mark="- ")


def _listed(experiment: Experiment) -> tuple[str, ...]:
    names = ", ".join(suite.name for suite in experiment.suites)
    cases = sum(suite.cases for suite in experiment.suites)
    return experiment.id, experiment.started_at, experiment.status, count(cases), names, (experiment.commit or UNKNOWN)[:10]


def _sections(trial: Trial) -> Iterator[_Part]:
    trace = trial.trace
    calls = ("node", "step", "model", "tokens", "latency", "finish", "source", "error")
    sections = (
        ("steps", _Table(("step", "node", "visit", "note"), tuple(map(_step, trace.steps)), frozenset({"step", "visit"}))),
        ("model calls", _Table(calls, tuple(map(_call, trace.calls)), frozenset({"step", "tokens", "latency"}))),
        ("tools", _Table(("node", "tool", "arguments", "output or error"), tuple(map(_tool, trace.tools)))),
        ("scores", _Table(("score", "status", "value", "reason"), tuple(_scores(trial)), frozenset({"value"}))),
    )
    for title, table in sections:
        if table.rows:
            yield from (_Text(""), _Text(title, style="bold"), table)


def _step(step: NodeStep) -> tuple[str, ...]:
    attempts = f"{step.attempts} attempts" if step.attempts > 1 else ""
    notes = (attempts, "interrupted" if step.interrupted else "", f"error: {step.error}" if step.error else "")
    node = "/".join((*step.place.namespace, step.place.node or UNKNOWN))
    return _optional(step.place.step), node, _optional(step.place.visit), "; ".join(note for note in notes if note)


def _call(call: WireCall) -> tuple[str, ...]:
    status = f"HTTP {call.status}" if call.status is not None and not call.answered else ""
    problems = (call.fault and f"fault {call.fault}", status, call.error, call.drift and f"drift: {', '.join(call.drift)}")
    return (
        call.place.node or UNKNOWN,
        _optional(call.place.step),
        call.answered_model or call.model or call.kind,
        count(call.usage.total_tokens if call.usage else None),
        UNKNOWN if call.latency_s is None else f"{call.latency_s:.3f} s",
        call.finish_reason or UNKNOWN,
        call.source,
        excerpt("; ".join(problem for problem in problems if problem), _EXCERPT),
    )


def _tool(tool: ToolCall) -> tuple[str, ...]:
    outcome = f"error: {tool.error}" if tool.error is not None else tool.output or ""
    return tool.place.node or UNKNOWN, tool.name, excerpt(canonical_json(tool.args), _EXCERPT), excerpt(outcome, _EXCERPT)


def _scores(trial: Trial) -> Iterator[tuple[str, ...]]:
    for score in trial.scores:
        yield score.name, score.status, UNKNOWN if score.value is None else f"{score.value:.6g}", score.reason


def _reasons_of(trial: Trial) -> Iterator[_Part]:
    if trial.reasons:
        yield from (
            _Text(""),
            _Text(f"why it is {trial.outcome}", style="bold"),
            *(_Text(reason, 2, mark="- ") for reason in trial.reasons),
        )
    for interrupt in trial.trace.interrupts:
        where = f"before node {interrupt.node!r}: " if interrupt.node else ""
        yield _Text(f"interrupt {where}{excerpt(canonical_json(interrupt.payload), _EXCERPT)}")


def _final_text(trial: Trial) -> Iterator[_Part]:
    text = trial.trace.text
    if text is None:
        return
    shown = text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]}…"
    yield from (_Text(""), _Text("final text", style="bold"))
    yield from (_Text(visible(part).expandtabs(4), 2) for part in shown.split("\n"))


def _optional(number: int | None) -> str:
    return UNKNOWN if number is None else str(number)


def _plural(number: int | None, noun: str) -> str:
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def _rendered(parts: Iterable[_Part], width: int, *, colour: bool) -> str:
    """Return the parts as text; nothing of the environment has a say."""
    from rich.console import Console  # noqa: PLC0415, rich costs 40 ms that not every command needs

    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=colour,
        force_jupyter=False,
        color_system="standard" if colour else None,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )
    for part in parts:
        console.print(_drawn(part))
    return "".join(f"{row.rstrip()}\n" for row in file.getvalue().split("\n")[:-1])


def _drawn(part: _Part) -> "RenderableType":
    return _paragraph(part) if isinstance(part, _Text) else _table(part)


def _paragraph(part: _Text) -> "RenderableType":
    from rich.padding import Padding  # noqa: PLC0415, as above
    from rich.table import Table  # noqa: PLC0415, as above
    from rich.text import Text  # noqa: PLC0415, as above

    text = Text(line(part.text), style=_STYLES.get(part.style, part.style), overflow="fold")
    if not part.mark:
        return Padding(text, (0, 0, 0, part.indent))
    item = Table.grid()
    item.add_row(part.mark, text)
    return Padding(item, (0, 0, 0, part.indent))


def _table(part: _Table) -> "RenderableType":
    from rich.table import Table  # noqa: PLC0415, as above
    from rich.text import Text  # noqa: PLC0415, as above

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in part.head:
        number = name in part.numbers
        table.add_column(Text(line(name)), justify="right" if number else "left", no_wrap=number or name in part.whole, overflow="fold")
    for row in part.rows:
        table.add_row(*(Text(line(cell), style=_STYLES.get(cell, ""), overflow="fold") for cell in row))
    return table
