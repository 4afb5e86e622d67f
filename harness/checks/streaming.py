"""The check `streaming`: whether the trial comes to the same end in every way of running it, and whether the stream shows how."""

from collections import Counter
from collections.abc import Iterator

from harness.checks.containment import holds
from harness.checks.context import CheckContext
from harness.checks.quoting import cut, quote, times
from harness.dataset import Case, EventExpectation
from harness.score import Score, failed, passed, unscored
from harness.trace import SeenEvent, Streaming, Trace

_SHOWN = 400


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Return one score for each way in which the trial was run again, named after it."""
    del context
    return tuple(_score(case, trace, streaming) for streaming in trace.streamings)


def _score(case: Case, trace: Trace, streaming: Streaming) -> Score:
    name = f"streaming.{streaming.way.replace(' ', '_')}"
    if streaming.unfit:
        return unscored("streaming", name, streaming.unfit)
    problems = (*streaming.differs, *_text(trace, streaming), *_custom(case, streaming), *_events(case, trace, streaming))
    if problems:
        return failed("streaming", name, cut(f"{streaming.way}: {'; '.join(problems)}", _SHOWN))
    tokens = "" if streaming.tokens is None else f", {times(streaming.tokens, 'piece')} of text streamed"
    return passed("streaming", name, reason=f"the same end{tokens}")


def _text(trace: Trace, streaming: Streaming) -> Iterator[str]:
    if streaming.text is not None and streaming.text != (trace.text or ""):
        yield f"what was streamed of the last message is {quote(streaming.text)}, the message is {quote(trace.text or '')}"


def _custom(case: Case, streaming: Streaming) -> Iterator[str]:
    wanted = case.expected.streaming.custom if case.expected.streaming else None
    if wanted is None or streaming.custom is None:
        return
    seen = streaming.custom
    if len(seen) != len(wanted):
        yield f"expected {times(len(wanted), 'custom event')}, there were {len(seen)}: {quote(list(seen))}"
        return
    for number, (part, event) in enumerate(zip(wanted, seen, strict=True), start=1):
        if not holds(event, part):
            yield f"custom event {number} is {quote(event)}, which does not hold {quote(part)}"


def _events(case: Case, trace: Trace, streaming: Streaming) -> Iterator[str]:
    if streaming.events is None:
        return
    yield from _tools(trace, streaming.events)
    for wanted in case.expected.streaming.events if case.expected.streaming else ():
        seen = sum(event.started for event in streaming.events if _fits(event, wanted))
        if seen != wanted.times if wanted.times is not None else not seen:
            asked = "at least one" if wanted.times is None else str(wanted.times)
            yield f"expected {asked} of {wanted.to_json()}, there were {seen}"


def _fits(event: SeenEvent, wanted: EventExpectation) -> bool:
    return wanted.type in {None, event.type} and wanted.name in {None, event.name} and (wanted.tag is None or wanted.tag in event.tags)


def _tools(trace: Trace, events: tuple[SeenEvent, ...]) -> Iterator[str]:
    """Say which tools ran whose start or end was not seen."""
    started: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for event in events:
        if event.type == "tool":
            started[event.name] += event.started
            ended[event.name] += event.ended
    for name, ran in Counter(tool.name for tool in trace.tools).items():
        if (started[name], ended[name]) != (ran, ran):
            yield f"tool {name!r} ran {times(ran, 'time')}, {started[name]} starts and {ended[name]} ends were seen"
