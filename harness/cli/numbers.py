"""Numbers as options take them."""

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A number within a range; what is no number, `nan`, is in none, though it compares as if it were."""

    def _describe_range(self) -> str:
        """Say nothing of a range that has no end."""
        return "" if self.min is None and self.max is None else super()._describe_range()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail as every bad value does."""
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value} is not a number.", param, ctx)
