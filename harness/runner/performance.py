"""A performance: one execution of a case's graph, and the trace that is made of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.plain import last_text, plain
from harness.price import Price, cost_usd
from harness.runner.crash import crash_of
from harness.runner.ended import Ended
from harness.story import Story
from harness.trace import CachedAnswer, Trace, WireCall
from harness.wire.seam import Layer
from harness.wire.tools import ToolFaults
from harness.wire.trial import TrialWire, wire_call


@dataclass(frozen=True, slots=True)
class Performance:
    """One execution of a case's graph over a wire of its own: how it ended, what it did, and what stood behind the seam."""

    ended: Ended
    trace: Trace
    story: Story
    wire: TrialWire
    layers: tuple[Layer | ToolFaults, ...]


def trace_of(ended: Ended, story: Story, wire: TrialWire, *, root: Path, prices: Mapping[str, Price]) -> Trace:
    """Return the trace of an execution: what was observed and what went over the wire, each in the order of the graph's steps."""
    return Trace(
        steps=story.steps(),
        calls=tuple(_priced(call, prices) for call in _calls(wire, story)),
        tools=story.tools(),
        retrievers=story.retrievers(),
        interrupts=ended.interrupts,
        cached=_cached(ended, story),
        state=plain(ended.state),
        text=last_text(ended.state),
        ends=ended.ends,
        duration_s=ended.duration_s,
        real_time=ended.real_time,
        crash=crash_of(ended.crash, node=story.running_node(), root=root) if ended.crash else None,
        recursion_limit=ended.recursion_limit,
        unseen=ended.unseen,
    )


def _priced(call: WireCall, prices: Mapping[str, Price]) -> WireCall:
    if call.kind == "http" or not call.answered:
        return call
    host = call.url.partition("://")[2].partition("/")[0].partition(":")[0]
    cost = cost_usd(call.usage, models=(call.answered_model, call.model), host=host, own=prices)
    return call.model_copy(update={"cost_usd": cost})


def _cached(ended: Ended, story: Story) -> tuple[CachedAnswer, ...]:
    """Return the cached answers in the order of the graph's steps."""
    ordered = sorted(ended.cached, key=lambda pair: (story.order(pair[1]), pair[0].to_json()))
    return tuple(answer.model_copy(update={"place": story.place(answer.place, span)}) for answer, span in ordered)


def _calls(wire: TrialWire, story: Story) -> Iterable[WireCall]:
    """Return the requests in the order of the graph's steps.

    Within one execution of a node they stand as they were recorded, since parallel ones arrive in any order;
    as they arrived where a fault or a miss was among them, since those are on no recording.
    """
    by_span: dict[str, list[tuple[int, Any]]] = {}
    for arrival, note in enumerate(wire.notes):
        by_span.setdefault(note.span, []).append((arrival, note))
    for span in sorted(by_span, key=story.order):
        notes = by_span[span]
        if all(note.reply is not None and note.reply.exchange is not None for _, note in notes):
            notes.sort(key=lambda pair: pair[1].reply.exchange)
        for _, note in notes:
            yield wire_call(note, story.place(note.ask.place, note.span))
