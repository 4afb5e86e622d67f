"""The table of trials, column by column: what repeats is a number that leads into a list."""

from collections.abc import Hashable
from typing import Any

from harness.experiment import Trial, suite_name
from harness.report.html.pointer import suspect
from harness.report.html.transcripts import Slot
from harness.tally import node_name

REASON = 300
_TEXT = 160
_NOWHERE = "(none)"


class Words:
    """Numbers values in the order in which they first come."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def number(self, value: Hashable) -> int:
        """Return the number of a value."""
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def values(self) -> list[Any]:
        """Return the values, each at its number."""
        return list(self._numbers)


_CODED = ("suite", "outcome", "ends", "reason", "text", "path", "edges", "routes", "faults")
_PLAIN = ("case", "repeat", "tokens", "cost_usd", "duration_s", "steps", "limit", "calls", "tools", "step", "block", "place")


class Rows:
    """Gathers the columns, one trial after the other."""

    def __init__(self) -> None:
        self._coded = {name: (Words(), list[int]()) for name in _CODED}
        self._plain: dict[str, list[Any]] = {name: [] for name in _PLAIN}

    def add(self, trial: Trial, edges: tuple[str, ...], slot: Slot | None) -> None:
        """Add the row of a trial that took these edges, and whose transcript lies in `slot`."""
        for column, value in _coded(trial, edges).items():
            words, numbers = self._coded[column]
            numbers.append(words.number(value))
        for column, amount in _amounts(trial, slot).items():
            self._plain[column].append(amount)

    def columns(self) -> dict[str, Any]:
        """Return the columns as plain data."""
        coded = {name: {"words": words.values, "numbers": numbers} for name, (words, numbers) in self._coded.items()}
        return {"coded": coded, "plain": self._plain}


def _coded(trial: Trial, edges: tuple[str, ...]) -> dict[str, Hashable]:
    trace = trial.trace
    return {
        "suite": suite_name(trial.suite, trial.variant),
        "outcome": trial.outcome,
        "ends": trace.ends,
        "reason": next(iter(trial.reasons), _unscored(trial))[:REASON],
        "text": (trace.text or "")[:_TEXT],
        "path": tuple(node_name(step.place) for step in trace.steps),
        "edges": edges,
        "routes": tuple(_routes(trial)),
        "faults": tuple(sorted({(call.fault, call.place.node or "") for call in trace.calls if call.fault})),
    }


def _unscored(trial: Trial) -> str:
    found = (f"{score.name}: {score.reason}" for score in trial.scores if score.status == "unscored")
    return next(found, "") if trial.outcome == "unscored" else ""


def _routes(trial: Trial) -> list[tuple[str, str, str]]:
    """Return (router, expected, taken) of every checked decision, as the confusion matrix counts them."""
    scores = [score for score in trial.scores if score.check == "route" and score.status != "unscored"]
    found = []
    for score in scores:
        wanted = _label(score.detail.get("expected"))
        actual = wanted if score.status == "pass" else _label(score.detail.get("actual"))
        found.append((str(score.detail.get("router", score.name.removeprefix("route."))), wanted, actual))
    return found


def _label(route: object) -> str:
    return _NOWHERE if route is None else str(route)


def _amounts(trial: Trial, slot: Slot | None) -> dict[str, Any]:
    trace = trial.trace
    block, place = slot or (-1, -1)
    return {
        "case": trial.case,
        "repeat": trial.repeat,
        "tokens": trace.total_tokens,
        "cost_usd": trace.cost_usd,
        "duration_s": trace.duration_s,
        "steps": None if "steps" in trace.unseen else trace.supersteps,
        "limit": trace.recursion_limit,
        "calls": None if "calls" in trace.unseen else len(trace.model_calls),
        "tools": None if "tools" in trace.unseen else len(trace.tools),
        "step": suspect(trial),
        "block": block,
        "place": place,
    }
