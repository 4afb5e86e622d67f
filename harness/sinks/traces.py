"""The traces of a push: several under way at a time, in memory no more than a few, and a look whether they are there."""

import dataclasses
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from harness.experiment import Trial
from harness.mirror import Call, runs_in
from harness.sinks.arrival import Arrival, Notes
from harness.sinks.courier import LOOKS_S, Courier
from harness.sinks.parcel import Parcel
from harness.sinks.reading import Reading
from harness.sinks.sender import Refused, Reply

AT_ONCE = 4
_WINDOW = 3 * AT_ONCE


class _Sent(NamedTuple):
    """A trace that is under way: what it needs, and the answers once they are there."""

    trace: str
    calls: tuple[Call, ...]
    replies: "Future[list[Reply]]"


@dataclasses.dataclass(slots=True)
class Traces:
    """Brings the traces of a parcel, and tells the arrival; `versions` are those of the examples, by id."""

    parcel: Parcel
    courier: Courier
    notes: Notes
    arrival: Arrival
    versions: Mapping[str, str]
    _there: Counter[str] = dataclasses.field(default_factory=Counter)
    _sent: set[str] = dataclasses.field(default_factory=set)
    _is_fresh: bool = False

    def send(self) -> None:
        """Send the traces that are lacking, several at a time, in memory no more than a few."""
        waiting: deque[_Sent] = deque()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for trial in self.parcel.trials():
                    if not self.is_there(trial):
                        self._is_fresh = False
                        calls = tuple(self._trace(trial))
                        waiting.append(_Sent(self._trace_id(trial), calls, pool.submit(self._bring, calls)))
                    if len(waiting) >= _WINDOW:
                        self._settle(waiting.popleft())
                while waiting:
                    self._settle(waiting.popleft())
            except BaseException as problem:
                self.courier.sender.stop(str(problem) or "interrupted")
                self._settle_rest(waiting)
                raise

    def _bring(self, calls: Sequence[Call]) -> list[Reply]:
        return [self.courier.sender.change(call) for call in calls]

    def _settle(self, sent: "_Sent") -> None:
        try:
            replies = sent.replies.result()
        except Refused as refusal:  # the others may go
            self.arrival.problem = self.arrival.problem or str(refusal)
            return
        for call, reply in zip(sent.calls, replies, strict=True):
            self.courier.noted(call, reply)
        self.courier.done.add(f"trace {sent.trace}")
        if any(reply.is_done for reply in replies):
            self._sent.add(sent.trace)
        self.arrival.sent = len(self._sent)

    def _settle_rest(self, waiting: "Iterable[_Sent]") -> None:
        """Note those that were under way and still arrived."""
        for sent in waiting:
            if not sent.replies.cancel() and sent.replies.exception() is None:
                self._settle(sent)

    def _trace(self, trial: Trial) -> Iterator[Call]:
        """Yield what is lacking of a trace."""
        trace = self._trace_id(trial)
        there = Reading(self.courier.sender).runs_of(trace, self.parcel.mirror.id) if self._there[trace] else ()
        return self.parcel.mirror.trace_calls(trial, self.versions, self.parcel.exchanges(trial), there=there)

    def is_there(self, trial: Trial) -> bool:
        """Tell whether a trial was acknowledged, or seen whole, and not missed since."""
        trace = self._trace_id(trial)
        return f"trace {trace}" in self.courier.done or self._there[trace] >= runs_in(trial)

    def lost(self) -> int:
        """Look until every run is there, as LangSmith may take its time after it has taken them; return how many traces lack some."""
        lost: list[str] = []
        self.arrival.is_seen = False
        try:
            for pause_s in LOOKS_S:
                if pause_s:
                    self.courier.sender.pause(pause_s)
                if pause_s or not self._is_fresh:
                    self.look()
                self.arrival.is_seen = True
                lost = [self._trace_id(trial) for trial in self.parcel.trials() if self._there[self._trace_id(trial)] < runs_in(trial)]
                if not lost or self.arrival.problem:
                    break
        finally:
            self.arrival.there = self.arrival.expected - len(lost)
            for trace in lost:
                self.notes.note(f"trace {trace}", "missing")
                self.courier.done.discard(f"trace {trace}")
        return len(lost)

    def look(self) -> None:
        """Ask which runs are there."""
        self._there = Reading(self.courier.sender).runs(self.parcel.mirror.id, until=self.parcel.mirror.until)
        self._is_fresh = True

    def _trace_id(self, trial: Trial) -> str:
        return self.parcel.mirror.trace_id(trial)
