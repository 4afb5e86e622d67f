"""A parcel: what a push brings of one suite of an experiment, before anybody is asked what is there already."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from harness.experiment import Experiment, Trial
from harness.mirror import Call, Collection, Exchanges, Mirror, Pairing

Trials = Callable[[], Iterable[Trial]]
"""Reads trials anew."""


class Compared(NamedTuple):
    """What a suite is compared with: an experiment, its id in LangSmith, and its trials."""

    head: Experiment
    session: str
    trials: Trials


@dataclasses.dataclass(frozen=True)
class Parcel:
    """One suite of an experiment: `trials` are the wanted ones, `exchanges` those that a trial was played from.

    With `is_baseline` it becomes the baseline of its dataset, once all of it is there, and is `compared` then.
    """

    mirror: Mirror
    trials: Trials
    exchanges: Exchanges
    is_baseline: bool = False
    compared: Compared | None = None

    def over(self, collection: Collection) -> "Parcel":
        """Return the same over a dataset that has another id."""
        return dataclasses.replace(self, mirror=dataclasses.replace(self.mirror, collection=collection))

    @property
    def pairing(self) -> Pairing | None:
        """Return the comparison that is to be made."""
        return self.compared and Pairing(self.mirror, self.compared.head, self.compared.session)

    def outcomes(self) -> Iterator[tuple[str, Call]]:
        """Yield the outcomes of all pairs of the comparison, each with the run that it is feedback on."""
        if self.compared is not None and self.pairing is not None:
            for pair in self.pairing.pairs(self.trials(), self.compared.trials()):
                yield from pair

    def calls(self, versions: Mapping[str, str], *, lacks: Callable[[Trial], bool] = lambda _: True) -> Iterator[Call]:
        """Yield all requests in their order, as far as they can be told without asking; of the trials those that are lacking."""
        yield from self.mirror.calls(filter(lacks, self.trials()), self.exchanges, versions)
        if self.is_baseline:
            yield self.mirror.baseline_call()
        if self.pairing is not None:
            yield self.pairing.making()
            yield from (call for _, call in self.outcomes())
