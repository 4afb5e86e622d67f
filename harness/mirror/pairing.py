"""Two experiments over one dataset side by side, as LangSmith compares them: a pair of root runs for every trial that both have."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from harness.experiment import Experiment, Trial
from harness.mirror.call import Call
from harness.mirror.feedback import OUTCOME, feedback, said_of
from harness.mirror.ids import comparative_id, pair_id
from harness.mirror.moments import moment, written_moment
from harness.mirror.session import Mirror
from harness.mirror.traces import trace_id

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclasses.dataclass(frozen=True)
class Pairing:
    """An experiment against another, `base`, whose id in LangSmith is `session`."""

    mirror: Mirror
    base: Experiment
    session: str

    @property
    def id(self) -> str:
        """Return the id of the comparison."""
        return comparative_id(self.mirror.collection.id, self.mirror.id, self.session)

    def making(self) -> Call:
        """Return the request that makes the comparison."""
        document: JsonValue = {
            "id": self.id,
            "name": f"{self.mirror.suite.name}: {self.mirror.head.id} against {self.base.id} {self.id[:8]}",
            "experiment_ids": [self.mirror.id, self.session],
            "reference_dataset_id": self.mirror.collection.id,
            "description": None,
            "created_at": written_moment(self.mirror.ended),
            "extra": {"metadata": {"by": "langgraph-harness"}},
        }
        return self.mirror.collection.redactions.call(Call(f"comparison {self.id}", "POST", "/datasets/comparative", document))

    def pairs(self, own: Iterable[Trial], others: Iterable[Trial]) -> Iterator[tuple[tuple[str, Call], tuple[str, Call]]]:
        """Yield the outcomes of each trial that both have, the own one first: the run that it is feedback on, and the request."""
        there = {(trial.case, trial.repeat): trial for trial in others}
        for trial in own:
            other = there.get((trial.case, trial.repeat))
            if other is not None:
                yield self._outcome(trial, trial, own=True), self._outcome(other, trial, own=False)

    def _outcome(self, trial: Trial, of: Trial, *, own: bool) -> tuple[str, Call]:
        session = self.mirror.id if own else self.session
        started = self.mirror.started if own else moment(self.base.started_at, experiment=self.base.id)
        run = trace_id(session, trial, started)
        placed = {"run_id": run, "trace_id": run, "session_id": session, "start_time": written_moment(started)}
        pair = {"comparative_experiment_id": self.id, "feedback_group_id": pair_id(self.id, of.case, of.repeat)}
        said = next(one for one in said_of(trial) if one.key == OUTCOME)
        document = feedback(f"{self.id} {run}", 1, said, at=written_moment(self.mirror.ended), **placed, **pair)
        return run, self.mirror.collection.redactions.call(Call(f"feedback {document['id']}", "POST", "/feedback", document))
