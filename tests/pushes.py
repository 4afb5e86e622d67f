"""Pushes to a workspace in memory: trials, an experiment of them, a clock that waiting moves on, and what is there in the end."""

from dataclasses import dataclass, field

from langsmith_double import InProcess, Workspace
from trials import suite

from harness.cassette.redact import BUILT_IN
from harness.dataset import Case, Dataset
from harness.experiment import Experiment, Trial
from harness.mirror import Collection, Mirror, Redactions, dataset_id, survey
from harness.score import failed, passed, unscored
from harness.sinks.parcel import Parcel
from harness.sinks.push import Push
from harness.sinks.sender import Sender
from harness.trace import NodeStep, Place, RetrieverCall, ToolCall, Trace, Usage, WireCall


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
