"""What a push sends and what is there afterwards: against a strict double of LangSmith, in memory, with faults and no waiting."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from langsmith_double import Fault, InProcess, Workspace
from trials import suite

from harness.cassette.redact import BUILT_IN
from harness.dataset import Case, Dataset
from harness.experiment import Experiment, Trial
from harness.ledger import ledger_of
from harness.mirror import Collection, Mirror, Redactions, dataset_id, runs_in, survey
from harness.score import failed, passed, unscored
from harness.sinks.parcel import Parcel
from harness.sinks.push import Push
from harness.sinks.sender import Sender
from harness.trace import Crash, NodeStep, Place, RetrieverCall, ToolCall, Trace, Usage, WireCall

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


@dataclass
class Clock:
    """A clock that waiting moves on, and nothing else."""

    now_s: float = 0.0
    waited: list = field(default_factory=list)

    def __call__(self):
        """Return the seconds."""
        return self.now_s

    def wait(self, seconds):
        """Let so many seconds go by."""
        self.now_s += seconds
        self.waited.append(seconds)


class Notes(dict):
    """A ledger in memory."""

    def note(self, key, state="sent"):
        """Note what became of a call."""
        self[key] = state

    @property
    def known(self):
        """Return what was acknowledged."""
        return frozenset(key for key, state in self.items() if state == "sent")


def a_trial(number, repeat=1, **fields):
    """Return a trial of two nodes, one in a subgraph, with two priced calls, a tool and a retriever."""
    outer = Place(node="answer", step=1, visit=1)
    inner = Place(node="draft", step=1, namespace=("answer",), visit=1)
    usage = Usage(input_tokens=11 + number, output_tokens=7, cached_input_tokens=4)
    first = WireCall(
        place=inner,
        kind="chat",
        source="replay",
        url="https://api.openai.com/v1/chat/completions",
        model="openai/gpt-4o-mini",
        status=200,
        usage=usage,
        cost_usd=round(0.0000123 + number * 1e-9, 12),
        start_s=0.25,
        duration_s=1.5,
        ttft_s=0.5,
    )
    refused = first.model_copy(update={"status": 429, "start_s": 0.1, "duration_s": 0.1})  # what it says of tokens was not paid
    embedding = WireCall(
        place=outer, kind="embedding", source="replay", url="u", model="e", status=200, usage=Usage(input_tokens=5), cost_usd=1e-7
    )
    trace = Trace(
        steps=(
            NodeStep(place=outer, start_s=0.0, duration_s=2.0, update={"n": number}),
            NodeStep(place=inner, start_s=0.05, duration_s=1.8),
        ),
        calls=(refused, first, embedding),
        tools=(ToolCall(place=outer, name="lookup", args={"id": 7}, output="found", start_s=1.9, duration_s=0.05),),
        retrievers=(RetrieverCall(place=outer, name="docs", query="q", documents=3),),
        state={"n": number},
        text="done",
        duration_s=2.0,
    )
    scores = (passed("ends", "ends"), failed("route", "route.a", "wanted x, got y"), unscored("judge", "judge", "no reference"))
    known = {
        "suite": "s",
        "variant": "default",
        "case": f"c{number}",
        "repeat": repeat,
        "outcome": "fail",
        "trace": trace,
        "scores": scores,
    }
    return Trial(**{**known, **fields})


def an_experiment(trials, **fields):
    """Return the mirror of an experiment of these trials, for a workspace that has nothing yet."""
    cases = tuple(Case(id=case, inputs={"q": case}, tags=("t",)) for case in dict.fromkeys(trial.case for trial in trials))
    dataset = Dataset(name="d", cases=cases)
    provenance = suite(len(cases), prompts={"triage": "v2@0123"})
    known = {"id": "20261121-120000-01", "started_at": "2026-11-21T12:00:00+00:00", "finished_at": "2026-11-21T12:00:01+00:00"}
    head = Experiment(**{**known, "commit": "0123abcd", "suites": (provenance,), **fields})
    collection = Collection(dataset_id("o", "d"), dataset, Redactions(BUILT_IN))
    return Mirror(head, provenance, collection, survey(trials), "fail", ("route.accuracy",))


def push(workspace, trials, *, known=frozenset(), notes=None, clock=None, within_s=1e6, mirror=None, reading=None, **of):
    """Push these trials once."""
    clock = clock or Clock()
    sender = Sender(InProcess(workspace), within_s=within_s, clock=clock, wait=clock.wait)
    parcel = Parcel(mirror or an_experiment(trials), reading or (lambda: iter(trials)), lambda trial: (), **of)
    return Push(parcel, sender, Notes() if notes is None else notes, known)


def three():
    """Return three trials."""
    return [a_trial(number) for number in range(3)]


def holds(workspace):
    """Return what a workspace holds, but for when it came."""
    examples = {one["id"]: {**one, "created_at": "", "modified_at": ""} for one in workspace.examples.values()}
    runs = {identifier: {**run, "extra": _unversioned(run["extra"])} for identifier, run in workspace.runs.items()}
    sessions = {one["id"]: {**one, "extra": _unversioned(one["extra"])} for one in workspace.sessions.values()}
    return {"datasets": set(workspace.datasets), "examples": examples, "sessions": sessions, "runs": runs, "feedback": workspace.feedback}


def _unversioned(extra):
    return {"metadata": {name: value for name, value in extra["metadata"].items() if name not in {"example_version", "dataset_version"}}}


def untroubled(trials):
    """Return what a workspace holds after a push that nothing went wrong in."""
    workspace = Workspace()
    arrival = push(workspace, trials).run()
    assert arrival.is_complete, arrival
    assert workspace.invalid == []
    return holds(workspace)


@pytest.fixture(scope="module")
def whole():
    """Return what is there after an untroubled push of three trials."""
    return untroubled(three())


def test_every_trial_arrives_whole():
    """A trace a trial, with all its runs and a feedback for the outcome and every score; the verdict is the experiment's own feedback."""
    workspace, trials = Workspace(), three()

    arrival = push(workspace, trials).run()

    assert (arrival.is_complete, arrival.there, arrival.sent) == (True, 3, 3)
    assert Counter(run["trace_id"] for run in workspace.runs.values()).most_common() == [
        (trace, runs_in(trials[0])) for trace in dict.fromkeys(run["trace_id"] for run in workspace.runs.values())
    ]
    assert len(workspace.feedback) == 3 * 4 + 1
    (verdict,) = [one for one in workspace.feedback.values() if one["run_id"] is None]
    assert (verdict["key"], verdict["score"], verdict["value"]) == ("verdict", 0, "fail")


