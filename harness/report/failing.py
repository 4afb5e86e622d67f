"""The cases that did not pass, in the order in which a reviewer looks at them."""

from itertools import groupby
from typing import NamedTuple

from harness.gate import Summary

_NAMES_SHOWN = 5


class Alike(NamedTuple):
    """Cases that did not pass for the very same reasons."""

    cases: tuple[str, ...]
    outcomes: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def named(self) -> tuple[str, ...]:
        """Return the first names, and how many there are more."""
        rest = len(self.cases) - _NAMES_SHOWN
        return (*self.cases[:_NAMES_SHOWN], *([f"and {rest:,} more"] if rest > 0 else []))


def failing(summary: Summary) -> list[Alike]:
    """Return the cases that did not pass, those that have the same reasons together; what decided the verdict comes first."""
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for case, failures in groupby(summary.tally.failures, key=lambda failure: failure.case):
        told = list(failures)
        why = tuple(dict.fromkeys(one.outcome for one in told)), tuple(dict.fromkeys(one.reason for one in told))
        found.setdefault(why, []).append(case)
    deciding = frozenset(summary.verdict.cases)
    groups = [Alike(tuple(sorted(cases, key=lambda case: case not in deciding)), *why) for why, cases in found.items()]
    return sorted(groups, key=lambda group: group.cases[0] not in deciding)
