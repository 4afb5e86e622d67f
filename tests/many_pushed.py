"""A program that pushes 200 trials of a dozen runs, then 1,000, and says how many bytes of memory it had at most after each."""

import json
import resource
import sys
import time
from urllib.parse import parse_qs, urlsplit

from langsmith_double import InProcess, Workspace
from trials import suite, trial

from harness.dataset import Case, Dataset
from harness.experiment import Experiment
from harness.mirror import Collection, Mirror, Redactions, dataset_id, encoded, runs_in, survey
from harness.sinks.parcel import Parcel
from harness.sinks.push import Push
from harness.sinks.sender import Reply, Sender
from harness.trace import NodeStep, Place, ToolCall, Trace, Usage, WireCall

FEW, MANY, RUNS = 200, 1_000, 12
_CASES, _PAGE = 10, 8
_UNIT = 1 if sys.platform == "darwin" else 1024


class Clear:
    """Redacts nothing, for that takes most of the time and none of the memory."""

    def text(self, text):
        """Return a text as it is."""
        return text


class Forgetful(InProcess):
    """A remote that keeps of each trace no more than its id and those of its feedback; `bytes` is what it was sent."""

    def __init__(self):
        super().__init__(Workspace())
        self._said = {}
        self.bytes = 0

    def send(self, call, *, within_s):
        """Take a trace, tell of those that were taken, and leave the rest to the double."""
        path, query = urlsplit(call.path).path, parse_qs(urlsplit(call.path).query)
        if path == "/runs/multipart":
            self.bytes += len(encoded(call).data)
            self._said[call.key.removeprefix("trace ")] = tuple(
                part.value["id"] for part in call.parts if part.name.startswith("feedback.")
            )
            return Reply(202, {})
        if path == "/runs/query":
            start = int(call.document.get("cursor", 0))
            rows = [{"id": f"{trace} {n}", "trace_id": trace} for trace in list(self._said)[start : start + _PAGE] for n in range(RUNS)]
            return Reply(200, {"runs": rows, "cursors": {"next": str(start + _PAGE) if start + _PAGE < len(self._said) else None}})
        if (call.method, path) == ("GET", "/feedback"):
            return Reply(200, [{"id": one} for trace in query["run"] for one in self._said[trace]])
        return super().send(call, within_s=within_s)


def _trace():
    places = [Place(node=f"node-{number}", step=number, visit=1) for number in range(5)]
    usage = Usage(input_tokens=11, output_tokens=7)
    known = {"kind": "chat", "source": "replay", "url": "https://api.openai.com/v1/chat/completions", "model": "m", "status": 200}
    calls = [WireCall(place=place, usage=usage, cost_usd=1e-6, start_s=0.5, duration_s=0.1, **known) for place in places]
    steps = [NodeStep(place=place, start_s=0.0, duration_s=1.0, update={"n": 1}) for place in places]
    tool = ToolCall(place=places[0], name="look", args={"id": 7}, output="found", start_s=0.7, duration_s=0.1)
    return Trace(steps=tuple(steps), calls=tuple(calls), tools=(tool,), state={}, text="done", duration_s=1.0)


def _trials(count):
    """Yield so many trials of a dozen runs, each with a state of its own."""
    whole = trial("c0", "pass", trace=_trace())
    assert runs_in(whole) == RUNS
    for number in range(count):
        trace = whole.trace.model_copy(update={"state": {"n": f"{number} " * 1_000}})
        yield whole.model_copy(update={"case": f"c{number % _CASES}", "repeat": 1 + number // _CASES, "trace": trace})


def _pushed(count):
    """Push so many trials; return the bytes that were sent, and the most memory that this process ever had."""
    dataset = Dataset(name="d", cases=tuple(Case(id=f"c{number}", inputs={"n": number}) for number in range(_CASES)))
    head = Experiment(id="e", started_at="2026-11-21T12:00:00+00:00", suites=(suite(_CASES),))
    found = survey(_trials(count))
    mirror = Mirror(head, head.suites[0], Collection(dataset_id("o", "d"), dataset, Redactions(Clear())), found, "pass")
    remote, noted = Forgetful(), set()
    notes = type("Notes", (), {"note": staticmethod(lambda key, state="sent": noted.add(key))})
    sender = Sender(remote, within_s=1e6, clock=time.monotonic)
    arrival = Push(Parcel(mirror, lambda: _trials(count), lambda one: ()), sender, notes).run()
    assert (arrival.is_complete, arrival.sent) == (True, count), arrival
    return remote.bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


if __name__ == "__main__":
    json.dump([_pushed(FEW), _pushed(MANY)], sys.stdout)
