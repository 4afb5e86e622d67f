"""Which of a trial's limits it reached: the one that stopped it, if one did."""

from collections.abc import Mapping

from harness.checks.context import CheckContext
from harness.checks.quoting import listed
from harness.checks.visits import steps_of
from harness.dataset import Case
from harness.schema import nearest
from harness.score import Score, failed, passed, unscored
from harness.trace import Trace

_NOT_USABLE = 1
"""LangGraph raises where it would begin the last superstep, even if nothing is left to do in it."""


def scores(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare the limits that the trial reached with `expected.reached`: those and no others.

    A limit of nothing is not reached by spending nothing.
    """
    wanted = case.expected.reached
    if wanted is None:
        return ()
    spent = _spent(trace, context)
    blind = [name for name, (amount, _) in spent.items() if amount is None]
    unset = [name for name in wanted if name not in spent]
    if unset or blind:
        reason = f"{unset[0]!r} is no limit of this trial{nearest(unset[0], spent)}" if unset else f"nothing is known of limits.{blind[0]}"
        return (unscored("loops", "loops.reached", reason),)
    found = [name for name, (amount, bound) in spent.items() if amount is not None and amount >= bound > 0]
    told = listed(f"{name} {amount:g} of {bound:g}" for name, (amount, bound) in spent.items() if amount is not None)
    if sorted(found) == sorted(wanted):
        return (passed("loops", "loops.reached", reason=told),)
    return (failed("loops", "loops.reached", f"expected to reach {listed(wanted)}, reached {listed(found)}: {told}"),)


def _spent(trace: Trace, context: CheckContext) -> Mapping[str, tuple[float | None, float]]:
    """Return what the trial spent and might have spent, by the name of the limit; None is not known."""
    limits = context.limits
    counts: dict[str, tuple[float | None, float | None]] = {
        "recursion_limit": (trace.supersteps, trace.recursion_limit and trace.recursion_limit - _NOT_USABLE),
        "steps": (trace.supersteps, limits.steps),
        "model_calls": (len(trace.model_calls), limits.model_calls),
        "tool_calls": (len(trace.tools), limits.tool_calls),
        "duration_s": (trace.duration_s, limits.duration_s),
        **{f"visits.{node}": (len(steps_of(trace, node)), bound) for node, bound in sorted(limits.visits.items())},
    }
    return {name: (amount, bound) for name, (amount, bound) in counts.items() if bound is not None}
