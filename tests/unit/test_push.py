"""Everything arrives, whole and once: against a strict double of LangSmith, in memory, with faults and no waiting."""

import random

import pytest
from langsmith_double import Fault, Workspace
from pushes import Clock, Notes, a_trial, holds, push, three, untroubled

SEEDS = 200
FAULTS = (
    Fault(None),
    Fault(None, taken=True),
    Fault(500),
    Fault(503, taken=True),
    Fault(429, retry_after_s=2),
    Fault(408),
    Fault(502, taken=True),
    Fault(None, taken=True, runs=2),
)


@pytest.fixture(scope="module")
def whole():
    """Return what is there after an untroubled push of three trials."""
    return untroubled(three())


def test_a_second_push_changes_nothing():
    """It asks what is there, and sends nothing."""
    workspace, trials = Workspace(), three()
    push(workspace, trials).run()
    before, writes = holds(workspace), len(workspace.writes)

    arrival = push(workspace, trials).run()

    assert arrival.is_complete
    assert (arrival.sent, arrival.changes, len(workspace.writes) - writes) == (0, 0, 0)
    assert holds(workspace) == before


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_goes_wrong_everything_arrives_once(seed, whole):
    """Of each request in three something goes wrong, before or after it took effect; the end is that of an untroubled push."""
    draw = random.Random(seed)  # noqa: S311, faults are drawn, not keys
    workspace = Workspace(plan=lambda number: draw.choice(FAULTS) if draw.random() < 0.35 else None)
    trials, notes = three(), Notes()

    arrival = push(workspace, trials, notes=notes).run()
    for _ in range(20):
        if arrival.is_complete:
            break
        arrival = push(workspace, trials, notes=notes, known=notes.known).run()

    assert arrival.is_complete, arrival
    assert workspace.invalid == []
    assert holds(workspace) == whole


class Killed(BaseException):
    """Ends the process, as a signal does."""


@pytest.mark.parametrize("knows", [True, False], ids=["ledger", "anew"])
def test_killed_at_any_request_it_goes_on(whole, knows):
    """However far a push came, the next one ends as an untroubled one does, whether it knows the ledger of the first or not."""
    counting = Workspace()
    push(counting, three()).run()
    for last in range(len(counting.log)):
        for taken in (False, True):
            workspace, notes = Workspace(), Notes()
            with pytest.raises(Killed):
                push(_killing(workspace, last, taken=taken), three(), notes=notes).run()
            arrival = push(workspace, three(), notes=notes, known=notes.known if knows else frozenset()).run()
            assert arrival.is_complete, (last, arrival)
            assert (holds(workspace), workspace.invalid) == (whole, []), last


def _killing(workspace, last, *, taken):
    class Killing:
        log = workspace.log

        @staticmethod
        def answer(*request):
            if len(workspace.log) < last:
                return workspace.answer(*request)
            if taken and len(workspace.log) == last:
                workspace.answer(*request)
            raise Killed

    return Killing


def test_a_trace_that_was_taken_but_never_shows_is_told():
    """LangSmith says 202 before it stores; what does not appear is sent again by the next push, not believed."""
    workspace, trials, notes = Workspace(), three(), Notes()
    taking = workspace._take_traces
    workspace._take_traces = lambda parts: (202, {})
    arrival = push(workspace, trials, notes=notes).run()
    assert arrival.problem == "memory://langsmith: 3 traces were taken, but are not there"

    workspace._take_traces = taking
    assert push(workspace, trials, notes=notes, known=notes.known).run().is_complete


@pytest.mark.parametrize("within_s", [5, 40])
def test_what_was_looked_for_and_is_not_there_is_not_claimed(within_s):
    """However short the time is: what the last look did not show is not there, and is lacking; the ledger no longer has it."""
    workspace, clock, notes = Workspace(), Clock(), Notes()
    workspace._take_traces = lambda parts: (202, {})
    pushed = push(workspace, three(), notes=notes, clock=clock, within_s=within_s)

    arrival = pushed.run()

    assert (arrival.there, arrival.is_seen, arrival.is_complete) == (0, True, False)
    assert arrival.problem.endswith(f"not everything that was sent can be seen; the time of {within_s} s is over (--within)")
    assert [call.key for call in pushed.lacking() if call.key.startswith("trace")] == [
        key for key, state in notes.items() if state == "missing"
    ]
    assert not [key for key in notes.known if key.startswith("trace")]


