"""A trace: what one trial did. Nothing in it depends on the wall clock, on random ids or on the order of threads."""

from typing import Literal

from pydantic import JsonValue

from harness.dataset import End
from harness.schema import Value

CallKind = Literal["chat", "embedding", "http"]
Source = Literal["replay", "live", "script", "fault", "none"]


class Place(Value):
    """Where in the graph something happened.

    `step` is LangGraph's superstep within the innermost graph, from 1; `path` tells parallel branches of a step apart;
    `namespace` holds the enclosing subgraph nodes, outermost first; `visit` counts the node's visits, from 1.
    """

    node: str | None = None
    step: int | None = None
    path: str = ""
    namespace: tuple[str, ...] = ()
    visit: int | None = None

    def __str__(self) -> str:
        if self.node is None:
            return "outside any node"
        inside = f" in subgraph {'/'.join(self.namespace)!r}" if self.namespace else ""
        visit = f"visit {self.visit}, " if self.visit else ""
        return f"node {self.node!r} ({visit}step {self.step}){inside}"


class NodeStep(Value):
    """One execution of a node. `attempts` > 1 means it was run again: a retry policy, or a resume after an interrupt."""

    place: Place
    attempts: int = 1
    interrupted: bool = False
    error: str | None = None
    update: JsonValue = None
    state_digest: str | None = None
    update_digest: str | None = None


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

    `latency_s` is the recorded one; `usage` and `cost_usd` are None where the provider or the price table do not say;
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
    exchange: int | None = None
    drift: tuple[str, ...] = ()

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


class RetrieverCall(Value):
    """One call of a retriever; `documents` is how many it found."""

    place: Place
    name: str
    query: str
    documents: int | None = None
    error: str | None = None


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


class Trace(Value):
    """What one trial did, in the order of supersteps. `state` is the final state, `text` the last message's text.

    `duration_s` is None: it needs virtual time, which there is none of yet. An `imported` trace was taken elsewhere: which nodes ran and
    which calls were made is unknown.
    """

    steps: tuple[NodeStep, ...] = ()
    calls: tuple[WireCall, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    retrievers: tuple[RetrieverCall, ...] = ()
    interrupts: tuple[Interrupt, ...] = ()
    state: JsonValue = None
    text: str | None = None
    ends: End = "answer"
    crash: Crash | None = None
    duration_s: float | None = None
    recursion_limit: int | None = None
    imported: bool = False

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
        """Return how many supersteps the outermost graph took."""
        return max((step.place.step or 0 for step in self.steps if not step.place.namespace), default=0)

    @property
    def total_tokens(self) -> int | None:
        """Return the tokens of all answered model and embedding calls; None if one of them does not say, or nothing is known of calls."""
        usages = [call.usage for call in self.paid]
        return None if self.imported or None in usages else sum(usage.total_tokens for usage in usages if usage)

    @property
    def cost_usd(self) -> float | None:
        """Return the dollars of all answered calls; None if one of them has no known price."""
        costs = [call.cost_usd for call in self.paid]
        return None if self.imported or None in costs else round(sum(cost for cost in costs if cost), 12)

    @property
    def paid(self) -> tuple[WireCall, ...]:
        """Return the answered model and embedding calls."""
        return tuple(call for call in self.calls if call.kind != "http" and call.answered)
