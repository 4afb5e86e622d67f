"""The check `loops`: whether the trial went round in circles."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from pydantic import JsonValue

from harness.checks import reached
from harness.checks.context import CheckContext
from harness.checks.quoting import cut, listed, times
from harness.checks.retries import vain_retries
from harness.checks.unseen import unseen_bounds
from harness.checks.visits import are_parallel, by_node, steps_of
from harness.dataset import Case, Limits
from harness.schema import nearest
from harness.score import Score, failed, passed, unscored
from harness.trace import NodeStep, Trace

_BOUNDS = ("steps", "tool_calls", "model_calls", "repeated_calls", "repeated_states", "no_progress", "vain_retries")
_STEPS_SHOWN = 12

_LACKS: Mapping[str, Callable[[NodeStep], bool]] = {
    "repeated_states": lambda step: step.state_digest is None,
    "no_progress": lambda step: step.update_digest is None and step.error is None and not step.interrupted,
}


@dataclass(frozen=True, slots=True)
class Signals:
    """The deterministic signs of a loop, each with how often it was seen; what was seen once is not in them.

    `repeated_calls`: executions of a tool with the same arguments beyond the first; `repeated_states`: entries of a node with a state
    it had been entered with in an earlier superstep; `no_progress`: visits of a node that wrote the same as its visit before. Parallel
    branches of one superstep are no loop.
    """

    repeated_calls: dict[str, int]
    repeated_states: dict[str, int]
    no_progress: dict[str, int]


def bounded(limits: Limits) -> bool:
    """Tell whether any limit that this check looks at is set."""
    return bool(limits.visits) or any(getattr(limits, name) is not None for name in _BOUNDS)


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Count supersteps, visits, calls and loop signals, and compare with the limits that are set; the value is the supersteps.

    Signals without a limit only report. A visit is one execution of a node; parallel branches are several. Which limits were reached
    is a score of its own.
    """
    signals = loop_signals(trace)
    over = [*_counts_over(trace, signals, context.limits), *_visits_over(trace, context.limits)]
    blind = _unmeasured(trace, context.limits)
    value, reason = float(trace.supersteps), "; ".join(over or blind) or _seen(signals)
    if over:
        score = failed("loops", "loops", reason, value)
    else:
        score = unscored("loops", "loops", reason) if blind else passed("loops", "loops", value, reason)
    return (
        score.model_copy(update={"detail": _detail(trace, signals)}),
        *_unknown_nodes(trace, context),
        *reached.scores(case, trace, context),
    )


def loop_signals(trace: Trace) -> Signals:
    """Return the loop signals of a trial."""
    calls = Counter(f"{call.name}({json.dumps(call.args, sort_keys=True, ensure_ascii=False)})" for call in trace.tools)
    visits = {name: steps for name, steps in by_node(trace).items() if len(steps) > 1}
    return Signals(
        repeated_calls={call: count - 1 for call, count in calls.items() if count > 1},
        repeated_states=_positive({name: _returns(steps) for name, steps in visits.items()}),
        no_progress=_positive({name: _standstills(steps) for name, steps in visits.items()}),
    )


