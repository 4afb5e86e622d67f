"""Runs as LangSmith exports them: the root runs of an experiment, each of which is a trial of its example, and feedback on them.

The form is that of `Client.list_runs` and `POST /runs/query`: https://docs.langchain.com/langsmith/run-data-format
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import JsonValue

from harness.checks.registry import BUILT_IN
from harness.errors import UsageError
from harness.experiment import Trial, outcome
from harness.foreign.chat import chat
from harness.foreign.records import Record, at
from harness.foreign.trials import UNSEEN, Key, crash_of, ended
from harness.score import Score, failed, passed, unscored
from harness.trace import Crash, Told, Trace

_NO_FEEDBACK = "feedback"
_MESSAGES = ("outputs.messages", "outputs.output.messages", "outputs.output")
_TEXTS = ("outputs.output", "outputs.answer", "outputs.text", "outputs.content")


class Feedback(NamedTuple):
    """What was said of a run under one key; `score` is the mean where several said something, None where nobody gave a number."""

    score: float | None
    number: int = 1
    comment: str = ""


def feedback_in(records: Iterable[Record]) -> dict[str, dict[str, list[Feedback]]]:
    """Return the feedback among these records, by run and key: what has a `run_id` and a `key`."""
    found: dict[str, dict[str, list[Feedback]]] = {}
    for record in records:
        if _is_feedback(record):
            run, key, comment = (record.value.get(name) for name in ("run_id", "key", "comment"))
            said = Feedback(_score(record, record.value.get("score"), str(key)), 1, comment if isinstance(comment, str) else "")
            found.setdefault(str(run), {}).setdefault(str(key), []).append(said)
    return found


@dataclass(slots=True)
class Runs:
    """Makes trials of the root runs of one experiment. `keys` names the feedback that counts; without any, all of it does.

    `pass_at` is the score from which on a key passes. `left_out` counts what makes no trial, by why.
    """

    suite: str
    feedback: Mapping[str, Mapping[str, Sequence[Feedback]]]
    keys: tuple[str, ...] = ()
    case: str = ""
    session: str = ""
    pass_at: float = 1.0
    left_out: dict[str, int] = field(default_factory=dict)
    checks: dict[str, None] = field(default_factory=dict)
    _sessions: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, str] = field(default_factory=dict)

    def read(self, record: Record) -> tuple[Key, Trial] | None:
        """Return the trial of a run, its repeat still to be numbered; None for what is none. UsageError for what it cannot be."""
        run = record.value
        if _is_feedback(record):
            return None
        why = self._why_not(record)
        if why:
            self.left_out[why] = self.left_out.get(why, 0) + 1
            return None
        self._check_alone(record)
        named = self.case or "reference_example_id"
        case = at(dict(run), named)
        if not isinstance(case, str | int) or isinstance(case, bool) or case == "":
            message = f"{record.place}: the run's {named} is no name of a case; name another with --case"
            raise UsageError(message)
        trace = _trace(record)
        scores = tuple(self._scores(record))
        self.checks.update(dict.fromkeys(score.check for score in scores))
        how = outcome(trace, scores, (), (), expects_error=False)
        trial = Trial(suite=self.suite, variant="default", case=str(case), outcome=how, scores=scores, trace=trace)
        return Key(str(case), None, record.place), trial

    def _why_not(self, record: Record) -> str:
        """Say why a record is not a trial of the experiment; nothing where it is."""
        run = record.value
        if not isinstance(run.get("id"), str) or "run_type" not in run:
            message = f"{record.place}: not a run of LangSmith: it has no id or no run_type"
            raise UsageError(message)
        if run.get("parent_run_id") is not None or run.get("trace_id") not in {None, run["id"]}:
            return "runs within another run"
        if self.session and run.get("session_id") != self.session:
            return "runs of another experiment"
        return "" if self.case or run.get("reference_example_id") else "runs without reference_example_id"

    def _check_alone(self, record: Record) -> None:
        """Refuse a run that is there twice, and one of a second experiment."""
        run = str(record.value["id"])
        if run in self._seen:
            message = f"{record.place}: run {run} stands at {self._seen[run]} already"
            raise UsageError(message)
        self._seen[run] = record.place
        self._sessions.setdefault(str(record.value.get("session_id")), record.place)
        if len(self._sessions) > 1:
            first, second = self._sessions
            message = f"{record.place}: a run of a second experiment, session_id {second} beside {first}; choose one with --session"
            raise UsageError(message)

    def _scores(self, record: Record) -> Iterable[Score]:
        said = _said(record, self.feedback.get(str(record.value["id"]), {}))
        for key in self.keys or sorted(said):
            yield self._scored(key, said.get(key))
        if not (self.keys or said):
            yield unscored(_NO_FEEDBACK, _NO_FEEDBACK, "the run has no feedback")

    def _scored(self, key: str, said: Feedback | None) -> Score:
        check = f"feedback.{key}" if key in BUILT_IN else key
        if said is None or said.score is None:
            why = "the run has none" if said is None else "it has no score"
            return unscored(check, check, f"feedback {key!r}: {why}{f': {said.comment}' if said and said.comment else ''}")
        of = f", the mean of {said.number}" if said.number > 1 else ""
        comment = f": {said.comment}" if said.comment else ""
        if said.score >= self.pass_at:
            return passed(check, check, said.score)
        return failed(check, check, f"scored {said.score:g}{of}, below {self.pass_at:g}{comment}", said.score)


def _is_feedback(record: Record) -> bool:
    return "run_id" in record.value and "key" in record.value


def _said(record: Record, found: Mapping[str, Sequence[Feedback]]) -> dict[str, Feedback]:
    """Return the feedback on a run by key: the records of it where there are any, else the run's own `feedback_stats`."""
    stats = record.value.get("feedback_stats")
    told = {
        key: Feedback(_score(record, value.get("avg"), key), number if isinstance(number := value.get("n"), int) else 1)
        for key, value in (stats if isinstance(stats, dict) else {}).items()
        if isinstance(value, dict)
    }
    return told | {key: _mean(each) for key, each in found.items()}


