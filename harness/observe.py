"""Observing a trial: one LangChain callback handler that notes nodes, tools and retrievers, and never changes the outcome."""

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import math
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.constants import START
from langgraph.errors import GraphBubbleUp, GraphInterrupt, ParentCommand
from langgraph.types import Command, Send
from pydantic import BaseModel, JsonValue

from harness.schema import canonical_json, digest
from harness.trace import NodeStep, Place, RetrieverCall, ToolCall, lasted

_NODE_TAG = "graph:step:"
_PART_TAG = "seq:step:"
_RANDOM_ID = re.compile(r":[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$|:\d+$")
_MAX_DEPTH = 40
_LARGE = 10**300


@dataclasses.dataclass(slots=True)
class _Span:
    """One execution of a node while it is observed; `span` is LangGraph's checkpoint namespace, unique to it."""

    place: Place
    span: str
    attempts: int = 0
    running: int = 0
    interrupted: bool = False
    stops: int = 0
    chosen: set[str] = dataclasses.field(default_factory=set)
    error: str | None = None
    update: JsonValue = None
    update_digest: str | None = None
    state_digest: str | None = None
    cached: bool = False
    start_s: float | None = None
    end_s: float | None = None


@dataclasses.dataclass(slots=True)
class _Tool:
    place: Place
    span: str
    name: str
    args: JsonValue
    start_s: float | None
    output: str | None = None
    error: str | None = None
    end_s: float | None = None


