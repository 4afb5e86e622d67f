"""A push: dataset, examples, experiment, traces, close, verdict, and then a look at whether everything is there.

Every step asks first and sends what is lacking, so that a push can be cut off anywhere, go on, and be repeated.
"""

import dataclasses
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, Protocol

from harness.errors import SinkError
from harness.experiment import Trial
from harness.mirror import Call, Mirror, Pairing, commit_tag, runs_in
from harness.sinks.comparing import Comparing
from harness.sinks.courier import LOOKS_S, Courier
from harness.sinks.datasets import DatasetPush
from harness.sinks.parcel import Parcel
from harness.sinks.reading import RUNS_AT_ONCE, Reading
from harness.sinks.sender import Refused, Reply, Sender, Stopped

AT_ONCE = 4
_WINDOW = 3 * AT_ONCE


class Notes(Protocol):
    """Keeps what became of calls."""

    def note(self, key: str, state: Any = "sent") -> None:
        """Note that a call was acknowledged, or that what it brought is missing."""
        ...


@dataclasses.dataclass(slots=True)
class Arrival:
    """What became of a push: the traces that are there of those that should be, those sent now, and the first problem.

    Unless they were looked for and `is_seen`, those that are there are only known to have been taken.
    """

    expected: int
    there: int = 0
    is_seen: bool = False
    sent: int = 0
    changes: int = 0
    problem: str = ""
    url: str = ""

    @property
    def is_complete(self) -> bool:
        """Tell whether everything is there."""
        return self.there == self.expected and not self.problem

    @property
    def is_believed(self) -> bool:
        """Tell whether traces are only known to have been taken."""
        return self.there > 0 and not self.is_seen


class _Sent(NamedTuple):
    """A trace that is under way: what it needs, and the answers once they are there."""

    trace: str
    calls: tuple[Call, ...]
    replies: "Future[list[Reply]]"


