"""The terms that a gate holds a suite to: bounds of metrics, presets of them, cases in quarantine."""

import datetime as dt
import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from harness.schema import Value

Preset = Literal["production"]
_PASSED_SHARE = re.compile(r"pass\.rate|[^.]+\.pass_rate|route\.(?:[^.]+\.)?accuracy")
_Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def is_passed_share(metric: str) -> bool:
    """Tell a metric that counts what passed, case by case, from a rate of something else and from an amount."""
    return _PASSED_SHARE.fullmatch(metric) is not None


def is_share(metric: str) -> bool:
    """Tell a metric that is never more than 1 from an amount."""
    return metric.endswith((".rate", ".pass_rate", ".accuracy", ".coverage")) or metric.startswith(("pass@", "pass^"))


class NonInferiority(Value):
    """A share must not be worse than the baseline's by `margin` or more, shown at the one-sided level `alpha`."""

    margin: float = Field(gt=0, lt=1)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)


class Bound(Value):
    """What a gate asks of one metric. `max_drop`, `max_rise_pct` and `non_inferiority` compare with a baseline."""

    min: float | None = None
    max: float | None = None
    max_drop: float | None = Field(default=None, ge=0)
    max_rise_pct: float | None = Field(default=None, ge=0)
    non_inferiority: NonInferiority | None = None

    @property
    def relative(self) -> tuple[str, ...]:
        """Return the names of the parts that need a baseline."""
        return tuple(name for name in ("max_drop", "max_rise_pct", "non_inferiority") if getattr(self, name) is not None)

    @property
    def beyond_any_share(self) -> Literal["min", "max", "max_drop"] | None:
        """Return the first part that is more than 1, so that no share could break it, or none could hold it."""
        parts: tuple[Literal["min", "max", "max_drop"], ...] = ("min", "max", "max_drop")
        return next((part for part in parts if (getattr(self, part) or 0.0) > 1), None)

    def over(self, other: "Bound") -> "Bound":
        """Return the other bound, its parts overridden by those that are written down here."""
        return other.model_copy(update={part: getattr(self, part) for part in self.model_fields_set})


PRESETS: dict[Preset, dict[str, Bound]] = {
    "production": {
        "duration_s.p99": Bound(max=30.0),
        "error.rate": Bound(max=0.05),
        "cost_usd.per_hour": Bound(max=50.0),
        "tool_failure.rate": Bound(max=0.1),
        "limit_hit.rate": Bound(max=0.01),
    }
}
"""The figures at which an operator of such agents is alerted."""


class Gate(Value):
    """Bounds by the name of their metric, over those of a preset."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Bound] = Field(init=False)

    preset: Preset | None = None

    @property
    def own(self) -> dict[str, Bound]:
        """Return the bounds that are written down."""
        return self.__pydantic_extra__

    @property
    def bounds(self) -> dict[str, Bound]:
        """Return the bounds in force: those of the preset, part by part overridden by those that are written down."""
        preset = PRESETS[self.preset] if self.preset else {}
        return {**preset, **{name: bound.over(preset[name]) if name in preset else bound for name, bound in self.own.items()}}

    @property
    def unasked(self) -> tuple[str, ...]:
        """Return the metrics that only the preset bounds: they hold where they can be measured."""
        return tuple(sorted(PRESETS[self.preset].keys() - self.own.keys())) if self.preset else ()


class Quarantine(Value):
    """Why failures and crashes of a flaky case do not decide, who sees to it, and the last day on which that holds."""

    owner: _Said
    reason: _Said
    until: dt.date