class Observer(BaseCallbackHandler):
    """Notes what a graph does. Runs inline, keeps every event, swallows none of the graph's errors.

    `now` gives the seconds of virtual time since the trial began, None in real time.
    """

    run_inline = True
    raise_error = False
    # models are seen on the wire; without these LangChain renders every prompt for a handler that does not want it
    ignore_llm = True
    ignore_chat_model = True
    ignore_retry = True
    ignore_custom_event = True

    def __init__(self) -> None:
        self.now: Callable[[], float | None] = lambda: None
        self.turn = 1
        self._lock = threading.Lock()
        self._spans: dict[str, _Span] = {}
        self._runs: dict[UUID, _Span] = {}
        self._parts: dict[UUID, _Span] = {}
        self._tools: dict[UUID, _Tool] = {}
        self._retrievers: dict[UUID, tuple[str, RetrieverCall]] = {}

    # what LangChain calls

    def on_chain_start(  # LangChain passes the first two by position
        self,
        serialized: Any,  # noqa: ARG002
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: Any = None,
        metadata: Any = None,
        **_kwargs: Any,
    ) -> None:
        """Note that a node starts, or a part of it, which may be its conditional edge; anything else that is a chain is passed over."""
        if parent_run_id in self._runs and any(tag.startswith(_PART_TAG) for tag in tags or ()):
            self._parts[run_id] = self._runs[parent_run_id]
            return
        if metadata is None or metadata.get("langgraph_node") == START or not any(tag.startswith(_NODE_TAG) for tag in tags or ()):
            return
        place, name = self._placed(metadata)
        state_digest = digest(canonical_json(plain(inputs)))
        with self._lock:
            span = self._spans.setdefault(name, _Span(place, name, start_s=self.now()))
            span.attempts += 1
            span.running += 1
            span.error = None
            span.interrupted = False
            span.chosen.clear()
            span.state_digest = state_digest
            self._runs[run_id] = span

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_kwargs: Any) -> None:
        """Note what a node returned, and what it chose."""
        if run_id in self._parts:
            self._parts.pop(run_id).chosen.update(_choices(outputs))
            return
        span = self._ended(run_id)
        if span is not None:
            span.chosen.update(_destinations(outputs))
            span.update = plain(outputs.update if isinstance(outputs, Command) else outputs)
            span.update_digest = digest(canonical_json(span.update))

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_kwargs: Any) -> None:
        """Note that a node raised, stopped for a human, or left its subgraph by a command to the graph around it."""
        self._parts.pop(run_id, None)
        span = self._ended(run_id)
        if span is None:
            return
        if isinstance(error, ParentCommand):
            span.chosen.update(_destinations([command for command in error.args if command.graph != Command.PARENT]))
        elif isinstance(error, GraphBubbleUp):
            span.interrupted = isinstance(error, GraphInterrupt)
            span.stops += span.interrupted
        else:
            span.error = type(error).__name__

    def _ended(self, run_id: UUID) -> _Span | None:
        span = self._runs.pop(run_id, None)
        if span is not None:
            span.running -= 1
            span.end_s = self.now()
        return span

    def on_tool_start(
        self, serialized: Any, input_str: str, *, run_id: UUID, metadata: Any = None, inputs: Any = None, **kwargs: Any
    ) -> None:
        """Note that a tool starts."""
        place, span = self._placed(metadata or {})
        name = kwargs.get("name") or (serialized or {}).get("name") or "tool"
        args = plain(inputs if inputs is not None else input_str)
        with self._lock:
            self._tools[run_id] = _Tool(place, span, name, args, self.now())

    def on_tool_end(self, output: Any, *, run_id: UUID, **_kwargs: Any) -> None:
        """Note what a tool returned."""
        tool = self._tools.get(run_id)
        if tool is not None:
            tool.end_s = self.now()
            tool.output = _tool_output(output)
            if getattr(output, "status", None) == "error":
                tool.error = "ToolMessage(status='error')"

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_kwargs: Any) -> None:
        """Note that a tool raised."""
        tool = self._tools.get(run_id)
        if tool is not None:
            tool.end_s = self.now()
            tool.error = None if isinstance(error, GraphBubbleUp) else type(error).__name__

    def on_retriever_start(self, serialized: Any, query: str, *, run_id: UUID, metadata: Any = None, **kwargs: Any) -> None:
        """Note that a retriever starts."""
        place, span = self._placed(metadata or {})
        name = kwargs.get("name") or (serialized or {}).get("name") or "retriever"
        with self._lock:
            self._retrievers[run_id] = (span, RetrieverCall(place=place, name=name, query=query))

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **_kwargs: Any) -> None:
        """Note how many documents a retriever found."""
        self._end_retriever(run_id, {"documents": len(documents)})

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_kwargs: Any) -> None:
        """Note that a retriever raised."""
        self._end_retriever(run_id, {"error": type(error).__name__})

    def _end_retriever(self, run_id: UUID, update: dict[str, Any]) -> None:
        if run_id in self._retrievers:
            span, call = self._retrievers[run_id]
            self._retrievers[run_id] = (span, call.model_copy(update=update))

    def on_visit(self, place: Place, update: JsonValue, *, within: str = "") -> str:
        """Note a visit that an agent in another process told of, within another one or of the outermost graph; return its key."""
        key = f"{within}|{place.step}:{place.path}" if within else f"{place.step}:{place.path}"
        self._spans[key] = _Span(place, key, attempts=1, update=update, update_digest=digest(canonical_json(update)))
        return key

    def on_cached_visits(self, visits: Sequence[tuple[str, JsonValue]]) -> None:
        """Note visits that the graph's cache answers, at the start of a superstep: all before it are over."""
        within, name = self.position()
        namespace = (*within.namespace, within.node) if within.node else ()
        depth = name.count("|") + 1 if name else 0
        with self._lock:
            level = [span.place.step or 0 for key, span in self._spans.items() if key.startswith(name) and key.count("|") == depth]
            step = max(level, default=0) + 1
            for number, (node, update) in enumerate(visits):
                place = Place(node=node, step=step, path=f"cached,{number:06d},{node}", namespace=namespace)
                key = f"{name}|{step}:{place.path}" if name else f"{step}:{place.path}"
                written = digest(canonical_json(update))
                self._spans[key] = _Span(place, key, attempts=1, update=update, update_digest=written, cached=True)

    # what the runner asks

    def position(self) -> tuple[Place, str]:
        """Return where the calling code stands: by its context, or in the one node that runs, or outside any node."""
        config = var_child_runnable_config.get()
        metadata = (config or {}).get("metadata") or {}
        if "langgraph_node" in metadata:
            return self._placed(metadata)
        with self._lock:
            running = [span for span in self._spans.values() if span.running]
        if len(running) == 1:
            return running[0].place, running[0].span
        return Place(), ""

    def _placed(self, metadata: Mapping[str, Any]) -> tuple[Place, str]:
        """Return the place with the paths of the enclosing nodes, which tell parallel branches of subgraphs apart."""
        place, name = _place(metadata, self.turn)
        parents = [self._spans.get(prefix) for prefix in _prefixes(name)]
        path = "/".join([*(parent.place.path.rpartition("/")[2] for parent in parents if parent), place.path])
        return (place.model_copy(update={"path": path}) if path != place.path else place), name

    def story(self) -> "Story":
        """Return what was noted, in the order of the graph's steps."""
        with self._lock:
            return Story(tuple(self._spans.values()), tuple(self._tools.values()), tuple(self._retrievers.values()))


