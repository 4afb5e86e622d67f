"""A comparison in LangSmith: made once both experiments are there, with the outcomes of the trials that both have."""

import dataclasses
import itertools
from collections.abc import Iterator
from functools import partial

from harness.mirror import Call, Pairing
from harness.sinks.courier import Courier
from harness.sinks.reading import RUNS_AT_ONCE, Reading
from harness.sinks.sender import Stopped


@dataclasses.dataclass(frozen=True)
class Comparing:
    """Makes a comparison with these outcomes, each with the run that it is feedback on."""

    pairing: Pairing
    outcomes: Iterator[tuple[str, Call]]
    courier: Courier

    def run(self) -> None:
        """Send what is lacking; Stopped where the other experiment is not there, or is one over another dataset."""
        sender, collection = self.courier.sender, self.pairing.mirror.collection
        reading = Reading(sender)
        base = reading.session(self.pairing.session)
        if base is None or base.get("reference_dataset_id") != collection.id:
            why = "is not there any more" if base is None else "is over another dataset there"
            message = f"{sender.remote.address}: experiment {self.pairing.base.id!r} {why}, so they cannot be compared"
            raise Stopped(message)
        making = self.pairing.making()
        self.courier.bring([making], lambda: {making.key} if reading.comparison(collection.id, self.pairing.id) else ())
        while some := list(itertools.islice(self.outcomes, RUNS_AT_ONCE)):
            runs = [run for run, _ in some]
            self.courier.bring([call for _, call in some], partial(reading.feedback_of, runs, comparison=self.pairing.id))
