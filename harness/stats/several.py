"""Several at once: several tests of one comparison, several trials of one case."""

import math
from collections.abc import Mapping


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return the p-values adjusted for being several (Holm, Scandinavian Journal of Statistics 6, 1979), by name.

    A name is significant at alpha if its adjusted value is at most alpha; the chance of any false alarm among all is then at most alpha.
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for place, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: (item[1], item[0]))):
        highest = max(highest, min(1.0, p_value * (len(p_values) - place)))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def pass_any(passed: int, trials: int, k: int) -> float | None:
    """Return pass@k: the chance that at least one of k trials of a case passes; None if it had fewer than k trials.

    The unbiased estimate of Chen et al., "Evaluating Large Language Models Trained on Code" (2021).
    """
    return None if trials < k else 1 - math.comb(trials - passed, k) / math.comb(trials, k)


def pass_all(passed: int, trials: int, k: int) -> float | None:
    """Return pass^k: the chance that all of k trials of a case pass; None if it had fewer than k trials.

    The unbiased estimate of Yao et al., "tau-bench" (2024).
    """
    return None if trials < k else math.comb(passed, k) / math.comb(trials, k)
