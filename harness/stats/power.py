"""How many cases a question needs, and which drop so many cases can show.

All by the normal approximation of the paired test (Connett, Smith & McHugh, Statistics in Medicine 6, 1987): a difference d in pass rates
of cases of which the share f flips has, over n cases, the variance (f - d²) / n, and f / n if there is none. With a margin, the question
is on which side of it the drop lies, and the test takes the variance that a drop as large as the margin would most likely have.
"""

import math
from statistics import NormalDist

from harness.stats.paired import Pairs, supposed_variance

_NORMAL = NormalDist()
_LEAST = 1e-12


def power(drop: float, flips: float, cases: int, *, margin: float = 0.0, alpha: float = 0.05) -> float:
    """Return the chance that a two-sided test at `alpha` tells a true drop from the margin: beyond it, or within it.

    `flips` is the share of the cases that flip either way. A one-sided test at a level is the two-sided one at twice that level.
    """
    if not cases:
        return 0.0
    spread, supposed = _spreads(drop, flips, margin)
    distance = abs(drop - margin) * math.sqrt(cases) - _NORMAL.inv_cdf(1 - alpha / 2) * supposed
    return _NORMAL.cdf(distance / spread)


def cases_for(drop: float, flips: float, *, margin: float = 0.0, alpha: float = 0.05, wanted: float = 0.8) -> int:
    """Return the number of cases with which a true drop is told from the margin with the power that is wanted.

    ValueError for a drop as large as the margin.
    """
    if drop == margin:
        message = f"a drop of {f'just {margin:g}' if margin else 'nothing'} cannot be shown with any number of cases"
        raise ValueError(message)
    spread, supposed = _spreads(drop, flips, margin)
    both = _NORMAL.inv_cdf(1 - alpha / 2) * supposed + _NORMAL.inv_cdf(wanted) * spread
    return math.ceil((both / (drop - margin)) ** 2)


def _spreads(drop: float, flips: float, margin: float) -> tuple[float, float]:
    """Return the standard deviation of a case's difference if the drop is true, and the one that is supposed at the margin."""
    flips = max(flips, abs(drop))
    supposed = supposed_variance(Pairs((flips - drop) / 2, (flips + drop) / 2, 1), -margin)
    return math.sqrt(max(flips - drop * drop, _LEAST)), math.sqrt(max(supposed, _LEAST))


def detectable_drop(flips: float, cases: int, *, margin: float = 0.0, alpha: float = 0.05, wanted: float = 0.8) -> float | None:
    """Return the least true drop that so many cases show with the power that is wanted; None if not even a drop of all would be."""
    if not cases or cases_for(1.0, 1.0, margin=margin, alpha=alpha, wanted=wanted) > cases:
        return None
    low, high = margin, 1.0
    while high - low > _LEAST:
        middle = (low + high) / 2
        enough = cases_for(middle, flips, margin=margin, alpha=alpha, wanted=wanted) <= cases
        low, high = (low, middle) if enough else (middle, high)
    return high
