"""A player: what a trial invokes, and asks for its state; the graph itself, or something around it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Awaited = Callable[[Any], Any]
"""Runs a coroutine to its end and returns what it returns."""


class Player(Protocol):
    """Stands where the graph would stand."""

    @property
    def graph(self) -> Any:
        """Return the graph that runs now."""

    @property
    def checkpointer(self) -> Any:
        """Return the graph's checkpointer, None where it has none."""

    def get_state(self, config: Any) -> Any:
        """Return LangGraph's snapshot of the thread."""

    def invoke(self, payload: Any, config: Any) -> Any:
        """Run the graph until it ends or stops; the answer has the form of the graph's own `invoke`."""


Play = Callable[[Awaited], Player]
"""Makes a player when its trial begins, inside everything that stands around a trial."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The graph, invoked or awaited."""

    graph: Any
    mode: str
    awaited: Awaited

    @property
    def checkpointer(self) -> Any:
        """Return the graph's checkpointer."""
        return self.graph.checkpointer

    def get_state(self, config: Any) -> Any:
        """Return LangGraph's snapshot of the thread."""
        return self.graph.get_state(config)

    def invoke(self, payload: Any, config: Any) -> Any:
        """Run the graph in its synchronous or its asynchronous form."""
        if self.mode == "invoke":
            return self.graph.invoke(payload, config)
        return self.awaited(self.graph.ainvoke(payload, config))


def drain(stream: Any, take: Callable[[Any], bool], awaited: Awaited) -> bool:
    """Hand the parts of a stream, synchronous or not, to `take` until that returns True, then close it; tell whether it did."""
    if hasattr(stream, "__aiter__"):
        return bool(awaited(_drained(stream, take)))
    for part in stream:
        if take(part):
            stream.close()
            return True
    return False


async def _drained(stream: Any, take: Callable[[Any], bool]) -> bool:
    async for part in stream:
        if take(part):
            await stream.aclose()
            return True
    return False