def test_calls_stand_in_the_nodes_that_made_them():
    """A subgraph's node is within the node of the subgraph, a call within its node; what a router said is nobody's."""
    workspace = Workspace()
    push(workspace, three()[:1]).run()
    runs = list(workspace.runs.values())
    names = {run["id"]: run["name"] for run in runs}

    found = {(run["name"], names.get(run.get("parent_run_id"))) for run in runs}

    assert found == {
        ("s", None),
        ("answer", "s"),
        ("draft", "answer"),
        ("openai/gpt-4o-mini", "draft"),
        ("e", "answer"),
        ("lookup", "answer"),
        ("docs", "answer"),
    }


def a_step(node, *, start_s, duration_s=0.0, **place):
    """Return a step."""
    return NodeStep(place=Place(node=node, **place), start_s=start_s, duration_s=duration_s)


def test_a_step_of_a_subgraph_stands_in_the_visit_that_it_is_of():
    """Where one visit begins at the moment when the one before it ends, in another turn even, the order of the steps tells them apart."""
    inner = {"namespace": ("team",)}
    steps = (
        a_step("team", start_s=0.0, duration_s=1.0, visit=1, step=1),
        a_step("ask", start_s=0.0, visit=1, step=1, **inner),
        a_step("team", start_s=1.0, duration_s=1.0, visit=2, step=2),
        a_step("ask", start_s=1.0, visit=2, step=1, **inner),
        a_step("team", start_s=2.0, duration_s=1.0, visit=3, step=3, turn=2),
        a_step("ask", start_s=2.0, visit=3, step=1, turn=2, **inner),
    )
    workspace, trial = Workspace(), a_trial(0)
    push(workspace, [trial.model_copy(update={"trace": Trace(steps=steps, duration_s=3.0)})]).run()
    runs = workspace.runs

    found = {
        run["extra"]["metadata"]["visit"]: runs[run["parent_run_id"]]["extra"]["metadata"]["visit"]
        for run in runs.values()
        if run["name"] == "ask"
    }

    assert found == {1: 1, 2: 2, 3: 3}


