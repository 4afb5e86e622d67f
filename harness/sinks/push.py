"""A push: dataset, examples, experiment, traces, close, verdict, and then a look at whether everything is there.

Every step asks first and sends what is lacking, so that a push can be cut off anywhere, go on, and be repeated.
"""

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from harness.cassette.exchange import Exchange
from harness.errors import SinkError
from harness.experiment import Experiment, Trial
from harness.mirror import Call, Mirror, Pairing, commit_tag, runs_in
from harness.sinks.comparing import Comparing
from harness.sinks.datasets import DatasetPush
from harness.sinks.reading import Reading
from harness.sinks.sender import Refused, Reply, Sender, Stopped

AT_ONCE = 4
_WINDOW = 3 * AT_ONCE
_LOOKS_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
_RUNS_ASKED = 20


class Notes(Protocol):
    """Keeps what became of calls."""

    def note(self, key: str, state: Any = "sent") -> None:
        """Note that a call was acknowledged, or that what it brought is missing."""
        ...


@dataclasses.dataclass(slots=True)
class Arrival:
    """What became of a push: the traces that are there of those that should be, those sent now, and the first problem."""

    expected: int
    there: int = 0
    sent: int = 0
    changes: int = 0
    problem: str = ""
    url: str = ""

    @property
    def is_complete(self) -> bool:
        """Tell whether everything is there."""
        return self.there == self.expected and not self.problem


class Compared(NamedTuple):
    """What a suite is compared with: an experiment, its id in LangSmith, and its trials."""

    head: Experiment
    session: str
    trials: Callable[[], Iterable[Trial]]


