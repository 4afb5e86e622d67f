"""Coverage: which edges, interrupts and fallbacks of a graph were taken, by what the traces of trials show.

What counts as taken, never more:
- an edge that is always taken: its source returned, and its target ran later (or is the end);
- a conditional edge, or the way of a command: it was seen chosen; where choosing left no mark, its target ran in the next superstep;
- an edge of the start: its target ran in a first superstep;
- an interrupt: its node stopped for a human;
- a fallback: a model call of its node failed and another model was asked after it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from harness.schema import Value
from harness.trace import NodeStep, Place, Trace

START, END = "__start__", "__end__"
_ERROR_HANDLERS = ("__error_handler__", "__default_error_handler__")

Kind = Literal["edges", "interrupts", "fallbacks"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Edge(Value):
    """A way from one node to another; `labels` are the choices that lead there, none for an edge that is always taken."""

    source: str
    target: str
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{_shown(self.source)} → {_shown(self.target)}"


class Shape(Value):
    """What of a graph can be covered, nodes of subgraphs as `sub/inner`; `unknown` says why that cannot be known.

    `interrupts` are nodes that may stop for a human, `stops_after` those behind which the graph always stops, `fallbacks` nodes that
    may ask a second model.
    """

    edges: tuple[Edge, ...] = ()
    interrupts: tuple[str, ...] = ()
    stops_after: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    unknown: str = ""

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return what can be covered of a kind, as people read it."""
        if kind == "edges":
            return tuple(sorted(str(edge) for edge in self.edges))
        if kind == "interrupts":
            return tuple(sorted({*self.interrupts, *(f"after {node}" for node in self.stops_after)}))
        return self.fallbacks


class Taken(NamedTuple):
    """What trials took, by the names of `Shape.names`; `undeclared` are ways that nothing in the graph declares."""

    edges: frozenset[str] = frozenset()
    interrupts: frozenset[str] = frozenset()
    fallbacks: frozenset[str] = frozenset()
    undeclared: frozenset[str] = frozenset()

    def with_(self, other: "Taken") -> "Taken":
        """Return what either took."""
        return Taken(*(one | another for one, another in zip(self, other, strict=True)))


class Covered(Value):
    """How many of the known were taken, and which were not."""

    taken: int
    known: int
    missing: tuple[str, ...]

    @property
    def share(self) -> float | None:
        """Return the share that was taken; None of nothing."""
        return self.taken / self.known if self.known else None


def covered(shape: Shape, taken: Taken, kind: Kind) -> Covered:
    """Return the coverage of a kind."""
    known = shape.names(kind)
    missing = tuple(name for name in known if name not in getattr(taken, kind))
    return Covered(taken=len(known) - len(missing), known=len(known), missing=missing)


def taken(trace: Trace, shape: Shape) -> Taken:
    """Return what one trial took."""
    edges: set[str] = set()
    undeclared: set[str] = set()
    known = _by_source(shape.edges)
    for execution in _executions(trace):
        ways = list(_ways(execution, known, ended=trace.ends == "answer"))
        edges.update(str(edge) for edge in ways)
        undeclared.update(_unexplained(execution, {edge.target for edge in ways}))
    if not trace.steps and trace.ends == "answer":
        edges.update(str(edge) for edge in known.get(START, ()) if edge.target == END)
    return Taken(frozenset(edges), _stopped(trace, shape), _fallen_back(trace, shape), frozenset(undeclared))


class _Execution(NamedTuple):
    """One execution of the graph or of a subgraph: its supersteps in order, by number."""

    prefix: str
    supersteps: dict[int, list[NodeStep]]

    def later(self, step: int) -> set[str]:
        """Return the names of the nodes that ran after a superstep."""
        return {_name(one.place) for number, ran in self.supersteps.items() if number > step for one in ran}


def _executions(trace: Trace) -> Iterable[_Execution]:
    """Return the executions of the graph and its subgraphs; one begins where supersteps start over or a branch runs again."""
    running: dict[tuple[tuple[str, ...], str], _Execution] = {}
    found: list[_Execution] = []
    for step in trace.steps:
        key, number = (step.place.namespace, step.place.path.rpartition("/")[0]), step.place.step or 0
        execution = running.get(key)
        if execution is None or _starts_over(execution, number, step.place.path):
            execution = running[key] = _Execution("".join(f"{name}/" for name in step.place.namespace), {})
            found.append(execution)
        execution.supersteps.setdefault(number, []).append(step)
    return found


