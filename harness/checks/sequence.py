"""The check `sequence`: the values that a key of the state took, one after another."""

from collections.abc import Iterator
from typing import Any

from harness.checks.containment import same
from harness.checks.context import CheckContext
from harness.checks.quoting import quote
from harness.dataset import Case
from harness.score import Score, failed, passed
from harness.trace import Trace

_SHOWN = 200


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare the different values that the nodes wrote to each key with `expected.sequence`; one score a key, `sequence.<key>`.

    A list that a node wrote counts as its items, one after another; a value that is written again at once counts once.
    """
    del context
    return tuple(_score(key, list(wanted), list(_changes(trace, key))) for key, wanted in case.expected.sequence.items())


def _score(key: str, wanted: list[Any], found: list[Any]) -> Score:
    name = f"sequence.{key}"
    if same(found, wanted):
        return passed("sequence", name)
    return failed("sequence", name, f"expected {quote(wanted, _SHOWN)}, the nodes wrote {quote(found, _SHOWN)}")


def _changes(trace: Trace, key: str) -> Iterator[Any]:
    """Yield what was written to the key, without what was there already."""
    last: list[Any] = []
    for value in _written(trace, key):
        if not (last and same(last[0], value)):
            yield value
        last = [value]


def _written(trace: Trace, key: str) -> Iterator[Any]:
    for step in trace.steps:
        if isinstance(step.update, dict) and key in step.update:
            value = step.update[key]
            yield from value if isinstance(value, list) else [value]
