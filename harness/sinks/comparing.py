"""A comparison in LangSmith: made once both experiments are there, with the outcomes of the trials that both have."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

from harness.mirror import Call, Pairing
from harness.sinks.reading import Reading
from harness.sinks.sender import Reply, Sender, Stopped

_ASKED = 20


@dataclasses.dataclass(frozen=True)
class Comparing:
    """Makes a comparison with these outcomes; `done` takes the keys of what is there, `noted` each call that was acknowledged."""

    pairing: Pairing
    outcomes: Iterator[tuple[str, Call]]
    sender: Sender
    done: set[str]
    noted: Callable[[Call, Reply], None]

    def run(self) -> None:
        """Send what is lacking; Stopped where the other experiment is not there, or is one over another dataset."""
        reading = Reading(self.sender)
        base = reading.session(self.pairing.session)
        if base is None or base.get("reference_dataset_id") != self.pairing.mirror.collection.id:
            why = "is not there any more" if base is None else "is over another dataset there"
            message = f"{self.sender.remote.address}: experiment {self.pairing.base.id!r} {why}, so they cannot be compared"
            raise Stopped(message)
        making = self.pairing.making()
        self._send(making, is_there=reading.comparison(self.pairing.mirror.collection.id, self.pairing.id) is not None)
        while some := list(itertools.islice(self.outcomes, _ASKED)):
            there = reading.feedback_of([run for run, _ in some])
            for _, call in some:
                self._send(call, is_there=call.key.rpartition(" ")[2] in there)

    def _send(self, call: Call, *, is_there: bool) -> None:
        if not is_there:
            self.noted(call, self.sender.change(call))
        self.done.add(call.key)
