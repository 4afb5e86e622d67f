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


BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The decisions whose confidence is from `low` to below `high` (1 itself is in the last bin), and how many were right."""

    low: float
    high: float
    decisions: int
    right: int
    mean_confidence: float | None

    @property
    def accuracy(self) -> float | None:
        """Return the share of right decisions; None of none."""
        return self.right / self.decisions if self.decisions else None

    @property
    def gap(self) -> float:
        """Return how far confidence and accuracy are apart."""
        return abs(self.right / self.decisions - self.mean_confidence) if self.mean_confidence is not None else 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether a router is right as often as it is sure, in equal-width bins of its confidence."""

    bins: tuple[Bin, ...]

    @property
    def decisions(self) -> int:
        """Return how many decisions came with a confidence."""
        return sum(one.decisions for one in self.bins)

    @property
    def ece(self) -> float | None:
        """Return the expected calibration error (Naeini et al. 2015): the gaps of the bins, weighted by their decisions."""
        return math.fsum(one.decisions * one.gap for one in self.bins) / self.decisions if self.decisions else None


def calibration(right: Iterable[float], wrong: Iterable[float]) -> Calibration:
    """Sort the confidences of right and of wrong decisions, each from 0 to 1, into ten bins."""
    decisions = sorted([*((one, True) for one in right), *((one, False) for one in wrong)])
    binned: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, is_right in decisions:
        binned[min(int(confidence * BINS), BINS - 1)].append((confidence, is_right))
    return Calibration(
        tuple(
            Bin(
                low=place / BINS,
                high=(place + 1) / BINS,
                decisions=len(found),
                right=sum(is_right for _, is_right in found),
                mean_confidence=mean([confidence for confidence, _ in found]),
            )
            for place, found in enumerate(binned)
        )
    )


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