class Story:
    """What an observer noted, in an order that does not depend on threads: turn, outer step, path, then inner step and path."""

    def __init__(self, spans: tuple[_Span, ...], tools: tuple[_Tool, ...], retrievers: tuple[tuple[str, RetrieverCall], ...]) -> None:
        by_name = {span.span: span for span in spans}
        self._spans = sorted(spans, key=lambda span: _sort_key(span, by_name))
        self._order = {span.span: index for index, span in enumerate(self._spans)}
        self._places = self._with_visits()
        self._tools = tools
        self._retrievers = retrievers

    def _with_visits(self) -> dict[str, Place]:
        visits: dict[tuple[tuple[str, ...], str | None], int] = {}
        places = {}
        for span in self._spans:
            node = (span.place.namespace, span.place.node)
            visits[node] = visits.get(node, 0) + 1
            places[span.span] = span.place.model_copy(update={"visit": visits[node]})
        return places

    def place(self, place: Place, span: str) -> Place:
        """Return the place with its visit, where the span is known."""
        return self._places.get(span, place)

    def order(self, span: str) -> int:
        """Return the span's rank among all steps; what is outside any node comes first."""
        return self._order.get(span, -1)

    def steps(self) -> tuple[NodeStep, ...]:
        """Return the executions of nodes."""
        return tuple(
            NodeStep(
                place=self._places[span.span],
                attempts=span.attempts,
                interrupted=span.interrupted,
                stops=span.stops,
                chosen=tuple(sorted(span.chosen)),
                error=span.error,
                update=span.update,
                state_digest=span.state_digest,
                update_digest=span.update_digest,
                cached=span.cached,
                start_s=span.start_s,
                duration_s=lasted(span.start_s, span.end_s),
            )
            for span in self._spans
        )

    def tools(self) -> tuple[ToolCall, ...]:
        """Return the executions of tools; parallel ones of a step by their name and arguments."""
        calls = [
            (
                self.order(tool.span),
                ToolCall(
                    place=self.place(tool.place, tool.span),
                    name=tool.name,
                    args=tool.args,
                    output=tool.output,
                    error=tool.error,
                    start_s=tool.start_s,
                    duration_s=lasted(tool.start_s, tool.end_s),
                ),
            )
            for tool in self._tools
        ]
        return tuple(
            call for _, call in sorted(calls, key=lambda pair: (pair[0], pair[1].place.path, canonical_json([pair[1].name, pair[1].args])))
        )

    def retrievers(self) -> tuple[RetrieverCall, ...]:
        """Return the calls of retrievers."""
        calls = [(self.order(span), call.model_copy(update={"place": self.place(call.place, span)})) for span, call in self._retrievers]
        return tuple(call for _, call in sorted(calls, key=lambda pair: (pair[0], pair[1].query)))

    def running_node(self) -> str | None:
        """Return the last node that raised."""
        return next((span.place.node for span in reversed(self._spans) if span.error), None)


def _sort_key(span: _Span, by_name: Mapping[str, _Span]) -> tuple[Any, ...]:
    """Return the turn, then the (step, path) of every level, outermost first."""
    levels: list[tuple[int, str]] = []
    parts = span.span.split("|")
    for depth in range(1, len(parts)):
        parent = by_name.get("|".join(parts[:depth]))
        levels.append((parent.place.step or 0, parent.place.path) if parent else (0, ""))
    return (span.place.turn, *levels, (span.place.step or 0, span.place.path))


def _place(metadata: Mapping[str, Any], turn: int) -> tuple[Place, str]:
    """Return the place that LangGraph's metadata tell, and the raw namespace that is this execution's own."""
    span = metadata.get("langgraph_checkpoint_ns") or ""
    path = metadata.get("langgraph_path") or ()
    names = [_node_name(part) for part in span.split("|")[:-1]]
    place = Place(
        node=metadata.get("langgraph_node"),
        step=metadata.get("langgraph_step"),
        path=_path_text(path),
        namespace=tuple(name for name in names if name),
        turn=turn,
    )
    return place, span


