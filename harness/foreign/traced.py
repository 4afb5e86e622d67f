"""A trace of LangSmith as a case: what went in, what models were asked and said, and on demand what is expected again."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import JsonValue

from harness.cassette.exchange import Exchange
from harness.dataset import Case, Expected, PathExpectation
from harness.errors import UsageError
from harness.foreign.asked import exchange_of, lacks_schema
from harness.foreign.chat import chat
from harness.foreign.messages import Unshown, is_serialised, plain_message
from harness.foreign.records import Record, at

_NO_SCHEMA = 'the schema of its answer is not shown as it was sent; it is found with `match = "messages"` in the suite'

Seen = Literal["path", "text"]
"""What of a trace can be expected of the case: the nodes in their order, the last text."""


class Traced(NamedTuple):
    """The case of a trace, its exchanges in their order, and the runs of models that make none, or an incomplete one, with why."""

    case: Case
    exchanges: tuple[Exchange, ...]
    left_out: tuple[str, ...]
    incomplete: tuple[str, ...] = ()


class Tree(NamedTuple):
    """The runs of one trace in the order in which they began: the root, and those inside of it."""

    place: str
    root: Mapping[str, Any]
    inside: tuple[Mapping[str, Any], ...]


def trees(records: Iterable[Record]) -> Iterator[Tree]:
    """Yield the traces that these runs are of; UsageError for what is no run, is there twice, or lacks the run around it."""
    places: dict[str, str] = {}
    runs: dict[str, dict[str, Any]] = {}
    for record in (inner for outer in records for inner in _flat(outer)):
        name = record.value.get("id")
        if not isinstance(name, str) or "run_type" not in record.value:
            message = f"{record.place}: not a run of LangSmith: it has no id or no run_type"
            raise UsageError(message)
        if name in runs:
            message = f"{record.place}: run {name} stands at {places[name]} already"
            raise UsageError(message)
        places[name], runs[name] = record.place, dict(record.value)
    inside: dict[str, list[Mapping[str, Any]]] = {}
    for name, run in runs.items():
        inside.setdefault(_root_of(name, runs, places), []).append(run)
    for root, found in inside.items():
        yield Tree(places[root], runs[root], tuple(sorted((run for run in found if run["id"] != root), key=_began)))


def _flat(record: Record) -> Iterator[Record]:
    """Yield a run and those that the SDK has put into it."""
    yield record
    children = record.value.get("child_runs")
    for child in children if isinstance(children, list) else ():
        if isinstance(child, dict):
            yield from _flat(Record(record.place, {"parent_run_id": record.value.get("id"), **child}))


def _root_of(name: str, runs: Mapping[str, Mapping[str, Any]], places: Mapping[str, str]) -> str:
    seen = [name]
    while (parent := runs[seen[-1]].get("parent_run_id")) is not None:
        if parent not in runs or parent in seen:
            message = f"{places[name]}: run {seen[-1]} is inside of run {parent}, which is not there; export the whole trace"
            raise UsageError(message)
        seen.append(parent)
    return seen[-1]


def _began(run: Mapping[str, Any]) -> tuple[str, str]:
    return str(run.get("start_time") or ""), str(run.get("dotted_order") or "")


def traced(tree: Tree, *, named: str = "", expect: Iterable[Seen] = ()) -> Traced:
    """Return the case of a trace; `named` is the dotted path of its id, the run's without. UsageError where it shows too little."""
    exchanges: list[Exchange] = []
    left_out: list[str] = []
    incomplete: list[str] = []
    for run in _of_models(tree):
        try:
            exchanges.append(exchange_of(run))
            incomplete += [f"run {run['id']} ({run.get('name')}): {_NO_SCHEMA}"] if lacks_schema(run) else []
        except Unshown as lack:
            left_out.append(f"run {run['id']} ({run.get('name')}): {lack}")
    if left_out and not exchanges:
        message = f"{tree.place}: no call of a model can be rebuilt from trace {tree.root['id']}: {left_out[0]}"
        raise UsageError(message)
    case = Case(
        id=_name(tree, named),
        inputs=_inputs(tree),
        expected=_expected(tree, frozenset(expect)),
        metadata={"trace": {name: str(tree.root[name]) for name in ("id", "name", "start_time", "session_id") if tree.root.get(name)}},
    )
    return Traced(case, tuple(exchanges), tuple(left_out), tuple(incomplete))


def _of_models(tree: Tree) -> Iterator[Mapping[str, Any]]:
    """Yield the runs of models that are not inside of another, which is the same call traced twice."""
    kinds = {run["id"]: run for run in (tree.root, *tree.inside)}
    for run in (tree.root, *tree.inside):
        if run["run_type"] in _MODELS and not any(outer["run_type"] in _MODELS for outer in _around(run, kinds)):
            yield run


_MODELS = frozenset({"llm", "embedding"})


def _around(run: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    while (parent := runs.get(run.get("parent_run_id") or "")) is not None:
        yield parent
        run = parent


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
    try:
        return _plain(inputs)
    except Unshown as lack:
        message = f"{tree.place}: the inputs of trace {tree.root['id']} cannot be given again: {lack}"
        raise UsageError(message) from None


def _plain(value: Any) -> JsonValue:
    if is_serialised(value):
        return plain_message(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _expected(tree: Tree, expect: frozenset[Seen]) -> Expected:
    path = PathExpectation(nodes=_nodes(tree)) if "path" in expect else None
    return Expected(path=path, output={"text": _text(tree)} if "text" in expect else {})


def _nodes(tree: Tree) -> tuple[str, ...]:
    """Return the nodes of the graph itself in the order in which they began."""
    runs = {run["id"]: run for run in (tree.root, *tree.inside)}
    nodes = tuple(str(run["name"]) for run in tree.inside if _is_node(run) and not any(map(_is_node, _around(run, runs))))
    if not nodes:
        message = f"{tree.place}: trace {tree.root['id']} shows no node of LangGraph; leave --expect path out"
        raise UsageError(message)
    return nodes


def _is_node(run: Mapping[str, Any]) -> bool:
    return run["run_type"] == "chain" and run.get("name") is not None and at(dict(run), "extra.metadata.langgraph_node") == run["name"]


def _text(tree: Tree) -> str:
    outputs = tree.root.get("outputs")
    shown = chat(at(outputs, "messages"))
    text = shown.text if shown else at(outputs, "text")
    if not isinstance(text, str):
        message = f"{tree.place}: trace {tree.root['id']} shows no last text; leave --expect text out"
        raise UsageError(message)
    return text
