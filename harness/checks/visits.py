"""The visits of a trial's nodes, a node of a subgraph under its qualified name `sub/inner`."""

from collections import Counter

from harness.trace import NodeStep, Place, Trace


def qualified(place: Place) -> str:
    """Return the node's name after the names of the subgraph nodes around it."""
    return "/".join((*place.namespace, place.node or "(outside any node)"))


def is_at(place: Place, name: str) -> bool:
    """Tell whether `name`, plain or qualified, names the node of `place`."""
    return name in {place.node, qualified(place)}


def steps_of(trace: Trace, name: str) -> tuple[NodeStep, ...]:
    """Return the visits of a node; a plain name means the outermost graph's node, or a subgraph's where that has none."""
    exact = tuple(step for step in trace.steps if qualified(step.place) == name)
    return exact or tuple(step for step in trace.steps if step.place.node == name)


def by_node(trace: Trace) -> dict[str, list[NodeStep]]:
    """Return the visits by qualified name, in the order of the first visit."""
    groups: dict[str, list[NodeStep]] = {}
    for step in trace.steps:
        groups.setdefault(qualified(step.place), []).append(step)
    return groups


def most_visited(trace: Trace, count: int = 3) -> tuple[tuple[str, int], ...]:
    """Return the nodes visited more than once with their visits, the most visited first."""
    visited = Counter({name: len(steps) for name, steps in by_node(trace).items()})
    return tuple((name, visits) for name, visits in visited.most_common(count) if visits > 1)


def last_nodes(trace: Trace) -> tuple[str, ...]:
    """Return the nodes of the outermost graph's last superstep; parallel ones are several."""
    return tuple(dict.fromkeys(step.place.node for step in trace.steps if step.place.node and _is_last(step, trace)))


def _is_last(step: NodeStep, trace: Trace) -> bool:
    return not step.place.namespace and (step.place.step or 0) == trace.last_step


def are_parallel(one: NodeStep, other: NodeStep) -> bool:
    """Tell whether two visits are branches of the same superstep, which is no loop."""
    return one.place.step == other.place.step and one.place.path != other.place.path
