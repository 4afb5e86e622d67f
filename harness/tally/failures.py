"""Why trials are no pass: what a check said, what crashed, what is stale."""

from bisect import insort
from typing import NamedTuple

from harness.experiment import Outcome, Trial
from harness.score import Score
from harness.tally.wording import short

ALWAYS_CHECKED = "ends"
_KEPT = 200


class Failure(NamedTuple):
    """Why a trial is not a pass: what one check said, or (without a check) what crashed or is stale."""

    case: str
    repeat: int
    outcome: Outcome
    check: str
    reason: str


class Failing(NamedTuple):
    """A check that failed, in trials that crashed (`error`), that reached the recursion limit (`limit`), or otherwise (``).

    For the check `route` it is the router (`route.<node>`).
    """

    check: str
    circumstance: str


class Failures:
    """The first 200 failures by case, so that the order of trials does not show."""

    def __init__(self) -> None:
        self.kept: list[Failure] = []

    def add(self, trial: Trial) -> None:
        """Take in why a trial is not a pass, if it is none."""
        for failure in _failures(trial):
            if len(self.kept) < _KEPT or failure < self.kept[-1]:
                insort(self.kept, failure)
                del self.kept[_KEPT:]


def _failures(trial: Trial) -> list[Failure]:
    if trial.outcome in {"error", "stale"}:
        reason = next(iter(trial.reasons), "no reason is noted")
        return [Failure(trial.case, trial.repeat, trial.outcome, "", short(reason))]
    wanted = {"fail": "fail", "unscored": "unscored"}.get(trial.outcome)
    found = [score for score in trial.scores if score.status == wanted]
    return [Failure(trial.case, trial.repeat, trial.outcome, score.check, short(f"{score.name}: {score.reason}")) for score in found]


def failing(check: str, trial: Trial, scores: list[Score]) -> set[Failing]:
    """Return in which ways a check with a failed score counts as failing."""
    return {Failing(check, circumstance) for circumstance in _circumstances(check, trial, scores)}


def _circumstances(check: str, trial: Trial, scores: list[Score]) -> set[str]:
    if trial.outcome == "error":
        return {"error"}
    if check == "route":
        return {score.name for score in scores if score.status == "fail"}
    return {"limit" if check == ALWAYS_CHECKED and trial.trace.ends == "limit" else ""}
