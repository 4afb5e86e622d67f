"""Statistics, pure: quantiles, intervals, classification figures."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the quantile by linear interpolation (Hyndman & Fan's type 7); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def mean(values: Sequence[float]) -> float | None:
    """Return the arithmetic mean, summed without rounding drift; None of nothing."""
    return math.fsum(values) / len(values) if values else None


def wilson(successes: int, trials: int, *, z: float = 1.959963984540054) -> tuple[float, float] | None:
    """Return the Wilson score interval of a proportion, by default at 95 %; None without trials."""
    if not trials:
        return None
    share = successes / trials
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    middle = share + z * z / (2 * trials)
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


@dataclass(frozen=True, slots=True)
class RouteFigures:
    """Precision and recall of one route; None where nothing was routed there, or nothing should have been."""

    route: str
    expected: int
    routed: int
    right: int

    @property
    def precision(self) -> float | None:
        """Return right / routed."""
        return self.right / self.routed if self.routed else None

    @property
    def recall(self) -> float | None:
        """Return right / expected."""
        return self.right / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each expected route became each actual one."""

    counts: tuple[tuple[tuple[str, str], int], ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Return every route that was expected or taken, sorted."""
        return tuple(sorted({label for pair, _ in self.counts for label in pair}))

    @property
    def total(self) -> int:
        """Return the number of decisions."""
        return sum(count for _, count in self.counts)

    @property
    def accuracy(self) -> float | None:
        """Return the share of right decisions."""
        return sum(count for (expected, actual), count in self.counts if expected == actual) / self.total if self.total else None

    def figures(self) -> tuple[RouteFigures, ...]:
        """Return precision and recall route by route."""
        return tuple(
            RouteFigures(
                route=label,
                expected=sum(count for (expected, _), count in self.counts if expected == label),
                routed=sum(count for (_, actual), count in self.counts if actual == label),
                right=dict(self.counts).get((label, label), 0),
            )
            for label in self.labels
        )


def confusion(pairs: Iterable[tuple[str, str]]) -> Confusion:
    """Count (expected, actual) pairs."""
    return Confusion(tuple(sorted(Counter(pairs).items())))
