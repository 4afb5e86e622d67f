"""The moments of a trial: every part once, in the order of time."""

from typing import Any

from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.miss import Miss
from harness.experiment import Trial
from harness.report.moments import moments
from harness.schema import canonical_json
from harness.trace import Interrupt, NodeStep, Place, RetrieverCall, ToolCall, Trace, Usage, WireCall

URL = "https://api.openai.com/v1/chat/completions"


def place(node: str, step: int, *namespace: str) -> Place:
    """Return the first visit of a node."""
    return Place(node=node, step=step, visit=1, namespace=namespace)


def call(where: Place, start_s: float | None, duration_s: float | None, **fields: Any) -> WireCall:
    """Return an answered model call."""
    known = {"kind": "chat", "source": "replay", "url": URL, "model": "gpt-4o-mini", "status": 200, "usage": Usage(input_tokens=3)}
    return WireCall(place=where, start_s=start_s, duration_s=duration_s, **{**known, **fields})


def told(trace: Trace, **fields: Any) -> list[tuple[float | None, str]]:
    """Return the times and titles of a trial with this trace."""
    trial = Trial(suite="s", variant="default", case="c", outcome="pass", trace=trace, **fields)
    return [(moment.at_s, moment.title.partition(":")[0] if moment.kind == "answered" else moment.title) for moment in moments(trial)]


def test_parallel_steps_are_told_in_the_order_of_time() -> None:
    """Two branches of one superstep are interleaved as they ran; the end comes last."""
    left, right = place("left", 1), place("right", 1)
    steps = (
        NodeStep(place=left, start_s=0.0, duration_s=3.0, update={"a": "done"}),
        NodeStep(place=right, start_s=0.0, duration_s=1.0, update={"b": "done"}),
    )
    trace = Trace(steps=steps, calls=(call(left, 0.0, 3.0), call(right, 0.5, 0.5)), duration_s=3.0)

    assert told(trace) == [
        (0.0, "step 1: left (took 3.000 s)"),
        (0.0, "asks gpt-4o-mini"),
        (0.0, "step 1: right (took 1.000 s)"),
        (0.5, "asks gpt-4o-mini"),
        (1.0, "answered"),
        (1.0, "right wrote"),
        (3.0, "answered"),
        (3.0, "left wrote"),
        (3.0, "ended as answer"),
    ]


def test_a_subgraph_is_told_inside_its_node() -> None:
    """What the steps of a subgraph did stands before what the node that it is wrote, though all of it took no time."""
    outer, inner = place("team", 1), place("worker", 1, "team")
    steps = (
        NodeStep(place=outer, start_s=0.0, duration_s=0.0, update={"x": "1"}),
        NodeStep(place=inner, start_s=0.0, duration_s=0.0, update={"y": "2"}),
        NodeStep(place=place("last", 2), start_s=0.0, duration_s=0.0),
    )

    assert [title for _, title in told(Trace(steps=steps, duration_s=0.0))] == [
        "step 1: team (took 0.000 s)",
        "step 1: team/worker (took 0.000 s)",
        "worker wrote",
        "team wrote",
        "step 2: last (took 0.000 s)",
        "ended as answer",
    ]


def test_what_has_no_time_stays_where_it_was() -> None:
    """Without times the order is that of the steps; a retriever, which has none, stands within its step, and a miss does."""
    first, second = place("first", 1), place("second", 2)
    steps = (NodeStep(place=first, start_s=0.0, duration_s=1.0), NodeStep(place=second, start_s=1.0, duration_s=1.0))
    found = RetrieverCall(place=first, name="notes", query="tides", documents=2)
    miss = Miss(place=first, request="POST /", cause="the cassette is empty")
    trace = Trace(steps=steps, retrievers=(found,), duration_s=2.0)

    titles = [title for _, title in told(trace, misses=(miss,))]
    assert titles[1] == "retriever notes: found 2 documents"
    assert titles[2].endswith("the cassette is empty")
    assert titles[3].startswith("step 2")
    untimed = trace.model_copy(update={"steps": tuple(step.model_copy(update={"start_s": None}) for step in steps), "duration_s": None})
    assert [title.partition(" (")[0] for _, title in told(untimed)][0::2][:2] == ["step 1: first", "step 2: second"]


def test_nothing_is_left_out() -> None:
    """What ran in no step, a tool that failed and a stop for a human are told, too."""
    tool = ToolCall(place=Place(), name="lookup", args={"id": 7}, error="no such id", start_s=0.0, duration_s=0.5)
    trace = Trace(tools=(tool,), calls=(call(Place(), 0.0, 0.25, status=429, error="busy"),), interrupts=(Interrupt(payload="ok?"),))

    titles = [title for _, title in told(trace)]
    assert "was not answered" in titles
    assert "lookup failed after 0.500 s: no such id" in titles
    assert "stopped for a human" in titles


def test_what_was_asked_and_said_comes_from_the_cassette() -> None:
    """The system prompt, the last three messages and the answer of the exchange that was played are told; keys are redacted."""
    messages = [{"role": "system", "content": "Be brief."}, *({"role": "user", "content": f"question {number}"} for number in range(5))]
    asked = Request(method="POST", url=URL, headers=(), body=canonical_json({"model": "gpt-4o-mini", "messages": messages}).encode())
    key = "sk-" + "proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"
    answer = {"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": f"Paris {key}"}}]}
    response = Response(status=200, headers=(), body=canonical_json(answer).encode())
    trial = Trial(suite="s", variant="default", case="c", outcome="pass", trace=Trace(calls=(call(Place(), 0.0, 1.0, exchange=0),)))

    question, said, _ = moments(trial, (Exchange(asked, response),))
    assert question.texts == (
        ("system", "Be brief."),
        ("…", "2 earlier messages"),
        ("user", "question 2"),
        ("user", "question 3"),
        ("user", "question 4"),
    )
    (text,) = said.texts
    assert text[1].startswith("Paris ")
    assert key not in text[1]
