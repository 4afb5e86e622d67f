"""The moments of a trial: what happened when, in one order that can be read from top to bottom, and played at its pace."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from harness.cassette.exchange import Exchange
from harness.cassette.miss import Miss
from harness.experiment import LiveAttempt, Trial
from harness.report.exchanged import Texts, asked, message, plain, played, said
from harness.report.figure import count, dollars
from harness.schema import canonical_json
from harness.tally import counted
from harness.trace import CachedAnswer, NodeStep, RetrieverCall, ToolCall, WireCall

MomentKind = Literal["step", "asked", "answered", "tool", "returned", "retriever", "cached", "wrote", "missed", "stopped", "end"]

_MESSAGES_SHOWN = 3


class Moment(NamedTuple):
    """Something that happened, in seconds since the trial began (None where that is not known), and what was said then, by label."""

    at_s: float | None
    kind: MomentKind
    title: str
    texts: Texts = ()
    failed: bool = False


def moments(trial: Trial, exchanges: Sequence[Exchange] = ()) -> tuple[Moment, ...]:
    """Return what happened in a trial; with the exchanges that were played, what its models were asked and what they said, too.

    The order is that of time; what has no time stands behind what it followed in its step.
    """
    story = _Story(trial, exchanges)
    told = (*story.steps(), *story.rest(), _end(trial))
    times = [0.0 if moment.at_s is None else moment.at_s for moment in told]
    for index, moment in enumerate(told):
        if moment.at_s is None and index:
            times[index] = times[index - 1]
    return tuple(told[index] for index in sorted(range(len(told)), key=times.__getitem__))


def seconds(value: float | None) -> str:
    """Return seconds to the millisecond."""
    return "–" if value is None else f"{value:.3f} s"  # noqa: RUF001, a dash is what a table shows for no figure


class _Story:
    """Tells each part of a trace once, where it belongs: within the step that it happened in, or at the end."""

    def __init__(self, trial: Trial, exchanges: Sequence[Exchange]) -> None:
        self._trial, self._exchanges = trial, exchanges
        trace = trial.trace
        self._waiting: list[NodeStep] = list(trace.steps)
        self._stops: list[Miss | LiveAttempt] = [*trial.misses, *trial.live]
        self._parts: list[WireCall | ToolCall | RetrieverCall | CachedAnswer] = [
            *trace.cached,
            *trace.calls,
            *trace.retrievers,
            *trace.tools,
        ]

    def steps(self) -> Iterator[Moment]:
        """Tell the steps, each followed by what happened in it."""
        while self._waiting:
            yield from self._step(self._waiting.pop(0))

    def rest(self) -> Iterator[Moment]:
        """Tell what happened in no step, what missed, and where it stopped for a human."""
        for part in self._parts:
            yield from self._part(part)
        yield from (_missed(told) for told in self._stops)
        for interrupt in self._trial.trace.interrupts:
            where = f" before node {interrupt.node!r}" if interrupt.node else ""
            yield Moment(
                self._trial.trace.duration_s, "stopped", f"stopped for a human{where}", (("asks", canonical_json(interrupt.payload)),)
            )

    def _step(self, step: NodeStep) -> Iterator[Moment]:
        yield Moment(step.start_s, "step", _step_title(step))
        own = [part for part in self._parts if part.place == step.place]
        self._parts = [part for part in self._parts if part.place != step.place]
        inner = [one for one in self._waiting if _is_inside(one, step)]
        self._waiting = [one for one in self._waiting if one not in inner]
        for one in inner:
            yield from self._step(one)
        for part in own:
            yield from self._part(part)
        yield from (_missed(told) for told in self._stops if told.place == step.place)
        self._stops = [told for told in self._stops if told.place != step.place]
        end_s = None if step.start_s is None or step.duration_s is None else round(step.start_s + step.duration_s, 6)
        if step.error is not None:
            yield Moment(end_s, "wrote", f"{step.place.node} failed: {step.error}", failed=True)
        elif step.update is not None:
            yield Moment(end_s, "wrote", f"{step.place.node} wrote", _update(step))

    def _part(self, part: WireCall | ToolCall | RetrieverCall | CachedAnswer) -> Iterator[Moment]:
        match part:
            case WireCall():
                yield from _call(part, played(part, self._exchanges))
            case ToolCall():
                yield from _tool(part)
            case RetrieverCall():
                found = part.error or f"found {'an unknown number of' if part.documents is None else part.documents} documents"
                yield Moment(None, "retriever", f"retriever {part.name}: {found}", (("query", part.query),), failed=part.error is not None)
            case CachedAnswer():
                tokens = count(part.usage.total_tokens if part.usage else None)
                yield Moment(None, "cached", f"{part.model or 'a model'} answered from a cache, not paid ({tokens} tokens once)")


def _is_inside(step: NodeStep, outer: NodeStep) -> bool:
    """Tell whether a step of a subgraph ran in this visit of the node that the subgraph is."""
    place = outer.place
    if not place.node or step.place.namespace[: len(place.namespace) + 1] != (*place.namespace, place.node):
        return False
    if step.place.turn != place.turn:
        return False
    if None in {step.start_s, outer.start_s, outer.duration_s}:
        return True
    return (outer.start_s or 0) <= (step.start_s or 0) <= (outer.start_s or 0) + (outer.duration_s or 0)


def _missed(told: Miss | LiveAttempt) -> Moment:
    return Moment(None, "missed", str(told), failed=True)


def _step_title(step: NodeStep) -> str:
    place = step.place
    notes = (
        f"turn {place.turn}" if place.turn > 1 else "",
        f"visit {place.visit}" if (place.visit or 1) > 1 else "",
        f"{step.attempts} attempts" if step.attempts > 1 else "",
        "from the cache" if step.cached else "",
        "interrupted" if step.interrupted else "",
        f"took {seconds(step.duration_s)}" if step.duration_s is not None else "",
        f"chose {', '.join(step.chosen)}" if step.chosen else "",
    )
    said = ", ".join(note for note in notes if note)
    name = "/".join((*place.namespace, place.node or "(outside any node)"))
    return f"step {'–' if place.step is None else place.step}: {name}{f' ({said})' if said else ''}"  # noqa: RUF001, as above


def _update(step: NodeStep) -> Texts:
    """Return what a node wrote, key by key, its messages one by one."""
    update = step.update if isinstance(step.update, dict) else {"update": step.update}
    told: list[tuple[str, str]] = []
    for key, value in update.items():
        told += _messages(value) or [(key, plain(value))]
    return tuple(told)


def _messages(value: object) -> list[tuple[str, str]]:
    """Return messages as they are told, nothing where a value is no list of messages."""
    if not isinstance(value, list) or not all(
        isinstance(one, dict) and "content" in one and {"type", "role"} & one.keys() for one in value
    ):
        return []
    return [message(one) for one in value]


def _call(call: WireCall, exchange: Exchange | None) -> Iterator[Moment]:
    name = call.answered_model or call.model or call.kind
    yield Moment(call.start_s, "asked", f"asks {name}" if call.kind == "chat" else f"{call.kind} request to {name}", _asked(exchange))
    yield Moment(call.end_s, "answered", _answered(call), _said(call, exchange), failed=not call.answered or call.error is not None)


def _answered(call: WireCall) -> str:
    status = f"HTTP {call.status}" if call.status is not None and not call.answered else ""
    left = call.duration_s is not None and call.duration_s < (call.latency_s or 0) and f"left after {seconds(call.duration_s)}"
    notes = (
        f"latency {seconds(call.latency_s)}" if call.latency_s is not None else "",
        f"first token after {seconds(call.ttft_s)}" if call.ttft_s is not None else "",
        _tokens(call),
        dollars(call.cost_usd) if call.answered and call.kind != "http" else "",
        call.finish_reason or "",
        "" if call.source in {"replay", "none"} else f"source {call.source}",
        left or "",
        f"fault {call.fault}" if call.fault else "",
        status,
        call.error or "",
        f"drift: {', '.join(call.drift)}" if call.drift else "",
    )
    said = ", ".join(note for note in notes if note)
    return f"{'answered' if call.answered else 'was not answered'}{f': {said}' if said else ''}"


def _tokens(call: WireCall) -> str:
    if call.usage is None:
        return "tokens unknown" if call.answered and call.kind != "http" else ""
    return f"{call.usage.input_tokens:,} + {call.usage.output_tokens:,} tokens"


def _asked(exchange: Exchange | None) -> Texts:
    """Return the system prompt and the last messages of a request."""
    if exchange is None:
        return ()
    system, messages = asked(exchange)
    earlier = len(messages) - _MESSAGES_SHOWN
    left_out = (("…", counted(earlier, "earlier message")),) if earlier > 0 else ()
    return (*system, *left_out, *messages[-_MESSAGES_SHOWN:])


def _said(call: WireCall, exchange: Exchange | None) -> Texts:
    requests = (("calls", f"{one.name}({canonical_json(one.args)})") for one in call.tool_requests)
    return (*(said(exchange) if exchange else ()), *requests)


def _tool(tool: ToolCall) -> Iterator[Moment]:
    yield Moment(tool.start_s, "tool", f"tool {tool.name}", (("arguments", canonical_json(tool.args)),))
    end_s = None if tool.start_s is None or tool.duration_s is None else round(tool.start_s + tool.duration_s, 6)
    took = f" after {seconds(tool.duration_s)}" if tool.duration_s else ""
    if tool.error is not None:
        yield Moment(end_s, "returned", f"{tool.name} failed{took}: {tool.error}", failed=True)
    else:
        yield Moment(end_s, "returned", f"{tool.name} returned{took}", (("output", tool.output or ""),))


def _end(trial: Trial) -> Moment:
    crash = trial.trace.crash
    texts = (("crash", f"{crash.type}: {crash.message}"),) if crash else ()
    return Moment(trial.trace.duration_s, "end", f"ended as {trial.trace.ends}", texts, failed=trial.outcome != "pass")
