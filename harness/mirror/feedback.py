"""Scores and verdicts as feedback: one for every score of a trial, one for its outcome, for all of them what the gate says and goes by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from harness.experiment import Trial
from harness.metric import Metric
from harness.mirror.ids import feedback_id
from harness.schema import canonical_json, digest
from harness.terms import Bound

OUTCOME = "outcome"
_LONGEST_KEY = 180
_DIGEST = 17
_REACHED: dict[str, int | None] = {"pass": 1, "fail": 0, "error": 0, "stale": None, "unscored": None}


class Said(NamedTuple):
    """What is said under a key: a number where there is one, a word, and why."""

    key: str
    score: float | None
    value: str | None
    comment: str
    detail: dict[str, JsonValue]


def said_of(trial: Trial) -> tuple[Said, ...]:
    """Return what is said of a trial: its outcome, then its scores. What was not measured has no number."""
    outcome = Said(OUTCOME, _REACHED[trial.outcome], trial.outcome, "\n".join(trial.reasons), {})
    scores = (
        Said(key_of(score.name), score.value, score.status, score.reason, {"check": score.check, **score.detail}) for score in trial.scores
    )
    return outcome, *scores


def figures_of(bounds: Mapping[str, Bound], metrics: Mapping[str, Metric]) -> tuple[Said, ...]:
    """Return what is said of the metrics that a gate bounds: their values, or why they have none, and what it asks of them."""
    found = {name: metrics.get(name, Metric(reason="there is no such figure")) for name in sorted(bounds)}
    return tuple(Said(key_of(name), one.value, None, _asked(bounds[name], one), {}) for name, one in found.items())


def _asked(bound: Bound, metric: Metric) -> str:
    asked = f"the gate asks {canonical_json(bound.model_dump(mode='json', exclude_none=True))}"
    return asked if metric.value is not None else f"{metric.reason}; {asked}"


def key_of(name: str) -> str:
    """Return a score's name as a key; a name that is too long is cut, and its digest tells it from others that begin alike."""
    return name if len(name) <= _LONGEST_KEY else f"{name[: _LONGEST_KEY - _DIGEST]}-{digest(name)}"


def numbered(said: Sequence[Said]) -> Iterator[tuple[int, Said]]:
    """Yield each with its number among those under the same key, from 1."""
    seen: dict[str, int] = {}
    for one in said:
        seen[one.key] = seen.get(one.key, 0) + 1
        yield seen[one.key], one


def feedback(owner: str, number: int, said: Said, *, at: str, **of: str) -> dict[str, JsonValue]:
    """Return the document of what is said; `of` says of which run or experiment, `owner` is its id, `at` the time."""
    return {
        "id": feedback_id(owner, said.key, number),
        **of,
        "key": said.key,
        "score": said.score,
        "value": said.value,
        "comment": said.comment or None,
        "feedback_source": {"type": "api", "metadata": {"by": "langgraph-harness"}},
        "extra": said.detail or None,
        "created_at": at,
        "modified_at": at,
    }
