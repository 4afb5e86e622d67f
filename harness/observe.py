"""Observing a trial: one LangChain callback handler that notes nodes, tools and retrievers, and never changes the outcome."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.constants import START
from langgraph.errors import GraphBubbleUp, GraphInterrupt, ParentCommand
from langgraph.types import Command, Send
from pydantic import JsonValue

from harness.plain import plain, text_of
from harness.schema import canonical_json, digest
from harness.story import Span, Story, Tool
from harness.trace import Place, RetrieverCall

_NODE_TAG = "graph:step:"
_PART_TAG = "seq:step:"
_RANDOM_ID = re.compile(r":[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$|:\d+$")


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
        self._spans: dict[str, Span] = {}
        self._runs: dict[UUID, Span] = {}
        self._parts: dict[UUID, Span] = {}
        self._tools: dict[UUID, Tool] = {}
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
            span = self._spans.setdefault(name, Span(place, name, start_s=self.now()))
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

    def _ended(self, run_id: UUID) -> Span | None:
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
            self._tools[run_id] = Tool(place, span, name, args, self.now())

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
        self._spans[key] = Span(place, key, attempts=1, update=update, update_digest=digest(canonical_json(update)))
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
                self._spans[key] = Span(place, key, attempts=1, update=update, update_digest=written, cached=True)

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

    def story(self) -> Story:
        """Return what was noted, in the order of the graph's steps."""
        with self._lock:
            return Story(tuple(self._spans.values()), tuple(self._tools.values()), tuple(self._retrievers.values()))


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
        return text_of(output)
    return output if isinstance(output, str) else canonical_json(plain(output))
