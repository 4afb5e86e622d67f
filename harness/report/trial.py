"""One trial for a terminal: how it ended and why, then what happened, moment by moment, as a transcript or played at its pace."""

from collections.abc import Iterator, Sequence

from harness.cassette.exchange import Exchange
from harness.experiment import Trial
from harness.report.figure import UNKNOWN, count, dollars
from harness.report.layout import WIDTH, Part, Table, Text, rendered
from harness.report.moments import Moment, moments, seconds
from harness.report.text import excerpt, line, shell_word, visible
from harness.tally import counted

_EXCERPT = 280  # a miss says what was recorded and what is asked now
_TEXT_SHOWN = 2000
_CLOCK = 11
_INNER = 4
_LABEL = 10
_OF_THE_TRIAL = frozenset({"step", "end"})


def show_trial(
    trial: Trial,
    exchanges: Sequence[Exchange] = (),
    *,
    experiment: str = "latest",
    whole: bool = False,
    width: int = WIDTH,
    colour: bool = False,
) -> str:
    """Return one trial: why it ended as it did, its transcript, scores, what else can be looked at, and the final text."""
    told = moments(trial, exchanges)
    parts = [*_heading(trial), *_reasons(trial), Text(""), Text("transcript", style="bold")]
    for moment in told:
        parts += _moment(moment, whole=whole)
    parts += [*_scores(trial), *_final_text(trial, whole=whole), *_closer(trial, experiment)]
    return rendered(parts, width, colour=colour)


def show_heading(trial: Trial, *, width: int = WIDTH, colour: bool = False) -> str:
    """Return how a trial ended, and its figures."""
    return rendered(_heading(trial), width, colour=colour)


def show_moment(moment: Moment, *, whole: bool = False, width: int = WIDTH, colour: bool = False) -> str:
    """Return one moment, as the transcript has it."""
    return rendered(_moment(moment, whole=whole), width, colour=colour)


def heading(trial: Trial) -> tuple[str, str, str]:
    """Return how a trial ended, and its figures, in three lines."""
    trace = trial.trace
    repeat = f", repeat {trial.repeat}" if trial.repeat > 1 else ""
    title = f"{trial.suite}@{trial.variant}, case {trial.case!r}{repeat}: {trial.outcome} (ended as {trace.ends})"
    steps = None if "steps" in trace.unseen else trace.supersteps
    calls = None if "calls" in trace.unseen else len(trace.model_calls)
    tools = None if "tools" in trace.unseen else len(trace.tools)
    did = ", ".join((_of(steps, "step"), _of(calls, "model call"), _of(tools, "tool call")))
    spent = f"{_of(trace.total_tokens, 'token')}, {dollars(trace.cost_usd)}"
    draw = f" of draw {trial.draw}" if trial.played and trial.draw < trial.repeat else ""
    played = f"exchanges{draw}: {count(trial.played)} played, {count(trial.recorded)} recorded, {count(trial.unused)} unused"
    return title, f"{did}; {spent}; took {_took(trial)}", played


def _of(number: int | None, noun: str) -> str:
    return f"{UNKNOWN} {noun}s" if number is None else counted(number, noun)


def _heading(trial: Trial) -> list[Part]:
    title, *figures = heading(trial)
    return [Text(title, style=trial.outcome), *(Text(one) for one in figures)]


def _took(trial: Trial) -> str:
    if trial.trace.real_time:
        return f"{seconds(trial.trace.duration_s)} (all times but latencies were measured in real time, and are no figures)"
    return seconds(trial.trace.duration_s)


def _reasons(trial: Trial) -> Iterator[Part]:
    if trial.reasons:
        yield from (Text(""), Text(f"why it is {trial.outcome}", style="bold"))
        yield from (Text(reason, 2, mark="- ") for reason in trial.reasons)


def _moment(moment: Moment, *, whole: bool) -> list[Part]:
    at = seconds(moment.at_s).rjust(_CLOCK - 1) if moment.at_s is not None else ""
    inner = 0 if moment.kind in _OF_THE_TRIAL else _INNER
    style = "fail" if moment.failed else "bold" if moment.kind == "step" else ""
    head = Text(_shown(moment.title, whole=whole), style=style, mark=at.ljust(_CLOCK + inner))
    texts = [
        Text(_shown(text, whole=whole), _CLOCK + inner + 2, mark=excerpt(label, _LABEL - 1).ljust(_LABEL))
        for label, text in moment.texts
        if text
    ]
    return [head, *texts]


def _shown(text: str, *, whole: bool) -> str:
    return line(text) if whole else excerpt(text, _EXCERPT)


def _scores(trial: Trial) -> Iterator[Part]:
    rows = [(score.name, score.status, UNKNOWN if score.value is None else f"{score.value:.6g}", score.reason) for score in trial.scores]
    if rows:
        yield from (
            Text(""),
            Text("scores", style="bold"),
            Table(("score", "status", "value", "reason"), tuple(rows), frozenset({"value"})),
        )


def _final_text(trial: Trial, *, whole: bool) -> Iterator[Part]:
    text = trial.trace.text
    if text is None:
        return
    shown = text if whole or len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]}…"
    yield from (Text(""), Text("final text", style="bold"))
    yield from (Text(visible(part).expandtabs(4), 2) for part in shown.split("\n"))


def _closer(trial: Trial, experiment: str) -> Iterator[Part]:
    command = f"harness show {shell_word(experiment)} {shell_word(trial.case)}"
    yield from (Text(""), Text(f"look closer: {command} --whole, --play or --states"))