@dataclasses.dataclass(slots=True)
class Push:
    """Pushes one suite of an experiment. `trials` reads the wanted ones anew, `exchanges` those that a trial was played from.

    `known` are the keys of calls that were acknowledged before; with `is_baseline` it becomes the baseline of its dataset, once all of
    it is there, and is `compared` then.
    """

    mirror: Mirror
    sender: Sender
    notes: Notes
    trials: Callable[[], Iterable[Trial]]
    exchanges: Callable[[Trial], Sequence[Exchange]]
    known: frozenset[str] = frozenset()
    is_baseline: bool = False
    compared: "Compared | None" = None
    arrival: Arrival = dataclasses.field(init=False)
    _there: Counter[str] = dataclasses.field(default_factory=Counter)
    _done: set[str] = dataclasses.field(default_factory=set)
    _versions: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.arrival = Arrival(self.mirror.survey.trials)
        self._done |= {key for key in self.known if key.startswith("trace ")}  # the rest is asked for

    @property
    def _reading(self) -> Reading:
        return Reading(self.sender)

    def run(self) -> Arrival:
        """Send what is lacking, and look whether all of it is there."""
        try:
            self._steps()
        except SinkError as problem:
            self.sender.stop(str(problem))
            self.arrival.problem = self.arrival.problem or str(problem)
            self.arrival.there = sum(map(self._is_there, self.trials()))
        return self.arrival

    def _steps(self) -> None:
        self._make_dataset()
        is_new = self._open()
        if not is_new:
            self._there = self._reading.runs(self.mirror.id, until=self.mirror.until)
        self._send_traces()
        version = max(self._versions.values(), default=None)
        self._close(version)
        self._tag(version)
        self._say_verdict()
        self._verify()
        if self.is_baseline and self.arrival.is_complete:
            self._make_baseline()
        if self.compared is not None and self.arrival.is_complete:
            self._compare(self.compared)

    def _compare(self, compared: "Compared") -> None:
        pairing = Pairing(self.mirror, compared.head, compared.session)
        Comparing(pairing, self.sender, self.trials, compared.trials, self._count).run()
        if self.arrival.url:
            self.arrival.url += f"%2C{compared.session}&comparativeExperiment={pairing.id}"

    def lacking(self) -> Iterator[Call]:
        """Yield the calls that were not acknowledged, as far as they can be told without asking."""
        trials = (trial for trial in self.trials() if not self._is_there(trial))
        yield from (call for call in self.mirror.calls(trials, self.exchanges, self._versions) if call.key not in self._done)

    def _send(self, call: Call) -> Reply:
        reply = self.sender.change(call)
        self._note(call, reply)
        return reply

    def _note(self, call: Call, reply: Reply) -> None:
        self._count(call, reply)
        self._done.add(call.key)

    def _count(self, call: Call, reply: Reply) -> None:
        self.notes.note(call.key)
        self.arrival.changes += reply.is_done

    def _make_dataset(self) -> None:
        making = DatasetPush(self.mirror.collection, self.sender, self._count)
        found = making.run()
        self._versions = making.versions
        self.mirror = dataclasses.replace(self.mirror, collection=making.collection)
        self._done |= {making.collection.making().key, *(call.key for call in making.collection.adding())}
        self.arrival.url = self._reading.url(found, self.mirror.id)

    def _open(self) -> bool:
        """Open the experiment where it is not there; tell whether it is new."""
        if self._reading.session(self.mirror.id) is not None:
            self._done.add(self.mirror.session_call().key)
            return False
        reply = self._send(self.mirror.session_call())
        if reply.is_there_already and self._reading.session(self.mirror.id) is None:
            message = f"{self.sender.remote.address}: another experiment is called {self.mirror.name!r} already"
            raise Stopped(message)
        return reply.is_done

    def _trace(self, trial: Trial) -> Call:
        return self.mirror.trace_call(trial, self._versions, self.exchanges(trial))

    def _is_there(self, trial: Trial) -> bool:
        trace = self.mirror.trace_id(trial)
        return f"trace {trace}" in self._done or self._there[trace] >= runs_in(trial)

    def _send_traces(self) -> None:
        """Send the traces that are lacking, several at a time, in memory no more than a few."""
        waiting: deque[tuple[Call, Future[Reply]]] = deque()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for trial in self.trials():
                    if not self._is_there(trial):
                        call = self._trace(trial)
                        waiting.append((call, pool.submit(self.sender.change, call)))
                    if len(waiting) >= _WINDOW:
                        self._settle(*waiting.popleft())
                while waiting:
                    self._settle(*waiting.popleft())
            except BaseException as problem:
                self.sender.stop(str(problem) or "interrupted")
                self._settle_rest(waiting)
                raise

    def _settle(self, call: Call, answer: "Future[Reply]") -> None:
        try:
            reply = answer.result()
        except Refused as refusal:  # the others may go
            self.arrival.problem = self.arrival.problem or str(refusal)
            return
        self._note(call, reply)
        self.arrival.sent += reply.is_done

    def _settle_rest(self, waiting: "Iterable[tuple[Call, Future[Reply]]]") -> None:
        """Note those that were under way and still arrived."""
        for call, answer in waiting:
            if not answer.cancel() and answer.exception() is None:
                self._note(call, answer.result())

    def _close(self, version: str | None) -> None:
        call = self.mirror.close_call(version)
        session = self._reading.session(self.mirror.id) or {}
        if session.get("end_time") is None:
            self._send(call)
        self._done.add(call.key)

    def _tag(self, version: str | None) -> None:
        commit = self.mirror.head.commit
        call = self.mirror.collection.tagging(commit, version)
        if call is not None and commit is not None and not self._reading.has_tag(self.mirror.collection.id, commit_tag(commit)):
            self._send(call)

    def _say_verdict(self) -> None:
        call = self.mirror.verdict_call()
        if self._reading.feedback(call.key.rpartition(" ")[2]) is None:
            self._send(call)
        self._done.add(call.key)

    def _make_baseline(self) -> None:
        found = self._reading.dataset(self.mirror.collection.name) or {}
        if found.get("baseline_experiment_id") != self.mirror.id:
            self._send(self.mirror.baseline_call())

    def _verify(self) -> None:
        """Look until every run and every feedback is there; LangSmith may take its time after it has taken them."""
        for pause_s in _LOOKS_S:
            if pause_s:
                self.sender.pause(pause_s)
            self._there = self._reading.runs(self.mirror.id, until=self.mirror.until)
            lost = [trace for trial in self.trials() if self._there[trace := self.mirror.trace_id(trial)] < runs_in(trial)]
            self.arrival.there = self.arrival.expected - len(lost)
            if not lost:
                self._complete_feedback()
                return
            if self.arrival.problem:
                break
        for trace in lost:
            self.notes.note(f"trace {trace}", "missing")
            self._done.discard(f"trace {trace}")
        self.arrival.problem = self.arrival.problem or f"{self.sender.remote.address}: {len(lost)} traces were taken, but are not there"

    def _complete_feedback(self) -> None:
        """Send the feedback that is not there: a server may take runs without what came with them."""
        some: list[Trial] = []
        for trial in self.trials():
            some.append(trial)
            if len(some) == _RUNS_ASKED:
                self._complete_feedback_of(some)
                some = []
        if some:
            self._complete_feedback_of(some)

    def _complete_feedback_of(self, trials: Sequence[Trial]) -> None:
        there = self._reading.feedback_of([self.mirror.trace_id(trial) for trial in trials])
        for trial in trials:
            for said in self.mirror.feedback_calls(trial):
                if said.key.rpartition(" ")[2] not in there:
                    self._send(said)