def test_runs_that_begin_at_one_moment_stay_in_their_order():
    """LangSmith orders runs by their time and then by their id: nodes without a call take no time, and still follow one another."""
    names = [f"node {number}" for number in range(40)]
    steps = tuple(a_step(name, start_s=0.0, visit=1, step=number) for number, name in enumerate(names, start=1))
    workspace, trial = Workspace(), a_trial(0)
    push(workspace, [trial.model_copy(update={"trace": Trace(steps=steps, duration_s=0.0)})]).run()

    in_order = sorted(workspace.runs.values(), key=lambda run: run["dotted_order"])

    assert [run["name"] for run in in_order] == ["s", *names]


def test_times_are_the_recorded_ones():
    """A call's run begins and ends when it did in the trial, counted from the experiment's begin; every row lies within the experiment."""
    workspace = Workspace()
    push(workspace, three()[:1]).run()
    (call,) = [run for run in workspace.runs.values() if run["name"].endswith("mini") and run["error"] is None]
    (session,) = workspace.sessions.values()

    assert (call["start_time"], call["end_time"]) == ("2026-11-21T12:00:00.250000+00:00", "2026-11-21T12:00:01.750000+00:00")
    assert call["events"] == [{"name": "new_token", "time": "2026-11-21T12:00:00.750000+00:00"}]
    assert session["end_time"] == "2026-11-21T12:00:02.000000+00:00"
    assert all(session["start_time"] <= run["start_time"] <= run["end_time"] <= session["end_time"] for run in workspace.runs.values())


def test_tokens_and_dollars_are_the_experiments_to_the_last_digit():
    """What LangSmith counts, on runs of the type llm alone, is what the ledger says: embeddings too, refused calls not."""
    workspace, trials = Workspace(), [a_trial(number) for number in range(37)]
    push(workspace, trials).run()
    spent = ledger_of(trials).by_model.values()

    counted = workspace.counted([run["id"] for run in workspace.runs.values() if "parent_run_id" not in run])

    assert counted["total_tokens"] == sum(one.tokens for one in spent)
    assert Decimal(counted["total_cost"]) == sum(Decimal(str(one.cost_usd)) for one in spent)


def test_an_unknown_price_is_not_looked_up_there():
    """A call without a price names no model that LangSmith could price, and says that its cost is unknown."""
    workspace, trial = Workspace(), a_trial(0)
    unpriced = tuple(call.model_copy(update={"cost_usd": None}) for call in trial.trace.calls)
    push(workspace, [trial.model_copy(update={"trace": trial.trace.model_copy(update={"calls": unpriced})})]).run()

    found = [run["extra"]["metadata"] for run in workspace.runs.values() if "usage_metadata" in run["extra"]["metadata"]]

    assert [("ls_model_name" in one, one["cost"]) for one in found] == [(False, "unknown")] * 2


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


def test_a_trace_that_has_no_place_does_not_stop_the_others():
    """Where a server answers 404 to one, the others are there, and the line says what was asked."""
    workspace, trials = Workspace(), three()
    taking = workspace._take_traces
    workspace._take_traces = lambda parts: (404, {"detail": "gone"}) if "c1" in str(parts) else taking(parts)

    arrival = push(workspace, trials).run()

    assert (arrival.there, arrival.problem) == (2, "memory://langsmith: POST /runs/multipart answered 404; look at LANGSMITH_ENDPOINT")


