"""The check `route`: whether each router decided as expected."""

import contextlib
from dataclasses import dataclass
from typing import Any

from harness.checks.context import NEXT, CheckContext
from harness.checks.ends import what_happened
from harness.checks.lookup import NotThere, look_up
from harness.checks.quoting import as_json
from harness.checks.visits import qualified, steps_of
from harness.dataset import Case
from harness.schema import nearest
from harness.score import Score, failed, passed
from harness.trace import NodeStep, Trace

NOT_REACHED = "(not reached)"
UNDECIDED = "(no decision)"
END = "__end__"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a router decided; `why` says where that was read, or why there is no decision."""

    actual: str
    why: str


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare the last decision of each router in `expected.route`; one score a router, `route.<node>`.

    A router that was not reached, whatever the reason, and one that decided nothing are wrong decisions: they count.
    """
    return tuple(_score(router, wanted, trace, context) for router, wanted in case.expected.route.items())


def _score(router: str, wanted: str, trace: Trace, context: CheckContext) -> Score:
    decision = decide(router, trace, context)
    name = f"route.{router}"
    detail: dict[str, Any] = {"router": router, "expected": wanted, "actual": decision.actual, **_confidence(router, trace, context)}
    if _agrees(wanted, decision.actual):
        return passed("route", name, **detail)
    reason = f"expected {wanted!r}, got {decision.actual!r}: {decision.why}{_hint(router, wanted, decision, trace, context)}"
    return failed("route", name, reason, **detail)


def _confidence(router: str, trace: Trace, context: CheckContext) -> dict[str, float]:
    """Return how sure the router was at its last visit, where it says so by a number from 0 to 1."""
    steps, key = steps_of(trace, router), context.confidence.get(router)
    for holder in (steps[-1].update, trace.state) if steps and key else ():
        with contextlib.suppress(NotThere):
            found = look_up(holder, str(key), name="")
            return {"confidence": float(found)} if _is_share(found) else {}
    return {}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def decide(router: str, trace: Trace, context: CheckContext) -> Decision:
    """Return what `router` decided at its last visit."""
    steps = steps_of(trace, router)
    if not steps:
        return Decision(NOT_REACHED, f"node {router!r} never ran{_unknown(router, context)}; {what_happened(trace)}")
    key = context.routes.get(router, NEXT)
    return _next(steps[-1], trace) if key == NEXT else _written(steps[-1], key, trace)


def _unknown(router: str, context: CheckContext) -> str:
    if not context.nodes or router in context.nodes:
        return ""
    return f" (the graph has no such node{nearest(router, context.nodes)})"


def _written(step: NodeStep, key: str, trace: Trace) -> Decision:
    """Read the decision from what the node wrote, else from the final state."""
    node = qualified(step.place)
    try:
        return Decision(_label(look_up(step.update, key, name="the update")), f"node {node!r} wrote it to {key!r}")
    except NotThere:
        pass
    if step.error:
        return Decision(UNDECIDED, f"node {node!r} raised {step.error}")
    if step.interrupted and step.update is None:
        return Decision(UNDECIDED, f"node {node!r} was interrupted before it wrote {key!r}")
    try:
        return Decision(_label(look_up(trace.state, key, name="the final state")), f"the final state holds it in {key!r}")
    except NotThere as error:
        return Decision(UNDECIDED, f"node {node!r} did not write {key!r}, and {error}")


def _next(step: NodeStep, trace: Trace) -> Decision:
    """Read the decision from the node, or the parallel nodes, that ran next in the same graph."""
    followers = _followers(step, trace)
    if followers:
        return Decision("+".join(followers), f"the next node after {qualified(step.place)!r}")
    if step.error:
        return Decision(UNDECIDED, f"node {qualified(step.place)!r} raised {step.error}")
    if trace.ends == "interrupt" and trace.interrupts and trace.interrupts[-1].node not in {None, step.place.node}:
        return Decision(str(trace.interrupts[-1].node), f"the trial stopped before the next node after {qualified(step.place)!r}")
    if trace.ends == "answer" or step.place.turn < trace.steps[-1].place.turn:
        return Decision(END, f"nothing ran after {qualified(step.place)!r}")
    return Decision(UNDECIDED, f"nothing ran after {qualified(step.place)!r}; {what_happened(trace)}")


def _followers(step: NodeStep, trace: Trace) -> list[str]:
    """Return the nodes of the next superstep of the graph that `step` belongs to, in the same turn, sorted."""
    start = next(place for place, other in enumerate(trace.steps) if other is step)
    here = (step.place.namespace, step.place.turn)
    later = [other.place for other in trace.steps[start + 1 :] if (other.place.namespace, other.place.turn) == here]
    after = [place for place in later if (place.step or 0) > (step.place.step or 0)]
    return sorted({place.node for place in after if place.node and place.step == after[0].step})


def _label(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "+".join(sorted(value))
    return as_json(value)


def _agrees(wanted: str, actual: str) -> bool:
    return wanted == actual or ("+" in actual and sorted(wanted.split("+")) == sorted(actual.split("+")))


def _hint(router: str, wanted: str, decision: Decision, trace: Trace, context: CheckContext) -> str:
    if router in context.routes or decision.actual == NOT_REACHED:
        return ""
    update = steps_of(trace, router)[-1].update
    keys = [key for key, value in update.items() if _label(value) == wanted] if isinstance(update, dict) else []
    key = as_json(keys[0] if keys else "<state key>")
    return f"; if the decision stands in the state, say `routes.{router} = {key}`"
