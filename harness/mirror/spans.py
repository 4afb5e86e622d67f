"""A trace as a tree of spans: nodes within the nodes of their subgraphs, calls and tools within their nodes."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import JsonValue

from harness.cassette.answer import whole_body
from harness.cassette.exchange import Exchange
from harness.schema import read_json
from harness.trace import NodeStep, Place, RetrieverCall, ToolCall, Trace, WireCall

_PROVIDERS = {"openai.com": "openai", "anthropic.com": "anthropic", "googleapis.com": "google_genai", "mistral.ai": "mistralai"}
_KINDS = {"chat": "llm", "embedding": "llm", "http": "tool"}  # tokens count on runs of the type llm alone


_Named = tuple[int, tuple[str, ...], str | None]
"""The turn, the subgraph and the name of a node."""


class Span(NamedTuple):
    """One run to be: `path` names it within its trial, `inside` the span around it, "" for the trial. Times are None where unknown."""

    path: str
    inside: str
    name: str
    run_type: str
    start_s: float | None = None
    duration_s: float | None = None
    first_token_s: float | None = None
    inputs: dict[str, JsonValue] = {}
    outputs: dict[str, JsonValue] | None = None
    error: str | None = None
    metadata: dict[str, JsonValue] = {}


def spans_of(trace: Trace, exchanges: Sequence[Exchange] = ()) -> Iterator[Span]:
    """Yield the spans of a trace, each after the one around it; `exchanges` are those of the cassette that it was played from, if known."""
    nodes = _Nodes(trace.steps)
    yield from nodes.spans()
    for number, call in enumerate(trace.calls):
        yield _call(f"call/{number}", nodes.around(call.place, call.start_s), call, _exchange(call, exchanges))
    for number, tool in enumerate(trace.tools):
        yield _tool(f"tool/{number}", nodes.around(tool.place, tool.start_s), tool)
    for number, retriever in enumerate(trace.retrievers):
        yield _retriever(f"retriever/{number}", nodes.around(retriever.place, None), retriever)
    for number, answer in enumerate(trace.cached):
        metadata: dict[str, JsonValue] = {"cached": True, "model": answer.model}
        yield Span(f"cached/{number}", nodes.around(answer.place, None), answer.model or "cached answer", "llm", metadata=metadata)


class _Nodes:
    """Finds the step that something happened in: that of the same place, or else the one of the same name at that time.

    Steps are in the order of the graph: one in a subgraph comes after the step that it is in, and before the next visit of that node.
    """

    def __init__(self, steps: Sequence[NodeStep]) -> None:
        self._steps = steps
        self._at = {step.place: number for number, step in reversed(list(enumerate(steps)))}
        self._named: dict[_Named, list[int]] = {}
        for number, step in enumerate(steps):
            self._named.setdefault((step.place.turn, step.place.namespace, step.place.node), []).append(number)

    def spans(self) -> Iterator[Span]:
        """Yield the spans of the steps, those of outer graphs first."""
        for number, step in sorted(enumerate(self._steps), key=lambda item: len(item[1].place.namespace)):
            yield _step(f"step/{number}", self._enclosing(step.place, number), step)

    def around(self, place: Place, start_s: float | None) -> str:
        """Return the path of the step in which something happened, "" where none is known."""
        found = self._at.get(place)
        if found is None and place.node is not None:
            found = self._running((place.turn, place.namespace, place.node), start_s)
        return self._enclosing(place, self._running_before(start_s)) if found is None else f"step/{found}"

    def _enclosing(self, place: Place, before: int) -> str:
        """Return the path of the innermost known step whose subgraph a place is in: the last one before a number."""
        for depth in range(len(place.namespace), 0, -1):
            numbers = self._named.get((place.turn, place.namespace[: depth - 1], place.namespace[depth - 1]), [])
            at = bisect_left(numbers, before)
            if numbers:
                return f"step/{numbers[max(at - 1, 0)]}"
        return ""

    def _running(self, named: _Named, start_s: float | None) -> int | None:
        """Return the last step of a name that was running at a time; the first one where the time is not known."""
        numbers = self._named.get(named, [])
        at_that_time = [number for number in numbers if _was_running(self._steps[number], start_s)]
        return at_that_time[-1] if at_that_time else next(iter(numbers), None)

    def _running_before(self, start_s: float | None) -> int:
        """Return the number behind the last step that had begun at a time."""
        begun = (
            number
            for number, step in enumerate(self._steps)
            if start_s is not None and step.start_s is not None and step.start_s <= start_s
        )
        return max(begun, default=-1) + 1


def _was_running(step: NodeStep, start_s: float | None) -> bool:
    if start_s is None or step.start_s is None:
        return False
    return step.start_s <= start_s and (step.duration_s is None or start_s <= step.start_s + step.duration_s)


def _step(path: str, inside: str, step: NodeStep) -> Span:
    place = step.place
    known: dict[str, JsonValue] = {"langgraph_node": place.node, "langgraph_step": place.step, "visit": place.visit, "turn": place.turn}
    known |= {"attempts": step.attempts, "cached": step.cached, "stops": step.stops, "chosen": list(step.chosen)}
    known |= {"interrupted": step.interrupted}
    outputs = _object(step.update, "output")
    name = place.node or "node"
    return Span(path, inside, name, "chain", step.start_s, step.duration_s, outputs=outputs, error=step.error, metadata=known)


def _call(path: str, inside: str, call: WireCall, exchange: Exchange | None) -> Span:
    asked = None if exchange is None else _parsed(exchange.request.body)
    answered = None if exchange is None else whole_body(exchange.response.body)
    name = call.model or call.answered_model or f"{call.kind} {urlsplit(call.url).hostname or ''}".strip()
    return Span(
        path,
        inside,
        name,
        _KINDS[call.kind],
        call.start_s,
        call.latency_s if call.duration_s is None else call.duration_s,
        first_token_s=call.ttft_s,
        inputs=asked or {},
        outputs=answered if answered is not None else {"status": call.status, "finish_reason": call.finish_reason},
        error=call.error or (None if call.answered else f"HTTP {call.status}" if call.status else "no answer"),
        metadata=_of_call(call),
    )


def _of_call(call: WireCall) -> dict[str, JsonValue]:
    """Return what LangSmith counts by, and what else is known; a price that is not known here is not to be looked up there."""
    known: dict[str, JsonValue] = {"url": call.url, "source": call.source, "status": call.status, "model": call.model}
    known |= {"kind": call.kind, "fault": call.fault, "streamed": call.streamed, "exchange": call.exchange, "drift": list(call.drift)}
    if call.kind == "http" or not call.answered or call.usage is None:
        return known
    usage = call.usage
    counted: dict[str, JsonValue] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "input_token_details": {"cache_read": usage.cached_input_tokens},
        "output_token_details": {"reasoning": usage.reasoning_tokens},
    }
    if call.cost_usd is None:
        return known | {"usage_metadata": counted, "cost": "unknown"}
    model = (call.answered_model or call.model or "").rpartition("/")[2]
    named: dict[str, JsonValue] = {"ls_model_name": model, "ls_model_type": "chat" if call.kind == "chat" else "embedding"}
    provider = _provider(call.url)
    return known | named | ({"ls_provider": provider} if provider else {}) | {"usage_metadata": counted | {"total_cost": call.cost_usd}}


def _provider(url: str) -> str | None:
    host = urlsplit(url).hostname or ""
    return next((name for domain, name in _PROVIDERS.items() if host == domain or host.endswith(f".{domain}")), None)


def _exchange(call: WireCall, exchanges: Sequence[Exchange]) -> Exchange | None:
    """Return what a call was played from; None where it is not known, or where the graph got an injected answer."""
    is_injected = call.source != "replay" and call.fault != "slow"
    if is_injected or call.exchange is None or call.exchange >= len(exchanges):
        return None
    return exchanges[call.exchange]


def _tool(path: str, inside: str, tool: ToolCall) -> Span:
    inputs = _object(tool.args, "input") or {}
    outputs: dict[str, JsonValue] | None = None if tool.output is None else {"output": tool.output}
    return Span(path, inside, tool.name, "tool", tool.start_s, tool.duration_s, inputs=inputs, outputs=outputs, error=tool.error)


def _retriever(path: str, inside: str, retriever: RetrieverCall) -> Span:
    outputs: dict[str, JsonValue] | None = None if retriever.documents is None else {"documents": retriever.documents}
    inputs: dict[str, JsonValue] = {"query": retriever.query}
    return Span(path, inside, retriever.name, "retriever", inputs=inputs, outputs=outputs, error=retriever.error)


def _object(value: JsonValue, name: str) -> dict[str, JsonValue] | None:
    """Return a value as the object that runs hold; None stays None."""
    return value if value is None or isinstance(value, dict) else {name: value}


def _parsed(body: bytes) -> dict[str, JsonValue] | None:
    try:
        value = read_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
