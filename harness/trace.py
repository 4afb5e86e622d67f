"""A trace: what one trial did. Nothing in it depends on the wall clock, on random ids or on the order of threads."""

from typing import Literal

from pydantic import JsonValue

from harness.dataset import Backend, End
from harness.schema import Value

_MICRO = 6

CallKind = Literal["chat", "embedding", "http"]
Unseen = Literal["steps", "tools", "states", "calls", "places"]
Source = Literal["replay", "live", "script", "fault", "none"]


class Place(Value):
    """Where in the graph something happened.

    `step` is LangGraph's superstep within the innermost graph, from 1; `path` tells parallel branches of a step apart;
    `namespace` holds the enclosing subgraph nodes, outermost first; `visit` counts the node's visits, from 1, over all turns;
    `turn` is the input of the case that the graph was at, from 1. Steps of the outermost graph count on from turn to turn.
    """

    node: str | None = None
    step: int | None = None
    path: str = ""
    namespace: tuple[str, ...] = ()
    visit: int | None = None
    turn: int = 1

    def __str__(self) -> str:
        if self.node is None:
            return "outside any node"
        inside = f" in subgraph {'/'.join(self.namespace)!r}" if self.namespace else ""
        visit = f"visit {self.visit}, " if self.visit else ""
        turn = f"turn {self.turn}, " if self.turn > 1 else ""
        return f"node {self.node!r} ({turn}{visit}step {self.step}){inside}"


def lasted(start_s: float | None, end_s: float | None) -> float | None:
    """Return the seconds between two moments of a trial, to the microsecond; None where one is not known."""
    return None if start_s is None or end_s is None else round(end_s - start_s, _MICRO)


class NodeStep(Value):
    """One visit of a node. `attempts` > 1 means it was run again: a retry policy, or a resume after an interrupt.

    A `cached` one was answered by the graph's cache: no code of the node ran.
    `stops` counts how often it stopped for a human; `chosen` holds what its conditional edges and commands chose.
    `start_s` and `duration_s`, here and below, are seconds since the trial began, and those that it took, the waiting between attempts
    included; None where the end was not seen. They are virtual time unless the trace says `real_time`.
    """

    place: Place
    attempts: int = 1
    interrupted: bool = False
    stops: int = 0
    chosen: tuple[str, ...] = ()
    error: str | None = None
    update: JsonValue = None
    state_digest: str | None = None
    update_digest: str | None = None
    cached: bool = False
    start_s: float | None = None
    duration_s: float | None = None


class Usage(Value):
    """Tokens of one call, as the provider counted them. `input_tokens` includes the cached ones, `output_tokens` the reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Return input plus output."""
        return self.input_tokens + self.output_tokens


class ToolRequest(Value):
    """A tool call that a model asked for."""

    name: str
    args: JsonValue = None


class WireCall(Value):
    """One request on the wire and how it was answered.

    `latency_s` and `ttft_s`, to the first token of a streamed answer, are the recorded ones, `duration_s` shorter where a time-out struck
    before the latency had passed;
    `usage` and `cost_usd` are None where the provider or the price table do not say;
    `drift` names what differs from the recorded request within what the match policy tolerates.
    """

    place: Place
    kind: CallKind
    source: Source
    url: str
    model: str | None = None
    answered_model: str | None = None
    status: int | None = None
    fault: str | None = None
    error: str | None = None
    streamed: bool = False
    converted: bool = False
    usage: Usage | None = None
    cost_usd: float | None = None
    finish_reason: str | None = None
    tool_requests: tuple[ToolRequest, ...] = ()
    latency_s: float | None = None
    ttft_s: float | None = None
    start_s: float | None = None
    duration_s: float | None = None
    exchange: int | None = None
    drift: tuple[str, ...] = ()

    @property
    def end_s(self) -> float | None:
        """Return when the client had its answer or its error, in seconds since the trial began; None where that is not known."""
        return None if self.start_s is None or self.duration_s is None else self.start_s + self.duration_s

    @property
    def answered(self) -> bool:
        """Tell whether the server gave an answer that a client takes as one."""
        return self.status is not None and self.status < 400  # noqa: PLR2004, HTTP's first error status


class ToolCall(Value):
    """One execution of a tool."""

    place: Place
    name: str
    args: JsonValue = None
    output: str | None = None
    error: str | None = None
    start_s: float | None = None
    duration_s: float | None = None


class RetrieverCall(Value):
    """One call of a retriever; `documents` is how many it found."""

    place: Place
    name: str
    query: str
    documents: int | None = None
    error: str | None = None


class CachedAnswer(Value):
    """A model's answer that came from a cache: no request was made, and nothing paid. `usage` is what the answer had cost once."""

    place: Place
    model: str | None = None
    usage: Usage | None = None