@dataclasses.dataclass(slots=True)
class Push:
    """Sends a parcel, and notes what was acknowledged; `known` are the keys of calls that were before."""

    parcel: Parcel
    sender: Sender
    notes: Notes
    known: frozenset[str] = frozenset()
    arrival: Arrival = dataclasses.field(init=False)
    _there: Counter[str] = dataclasses.field(default_factory=Counter)
    _done: set[str] = dataclasses.field(default_factory=set)
    _sent: set[str] = dataclasses.field(default_factory=set)
    _versions: dict[str, str] = dataclasses.field(default_factory=dict)
    _is_fresh: bool = False

    def __post_init__(self) -> None:
        self.arrival = Arrival(self.mirror.survey.trials)
        self._done |= {key for key in self.known if key.startswith("trace ")}  # the rest is asked for

    @property
    def mirror(self) -> Mirror:
        """Return what is pushed as LangSmith has it."""
        return self.parcel.mirror

    @property
    def _reading(self) -> Reading:
        return Reading(self.sender)

    def run(self) -> Arrival:
        """Send what is lacking, and look whether all of it is there."""
        try:
            self._steps()
        except SinkError as problem:
            if not isinstance(problem, Refused):  # another suite may go
                self.sender.stop(str(problem))
            self.arrival.problem = self.arrival.problem or str(problem)
            self.arrival.there = sum(map(self._is_there, self.parcel.trials()))
        return self.arrival

    def _steps(self) -> None:
        self._make_dataset()
        is_new = self._open()
        if not is_new:
            self._look()
        self._send_traces()
        self._finish()
        self._verify()
        if self.parcel.is_baseline and self.arrival.is_complete:
            self._make_baseline()
        if self.parcel.pairing is not None and self.arrival.is_complete:
            self._compare(self.parcel.pairing)

    def _compare(self, pairing: Pairing) -> None:
        Comparing(pairing, self.parcel.outcomes(), self._courier).run()
        if self.arrival.url:
            self.arrival.url += f"%2C{pairing.session}&comparativeExperiment={pairing.id}"

    def lacking(self) -> Iterator[Call]:
        """Yield the calls that were not acknowledged, as far as they can be told without asking."""
        calls = self.parcel.calls(self._versions, lacks=lambda trial: not self._is_there(trial))
        return (call for call in calls if call.key not in self._done)

    @property
    def _courier(self) -> Courier:
        return Courier(self.sender, self._count, self._done)

    def _count(self, call: Call, reply: Reply) -> None:
        self.notes.note(call.key)
        self.arrival.changes += reply.is_done

    def _make_dataset(self) -> None:
        making = DatasetPush(self.mirror.collection, self.sender, self._count)
        found = making.run()
        self._versions = making.versions
        self.parcel = self.parcel.over(making.collection)
        self._done |= {making.collection.making().key, *(call.key for call in making.collection.adding())}
        self.arrival.url = self._reading.url(found, self.mirror.id)

    def _open(self) -> bool:
        """Open the experiment where it is not there; tell whether it is new."""
        if self._reading.session(self.mirror.id) is not None:
            self._done.add(self.mirror.session_call().key)
            return False
        reply = self._courier.send(self.mirror.session_call())
        if reply.is_there_already and self._reading.session(self.mirror.id) is None:
            message = f"{self.sender.remote.address}: another experiment is called {self.mirror.name!r} already"
            raise Stopped(message)
        return reply.is_done

    def _trace(self, trial: Trial) -> Iterator[Call]:
        """Yield what is lacking of a trace."""
        trace = self.mirror.trace_id(trial)
        there = self._reading.runs_of(trace, self.mirror.id) if self._there[trace] else ()
        return self.mirror.trace_calls(trial, self._versions, self.parcel.exchanges(trial), there=there)

    def _is_there(self, trial: Trial) -> bool:
        trace = self.mirror.trace_id(trial)
        return f"trace {trace}" in self._done or self._there[trace] >= runs_in(trial)

    def _send_traces(self) -> None:
        """Send the traces that are lacking, several at a time, in memory no more than a few."""
        waiting: deque[_Sent] = deque()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for trial in self.parcel.trials():
                    if not self._is_there(trial):
                        self._is_fresh = False
                        calls = tuple(self._trace(trial))
                        waiting.append(_Sent(self.mirror.trace_id(trial), calls, pool.submit(self._bring, calls)))
                    if len(waiting) >= _WINDOW:
                        self._settle(waiting.popleft())
                while waiting:
                    self._settle(waiting.popleft())
            except BaseException as problem:
                self.sender.stop(str(problem) or "interrupted")
                self._settle_rest(waiting)
                raise

    def _bring(self, calls: Sequence[Call]) -> list[Reply]:
        return [self.sender.change(call) for call in calls]

    def _settle(self, sent: "_Sent") -> None:
        try:
            replies = sent.replies.result()
        except Refused as refusal:  # the others may go
            self.arrival.problem = self.arrival.problem or str(refusal)
            return
        for call, reply in zip(sent.calls, replies, strict=True):
            self._count(call, reply)
        self._done.add(f"trace {sent.trace}")
        if any(reply.is_done for reply in replies):
            self._sent.add(sent.trace)
        self.arrival.sent = len(self._sent)

    def _settle_rest(self, waiting: "Iterable[_Sent]") -> None:
        """Note those that were under way and still arrived."""
        for sent in waiting:
            if not sent.replies.cancel() and sent.replies.exception() is None:
                self._settle(sent)

    def _finish(self) -> None:
        """Close the experiment, tag what it was run on, and say the verdict."""
        reading, session = self._reading, self.mirror.id
        version = max(self._versions.values(), default=None)
        self._make_sure(self.mirror.close_call(version), lambda: (reading.session(session) or {}).get("end_time") is not None)
        commit = self.mirror.head.commit
        tag = self.mirror.collection.tagging(commit, version)
        if tag is not None and commit is not None and version is not None:
            self._make_sure(tag, lambda: reading.has_tag(self.mirror.collection.id, commit_tag(commit)))
        verdict = self.mirror.verdict_call()
        self._make_sure(verdict, lambda: reading.feedback(verdict.key.rpartition(" ")[2]) is not None)

    def _make_baseline(self) -> None:
        name = self.mirror.collection.name
        self._make_sure(
            self.mirror.baseline_call(),
            lambda: (self._reading.dataset(name) or {}).get("baseline_experiment_id") == self.mirror.id,
        )

    def _make_sure(self, call: Call, is_there: Callable[[], bool]) -> None:
        self._courier.bring([call], lambda: {call.key} if is_there() else ())

    def _verify(self) -> None:
        """Look whether every run and every feedback is there; what was taken and is not, whole or in part, is sent once more."""
        lost = self._lost()
        if lost and not self.arrival.problem:
            self._send_traces()
            lost = self._lost()
        if not lost:
            self._complete_feedback()
            return
        taken = "1 trace was taken, but is" if lost == 1 else f"{lost:,} traces were taken, but are"
        self.arrival.problem = self.arrival.problem or f"{self.sender.remote.address}: {taken} not there"

    def _lost(self) -> int:
        """Look until every run is there, as LangSmith may take its time after it has taken them; return how many traces lack some."""
        lost: list[str] = []
        self.arrival.is_seen = False
        try:
            for pause_s in LOOKS_S:
                if pause_s:
                    self.sender.pause(pause_s)
                if pause_s or not self._is_fresh:
                    self._look()
                self.arrival.is_seen = True
                lost = [trace for trial in self.parcel.trials() if self._there[trace := self.mirror.trace_id(trial)] < runs_in(trial)]
                if not lost or self.arrival.problem:
                    break
        finally:
            self.arrival.there = self.arrival.expected - len(lost)
            for trace in lost:
                self.notes.note(f"trace {trace}", "missing")
                self._done.discard(f"trace {trace}")
        return len(lost)

    def _look(self) -> None:
        self._there = self._reading.runs(self.mirror.id, until=self.mirror.until)
        self._is_fresh = True

    def _complete_feedback(self) -> None:
        """Send the feedback that is not there: a server may take runs without what came with them."""
        trials = iter(self.parcel.trials())
        while some := list(itertools.islice(trials, RUNS_AT_ONCE)):
            traces = [self.mirror.trace_id(trial) for trial in some]
            calls = [said for trial in some for said in self.mirror.feedback_calls(trial)]
            self._courier.bring(calls, partial(self._reading.feedback_of, traces))
