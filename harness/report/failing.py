"""The cases that did not pass, in the order in which a reviewer looks at them."""

from itertools import groupby

from harness.gate import Summary
from harness.tally import Failure


def failing_cases(summary: Summary) -> list[tuple[str, list[Failure]]]:
    """Return the cases that did not pass, each with why; those that decided the verdict come first."""
    cases = [(case, list(found)) for case, found in groupby(summary.tally.failures, key=lambda failure: failure.case)]
    deciding = frozenset(summary.verdict.cases)
    return sorted(cases, key=lambda case: case[0] not in deciding)