class Interrupt(Value):
    """A stop for a human: the payload of `interrupt()`, or None at a static interrupt before `node`."""

    node: str | None = None
    payload: JsonValue = None


class Crash(Value):
    """The exception that ended a trial."""

    type: str
    message: str
    node: str | None = None
    traceback: str = ""


class Recovery(Value):
    """A trial that was run again, cut off after these supersteps (0 is the input) and resumed each time by a new graph.

    `differs` says how it did not come to the trial's end, `guilty` after which supersteps a single cut is enough for that.
    """

    backend: Backend
    cut_after: tuple[int, ...] = ()
    differs: tuple[str, ...] = ()
    guilty: tuple[int, ...] = ()


class SeenEvent(Value):
    """Events of one kind, name and set of tags that `astream_events` gave: how often something started, and how often it ended."""

    type: str
    name: str
    tags: tuple[str, ...] = ()
    started: int = 0
    ended: int = 0


class Streaming(Value):
    """A trial that was run again in another way, `ainvoke` or `stream messages`, say; `differs` says how it did not come to the same end.

    `text` is what the streamed tokens of the last message concatenate to, None where this way does not tell; `unfit` says why a recorded
    answer cannot be replayed in this way; `custom` holds what the nodes wrote to the stream, None where this way does not tell.
    """

    way: str
    differs: tuple[str, ...] = ()
    unfit: str = ""
    tokens: int | None = None
    text: str | None = None
    custom: tuple[JsonValue, ...] | None = None
    events: tuple[SeenEvent, ...] | None = None


class Told(Value):
    """What whoever ran an agent elsewhere says that a trial used; None where nothing is said of it."""

    tokens: int | None = None
    cost_usd: float | None = None


class Trace(Value):
    """What one trial did, in the order of supersteps. `state` is the final state, `text` the last message's text.

    `duration_s` is how long it took. In `real_time` this and all other times are measured, and differ from run to run: they are shown, and
    nothing else is made of them. `unseen` names what an agent that ran elsewhere did not show: its steps, its tools, its states, its calls,
    the places of its calls; `told` is what is said of calls that were not seen.
    """

    steps: tuple[NodeStep, ...] = ()
    calls: tuple[WireCall, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    retrievers: tuple[RetrieverCall, ...] = ()
    interrupts: tuple[Interrupt, ...] = ()
    cached: tuple[CachedAnswer, ...] = ()
    state: JsonValue = None
    text: str | None = None
    ends: End = "answer"
    crash: Crash | None = None
    duration_s: float | None = None
    real_time: bool = False
    recursion_limit: int | None = None
    recoveries: tuple[Recovery, ...] = ()
    streamings: tuple[Streaming, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    told: Told = Told()

    def exact(self) -> "Trace":
        """Return the trace without times that were measured."""
        if not self.real_time:
            return self
        untimed = {"start_s": None, "duration_s": None}
        timed = ("steps", "calls", "tools")
        parts = {name: tuple(one.model_copy(update=untimed) for one in getattr(self, name)) for name in timed}
        return self.model_copy(update={**parts, "duration_s": None})

    @property
    def model_calls(self) -> tuple[WireCall, ...]:
        """Return the requests to a generating model, damaged and failed ones included."""
        return tuple(call for call in self.calls if call.kind == "chat")

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return the names of the outermost graph's nodes in the order of their visits."""
        return tuple(step.place.node for step in self.steps if step.place.node and not step.place.namespace)

    @property
    def supersteps(self) -> int:
        """Return how many supersteps the outermost graph took; the arrival of a turn's input, which LangGraph numbers too, is none."""
        return len({step.place.step for step in self.steps if not step.place.namespace})

    @property
    def last_step(self) -> int:
        """Return the number of the outermost graph's last superstep, 0 where there was none."""
        return max((step.place.step or 0 for step in self.steps if not step.place.namespace), default=0)

    @property
    def total_tokens(self) -> int | None:
        """Return the tokens of all answered model and embedding calls; None if one of them does not say."""
        usages = [call.usage for call in self.paid]
        if "calls" in self.unseen:
            return self.told.tokens
        return None if None in usages else sum(usage.total_tokens for usage in usages if usage)

    @property
    def cost_usd(self) -> float | None:
        """Return the dollars of all answered calls; None if one of them has no known price."""
        costs = [call.cost_usd for call in self.paid]
        if "calls" in self.unseen:
            return self.told.cost_usd
        return None if None in costs else round(sum(cost for cost in costs if cost), 12)

    @property
    def paid(self) -> tuple[WireCall, ...]:
        """Return the answered model and embedding calls."""
        return tuple(call for call in self.calls if call.kind != "http" and call.answered)
