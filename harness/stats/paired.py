"""Differences between two experiments, paired case by case.

A case is one sample, however often it was repeated: its difference is the mean over its repeats, and lies between -1 and 1.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_NORMAL = NormalDist()
_STEPS = 200
RESAMPLES = 2000
_AT_ONCE = 1_000_000
"""How many places are drawn at once, so that many cases do not take much memory."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """How the cases of a pass/fail score moved: the sum of the rises, the sum of the falls, and the number of cases.

    Without repeats, a rise or a fall is 1, so these are counts. With repeats they are shares of a case; the variance of the mean is
    then at most that of counts, so that what is said of it errs on the safe side.
    """

    better: float
    worse: float
    cases: int

    @classmethod
    def of(cls, differences: Iterable[float]) -> "Pairs":
        """Return the pairs of these differences, candidate less base, one a case."""
        moved = list(differences)
        return cls(math.fsum(one for one in moved if one > 0), -math.fsum(one for one in moved if one < 0), len(moved))

    @property
    def difference(self) -> float | None:
        """Return the mean difference, candidate less base; None without a case."""
        return (self.better - self.worse) / self.cases if self.cases else None


def mcnemar(better: int, worse: int) -> float:
    """Return the two-sided p-value of the exact McNemar test: how likely flips so one-sided are if neither side is better.

    `better` and `worse` count the cases that flipped; those that did not flip say nothing (McNemar, Psychometrika 12, 1947).
    """
    flips = better + worse
    chosen = total = 1
    for number in range(min(better, worse)):
        chosen = chosen * (flips - number) // (number + 1)
        total += chosen
    return min(1.0, 2 * total / (1 << flips))


def non_inferiority(pairs: Pairs, margin: float) -> float:
    """Return the one-sided p-value of "the candidate is worse by the margin or more"; small means that it is not.

    Tango's score test for paired proportions (Statistics in Medicine 17, 1998), which holds its level in small samples and where no
    case flipped. Without a case it is 1.
    """
    return 1 - _NORMAL.cdf(_score(pairs, -margin)) if pairs.cases else 1.0


def difference_interval(pairs: Pairs, *, confidence: float = 0.95) -> tuple[float, float] | None:
    """Return Tango's score interval of the mean difference, candidate less base; None without a case."""
    if not pairs.cases:
        return None
    z = _NORMAL.inv_cdf(1 - (1 - confidence) / 2)
    low = _where(lambda difference: _score(pairs, difference) > z)
    high = _where(lambda difference: _score(pairs, difference) > -z)
    return low, high


def _score(pairs: Pairs, difference: float) -> float:
    """Return by how many standard errors the pairs lie above a supposed difference; it falls as that rises."""
    n, better, worse = pairs.cases, pairs.better, pairs.worse
    distance = better - worse - n * difference
    variance = n * supposed_variance(pairs, difference)
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def supposed_variance(pairs: Pairs, difference: float) -> float:
    """Return the variance of a case's difference if the mean difference were a supposed one.

    `fall` is then the most likely share of falling cases (Tango 1998).
    """
    if difference in {-1.0, 1.0}:
        return 0.0
    n, better, worse = pairs.cases, pairs.better, pairs.worse
    b = -better - worse + (2 * n - better + worse) * difference
    c = -worse * difference * (1 - difference)
    fall = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    return 2 * fall + difference * (1 - difference)


def _where(above: Callable[[float], bool]) -> float:
    """Return the difference at which a falling condition stops to hold, by bisection to the last bit that counts."""
    low, high = -1.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        low, high = (middle, high) if above(middle) else (low, middle)
    return (low + high) / 2


def bootstrap_interval(
    differences: Sequence[float], *, confidence: float = 0.95, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """Return the BCa bootstrap interval of the mean difference (Efron, JASA 82, 1987), the same for the same seed.

    None of fewer than two differences. Equal differences have an interval of no width: the sample says nothing about their spread.
    """
    return bootstrap_intervals({"": differences}, confidence=confidence, seed=seed, resamples=resamples)[""]


def bootstrap_intervals(
    samples: Mapping[str, Sequence[float]], *, confidence: float = 0.95, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, tuple[float, float] | None]:
    """Return the interval of each of several samples; those of one size are drawn once, which changes no interval."""
    import numpy as np  # noqa: PLC0415, takes a while to import

    arrays = {name: np.asarray(sample, dtype=float) for name, sample in samples.items()}
    found: dict[str, tuple[float, float] | None] = {
        name: (float(array[0]), float(array[0])) if len(array) > 1 else None for name, array in arrays.items()
    }
    spread = {name: array for name, array in arrays.items() if len(array) > 1 and np.ptp(array) > 0}
    for size in sorted({len(array) for array in spread.values()}):
        alike = {name: array for name, array in spread.items() if len(array) == size}
        means = [[array[drawn].mean(axis=1) for array in alike.values()] for drawn in _draws(size, seed, resamples)]
        for (name, array), drawn_means in zip(alike.items(), np.concatenate(means, axis=1), strict=True):
            found[name] = _bca(array, drawn_means, confidence)
    return found


def _draws(size: int, seed: int, resamples: int) -> "Iterator[np.ndarray[Any, Any]]":
    """Yield the resamples, a row of places each, many at once; how many changes none of them."""
    import numpy as np  # noqa: PLC0415, as above

    random = np.random.default_rng(seed)
    at_once = max(1, _AT_ONCE // size)
    for done in range(0, resamples, at_once):
        yield random.integers(0, size, (min(at_once, resamples - done), size))


def _bca(sample: "np.ndarray[Any, Any]", means: "np.ndarray[Any, Any]", confidence: float) -> tuple[float, float]:
    import numpy as np  # noqa: PLC0415, as above

    below = (np.count_nonzero(means < sample.mean()) + np.count_nonzero(means <= sample.mean())) / (2 * len(means))
    left_out = (sample.sum() - sample) / (len(sample) - 1)
    spread = left_out.mean() - left_out
    scale = 6 * (spread**2).sum() ** 1.5
    acceleration = float((spread**3).sum() / scale) if scale else 0.0  # differences that are equal but for rounding have no skew
    shares = [_shifted(below, acceleration, tail) for tail in ((1 - confidence) / 2, (1 + confidence) / 2)]
    low, high = np.quantile(means, shares)
    return float(low), float(high)


def _shifted(below: float, acceleration: float, tail: float) -> float:
    """Return the share of the resampled means that stands for a tail of the distribution, corrected for bias and skew."""
    if below in {0.0, 1.0}:
        return below
    bias = _NORMAL.inv_cdf(below)
    moved = bias + _NORMAL.inv_cdf(tail)
    return _NORMAL.cdf(bias + moved / (1 - acceleration * moved))