def _positive(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _returns(steps: list[NodeStep]) -> int:
    """Count the visits entered with a state that an earlier visit was entered with."""
    seen: dict[str, NodeStep] = {}
    count = 0
    for step in steps:
        if step.state_digest is not None:
            first = seen.setdefault(step.state_digest, step)
            count += first is not step and not are_parallel(first, step)
    return count


def _standstills(steps: list[NodeStep]) -> int:
    """Count the visits that wrote what the visit before wrote."""
    return sum(
        one.update_digest is not None and one.update_digest == other.update_digest and not are_parallel(one, other)
        for one, other in pairwise(steps)
    )


def _counts_over(trace: Trace, signals: Signals, limits: Limits) -> list[str]:
    vain = Counter(f"{call.model} after {call.status}" for call in vain_retries(trace))
    counts = (
        ("steps", trace.supersteps, "superstep", ""),
        ("tool_calls", len(trace.tools), "tool call", ""),
        ("model_calls", len(trace.model_calls), "model call", ""),
        ("repeated_calls", sum(signals.repeated_calls.values()), "repeated tool call", _where(signals.repeated_calls)),
        ("repeated_states", sum(signals.repeated_states.values()), "repeated state", _where(signals.repeated_states)),
        ("no_progress", sum(signals.no_progress.values()), "visit", f" without progress{_where(signals.no_progress)}"),
        ("vain_retries", vain.total(), "request", f" asked again in vain{_where(vain)}"),
    )
    found = [(name, count, getattr(limits, name), noun, where) for name, count, noun, where in counts]
    return [
        f"{times(count, noun)}{where}, limits.{name} = {bound}"
        for name, count, bound, noun, where in found
        if bound is not None and count > bound
    ]


def _where(counts: Mapping[str, int]) -> str:
    return f" ({listed(f'{cut(name, 80)} +{count}' for name, count in counts.items())})" if counts else ""


def _visits_over(trace: Trace, limits: Limits) -> list[str]:
    visited = [(name, steps_of(trace, name), bound) for name, bound in sorted(limits.visits.items())]
    return [
        f"node {name!r} was visited {times(len(steps), 'time')} ({_at(steps)}), limits.visits.{name} = {bound}"
        for name, steps, bound in visited
        if len(steps) > bound
    ]


def _at(steps: tuple[NodeStep, ...]) -> str:
    numbers = [str(step.place.step) for step in steps]
    more = ["…"] if len(numbers) > _STEPS_SHOWN else []
    return f"steps {', '.join([*numbers[:_STEPS_SHOWN], *more])}"


def _unmeasured(trace: Trace, limits: Limits) -> list[str]:
    """Name the bounded signals that the trace cannot show, because a node that ran again left no digest."""
    again = [(name, steps) for name, steps in by_node(trace).items() if len(steps) > 1]
    bounds = tuple(name for name in (*_BOUNDS, "visits") if getattr(limits, name) not in (None, {}))
    return unseen_bounds(trace, bounds) + [
        f"limits.{bound} cannot be checked: the trace holds no digest of node {name!r}"
        for bound, lacks in _LACKS.items()
        if getattr(limits, bound) is not None
        for name, steps in again
        if any(map(lacks, steps))
    ]


def _seen(signals: Signals) -> str:
    said = (
        ("repeated tool calls", signals.repeated_calls),
        ("repeated states", signals.repeated_states),
        ("visits without progress", signals.no_progress),
    )
    return "; ".join(f"{sum(counts.values())} {noun}{_where(counts)}, unbounded or within bounds" for noun, counts in said if counts)


def _detail(trace: Trace, signals: Signals) -> dict[str, JsonValue]:
    limit = trace.recursion_limit
    return {
        "supersteps": trace.supersteps,
        "recursion_limit": limit,
        "headroom": None if limit is None else limit - trace.supersteps,
        "visits": {name: len(steps) for name, steps in by_node(trace).items()},
        "tool_calls": len(trace.tools),
        "model_calls": len(trace.model_calls),
        "repeated_calls": dict(signals.repeated_calls),
        "repeated_states": dict(signals.repeated_states),
        "no_progress": dict(signals.no_progress),
    }


def _unknown_nodes(trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Say which visit limits bound nothing, because the graph has no such node."""
    known = {*context.nodes, *(node.rpartition("/")[2] for node in context.nodes)}
    lost = [name for name in sorted(context.limits.visits) if known and name not in known and not steps_of(trace, name)]
    return tuple(
        unscored("loops", f"loops.visits.{name}", f"limits.visits names {name!r}, which is no node of the graph{nearest(name, known)}")
        for name in lost
    )