def _mean(said: Sequence[Feedback]) -> Feedback:
    scores = [one.score for one in said if one.score is not None]
    comments = "; ".join(one.comment for one in said if one.comment)
    return Feedback(sum(scores) / len(scores) if len(scores) == len(said) else None, len(said), comments)


def _score(record: Record, score: JsonValue, key: str) -> float | None:
    if score is None or isinstance(score, bool | int | float):
        return None if score is None else float(score)
    message = f"{record.place}: feedback {key!r} has the score {score!r}, which is not true, false or a number"
    raise UsageError(message)


def _trace(record: Record) -> Trace:
    run = dict(record.value)
    told = Told(tokens=_tokens(record), cost_usd=_dollars(record))
    found = next((shown for path in _MESSAGES if (shown := chat(at(run, path))) is not None), None)
    trace = Trace(
        tools=found.tools if found else (),
        text=found.text if found else next((text for path in _TEXTS if isinstance(text := at(run, path), str)), None),
        state=run.get("outputs"),
        duration_s=_seconds(run),
        unseen=UNSEEN if found else (*UNSEEN, "tools"),
        told=told,
    )
    return ended(trace, crash_of(run.get("error")) or _unfinished(run))


def _seconds(run: Mapping[str, JsonValue]) -> float | None:
    """Return how long a run took by its start and end; None where it does not say."""
    try:
        start, end = (dt.datetime.fromisoformat(str(run.get(name))) for name in ("start_time", "end_time"))
        took_s = (end - start).total_seconds()
    except (ValueError, TypeError):  # one is missing, is no time, or has no time zone where the other has one
        return None
    return took_s if took_s >= 0 else None


def _unfinished(run: Mapping[str, JsonValue]) -> Crash | None:
    """Return what stands for a crash where the export says that a run had not ended, or that it failed without saying how."""
    if run.get("status") == "error":
        return Crash(type="Error", message="the run has the status error")
    if run.get("status") == "pending" or ("end_time" in run and run["end_time"] is None):
        return Crash(type="Unfinished", message="the run had not ended when it was exported")
    return None


def _tokens(record: Record) -> int | None:
    """Return the tokens that a run counts; nobody counted where it says 0 and no cost."""
    found = record.value.get("total_tokens")
    if found is not None and (not isinstance(found, int) or isinstance(found, bool) or found < 0):
        message = f"{record.place}: total_tokens is {found!r}, not a number of tokens"
        raise UsageError(message)
    return found or None


def _dollars(record: Record) -> float | None:
    """Return the dollars of a run, which LangSmith writes as a number or as its text."""
    found = record.value.get("total_cost")
    try:
        cost = None if found is None or isinstance(found, bool) else float(str(found))
    except ValueError:
        cost = -1.0
    if cost is not None and not 0 <= cost < float("inf"):
        message = f"{record.place}: total_cost is {found!r}, not a number of dollars"
        raise UsageError(message)
    return cost or None
