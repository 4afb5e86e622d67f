"""The check `streaming`, on what rehearsals showed."""

import pytest

from harness.checks import streaming
from harness.dataset import EventExpectation, StreamingExpectation
from harness.trace import Place, SeenEvent, Streaming, ToolCall, Trace


def scored(case, context, expected=None, trace=None, **fields):
    """Return the score of one way."""
    (score,) = streaming.check(
        case(streaming=expected or StreamingExpectation()),
        (trace or Trace(text="abc")).model_copy(update={"streamings": (Streaming(way="stream messages", **fields),)}),
        context(),
    )
    return score


def test_the_same_end_passes(case, context):
    """The score is named after the way, and says how many pieces of text came."""
    score = scored(case, context, tokens=2, text="abc")
    assert (score.name, score.status, score.reason) == ("streaming.stream_messages", "pass", "the same end, 2 pieces of text streamed")


@pytest.mark.parametrize(
    ("expected", "fields", "reason"),
    [
        ({}, {"differs": ("state.a is 1, it was 2",)}, "stream messages: state.a is 1, it was 2"),
        ({}, {"text": "abd"}, "stream messages: what was streamed of the last message is 'abd', the message is 'abc'"),
        ({"custom": ({"a": 1},)}, {"custom": ()}, "stream messages: expected 1 custom event, there were 0: []"),
        ({"custom": ({"a": 1},)}, {"custom": ({"a": 2},)}, 'stream messages: custom event 1 is {"a": 2}, which does not hold {"a": 1}'),
        ({"events": (EventExpectation(tag="x"),)}, {"events": ()}, 'stream messages: expected at least one of {"tag":"x"}, there were 0'),
        (
            {"events": (EventExpectation(type="tool", times=0),)},
            {"events": (SeenEvent(type="tool", name="a", started=1, ended=1),)},
            'stream messages: expected 0 of {"times":0,"type":"tool"}, there were 1',
        ),
    ],
)
def test_what_differs_fails(case, context, expected, fields, reason):
    """The reason says what differs from the trial, or from what is expected to be seen."""
    score = scored(case, context, StreamingExpectation(**expected), **fields)
    assert (score.status, score.reason) == ("fail", reason)


@pytest.mark.parametrize(("started", "ended"), [(0, 0), (1, 0), (2, 2)])
def test_a_tool_whose_start_or_end_is_not_seen_fails(case, context, started, ended):
    """Each execution has one start and one end among the events."""
    trace = Trace(text="abc", tools=(ToolCall(place=Place(), name="lookup"),))
    events = (SeenEvent(type="tool", name="lookup", started=started, ended=ended),)
    assert scored(case, context, trace=trace, events=events).reason == (
        f"stream messages: tool 'lookup' ran 1 time, {started} starts and {ended} ends were seen"
    )


def test_what_cannot_be_streamed_is_unscored(case, context):
    """A recorded answer that has no such form proves nothing."""
    score = scored(case, context, unfit="a stream was asked for")
    assert (score.status, score.reason) == ("unscored", "a stream was asked for")


def test_what_a_way_does_not_tell_is_not_looked_for(case, context):
    """Custom events and tools are expected of the ways that show them."""
    expected = StreamingExpectation(custom=({"a": 1},), events=(EventExpectation(tag="x"),))
    trace = Trace(text="abc", tools=(ToolCall(place=Place(), name="lookup"),))
    assert scored(case, context, expected, trace).status == "pass"