def test_what_was_not_looked_for_is_only_believed():
    """A server that fails before the look at the end leaves it open whether what it took is there."""
    workspace, trials = Workspace(), three()
    pushed = push(workspace, trials)
    workspace._get_feedback = lambda *_, **__: (403, {})

    arrival = pushed.run()

    assert (arrival.there, arrival.is_believed, arrival.is_complete) == (3, True, False)


@pytest.mark.parametrize("target", ["/feedback", "/tags", "/sessions/"])
def test_what_was_taken_and_lost_is_sent_once_more(whole, target):
    """The verdict, the tag of the version and the close of the experiment are looked for like the traces."""
    workspace, trials = Workspace(), three()
    routed, lost = workspace._routed, []

    def losing(method, path, query, body):
        if method != "GET" and target in path and not lost:
            lost.append(path)
            return 200, {}
        return routed(method, path, query, body)

    workspace._routed = losing

    arrival = push(workspace, trials).run()

    assert (len(lost), arrival.is_complete) == (1, True)
    assert holds(workspace) == whole
    assert workspace.tags


def test_what_stays_away_is_told():
    """A server that takes the verdict again and again, and never has it, is not believed."""
    workspace, trials = Workspace(), three()
    workspace._post_feedback = lambda *_, **__: (200, {})
    pushed = push(workspace, trials)

    arrival = pushed.run()

    assert arrival.problem == "memory://langsmith: POST /feedback was taken, but what it brings is not there"
    assert [call.key for call in pushed.lacking()] == [call.key for call in pushed.mirror.verdict_calls()]


def test_a_trace_of_which_a_part_was_taken_becomes_whole(whole):
    """LangSmith takes no form with runs that it has: only those that are lacking are sent, each once, and the feedback by itself."""
    untouched = Workspace()
    push(untouched, three()).run()
    first = untouched.log.index(("POST", "/runs/multipart"))
    workspace = Workspace(plan=lambda number: Fault(202, taken=True, runs=3) if number == first else None)

    arrival = push(workspace, three()).run()

    assert (arrival.is_complete, arrival.sent, holds(workspace)) == (True, 3, whole)


def test_a_trace_that_is_too_large_for_a_request_takes_several(monkeypatch):
    """What belongs to a run stays together, the root goes first, and the whole is there as if it had been one request."""
    trials = three()
    expected = untroubled(trials)
    monkeypatch.setattr("harness.mirror.call._BYTES_AT_ONCE", 1_000)
    workspace = Workspace()

    arrival = push(workspace, trials).run()

    assert (arrival.is_complete, arrival.sent, workspace.invalid) == (True, 3, [])
    assert workspace.log.count(("POST", "/runs/multipart")) > 2 * len(trials)
    assert holds(workspace) == expected


def test_feedback_that_a_server_left_out_is_sent_by_itself(whole):
    """A server may take the runs of a form and leave the feedback."""
    workspace, trials = Workspace(), three()
    adding = workspace._add_feedback
    workspace._add_feedback = lambda documents, among=None: adding(documents) if among is None else None

    assert push(workspace, trials).run().is_complete

    assert holds(workspace) == whole


def test_a_run_that_is_listed_twice_does_not_stand_for_another():
    """Pages may overlap while a server takes things in: a run is counted once, and one that is lacking is missed."""
    workspace, trials = Workspace(), three()
    listing = workspace._query

    def twice(asked):
        status, page = listing(asked)
        return status, {**page, "runs": [*page["runs"][1:], *page["runs"][1:]]}

    workspace._query = twice

    assert "1 trace was taken, but is not there" in push(workspace, trials).run().problem


def test_many_trials_are_never_held_at_once():
    """A trial is read when there is room for its request: what is under way stays a few, however many there are."""
    workspace, ahead = Workspace(), []
    everything = [a_trial(number) for number in range(150)]

    def reading():
        for number, trial in enumerate(everything):
            ahead.append(number - len(workspace.log))
            yield trial

    assert push(workspace, everything, reading=reading).run().is_complete
    assert max(ahead) <= 16
