"""The story of a trial: what an observer noted, in an order that does not depend on threads."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from harness.schema import canonical_json
from harness.trace import NodeStep, Place, RetrieverCall, ToolCall, lasted


@dataclasses.dataclass(slots=True)
class Span:
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
class Tool:
    """One execution of a tool while it is observed, within the span of this name."""

    place: Place
    span: str
    name: str
    args: JsonValue
    start_s: float | None
    output: str | None = None
    error: str | None = None
    end_s: float | None = None


class Story:
    """What an observer noted, in an order that does not depend on threads: turn, outer step, path, then inner step and path."""

    def __init__(self, spans: tuple[Span, ...], tools: tuple[Tool, ...], retrievers: tuple[tuple[str, RetrieverCall], ...]) -> None:
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


def _sort_key(span: Span, by_name: Mapping[str, Span]) -> tuple[Any, ...]:
    """Return the turn, then the (step, path) of every level, outermost first."""
    levels: list[tuple[int, str]] = []
    parts = span.span.split("|")
    for depth in range(1, len(parts)):
        parent = by_name.get("|".join(parts[:depth]))
        levels.append((parent.place.step or 0, parent.place.path) if parent else (0, ""))
    return (span.place.turn, *levels, (span.place.step or 0, span.place.path))
