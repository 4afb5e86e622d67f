"""A trace of LangSmith as a case: what went in, what models were asked and said, and on demand what is expected again."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import JsonValue

from harness.cassette.exchange import Exchange
from harness.dataset import Case
from harness.errors import UsageError
from harness.foreign.records import at
from harness.foreign.traces.asked import rebuilt
from harness.foreign.traces.expected import Seen, expected
from harness.foreign.traces.messages import Unshown, is_serialised, plain_message
from harness.foreign.traces.seen import Run
from harness.foreign.traces.structured import Formats, unknown
from harness.foreign.traces.tree import Tree, is_node


class Traced(NamedTuple):
    """The case of a trace, its exchanges in their order, and the runs of models that make none, or an incomplete one, with why."""

    case: Case
    exchanges: tuple[Exchange, ...]
    left_out: tuple[str, ...]
    incomplete: tuple[str, ...] = ()


def traced(tree: Tree, *, named: str = "", expect: Iterable[Seen] = (), formats: Formats = unknown) -> Traced:
    """Return the case of a trace; `named` is the dotted path of its id, the run's without. UsageError where it shows too little.

    `formats` tells how the classes were sent that structured output was asked for by.
    """
    exchanges: list[Exchange] = []
    left_out: list[str] = []
    incomplete = [f"{tree.missing:,} of its runs are not there; export the whole trace"] if tree.missing else []
    incomplete += _beyond(tree)
    for run in tree.of_kind("llm", "embedding"):
        place = f"run {run['id']} ({run.get('name')})"
        try:
            found = rebuilt(run, formats)
        except Unshown as lack:
            left_out.append(f"{place}: {lack}")
        else:
            exchanges.append(found.exchange)
            incomplete += [f"{place}: {lack}" for lack in found.lacks]
    if not tree.inside and not (exchanges or left_out):
        message = f"{tree.place}: only the root run of trace {tree.root['id']} is there; export all of its runs"
        raise UsageError(message)
    if left_out and not exchanges:
        message = f"{tree.place}: no call of a model can be rebuilt from trace {tree.root['id']}: {left_out[0]}"
        raise UsageError(message)
    case = Case(
        id=_name(tree, named),
        inputs=_inputs(tree),
        expected=expected(tree, frozenset(expect)),
        metadata={"trace": {name: str(tree.root[name]) for name in ("id", "name", "start_time", "session_id") if tree.root.get(name)}},
    )
    return Traced(case, tuple(exchanges), tuple(left_out), tuple(incomplete))


def _beyond(tree: Tree) -> Iterator[str]:
    """Yield what went into the graph besides the inputs of the root, which a trace does not show."""
    stopped = next((run for run in tree.inside if is_node(run) and _is_interrupted(run)), None)
    if stopped:
        yield f"node {stopped['name']!r} stopped at an interrupt, whose answer is not shown; add `resume`, or expect that it ends there"
    if any(isinstance(turn := _told(run, "turn"), int) and turn > 1 for run in tree.inside):
        yield "it has several turns, and shows the inputs of the first one alone; add `turns`"


def _is_interrupted(run: Run) -> bool:
    """Tell a node that stopped, also where it was answered in the same trace: one that was pushed from here counts its stops."""
    stops = _told(run, "stops")
    return (isinstance(stops, int) and stops > 0) or str(run.get("error") or "").startswith("GraphInterrupt(")


def _told(run: Run, name: str) -> Any:
    return at(dict(run), f"extra.metadata.{name}")


def _name(tree: Tree, named: str) -> str:
    found = at(dict(tree.root), named) if named else tree.root["id"]
    if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
        message = f"{tree.place}: the run's {named} is no name of a case; name another with --case"
        raise UsageError(message)
    return str(found)


def _inputs(tree: Tree) -> JsonValue:
    inputs = tree.root.get("inputs")
    if not inputs:
        message = f"{tree.place}: trace {tree.root['id']} does not show its inputs"
        raise UsageError(message)
    if _is_resumed(inputs):
        message = f"{tree.place}: trace {tree.root['id']} goes on from an interrupt; import the one that it began with, and add `resume`"
        raise UsageError(message)
    try:
        return _plain(inputs)
    except Unshown as lack:
        message = f"{tree.place}: the inputs of trace {tree.root['id']} cannot be given again: {lack}"
        raise UsageError(message) from None


def _is_resumed(inputs: Any) -> bool:
    """Tell the answer to an interrupt, a command that LangGraph has under this name, from inputs."""
    command = inputs.get("input") if isinstance(inputs, dict) and len(inputs) == 1 else None
    return str(command).startswith("Command(") or (isinstance(command, dict) and {"resume", "goto", "update"} <= command.keys())


def _plain(value: Any) -> JsonValue:
    if is_serialised(value):
        return plain_message(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
