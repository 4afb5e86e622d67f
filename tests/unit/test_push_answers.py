"""What a push makes of answers that say no, or say it for a while: one line in bounded time; against a strict double, in memory."""

import pytest
from langsmith_double import Fault, Workspace
from pushes import Clock, Notes, a_trial, holds, push, three, untroubled

from harness.mirror import runs_in
from harness.sinks.push import Push


@pytest.fixture(scope="module")
def whole():
    """Return what is there after an untroubled push of three trials."""
    return untroubled(three())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(None), "it cannot be reached; given up after 10 attempts"),
        (Fault(401), "the key is not accepted (401); look at LANGSMITH_API_KEY"),
        (Fault(403), "the key may not do this (403); look at its workspace and its rights"),
        (Fault(429), "too many requests (429); given up after 10 attempts"),
        (Fault(429, retry_after_s=3600), "too many requests (429); it asks to wait 3600 s, which is more than is left of 600 s (--within)"),
        (Fault(503), "GET /datasets?name=d&limit=1 answered 503: out of order; given up after 10 attempts"),
    ],
    ids=["unreachable", "401", "403", "429", "429-for-an-hour", "503"],
)
def test_a_server_that_never_answers_ends_it_in_bounded_time(fault, said):
    """It is one line, within the time; and all requests are lacking, so that the spool holds them."""
    workspace, clock, trials = Workspace(plan=lambda number: fault), Clock(), three()
    pushed = push(workspace, trials, clock=clock, within_s=600)

    arrival = pushed.run()

    assert (arrival.is_complete, arrival.there, arrival.problem) == (False, 0, f"memory://langsmith: {said}")
    assert clock.now_s <= 600
    assert [call.key.partition(" ")[0] for call in pushed.lacking()] == [
        "dataset",
        "examples",
        "experiment",
        *["trace"] * 3,
        "close",
        "tag",
        "feedback",
    ]


def test_a_server_that_fails_half_way_leaves_the_rest_lacking(whole):
    """What was acknowledged is not in the spool, and what is there of the rest goes on from there."""
    workspace, notes, trials = Workspace(), Notes(), three()
    workspace.plan = lambda number: Fault(401) if len(workspace.runs) >= runs_in(trials[0]) else None
    pushed = push(workspace, trials, notes=notes)

    arrival = pushed.run()

    lacking = [call.key for call in pushed.lacking()]
    assert arrival.there + sum(key.startswith("trace") for key in lacking) == 3
    assert not set(lacking) & notes.known
    workspace.plan = lambda number: None
    assert push(workspace, trials, notes=notes, known=notes.known).run().is_complete
    assert holds(workspace) == whole


def test_one_trace_that_is_refused_does_not_stop_the_others():
    """The others are there, and the line says which answer the refused one got."""
    workspace, trials = Workspace(), three()
    refused = push(workspace, trials).mirror.trace_id(trials[1])
    taking = workspace._take_traces
    workspace._take_traces = lambda parts: (413, {"detail": "too large"}) if parts[0][0] == f"post.{refused}" else taking(parts)

    pushed = push(workspace, trials)
    arrival = pushed.run()

    assert (arrival.there, arrival.is_complete) == (2, False)
    assert arrival.problem == "memory://langsmith: POST /runs/multipart answered 413: too large"
    assert [call.key for call in pushed.lacking()] == [f"trace {refused}"]


def test_the_server_is_waited_for_as_long_as_it_asks():
    """A Retry-After is the wait; without one the waits double."""
    faults = [Fault(429, retry_after_s=7), Fault(500), Fault(500), Fault(500)]
    workspace, clock = Workspace(plan=lambda number: faults[number] if number < len(faults) else None), Clock()

    push(workspace, three(), clock=clock).run()

    assert clock.waited == [7, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(status):
    """Each request fails once, and one push is enough."""
    workspace = Workspace(plan=lambda number: Fault(status) if number % 2 == 0 else None)

    assert push(workspace, three()).run().is_complete


def test_a_trace_that_has_no_place_does_not_stop_the_others():
    """Where a server answers 404 to one, the others are there, and the line says what was asked."""
    workspace, trials = Workspace(), three()
    taking = workspace._take_traces
    workspace._take_traces = lambda parts: (404, {"detail": "gone"}) if "c1" in str(parts) else taking(parts)

    arrival = push(workspace, trials).run()

    assert (arrival.there, arrival.problem) == (2, "memory://langsmith: POST /runs/multipart answered 404; look at LANGSMITH_ENDPOINT")


def test_what_is_refused_stops_no_other_suite():
    """The sender may send on for others, unless it is of no use."""
    workspace, trials = Workspace(), three()
    workspace._post_session = lambda *_, **__: (422, {"detail": "no such field"})
    pushed = push(workspace, trials)

    arrival = pushed.run()

    assert arrival.problem == "memory://langsmith: POST /sessions answered 422: no such field"
    assert Push(pushed.parcel, pushed.sender, Notes()).run().problem == arrival.problem


def test_no_answer_is_waited_for_longer_than_the_time_that_is_left():
    """A remote is told how long it may take."""
    workspace, clock, left = Workspace(plan=lambda number: Fault(None)), Clock(), []
    pushed = push(workspace, three(), clock=clock, within_s=3)
    sending = pushed.sender.remote.send

    def send(call, *, within_s):
        left.append(within_s)
        return sending(call, within_s=within_s)

    pushed.sender.remote.send = send
    pushed.run()

    assert left == [3.0, 2.5, 1.5]


def test_a_server_without_pages_is_not_asked_for_ever():
    """One that gives the first hundred examples whatever page is asked for, and a cursor that leads to itself, has an end."""
    workspace, trials = Workspace(), [a_trial(number) for number in range(100)]
    workspace._get_examples = lambda **_: (200, list(workspace.examples.values()))
    workspace._query = lambda _: (200, {"runs": list(workspace.runs.values()), "cursors": {"next": "again"}})

    arrival = push(workspace, trials, clock=(clock := Clock())).run()

    assert arrival.is_complete
    assert (len(workspace.log) < 200, clock.waited) == (True, [])


def test_a_push_that_has_nothing_to_send_looks_once():
    """All runs are asked for at the begin; they are not asked for again where nothing was sent since."""
    workspace, trials = Workspace(), three()
    push(workspace, trials).run()
    asked = len(workspace.log)

    assert push(workspace, trials).run().is_complete

    assert [target for _, target in workspace.log[asked:]].count("/runs/query") == 1