def _starts_over(execution: _Execution, number: int, path: str) -> bool:
    last = max(execution.supersteps)
    return number < last or any(number == last and step.place.path == path for step in execution.supersteps[last])


def _ways(execution: _Execution, known: Mapping[str, Sequence[Edge]], *, ended: bool) -> Iterator[Edge]:
    """Yield the known edges that one execution took."""
    start, end = f"{execution.prefix}{START}", f"{execution.prefix}{END}"
    for number, ran in execution.supersteps.items():
        here, following = {_name(step.place) for step in ran}, execution.supersteps.get(number + 1, [])
        if number - 1 not in execution.supersteps:
            yield from (edge for edge in known.get(start, ()) if edge.target in here)
        next_ones = {_name(step.place) for step in following} or ({end} if ended and not execution.later(number) else set())
        later = {*execution.later(number), end}
        for step in filter(_went_on, ran):
            edges = known.get(_name(step.place), ())
            yield from (edge for edge in edges if not edge.labels and edge.target in later)
            yield from _chosen(step, [edge for edge in edges if edge.labels], next_ones, execution.prefix)


def _chosen(step: NodeStep, edges: Sequence[Edge], next_ones: set[str], prefix: str) -> Iterator[Edge]:
    """Yield the conditional edges that a step took: a choice is a label, or else the name of a node."""
    found = [edge for choice in step.chosen for edge in _named(choice, edges, prefix)]
    yield from found or (edge for edge in edges if edge.target in next_ones)


def _named(choice: str, edges: Sequence[Edge], prefix: str) -> list[Edge]:
    labelled = [edge for edge in edges if choice in edge.labels]
    return labelled or [edge for edge in edges if edge.target == f"{prefix}{choice}"]


def _unexplained(execution: _Execution, reached: set[str]) -> Iterator[str]:
    """Yield the ways to nodes that ran though no known edge led there; what follows on unseen nodes (cached ones) is passed over."""
    for number, ran in execution.supersteps.items():
        before = sorted({_name(step.place) for step in execution.supersteps.get(number - 1, [])}) or ["START"]
        if number == 1 or number - 1 in execution.supersteps:
            unreached = sorted({_name(step.place) for step in ran if not _handles_errors(step)} - reached)
            yield from (f"{'+'.join(before)} → {name}" for name in unreached)


def _handles_errors(step: NodeStep) -> bool:
    """Tell whether a step is an `error_handler` of a node, which LangGraph runs inside that node and no edge leads to."""
    return bool(step.place.node and step.place.node.startswith(_ERROR_HANDLERS))


def _went_on(step: NodeStep) -> bool:
    """Tell whether a step came to its end: one that raised, waits for a human or left its subgraph did not."""
    return step.error is None and not step.interrupted and (step.update_digest is not None or bool(step.chosen))


def _stopped(trace: Trace, shape: Shape) -> frozenset[str]:
    waiting = {interrupt.node for interrupt in trace.interrupts if interrupt.node}
    stopped = {_name(step.place) for step in trace.steps if step.stops}
    stopped |= {node for node in shape.interrupts if node.rpartition("/")[2] in waiting}
    left = {edge.source for edge in shape.edges if edge.target.rpartition("/")[2] in waiting}
    return frozenset({*stopped, *(f"after {node}" for node in shape.stops_after if node in left)})


def _fallen_back(trace: Trace, shape: Shape) -> frozenset[str]:
    return frozenset(node for node in shape.fallbacks if _asked_another(trace, node))


def _asked_another(trace: Trace, node: str) -> bool:
    calls = [call for call in trace.model_calls if _name(call.place) == node]
    failed = [(number, call.model) for number, call in enumerate(calls) if not call.answered or call.error or call.fault]
    return any(call.model != model for number, model in failed for call in calls[number + 1 :])


def _by_source(edges: Iterable[Edge]) -> dict[str, list[Edge]]:
    sources: dict[str, list[Edge]] = {}
    for edge in edges:
        sources.setdefault(edge.source, []).append(edge)
    return sources


def _name(place: Place) -> str:
    return "/".join((*place.namespace, place.node or ""))


def _shown(node: str) -> str:
    return node.replace(START, "START").replace(END, "END")
