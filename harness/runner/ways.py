"""The ways in which a graph can be run: awaited, streamed in each mode, streamed as events; and what each shows on the way."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk, BaseMessage

from harness.plain import plain
from harness.runner.player import Awaited, drain

MODES = ("values", "updates", "messages", "custom", "debug")
SEVERAL = "values updates messages custom"
EVENTS = "astream_events"
_OURS = ("seq:step:", "graph:step:", "map:key:", "langsmith:")
_CUSTOM_EVENT = "on_custom_event"
_INTERRUPT = "__interrupt__"


def ways(mode: str) -> tuple[str, ...]:
    """Return the names of all ways but the trial's own, `invoke` or `ainvoke`; a graph without a synchronous form has half of them."""
    if mode == "invoke":
        return ("ainvoke", *(f"stream {name}" for name in (*MODES, SEVERAL)), f"astream {SEVERAL}", EVENTS)
    return (*(f"astream {name}" for name in (*MODES, SEVERAL)), EVENTS)


class _End(BaseCallbackHandler):
    """Notes what the whole graph returned: no stream mode tells it, and not every graph has a checkpointer to ask."""

    run_inline = True
    ignore_llm = ignore_chat_model = ignore_retriever = ignore_agent = ignore_retry = ignore_custom_event = True

    def __init__(self) -> None:
        self.state: Any = None

    def on_chain_end(self, outputs: Any, *, parent_run_id: Any = None, **_kwargs: Any) -> None:
        if parent_run_id is None:
            self.state = outputs


@dataclass(slots=True)
class Seen:
    """What a stream showed: text by message id, what nodes wrote to it, and starts and ends of events by type, name and tags."""

    texts: dict[str, str] = field(default_factory=dict)
    pieces: int = 0
    custom: list[Any] = field(default_factory=list)
    started: Counter[tuple[str, str, tuple[str, ...]]] = field(default_factory=Counter)
    ended: Counter[tuple[str, str, tuple[str, ...]]] = field(default_factory=Counter)

    def take_message(self, message: BaseMessage) -> None:
        """Note a token, or a whole message that nobody streamed."""
        self.pieces += isinstance(message, AIMessageChunk) and bool(message.text)
        if message.id is not None:
            self.texts[message.id] = self.texts.get(message.id, "") + str(message.text)

    def take_event(self, event: Any) -> None:
        """Note an event of astream_events."""
        kind, data = event["event"], event["data"]
        of, _, phase = kind.removeprefix("on_").rpartition("_")
        tags = tuple(sorted(tag for tag in event.get("tags") or () if not tag.startswith(_OURS)))
        if kind == _CUSTOM_EVENT:
            self.started["custom_event", event["name"], tags] += 1
            self.ended["custom_event", event["name"], tags] += 1
        elif phase == "start":
            self.started[of, event["name"], tags] += 1
        elif phase in {"end", "error"}:
            self.ended[of, event["name"], tags] += 1
        elif kind == "on_chat_model_stream":
            self.take_message(data["chunk"])


class Way:
    """A player that runs the graph in the way of this name; what the stream shows goes to `seen`."""

    def __init__(self, graph: Any, way: str, awaited: Awaited, seen: Seen) -> None:
        self.graph = graph
        self._verb, _, modes = way.partition(" ")
        self._modes = modes.split()
        self._awaited = awaited
        self._seen = seen

    @property
    def checkpointer(self) -> Any:
        """Return the graph's checkpointer."""
        return self.graph.checkpointer

    def get_state(self, config: Any) -> Any:
        """Return LangGraph's snapshot of the thread."""
        return self.graph.get_state(config)

    def invoke(self, payload: Any, config: Any) -> Any:
        """Run the graph this way; the answer has the form of `invoke`."""
        if self._verb == "ainvoke":
            return self._awaited(self.graph.ainvoke(payload, config))
        end = _End()
        watched = {**config, "callbacks": [*config["callbacks"], end]}
        stream, take = self._stream(payload, watched)
        drain(stream, lambda part: bool(take(part)), self._awaited)
        return self._with_interrupts(end.state, config)

    def _stream(self, payload: Any, config: Any) -> tuple[Any, Callable[[Any], None]]:
        if self._verb == EVENTS:
            return self.graph.astream_events(payload, config, version="v2"), self._seen.take_event
        run = self.graph.stream if self._verb == "stream" else self.graph.astream
        if len(self._modes) == 1:
            return run(payload, config, stream_mode=self._modes[0]), lambda part: self._take(self._modes[0], part)
        return run(payload, config, stream_mode=self._modes), lambda part: self._take(*part)

    def _take(self, mode: str, part: Any) -> None:
        if mode == "messages":
            self._seen.take_message(part[0])
        elif mode == "custom":
            self._seen.custom.append(plain(part))

    def _with_interrupts(self, state: Any, config: Any) -> Any:
        """Return the final state with the interrupts that wait, as `invoke` gives them."""
        if not isinstance(state, dict):
            return state
        known = {key: value for key, value in state.items() if key != _INTERRUPT}
        tasks = self.graph.get_state(config).tasks if self.graph.checkpointer else ()
        waiting = tuple(interrupt for task in tasks for interrupt in task.interrupts)
        return {**known, _INTERRUPT: waiting} if waiting else known
