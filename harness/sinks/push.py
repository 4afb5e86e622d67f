"""A push: dataset, examples, experiment, traces, close, verdict, and then a look at whether everything is there.

Every step asks first and sends what is lacking, so that a push can be cut off anywhere, go on, and be repeated.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from functools import partial

from harness.errors import SinkError
from harness.mirror import Call, Mirror, Pairing, commit_tag
from harness.sinks.arrival import Arrival, Notes
from harness.sinks.comparing import Comparing
from harness.sinks.courier import Courier
from harness.sinks.datasets import DatasetPush
from harness.sinks.parcel import Parcel
from harness.sinks.reading import RUNS_AT_ONCE, Reading
from harness.sinks.sender import Refused, Reply, Sender, Stopped
from harness.sinks.traces import Traces


@dataclasses.dataclass(slots=True)
class Push:
    """Sends a parcel, and notes what was acknowledged; `known` are the keys of calls that were before."""

    parcel: Parcel
    sender: Sender
    notes: Notes
    known: frozenset[str] = frozenset()
    arrival: Arrival = dataclasses.field(init=False)
    _done: set[str] = dataclasses.field(default_factory=set)
    _versions: dict[str, str] = dataclasses.field(default_factory=dict)
    _traces: Traces = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.arrival = Arrival(self.mirror.survey.trials)
        self._done |= {key for key in self.known if key.startswith("trace ")}  # the rest is asked for
        self._traces = self._made()

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
            self.arrival.there = sum(map(self._traces.is_there, self.parcel.trials()))
        return self.arrival

    def _steps(self) -> None:
        self._make_dataset()
        is_new = self._open()
        if not is_new:
            self._traces.look()
        self._traces.send()
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
        calls = self.parcel.calls(self._versions, lacks=lambda trial: not self._traces.is_there(trial))
        return (call for call in calls if call.key not in self._done)

    @property
    def _courier(self) -> Courier:
        return Courier(self.sender, self._count, self._done)

    def _count(self, call: Call, reply: Reply) -> None:
        self.notes.note(call.key)
        self.arrival.changes += reply.is_done

    def _made(self) -> Traces:
        return Traces(self.parcel, self._courier, self.notes, self.arrival, self._versions)

    def _make_dataset(self) -> None:
        making = DatasetPush(self.mirror.collection, self.sender, self._count)
        found = making.run()
        self._versions = making.versions
        self.parcel = self.parcel.over(making.collection)
        self._traces = self._made()
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

    def _finish(self) -> None:
        """Close the experiment, tag what it was run on, and say the verdict."""
        reading, session = self._reading, self.mirror.id
        version = max(self._versions.values(), default=None)
        self._make_sure(self.mirror.close_call(version), lambda: (reading.session(session) or {}).get("end_time") is not None)
        commit = self.mirror.head.commit
        tag = self.mirror.collection.tagging(commit, version)
        if tag is not None and commit is not None and version is not None:
            self._make_sure(tag, lambda: reading.has_tag(self.mirror.collection.id, commit_tag(commit)))
        for said in self.mirror.verdict_calls():
            self._make_sure(said, partial(reading.has_feedback, said.key.rpartition(" ")[2]))

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
        lost = self._traces.lost()
        if lost and not self.arrival.problem:
            self._traces.send()
            lost = self._traces.lost()
        if not lost:
            self._complete_feedback()
            return
        taken = "1 trace was taken, but is" if lost == 1 else f"{lost:,} traces were taken, but are"
        self.arrival.problem = self.arrival.problem or f"{self.sender.remote.address}: {taken} not there"

    def _complete_feedback(self) -> None:
        """Send the feedback that is not there: a server may take runs without what came with them."""
        trials = iter(self.parcel.trials())
        while some := list(itertools.islice(trials, RUNS_AT_ONCE)):
            traces = [self.mirror.trace_id(trial) for trial in some]
            calls = [said for trial in some for said in self.mirror.feedback_calls(trial)]
            self._courier.bring(calls, partial(self._reading.feedback_of, traces))
