"""A comparison in LangSmith: made once both experiments are there, with the outcomes of the trials that both have."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable

from harness.experiment import Trial
from harness.mirror import Call, Pairing
from harness.sinks.reading import Reading
from harness.sinks.sender import Reply, Sender, Stopped

_ASKED = 20


@dataclasses.dataclass(frozen=True)
class Comparing:
    """Makes a comparison; `own` and `others` read the trials of both sides, `noted` takes each call that was acknowledged."""

    pairing: Pairing
    sender: Sender
    own: Callable[[], Iterable[Trial]]
    others: Callable[[], Iterable[Trial]]
    noted: Callable[[Call, Reply], None]

    def run(self) -> None:
        """Send what is lacking; Stopped where the other experiment is not there, or is one over another dataset."""
        reading = Reading(self.sender)
        base = reading.session(self.pairing.session)
        if base is None or base.get("reference_dataset_id") != self.pairing.mirror.collection.id:
            why = "is not there any more" if base is None else "is over another dataset there"
            message = f"{self.sender.remote.address}: experiment {self.pairing.base.id!r} {why}, so they cannot be compared"
            raise Stopped(message)
        if reading.comparison(self.pairing.mirror.collection.id, self.pairing.id) is None:
            self._send(self.pairing.making())
        said = itertools.chain.from_iterable(self.pairing.pairs(self.own(), self.others()))
        while some := list(itertools.islice(said, _ASKED)):
            there = reading.feedback_of([run for run, _ in some])
            for _, call in some:
                if call.key.rpartition(" ")[2] not in there:
                    self._send(call)

    def _send(self, call: Call) -> None:
        self.noted(call, self.sender.change(call))
