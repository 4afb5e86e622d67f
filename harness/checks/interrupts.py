"""The check `interrupts`: whether the trial stopped for a human where it should, with what it should show."""

from collections.abc import Sequence

from harness.checks.containment import holds
from harness.checks.context import CheckContext
from harness.checks.quoting import quote, times
from harness.dataset import Case
from harness.score import Score, failed, passed
from harness.trace import Trace


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare the payloads of the trial's interrupts, in order, with `expected.interrupts`.

    As many as expected must have happened. A payload may hold more keys than expected, at every depth; an empty list expects none.
    """
    del context
    wanted = case.expected.interrupts
    if wanted is None:
        return ()
    payloads = [interrupt.payload for interrupt in trace.interrupts]
    problem = _problem(wanted, payloads)
    if problem:
        return (failed("interrupts", "interrupts", problem, expected=list(wanted), actual=payloads),)
    return (passed("interrupts", "interrupts", expected=list(wanted), actual=payloads),)


def _problem(wanted: Sequence[object], payloads: Sequence[object]) -> str:
    for number, (part, payload) in enumerate(zip(wanted, payloads, strict=False), start=1):
        if not holds(payload, part):
            return f"interrupt {number} shows {quote(payload)}, which does not hold {quote(part)}"
    if len(payloads) < len(wanted):
        return f"expected {times(len(wanted), 'interrupt')}, there were {len(payloads)}; missing: {quote(wanted[len(payloads)])}"
    if len(payloads) > len(wanted):
        return f"expected {times(len(wanted), 'interrupt')}, there were {len(payloads)}; unexpected: {quote(payloads[len(wanted)])}"
    return ""
