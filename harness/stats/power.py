"""How many cases a question needs, and which drop so many cases can show.

All by the normal approximation of the paired test (Connett, Smith & McHugh, Statistics in Medicine 6, 1987): a difference d in pass rates
of cases of which the share f flips has, over n cases, the variance (f - d²) / n, and f / n if there is none.
"""

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def power(drop: float, flips: float, cases: int, *, alpha: float = 0.05) -> float:
    """Return the chance that a two-sided test at `alpha` shows a true drop, where a share `flips` of the cases flips either way."""
    if not cases:
        return 0.0
    spread = math.sqrt(max(flips - drop * drop, 1e-12))
    distance = abs(drop) * math.sqrt(cases) - _NORMAL.inv_cdf(1 - alpha / 2) * math.sqrt(flips)
    return _NORMAL.cdf(distance / spread)


def cases_for(drop: float, flips: float, *, alpha: float = 0.05, wanted: float = 0.8) -> int:
    """Return the number of cases with which a true drop is shown with the power that is wanted. ValueError for a drop of nothing."""
    if drop == 0:
        message = "a drop of nothing cannot be shown with any number of cases"
        raise ValueError(message)
    flips = max(flips, abs(drop))
    spread = math.sqrt(max(flips - drop * drop, 0.0))
    both = _NORMAL.inv_cdf(1 - alpha / 2) * math.sqrt(flips) + _NORMAL.inv_cdf(wanted) * spread
    return math.ceil((both / drop) ** 2)


def detectable_drop(flips: float, cases: int, *, alpha: float = 0.05, wanted: float = 0.8) -> float | None:
    """Return the least true drop that so many cases show with the power that is wanted; None if not even a drop of all would be."""
    if not cases or cases_for(1.0, 1.0, alpha=alpha, wanted=wanted) > cases:
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-12:  # noqa: PLR2004
        middle = (low + high) / 2
        enough = cases_for(middle, flips, alpha=alpha, wanted=wanted) <= cases
        low, high = (low, middle) if enough else (middle, high)
    return high
