"""A sweep: every call of every case made to fail in every way, and what the agent made of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import ValidationError

from harness.cell import MODEL_FAULTS, TOOL_FAULTS, Cell, CellOutcome, SweepSettings
from harness.dataset import Case, Expected, FaultPlace, FaultSpec, ModelFault, ToolFault
from harness.errors import ExperimentTooNew, ExperimentUnreadable
from harness.schema import Value, first_problem
from harness.trace import Place, Trace, WireCall

FORMAT = 1  # 1: the first

_EMBEDDING_FAULTS = frozenset(
    {"rate_limit", "server_error", "overloaded", "auth", "connect_error", "timeout", "hang", "slow", "cut_stream"}
)


class Wanting(Value):
    """What recording the cells of which nothing is known would ask first, by estimates; None where nothing is known of it."""

    requests: int
    tokens: int | None
    cost_usd: float | None


class Sweep(Value):
    """All cells of one suite under one variant, in dataset order; `skipped` holds the cases that do not even run without a fault.

    `wanting` is not stored: it is an estimate.
    """

    format: int = FORMAT
    suite: str
    variant: str
    cells: tuple[Cell, ...]
    skipped: dict[str, str] = {}
    wanting: Wanting | None = None

    @classmethod
    def read(cls, text: str, *, path: str) -> Self:
        """Read a stored sweep."""
        try:
            sweep = cls.model_validate_json(text)
        except ValidationError as error:
            message = f"{path}: not a sweep: {first_problem(error, cls)}"
            raise ExperimentUnreadable(message) from None
        if sweep.format > FORMAT:
            message = f"{path}: format {sweep.format} is newer than {FORMAT}, the newest this harness reads; upgrade langgraph-harness"
            raise ExperimentTooNew(message)
        return sweep

    @property
    def broken(self) -> tuple[Cell, ...]:
        """Return the cells that broke an invariant."""
        return tuple(cell for cell in self.cells if cell.broken)

    def counts(self) -> Counter[CellOutcome]:
        """Count the cells by how they ended."""
        return Counter(cell.outcome for cell in self.cells)


class Target(Value):
    """One call of a trial that faults are to strike."""

    at: FaultPlace
    place: str
    faults: tuple[ModelFault | ToolFault, ...]


def targets(trace: Trace, faults: Iterable[str]) -> tuple[Target, ...]:
    """Return the calls of a trial that went well, each with those of `faults` that can strike it."""
    wanted = set(faults)
    on_models = tuple(name for name in MODEL_FAULTS if name in wanted)
    on_embeddings = tuple(name for name in on_models if name in _EMBEDDING_FAULTS)
    on_tools = tuple(name for name in TOOL_FAULTS if name in wanted)
    found = [*_calls(trace, "chat", on_models), *_calls(trace, "embedding", on_embeddings)]
    seen: Counter[str] = Counter()
    for call in trace.tools:
        seen[call.name] += 1
        at = FaultPlace(tool=call.name, tool_call=seen[call.name])
        found.append(Target(at=at, place=f"tool {call.name}", faults=on_tools))
    return tuple(target for target in found if target.faults)


def _calls(trace: Trace, kind: str, faults: tuple[ModelFault, ...]) -> Iterable[Target]:
    """Yield the requests of a kind by their number; by the node's name and their number in it where several nodes ask at once."""
    calls = [call for call in trace.calls if call.kind == kind]
    at_once = _at_once(calls)
    seen: Counter[str | None] = Counter()
    for number, call in enumerate(calls, start=1):
        node = call.place.node
        seen[node] += 1
        racing = _step(call) in at_once
        where, count = (node, seen[node]) if racing else (None, number)
        at = FaultPlace(node=where, model_call=count) if kind == "chat" else FaultPlace(node=where, embedding=count)
        yield Target(at=at, place=_where(call.place) if kind == "chat" else f"embedding in {_where(call.place)}", faults=faults)


def _at_once(calls: Sequence[WireCall]) -> set[tuple[object, ...]]:
    """Return the supersteps in which several nodes ask: which of them is first is not determined."""
    nodes: defaultdict[tuple[object, ...], set[str | None]] = defaultdict(set)
    for call in calls:
        nodes[_step(call)].add(call.place.node)
    return {step for step, names in nodes.items() if len(names) > 1 and None not in names}


def _step(call: WireCall) -> tuple[object, ...]:
    return (*call.place.namespace, call.place.step)


def _where(place: Place) -> str:
    return "/".join((*place.namespace, place.node)) if place.node else "outside any node"


def struck(case: Case, fault: FaultSpec, settings: SweepSettings) -> Case:
    """Return the case with this fault; nothing is expected of it but that it keeps its limits, and those of the sweep."""
    expected = Expected(limits=case.expected.limits.override(settings.limits))
    return case.model_copy(update={"expected": expected, "faults": (*case.faults, fault)})


class Change(Value):
    """A cell that ended otherwise than in the previous sweep."""

    cell: Cell
    before: Cell

    @property
    def worse(self) -> bool:
        """Tell whether it broke an invariant that it kept before."""
        return bool(self.cell.broken) and not self.before.broken


def changes(sweep: Sweep, previous: Sweep) -> tuple[Change, ...]:
    """Return the cells of both sweeps that ended differently."""
    before = {cell.name: cell for cell in previous.cells}
    pairs = ((cell, before[cell.name]) for cell in sweep.cells if cell.name in before)
    return tuple(Change(cell=cell, before=old) for cell, old in pairs if (cell.outcome, cell.broken) != (old.outcome, old.broken))
