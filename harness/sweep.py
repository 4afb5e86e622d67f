"""A sweep: every call of every case made to fail in every way, and what the agent made of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, Self, get_args

from pydantic import ValidationError

from harness.checks.loops import loop_signals
from harness.checks.retries import vain_retries
from harness.dataset import Case, Expected, FaultPlace, FaultSpec, ModelFault, ToolFault
from harness.errors import ExperimentTooNew, ExperimentUnreadable
from harness.experiment import Trial
from harness.schema import Value, canonical_json, first_problem
from harness.trace import Place, Trace

FORMAT = 1  # 1: the first

MODEL_FAULTS: tuple[ModelFault, ...] = get_args(ModelFault)
TOOL_FAULTS: tuple[ToolFault, ...] = get_args(ToolFault)
_EMBEDDING_FAULTS = frozenset({"rate_limit", "server_error", "overloaded", "auth", "connect_error", "timeout", "cut_stream"})
_LIMITS = frozenset({"loops", "cost", "duration"})

CellOutcome = Literal["answered", "degraded", "limit", "looped", "crash", "unrecorded"]
OUTCOMES: tuple[CellOutcome, ...] = get_args(CellOutcome)
"""From best to worst, but for `unrecorded`, of which nothing is known."""

_BROKEN: Mapping[CellOutcome, str] = {
    "crash": "it crashed",
    "limit": "it ran into the graph's recursion limit",
    "looped": "it went round in circles until the graph's recursion limit",
}


class SweepSettings(Value):
    """What a suite's sweep does: the faults to try, the outcomes that a fault may have, the tools that may not run unapproved."""

    faults: tuple[ModelFault | ToolFault, ...] = (*MODEL_FAULTS, *(name for name in TOOL_FAULTS if name not in MODEL_FAULTS))
    allow: dict[ModelFault | ToolFault, tuple[CellOutcome, ...]] = {}
    risky_tools: tuple[str, ...] = ()


class Cell(Value):
    """One fault at one call of one case: how the trial ended, and which invariants it broke.

    `place` says where the call is: the node and the visit, or the tool; `like` names the fault at the same call that does the same.
    """

    case: str
    at: FaultPlace
    place: str
    fault: ModelFault | ToolFault
    outcome: CellOutcome
    broken: tuple[str, ...] = ()
    reason: str = ""
    like: str | None = None

    @property
    def name(self) -> str:
        """Return what tells the cell from all others of its sweep."""
        return f"{self.case} {canonical_json(self.at.model_dump(exclude_none=True))} {self.fault}"


class Sweep(Value):
    """All cells of one suite under one variant, in dataset order; `skipped` holds the cases that do not even run without a fault."""

    format: int = FORMAT
    suite: str
    variant: str
    cells: tuple[Cell, ...]
    skipped: dict[str, str] = {}

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
    chats = [call for call in trace.calls if call.kind == "chat"]
    embeddings = [call for call in trace.calls if call.kind == "embedding"]
    found = [Target(at=FaultPlace(model_call=k), place=_where(call.place), faults=on_models) for k, call in enumerate(chats, start=1)]
    found += [
        Target(at=FaultPlace(embedding=k), place=f"embedding in {_where(call.place)}", faults=on_embeddings)
        for k, call in enumerate(embeddings, start=1)
    ]
    seen: Counter[str] = Counter()
    for call in trace.tools:
        seen[call.name] += 1
        at = FaultPlace(tool=call.name, tool_call=seen[call.name])
        found.append(Target(at=at, place=f"tool {call.name}", faults=on_tools))
    return tuple(target for target in found if target.faults)


def _where(place: Place) -> str:
    return "/".join((*place.namespace, place.node)) if place.node else "outside any node"


def struck(case: Case, target: Target, fault: ModelFault | ToolFault) -> Case:
    """Return the case with this fault; nothing is expected of it but that it keeps its limits."""
    expected = Expected(limits=case.expected.limits)
    return case.model_copy(update={"expected": expected, "faults": (*case.faults, FaultSpec(at=target.at, fault=fault))})


def judged(case: Case, target: Target, fault: ModelFault | ToolFault, *, trial: Trial, base: Trial, settings: SweepSettings) -> Cell:
    """Return the cell of a trial with a fault, next to the trial of the same case without one."""
    outcome = _outcome(trial, base)
    return Cell(
        case=case.id,
        at=target.at,
        place=target.place,
        fault=fault,
        outcome=outcome,
        broken=() if outcome == "unrecorded" else tuple(_broken(outcome, trial, settings, fault)),
        reason=next(iter(trial.reasons), "") if outcome in {"crash", "unrecorded"} else "",
    )


def _outcome(trial: Trial, base: Trial) -> CellOutcome:
    if trial.misses:
        return "unrecorded"
    if trial.live or trial.trace.ends == "error":
        return "crash"
    if trial.trace.ends == "limit":
        signals = loop_signals(trial.trace)
        return "looped" if signals.repeated_calls or signals.repeated_states or signals.no_progress else "limit"
    return "answered" if _said(trial.trace) == _said(base.trace) else "degraded"


def _said(trace: Trace) -> str:
    return canonical_json([trace.ends, trace.text if trace.text is not None else trace.state])


def _broken(outcome: CellOutcome, trial: Trial, settings: SweepSettings, fault: ModelFault | ToolFault) -> Iterable[str]:
    if outcome in _BROKEN and outcome not in settings.allow.get(fault, ()):
        yield _BROKEN[outcome]
    yield from (score.reason for score in trial.scores if score.status == "fail" and score.check in _LIMITS)
    yield from (f"it asked {call.model!r} again after {call.status}, which does not pass by itself" for call in vain_retries(trial.trace))
    if not trial.trace.interrupts:
        unapproved = sorted({call.name for call in trial.trace.tools if call.name in settings.risky_tools})
        yield from (f"the risky tool {name!r} ran without approval" for name in unapproved)


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
