"""Non-inferiority: whether a share is shown to be within its margin of the baseline's, shown to be beyond it, or neither.

One score test decides both ways (Tango 1998). At its level alpha, a candidate that is worse by just the margin is let through in at most
that share of all runs, and one that is not worse by more than the margin fails in at most that share. What is neither shown is
inconclusive. A case is one sample however often it was repeated.
"""

from collections.abc import Iterator
from typing import Literal

from harness.errors import ExitCode
from harness.gate.against import Against
from harness.gate.verdict import Finding, finding
from harness.stats import Pairs, cases_for, detectable_drop, difference_interval, non_inferiority
from harness.tally import counted
from harness.terms import NonInferiority

Shown = Literal["within", "beyond", "neither"]


def shown(pairs: Pairs, asked: NonInferiority) -> Shown:
    """Return on which side of the margin the difference is shown to lie."""
    p_value = non_inferiority(pairs, asked.margin)
    if not pairs.cases or asked.alpha < p_value < 1 - asked.alpha:
        return "neither"
    return "within" if p_value <= asked.alpha else "beyond"


def inferior(name: str, asked: NonInferiority, against: Against) -> Iterator[Finding]:
    """Tell that a share is not shown to be within the margin of the baseline's: it failed, or more cases are needed to say."""
    moved = against.differences(name)
    pairs, fell = Pairs.of(moved.values()), tuple(case for case, by in moved.items() if by < 0)
    worse = "; worse" if fell else ""
    answer = shown(pairs, asked)
    if not pairs.cases:
        yield Finding(ExitCode.NOTHING_RAN, f"{name}: the baseline measured it in no case that ran, so nothing can be compared")
    elif answer == "beyond":
        reason = f"{name} {_change(pairs)}, more than {_allowed(asked)}: {_told(moved, pairs, asked)}{worse}"
        yield finding(ExitCode.GATE_FAILED, reason, fell)
    elif answer == "neither":
        what = f"{name} {_change(pairs)}; whether it truly fell by more than {_allowed(asked)} is not clear yet"
        reason = f"{what}: {_told(moved, pairs, asked)}. {_enough(pairs, asked)}{worse}"
        yield finding(ExitCode.INCONCLUSIVE, reason, fell)


def reassuring(name: str, asked: NonInferiority, against: Against) -> Iterator[str]:
    """Say what was shown where a share is within the margin."""
    moved = against.differences(name)
    pairs = Pairs.of(moved.values())
    if shown(pairs, asked) == "within":
        yield f"{name} {_change(pairs)}, and did not fall by more than {_allowed(asked)}: {_told(moved, pairs, asked)}"


def _told(moved: dict[str, float], pairs: Pairs, asked: NonInferiority) -> str:
    """Say what was seen, and between which ends the truth lies."""
    low, high = difference_interval(pairs, confidence=1 - 2 * asked.alpha) or (-1.0, 1.0)
    better, worse = (sum(by * sign > 0 for by in moved.values()) for sign in (1, -1))
    sure = f"{100 * (1 - 2 * asked.alpha):g} % interval"
    seen = f"of {counted(pairs.cases, 'case')} {better:,} got better and {worse:,} worse"
    return f"{seen}, so the true change is between {_signed(low)} and {_signed(high)} points ({sure})"


def _enough(pairs: Pairs, asked: NonInferiority) -> str:
    """Say which fall so many cases can show, and how many would settle it, four times in five, if those to come are like these."""
    flips, drop = (pairs.better + pairs.worse) / pairs.cases, -(pairs.difference or 0.0)
    alpha = 2 * asked.alpha
    least = detectable_drop(flips, pairs.cases, margin=asked.margin, alpha=alpha)
    many = counted(pairs.cases, "case")
    can = f"{many} can show a true fall of {_points(least)} or more" if least else f"{many} cannot show any fall"
    if drop == asked.margin:
        return f"{can}; a true fall of just the margin is settled by no number of cases"
    needed = max(cases_for(drop, flips, margin=asked.margin, alpha=alpha), pairs.cases + 1)
    return f"{can}; about {needed:,} cases like these would settle it"


def _change(pairs: Pairs) -> str:
    difference = pairs.difference or 0.0
    if not difference:
        return "did not change"
    return f"{'rose' if difference > 0 else 'fell'} by {_points(abs(difference))}"


def _allowed(asked: NonInferiority) -> str:
    return f"the {_points(asked.margin)} that non_inferiority allows"


def _points(share: float) -> str:
    """Return a share in points of a hundred, `3.5 points`."""
    number = f"{100 * share:.1f}".removesuffix(".0")
    return f"{number} point" if number == "1" else f"{number} points"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".removesuffix(".0")
