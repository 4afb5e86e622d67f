"""A trial as one request, or a few where it is large: its run tree, and the feedback on it."""

import datetime as dt
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from harness.cassette.exchange import Exchange
from harness.experiment import Trial
from harness.mirror.call import Call, Part, grouped
from harness.mirror.feedback import feedback, numbered, said_of
from harness.mirror.ids import run_id
from harness.mirror.moments import after, in_order, milliseconds, seen_s, written_moment
from harness.mirror.spans import Span, spans_of

_ROOT = "trial"
_COUNTED_BY = frozenset({"example_version", "usage_metadata", "ls_model_name", "ls_model_type", "ls_provider"})


class Row(NamedTuple):
    """Where a trial belongs: the experiment by its id and begin, the example by its id, version and inputs.

    `hidden` are the parts of runs that are not to be shown: inputs, outputs, metadata.
    """

    session: str
    started: dt.datetime
    example: str
    example_version: str | None
    inputs: dict[str, JsonValue]
    said_at: str
    hidden: Container[str] = ()


class _Placed(NamedTuple):
    id: str
    order: str
    start: dt.datetime
    end: dt.datetime


def trace_id(session: str, trial: Trial, started: dt.datetime) -> str:
    """Return the id of a trial's root run, which is that of its trace."""
    return run_id(session, trial.case, trial.repeat, _ROOT, start_ms=milliseconds(started))


def runs_in(trial: Trial) -> int:
    """Return how many runs the trace of a trial has."""
    trace = trial.trace
    return 1 + sum(map(len, (trace.steps, trace.calls, trace.tools, trace.retrievers, trace.cached)))


def trace_calls(trial: Trial, row: Row, exchanges: Sequence[Exchange] = (), *, there: Container[str] = ()) -> Iterator[Call]:
    """Yield the requests that bring a trial: every run whole, with inputs, outputs and end, so that none is changed later.

    It is one request unless it is too large for one. Runs that are `there` already, by id, are left out, and then the feedback too.
    """
    root = _root(trial, row)
    placed = {"": _placed(root, None, trial, row)}
    trace = placed[""].id
    units = [(trace, tuple(_run(root, placed[""], None, row, trace)))]
    for number, span in enumerate(spans_of(trial.trace, exchanges), start=1):
        around = placed[span.inside]
        placed[span.path] = _placed(span, around, trial, row, number)
        units.append((placed[span.path].id, tuple(_run(span, placed[span.path], around, row, trace))))
    lacking = [unit for run, unit in units if run not in there]
    if len(lacking) == len(units):
        lacking += [(Part(f"feedback.{said['id']}", said),) for said in feedback_on(trial, row)]
    for number, parts in enumerate(grouped(lacking)):
        yield Call(f"trace {trace}{f'/{number}' if number else ''}", "POST", "/runs/multipart", parts=parts, sized=True)


def feedback_on(trial: Trial, row: Row) -> Iterator[dict[str, JsonValue]]:
    """Yield the documents of what is said of a trial."""
    root = trace_id(row.session, trial, row.started)
    of = {"run_id": root, "trace_id": root, "session_id": row.session, "start_time": written_moment(row.started)}
    for number, said in numbered(said_of(trial)):
        yield feedback(root, number, said, at=row.said_at, **of)


def _root(trial: Trial, row: Row) -> Span:
    trace, crash = trial.trace, trial.trace.crash
    known: dict[str, JsonValue] = {"example_version": row.example_version} if row.example_version else {}
    known |= {"case": trial.case, "variant": trial.variant, "repeat": trial.repeat, "draw": trial.draw, "outcome": trial.outcome}
    known |= {"ends": trace.ends, "exchanges_played": trial.played, "exchanges_unused": trial.unused}
    known |= {} if trace.duration_s is not None else {"times": "unknown"}
    outputs: dict[str, JsonValue] = {"text": trace.text, "state": trace.state}
    if trace.interrupts:
        outputs["interrupts"] = [stop.model_dump(mode="json") for stop in trace.interrupts]
    error = "\n".join(filter(None, (f"{crash.type}: {crash.message}", crash.traceback))) if crash else None
    return Span(_ROOT, "", trial.suite, "chain", 0.0, seen_s(trace), inputs=row.inputs, outputs=outputs, error=error, metadata=known)


def _placed(span: Span, around: _Placed | None, trial: Trial, row: Row, number: int = 0) -> _Placed:
    start = around.start if around and span.start_s is None else after(row.started, span.start_s or 0.0)
    found = run_id(row.session, trial.case, trial.repeat, span.path, start_ms=milliseconds(start), number=number)
    order = in_order(start) + found
    return _Placed(found, f"{around.order}.{order}" if around else order, start, after(start, span.duration_s or 0.0))


def _run(span: Span, at: _Placed, around: _Placed | None, row: Row, trace: str) -> Iterator[Part]:
    """Yield the parts of a run; only the root, which has nothing around it, is linked with the example."""
    link: dict[str, JsonValue] = {"parent_run_id": around.id} if around else {"reference_example_id": row.example}
    head: dict[str, JsonValue] = {
        "id": at.id,
        "trace_id": trace,
        **link,
        "dotted_order": at.order,
        "session_id": row.session,
        "name": span.name,
        "run_type": span.run_type,
        "start_time": written_moment(at.start),
        "end_time": written_moment(at.end),
        "tags": [],
    }
    unknown: dict[str, JsonValue] = {} if span.start_s is not None and span.duration_s is not None else {"times": "unknown"}
    yield Part(f"post.{at.id}", head)
    yield Part(f"post.{at.id}.inputs", {} if "inputs" in row.hidden else span.inputs)
    if span.outputs is not None:
        yield Part(f"post.{at.id}.outputs", {} if "outputs" in row.hidden else span.outputs)
    yield Part(f"post.{at.id}.extra", {"metadata": _shown(span.metadata | unknown, row)})
    if span.error is not None:
        yield Part(f"post.{at.id}.error", span.error)
    if span.first_token_s is not None:
        yield Part(f"post.{at.id}.events", [{"name": "new_token", "time": written_moment(after(at.start, span.first_token_s))}])


def _shown(metadata: dict[str, JsonValue], row: Row) -> dict[str, JsonValue]:
    """Return metadata as it is to be shown: where it is hidden, only what LangSmith links and counts by."""
    return {name: metadata[name] for name in _COUNTED_BY & metadata.keys()} if "metadata" in row.hidden else metadata