def test_a_push_that_has_nothing_to_send_looks_once():
    """All runs are asked for at the begin; they are not asked for again where nothing was sent since."""
    workspace, trials = Workspace(), three()
    push(workspace, trials).run()
    asked = len(workspace.log)

    assert push(workspace, trials).run().is_complete

    assert [target for _, target in workspace.log[asked:]].count("/runs/query") == 1


def test_what_stays_away_is_told():
    """A server that takes the verdict again and again, and never has it, is not believed."""
    workspace, trials = Workspace(), three()
    workspace._post_feedback = lambda *_, **__: (200, {})
    pushed = push(workspace, trials)

    arrival = pushed.run()

    assert arrival.problem == "memory://langsmith: POST /feedback was taken, but what it brings is not there"
    assert [call.key for call in pushed.lacking()] == [pushed.mirror.verdict_call().key]


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


def test_an_edited_case_becomes_a_new_version_of_its_example():
    """The example keeps its id, so that figures over time stay together; its version tells which one was run."""
    workspace, trials = Workspace(), three()
    push(workspace, trials).run()
    (old,) = {one["modified_at"] for one in workspace.examples.values()}
    mirror = an_experiment(trials, id="20261121-130000-01")
    edited = mirror.collection.dataset.cases[0].model_copy(update={"inputs": {"q": "edited"}})
    dataset = mirror.collection.dataset.model_copy(update={"cases": (edited, *mirror.collection.dataset.cases[1:])})
    mirror = Mirror(mirror.head, mirror.suite, Collection(mirror.collection.id, dataset, Redactions(BUILT_IN)), mirror.survey, "pass")

    assert push(workspace, trials, mirror=mirror).run().is_complete

    versions = Counter(one["modified_at"] for one in workspace.examples.values())
    assert versions[old] == 2
    (example,) = [one for one in workspace.examples.values() if one["modified_at"] != old]
    assert example["inputs"] == {"q": "edited"}
    run = max(
        (run for run in workspace.runs.values() if run.get("reference_example_id") == example["id"]),
        key=lambda run: run["session_id"] == mirror.id,
    )
    assert run["extra"]["metadata"]["example_version"] == example["modified_at"]


@pytest.mark.parametrize("told", ["beside", "not"])
def test_splits_are_compared_as_far_as_they_are_told(told):
    """A server may tell the splits of an example beside its metadata, or not at all: what was sent is not sent again."""
    workspace, trials = Workspace(), three()
    reading = workspace._get_examples

    def elsewhere(**asked):
        status, examples = reading(**asked)
        metadata = [{name: value for name, value in one["metadata"].items() if name != "dataset_split"} for one in examples]
        beside = [{"split": one["metadata"]["dataset_split"]} if told == "beside" else {} for one in examples]
        return status, [{**one, "metadata": own} | split for one, own, split in zip(examples, metadata, beside, strict=True)]

    workspace._get_examples = elsewhere

    arrivals = [push(workspace, trials).run() for _ in range(2)]

    assert [(arrival.is_complete, arrival.changes > 0) for arrival in arrivals] == [(True, True), (True, False)]


def test_a_server_without_pages_is_not_asked_for_ever():
    """One that gives the first hundred examples whatever page is asked for, and a cursor that leads to itself, has an end."""
    workspace, trials = Workspace(), [a_trial(number) for number in range(100)]
    workspace._get_examples = lambda **_: (200, list(workspace.examples.values()))
    workspace._query = lambda _: (200, {"runs": list(workspace.runs.values()), "cursors": {"next": "again"}})

    arrival = push(workspace, trials, clock=(clock := Clock())).run()

    assert arrival.is_complete
    assert (len(workspace.log) < 200, clock.waited) == (True, [])