def _prefixes(span: str) -> list[str]:
    parts = span.split("|")
    return ["|".join(parts[:depth]) for depth in range(1, len(parts))]


def _node_name(part: str) -> str:
    return _RANDOM_ID.sub("", part)


def _path_text(path: Any) -> str:
    """Return a path as text that sorts like the path does: numbers get leading zeros."""
    if isinstance(path, tuple | list):
        return ",".join(_path_text(part) for part in path)
    if isinstance(path, bool):
        return "1" if path else "0"
    if isinstance(path, int):
        return f"{path:06d}"
    return str(path).removeprefix("__pregel_")


def _destinations(outputs: Any) -> set[str]:
    """Return where the commands among what a node returned lead."""
    commands = [output for output in _listed(outputs) if isinstance(output, Command)]
    return set().union(*(_choices(command.goto) for command in commands))


def _choices(outputs: Any) -> set[str]:
    """Return what a conditional edge chose: labels, and the nodes that it sends to. What is no choice is passed over."""
    chosen = (output.node if isinstance(output, Send) else output for output in _listed(outputs))
    return {str(choice) for choice in chosen if isinstance(choice, str | int)}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _tool_output(output: Any) -> str:
    if isinstance(output, BaseMessage):
        return _text(output)
    return output if isinstance(output, str) else canonical_json(plain(output))


def _text(message: BaseMessage) -> str:
    text = message.text
    return text if isinstance(text, str) else str(text)


def plain(value: Any, within: tuple[int, ...] = ()) -> Any:
    """Return `value` as JSON without anything volatile: ids of messages and of tool calls are left out, objects are their type's name.

    It never raises: what cannot be read is shown as its type. `within` holds the ids of the containers around the value.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return value if abs(value) < _LARGE else f"<int of {value.bit_length()} bits>"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if id(value) in within or len(within) > _MAX_DEPTH:
        return "…"
    try:
        return _plain_container(value, (*within, id(value)))
    except Exception:  # noqa: BLE001, a property or a field of the user's own object may raise anything
        return _type_name(value)


def _plain_container(value: Any, within: tuple[int, ...]) -> Any:
    if isinstance(value, BaseMessage):
        return _plain_message(value, within)
    if isinstance(value, Mapping):
        return {_key(key): plain(item, within) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, within) for item in value]
    return _plain_object(value, within)


def _key(key: Any) -> str:
    return str(key) if isinstance(key, str | int | float | bool | None) else _type_name(key)


def _type_name(value: Any) -> str:
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _plain_message(message: BaseMessage, within: tuple[int, ...]) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": message.type, "content": plain(message.content, within)}
    if message.name:
        shown["name"] = message.name
    calls = getattr(message, "tool_calls", None)
    if calls:
        shown["tool_calls"] = [{"name": call["name"], "args": plain(call["args"], within)} for call in calls]
    if getattr(message, "status", None) == "error":
        shown["status"] = "error"
    return shown


def _plain_object(value: Any, within: tuple[int, ...]) -> Any:
    match value:
        case Command():
            parts = {"update": value.update, "goto": value.goto, "resume": value.resume}
            return {key: plain(item, within) for key, item in parts.items() if item}
        case Send():
            return {"node": value.node, "arg": plain(value.arg, within)}
        case BaseModel():
            return plain({name: getattr(value, name) for name in type(value).model_fields}, within)
        case enum.Enum():
            return plain(value.value, within)
        case dt.date() | dt.time() | dt.timedelta() | decimal.Decimal() | PurePath() | UUID():
            return str(value)
        case set() | frozenset():
            return sorted((plain(item, within) for item in value), key=canonical_json)
        case bytes() | bytearray():
            return base64.b64encode(bytes(value)).decode()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({part.name: getattr(value, part.name, "<unset>") for part in dataclasses.fields(value)}, within)
    return _type_name(value)


def last_text(state: Any) -> str | None:
    """Return the text of the last message in a graph's final state, None where it has no messages."""
    messages = state.get("messages") if isinstance(state, Mapping) else getattr(state, "messages", None)
    if isinstance(messages, list | tuple) and messages:
        last = messages[-1]
        if isinstance(last, BaseMessage):
            return _text(last)
        if isinstance(last, Mapping) and isinstance(last.get("content"), str):
            return str(last["content"])
    return None
