"""A score: what one check says of one trial."""

from typing import Literal

from pydantic import JsonValue

from harness.schema import Value

Status = Literal["pass", "fail", "unscored"]


class Score(Value):
    """A name and a value with pass or fail and a reason; or `unscored` with the reason why it could not be measured.

    `value` has no unit of its own: accuracies lie in 0..1, amounts are in the unit of the name (`cost_usd`, `tokens`).
    """

    check: str
    name: str
    status: Status
    value: float | None = None
    reason: str = ""
    detail: dict[str, JsonValue] = {}


def passed(check: str, name: str, value: float = 1.0, reason: str = "", **detail: JsonValue) -> Score:
    """Return a passing score."""
    return Score(check=check, name=name, status="pass", value=value, reason=reason, detail=detail)


def failed(check: str, name: str, reason: str, value: float = 0.0, **detail: JsonValue) -> Score:
    """Return a failing score; the reason says what was expected and what was found."""
    return Score(check=check, name=name, status="fail", value=value, reason=reason, detail=detail)


def unscored(check: str, name: str, reason: str) -> Score:
    """Return the score of something that could not be measured."""
    return Score(check=check, name=name, status="unscored", reason=reason)
