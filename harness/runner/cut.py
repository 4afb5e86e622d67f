"""A graph that is cut off after supersteps and resumed each time by a new one, built by the factory, from its checkpoints."""

from collections.abc import Callable, Sequence
from typing import Any

from langgraph.constants import START

from harness.runner.player import Awaited, drain

_MODES = ["values", "updates", "checkpoints"]
_INTERRUPT = "__interrupt__"

Edit = Callable[[Any, Any, Sequence[str]], None]
"""Changes the state of a thread between the cut and the resumption; it gets the graph, the config and the nodes that ran last."""


class Cut:
    """A player whose graph dies after the supersteps that `dies_after` tells, once after each, and whenever it stops for a human.

    Superstep 0 is the input. `build` makes a new graph on what is stored. `cut_after` is where it was cut off,
    `ran_at_cut` names the nodes that had run right before the last cut.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        mode: str,
        awaited: Awaited,
        *,
        dies_after: Callable[[int, Sequence[str]], bool],
        edit: Edit | None = None,
    ) -> None:
        self._build = build
        self._mode = mode
        self._awaited = awaited
        self._dies_after = dies_after
        self._edit = edit
        self.graph = build()
        self._is_new = True
        self.cut_after: list[int] = []
        self.last_step = -2  # LangGraph's count before anything
        self.ran_at_cut: tuple[str, ...] = ()
        self._ran: tuple[str, ...] = ()
        self._next: tuple[str, ...] = ()
        self._latest: Any = None
        self._interrupts: tuple[Any, ...] = ()

    @property
    def checkpointer(self) -> Any:
        """Return the checkpointer of the graph that runs now."""
        return self.graph.checkpointer

    def get_state(self, config: Any) -> Any:
        """Return LangGraph's snapshot of the thread."""
        return self.graph.get_state(config)

    def invoke(self, payload: Any, config: Any) -> Any:
        """Run the graph to its end or to where it stops for a human, cutting it off on the way."""
        stop = self.last_step + 2 + config["recursion_limit"] if "recursion_limit" in config else None
        if not self._is_new:
            self.graph = self._build()
        self._is_new = False
        while self._runs_into_a_cut(payload, _with_what_is_left(config, stop, self.last_step), stop):
            self.graph = self._build()
            if self._edit is not None:
                self._edit(self.graph, config, self._ran)
                self._next = tuple(self.graph.get_state(config).next)
            if self._stops_for_a_human():
                break
            payload = None
        if self._interrupts and isinstance(self._latest, dict):
            return {**self._latest, _INTERRUPT: self._interrupts}
        return self._latest

    def _runs_into_a_cut(self, payload: Any, config: Any, stop: int | None) -> bool:
        self._interrupts = ()
        run = self.graph.stream if self._mode == "invoke" else self.graph.astream
        stream = run(payload, config, stream_mode=_MODES, durability="sync")
        return drain(stream, lambda part: self._take(part, stop), self._awaited)

    def _take(self, part: tuple[str, Any], stop: int | None) -> bool:
        """Note one part of the stream; tell whether the graph dies here."""
        mode, value = part
        if mode == "values":
            self._latest = {key: item for key, item in value.items() if key != _INTERRUPT} if isinstance(value, dict) else value
        elif mode == "updates" and isinstance(value, dict) and _INTERRUPT in value:
            self._interrupts = (*self._interrupts, *value[_INTERRUPT])
        elif mode == "checkpoints":
            return self._dies_at(value, stop)
        return False

    def _dies_at(self, checkpoint: Any, stop: int | None) -> bool:
        step = checkpoint["metadata"]["step"]
        if step != self.last_step:
            self._ran, self._next, self.last_step = self._next, tuple(checkpoint["next"]), step
        is_input = START in self._next
        some_is_left = stop is None or stop - step - 2 >= 1  # of the recursion limit, which a resumed graph counts anew
        if is_input or step in self.cut_after or not some_is_left or not self._dies_after(step, self._next):
            return False
        self.cut_after.append(step)
        self.ran_at_cut = self._ran
        return True

    def _stops_for_a_human(self) -> bool:
        """Tell whether a static interrupt stops the graph here: a graph that is resumed goes past it."""
        return _is_among(self._next, self.graph.interrupt_before_nodes) or _is_among(self._ran, self.graph.interrupt_after_nodes)


def _is_among(nodes: Sequence[str], stopping: Any) -> bool:
    return bool(nodes) and (stopping == "*" or not set(nodes).isdisjoint(stopping))


def _with_what_is_left(config: Any, stop: int | None, last_step: int) -> Any:
    """Return the config with what is left of the recursion limit after this step."""
    return config if stop is None else {**config, "recursion_limit": stop - last_step - 2}
