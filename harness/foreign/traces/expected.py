"""What a trace shows of an agent's behaviour, as expectations of a case: its nodes, its tools, its last text."""

import ast
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from harness.dataset import Expected, Mode, PathExpectation, ToolExpectation, ToolsExpectation
from harness.errors import UsageError
from harness.foreign.chat import chat
from harness.foreign.records import at
from harness.foreign.traces.messages import fields_of
from harness.foreign.traces.seen import Run, table
from harness.foreign.traces.tree import Tree, is_node

Seen = Literal["path", "text", "tools"]
"""What of a trace can be expected of the case: the nodes in their order, the last text, the calls of tools."""


def expected(tree: Tree, seen: frozenset[Seen]) -> Expected:
    """Return what is expected of the case; UsageError where the trace does not show it."""
    return Expected(
        path=PathExpectation(nodes=_nodes(tree)) if "path" in seen else None,
        tools=_tools(tree) if "tools" in seen else None,
        output={"text": _text(tree)} if "text" in seen else {},
    )


def _nodes(tree: Tree) -> tuple[str, ...]:
    """Return the nodes of the graph itself in the order in which they began."""
    nodes = tuple(str(run["name"]) for run in tree.inside if is_node(run) and not tree.nodes_around(run))
    if not nodes:
        message = f"{tree.place}: trace {tree.root['id']} shows no node of LangGraph; leave --expect path out"
        raise UsageError(message)
    return nodes


def _text(tree: Tree) -> str:
    outputs = tree.root.get("outputs")
    shown = chat(at(outputs, "messages"))
    text = shown.text if shown else at(outputs, "text")
    if not isinstance(text, str):
        message = f"{tree.place}: trace {tree.root['id']} shows no last text; leave --expect text out"
        raise UsageError(message)
    return text


def _tools(tree: Tree) -> ToolsExpectation:
    """Return the tools that were executed; where none was, the calls that the models asked for."""
    executed = [run for run in tree.inside if run["run_type"] == "tool"]
    calls = [(run, ToolExpectation(name=str(run.get("name")), args=_args(run))) for run in executed]
    calls = calls or [(run, call) for run in tree.of_kind("llm") for call in _requested(run)]
    return ToolsExpectation(mode=_mode(tree, [run for run, _ in calls]), calls=tuple(call for _, call in calls))


def _args(run: Run) -> dict[str, Any] | None:
    """Return the arguments that a tool was called with; older tracers wrote them as Python does. None where they are not told so."""
    inputs = run.get("inputs")
    if not isinstance(inputs, dict) or inputs.keys() != {"input"} or not isinstance(inputs["input"], str):
        return inputs if isinstance(inputs, dict) else None
    try:
        found = ast.literal_eval(inputs["input"])
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _requested(run: Run) -> list[ToolExpectation]:
    generations = table(run.get("outputs")).get("generations")
    first = generations[0] if isinstance(generations, list) and generations else None
    said = table(table(first[0] if isinstance(first, list) and first else first).get("message"))
    calls = fields_of(said).get("tool_calls") if said else None
    found = [table(call) for call in calls] if isinstance(calls, list) else []
    return [ToolExpectation(name=str(call.get("name")), args=table(call.get("args"))) for call in found]


def _mode(tree: Tree, runs: Sequence[Run]) -> Mode:
    """Return `strict` where the trace shows one call after another, `unordered` where two may have run side by side."""
    visits = [tuple((at(dict(node), "extra.metadata.langgraph_step"), node["id"]) for node in tree.nodes_around(run)) for run in runs]
    return "strict" if all(_is_apart(*pair) for pair in pairwise(visits)) else "unordered"


def _is_apart(one: Sequence[tuple[Any, str]], other: Sequence[tuple[Any, str]]) -> bool:
    """Tell calls in nodes of different supersteps, of the innermost graph that both are in."""
    differing = next(((a, b) for (a, one_id), (b, other_id) in zip(one, other, strict=False) if one_id != other_id), None)
    return differing is not None and None not in differing and differing[0] != differing[1]
