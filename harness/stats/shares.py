"""A share that was counted, and the interval around it that holds whatever the sample's size."""


def exact_interval(successes: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the Clopper-Pearson interval of a proportion; None without trials.

    It covers the true share at least as often as it says (Clopper & Pearson, Biometrika 26, 1934).
    """
    from scipy.special import betaincinv  # noqa: PLC0415, scipy takes a while to import

    if not trials:
        return None
    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high