def test_a_run_that_is_listed_twice_does_not_stand_for_another():
    """Pages may overlap while a server takes things in: a run is counted once, and one that is lacking is missed."""
    workspace, trials = Workspace(), three()
    listing = workspace._query

    def twice(asked):
        status, page = listing(asked)
        return status, {**page, "runs": [*page["runs"][1:], *page["runs"][1:]]}

    workspace._query = twice

    assert "1 trace was taken, but is not there" in push(workspace, trials).run().problem


def test_examples_that_do_not_become_what_was_sent_are_named():
    """A change is made once, however long it is looked for; the line says which case, and in what."""
    workspace, trials = Workspace(), three()
    storing = workspace._store_examples

    def store(dataset, found):
        return storing(dataset, {name: {**one, "outputs": {"rounded": 1}} for name, one in found.items()})

    workspace._store_examples = store

    arrival = push(workspace, trials).run()

    assert arrival.problem == "memory://langsmith: the examples of 'd' do not become what was sent: case 'c0' has other outputs"
    assert [method for method, target in workspace.log if target.endswith("/examples")] == ["POST", "PATCH"]


def test_an_experiment_becomes_the_baseline_once_it_is_whole():
    """What is not there in full is no baseline; a second push finds it to be so and changes nothing."""
    workspace, trials = Workspace(), three()
    taking = workspace._take_traces
    workspace._take_traces = lambda parts: (413, {"detail": "too large"})
    for take in (workspace._take_traces, taking, taking):
        workspace._take_traces = take
        changes = workspace.changes
        pushed = push(workspace, trials, is_baseline=True)
        arrival = pushed.run()
        (dataset,) = workspace.datasets.values()
        assert dataset.get("baseline_experiment_id") == (pushed.mirror.id if arrival.is_complete else None)
    assert workspace.changes == changes


def test_a_dataset_that_somebody_made_before_keeps_its_id():
    """The name decides; examples and experiment go to the dataset that is there."""
    workspace, trials = Workspace(), three()
    theirs = {"id": "11111111-2222-4333-8444-555555555555", "name": "d", "tenant_id": "t", "created_at": "", "modified_at": ""}
    workspace.datasets[theirs["id"]] = theirs

    assert push(workspace, trials).run().is_complete

    assert list(workspace.datasets) == [theirs["id"]]
    assert {one["dataset_id"] for one in workspace.examples.values()} == {theirs["id"]}


def test_nothing_secret_leaves():
    """Errors, comments, details and inputs are redacted, and the manifest says where."""
    key, workspace = "sk-proj-" + "aB3dE6gH9jK2" * 4, Workspace()
    crash = Crash(type="ValueError", message=f"key {key}", traceback=f"at {key}")
    trial = a_trial(0, outcome="error", scores=(failed("ends", "ends", f"crashed with {key}", token_seen=key),))
    trial = trial.model_copy(update={"trace": trial.trace.model_copy(update={"crash": crash, "state": {"k": key}})})
    pushed = push(workspace, [trial])

    assert pushed.run().is_complete

    assert not any(key.encode() in body for body in workspace.bodies)
    assert {one.kind for one in pushed.mirror.collection.redactions.found} >= {"openai-key"}


def test_no_secret_leaves_by_the_name_of_a_field():
    """Only the heads of what is sent keep their ids and times: a field of the user's that is called so is content, and so are tags."""
    key, workspace, trial = "sk-proj-" + "aB3dE6gH9jK2" * 4, Workspace(), a_trial(0)
    fields = dict.fromkeys(("id", "session_id", "run_id", "start_time", "created_at"), key)
    dataset = Dataset(name="d", cases=(Case(id="c0", inputs=fields, metadata=fields, tags=(key, "t")),))
    mirror = an_experiment([trial])
    collection = replace(mirror.collection, dataset=dataset)
    trial = trial.model_copy(update={"trace": trial.trace.model_copy(update={"state": fields})})

    assert push(workspace, [trial], mirror=replace(mirror, collection=collection)).run().is_complete

    assert not any(key.encode() in body for body in workspace.bodies)
    assert workspace.invalid == []


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
