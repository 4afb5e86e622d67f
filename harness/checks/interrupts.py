"""The check `interrupts`: whether the trial stopped for a human where it should, with what it should show."""

from collections.abc import Sequence

from harness.checks.containment import holds
from harness.checks.context import CheckContext
from harness.checks.quoting import quote, times
from harness.dataset import Case
from harness.score import Score, failed, passed
from harness.trace import Interrupt, Trace


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare the payloads of the trial's interrupts, in order, with `expected.interrupts`.

    As many as expected must have happened. A payload may hold more keys than expected, at every depth; an empty list expects none.
    `{"before": node}` expects a static interrupt before that node.
    """
    del context
    wanted = case.expected.interrupts
    if wanted is None:
        return ()
    payloads = [interrupt.payload for interrupt in trace.interrupts]
    problem = _problem(wanted, trace.interrupts)
    if problem:
        return (failed("interrupts", "interrupts", problem, expected=list(wanted), actual=payloads),)
    return (passed("interrupts", "interrupts", expected=list(wanted), actual=payloads),)


def _problem(wanted: Sequence[object], found: Sequence[Interrupt]) -> str:
    for number, (part, interrupt) in enumerate(zip(wanted, found, strict=False), start=1):
        if not _is_expected(interrupt, part):
            return f"interrupt {number}{_before(interrupt)} shows {quote(interrupt.payload)}, which does not hold {quote(part)}"
    if len(found) < len(wanted):
        return f"expected {times(len(wanted), 'interrupt')}, there were {len(found)}; missing: {quote(wanted[len(found)])}"
    if len(found) > len(wanted):
        extra = found[len(wanted)]
        return f"expected {times(len(wanted), 'interrupt')}, there were {len(found)}; unexpected{_before(extra)}: {quote(extra.payload)}"
    return ""


def _is_expected(interrupt: Interrupt, part: object) -> bool:
    if interrupt.payload is None and interrupt.node is not None and isinstance(part, dict):
        return part == {"before": interrupt.node}
    return holds(interrupt.payload, part)


def _before(interrupt: Interrupt) -> str:
    return f" before node {interrupt.node!r}" if interrupt.node and interrupt.payload is None else ""
