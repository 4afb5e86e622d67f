"""The shape of a compiled graph: the edges that it declares, and the nodes whose code may stop for a human or ask a second model."""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from langchain_core.language_models import BaseLanguageModel
from langchain_core.runnables import RunnableBinding, RunnableParallel, RunnableSequence
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langchain_core.tools import BaseTool
from langgraph.pregel import Pregel
from langgraph.types import interrupt

from harness.coverage import Edge, Shape


def shape(graph: Pregel[Any, Any, Any, Any]) -> Shape:
    """Return what of a graph and its subgraphs can be covered."""
    parts = [_shape_of(prefix, each) for prefix, each in _graphs(graph)]
    return Shape(
        edges=tuple(edge for part in parts for edge in part.edges),
        interrupts=tuple(sorted({node for part in parts for node in part.interrupts})),
        stops_after=tuple(sorted({node for part in parts for node in part.stops_after})),
        fallbacks=tuple(sorted({node for part in parts for node in part.fallbacks})),
        unknown=next((part.unknown for part in parts if part.unknown), ""),
    )


def _graphs(graph: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    yield prefix, graph
    for name, subgraph in graph.get_subgraphs():
        yield from _graphs(subgraph, f"{prefix}{name}/")


def _shape_of(prefix: str, graph: Any) -> Shape:
    builder = getattr(graph, "builder", None)
    if builder is None:
        return Shape(unknown=f"{prefix.rstrip('/') or 'the graph'} is no StateGraph: it declares no edges")
    open_ended = [source for source, named in builder.branches.items() for branch in named.values() if branch.ends is None]
    unknown = f"the conditional edge of {prefix}{open_ended[0]} does not say where it may lead" if open_ended else ""
    nodes = {name: spec.runnable for name, spec in builder.nodes.items()}
    return Shape(
        edges=tuple(_edges(prefix, builder)),
        interrupts=tuple(f"{prefix}{name}" for name in sorted(_stopping(graph, nodes))),
        stops_after=tuple(f"{prefix}{name}" for name in _named(graph.interrupt_after_nodes, nodes)),
        fallbacks=tuple(f"{prefix}{name}" for name, node in sorted(nodes.items()) if _reaches(node, _is_fallback)),
        unknown=unknown,
    )


def _edges(prefix: str, builder: Any) -> Iterator[Edge]:
    """Yield the edges of one graph, sorted; several choices that lead the same way are one edge."""
    always = {*builder.edges, *((source, target) for sources, target in builder.waiting_edges for source in sources)}
    chosen: dict[tuple[str, str], set[str]] = {}
    for source, label, target in _choices(builder):
        chosen.setdefault((source, target), set()).add(label)
    for source, target in sorted({*always, *chosen}):
        labels = () if (source, target) in always else tuple(sorted(chosen[source, target]))
        yield Edge(source=f"{prefix}{source}", target=f"{prefix}{target}", labels=labels)


def _choices(builder: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (source, label, target) of the conditional edges and of the destinations that nodes with commands declare."""
    for source, named in builder.branches.items():
        yield from ((source, str(label), target) for branch in named.values() for label, target in (branch.ends or {}).items())
    for source, spec in builder.nodes.items():
        yield from ((source, target, target) for target in spec.ends or ())


def _stopping(graph: Any, nodes: Mapping[str, Any]) -> set[str]:
    return {*_named(graph.interrupt_before_nodes, nodes), *(name for name, node in nodes.items() if _reaches(node, _is_interrupt))}


def _named(names: Any, nodes: Iterable[str]) -> list[str]:
    return list(nodes) if names == "*" else list(names)


def _is_interrupt(value: Any) -> bool:
    return value is interrupt


def _is_model(value: Any) -> bool:
    return isinstance(value, BaseLanguageModel)


def _is_fallback(value: Any) -> bool:
    """Tell whether a runnable falls back on a model; parsers have fallbacks, too."""
    return isinstance(value, RunnableWithFallbacks) and any(_reaches(each, _is_model) for each in value.fallbacks)


def _reaches(node: Any, wanted: Callable[[Any], bool]) -> bool:
    """Tell whether a node's own code refers to a wanted value: by the names that it uses, and through functions of the same package."""
    waiting, seen = [node], set[int]()
    while waiting:
        value = waiting.pop()
        if wanted(value):
            return True
        if id(value) not in seen:
            seen.add(id(value))
            waiting += _referred(value)
    return False


def _referred(value: Any) -> list[Any]:
    """Return what a runnable, a tool or a function leads to; a subgraph is looked at by itself."""
    for kind, inner in _INNER.items():
        if isinstance(value, kind):
            return inner(value)
    if isinstance(tools := getattr(value, "tools_by_name", None), Mapping):
        return list(tools.values())
    return [getattr(value, "func", None), getattr(value, "afunc", None)] if hasattr(value, "afunc") else []


def _called(function: types.FunctionType) -> list[Any]:
    """Return what a function uses; of other functions, those of its own package."""
    return [found for found in _used(function) if _is_interrupt(found) or _package(found) in {"", _package(function)}]


_INNER: Mapping[type, Callable[[Any], list[Any]]] = {
    Pregel: lambda _: [],
    RunnableSequence: lambda value: list(value.steps),
    RunnableParallel: lambda value: list(value.steps__.values()),
    RunnableWithFallbacks: lambda value: [value.runnable, *value.fallbacks],
    RunnableBinding: lambda value: [value.bound],
    BaseTool: lambda value: [getattr(value, "func", None), getattr(value, "coroutine", None)],
    types.MethodType: lambda value: [value.__func__, value.__self__],
    types.FunctionType: _called,
}


def _used(function: types.FunctionType) -> list[Any]:
    """Return the values of the names that a function uses; those of its inner functions too."""
    used = [function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__]
    return used + [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]


def _names(code: types.CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*(_names(each) for each in inner))


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _package(value: Any) -> str:
    """Return the package of a function; nothing of any other value."""
    return value.__module__.partition(".")[0] if isinstance(value, types.FunctionType) else ""
