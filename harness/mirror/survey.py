"""A survey: what must be known of all trials of a suite before the first of them is sent."""

import dataclasses
import hashlib
from collections.abc import Iterable

from harness.experiment import Trial
from harness.mirror.feedback import OUTCOME, key_of
from harness.mirror.moments import seen_s


@dataclasses.dataclass(slots=True)
class Survey:
    """Counts and names over the trials that are to be sent; `digest` is of their content, `lasted_s` the longest."""

    trials: int = 0
    repeats: int = 0
    lasted_s: float = 0.0
    cases: set[str] = dataclasses.field(default_factory=set)
    keys: set[str] = dataclasses.field(default_factory=lambda: {OUTCOME})
    models: set[str] = dataclasses.field(default_factory=set)
    tools: set[str] = dataclasses.field(default_factory=set)
    _hash: "hashlib._Hash" = dataclasses.field(default_factory=hashlib.sha256)

    def add(self, trial: Trial) -> None:
        """Take a trial in."""
        trace = trial.trace
        self.trials += 1
        self.repeats = max(self.repeats, trial.repeat)
        self.cases.add(trial.case)
        self.keys.update(key_of(score.name) for score in trial.scores)
        self.models.update(name for call in trace.calls if call.kind != "http" and (name := call.answered_model or call.model))
        self.tools.update(tool.name for tool in trace.tools)
        self.lasted_s = max(self.lasted_s, seen_s(trace))
        self._hash.update(trial.to_json().encode("utf-8", "surrogatepass") + b"\n")

    @property
    def digest(self) -> str:
        """Return the digest of the trials, in their order."""
        return self._hash.hexdigest()[:16]


def survey(trials: Iterable[Trial]) -> Survey:
    """Read the trials that are to be sent."""
    found = Survey()
    for trial in trials:
        found.add(trial)
    return found
