"""A cell of a sweep: one fault at one call of one case, how the trial ended, which invariants it broke, and why it is so."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field

from harness.checks.loops import loop_signals
from harness.checks.quoting import listed, quote, times
from harness.checks.retries import vain_retries
from harness.dataset import FaultPlace, FaultSpec, Limits, ModelFault, ToolFault
from harness.experiment import Trial
from harness.schema import Value, canonical_json
from harness.trace import Trace

MODEL_FAULTS: tuple[ModelFault, ...] = get_args(ModelFault)
TOOL_FAULTS: tuple[ToolFault, ...] = get_args(ToolFault)
_LIMITS = frozenset({"loops", "cost", "duration"})
_KEYS_SHOWN = 3

CellOutcome = Literal["answered", "degraded", "limit", "looped", "crash", "hang", "unrecorded"]
OUTCOMES: tuple[CellOutcome, ...] = get_args(CellOutcome)
"""From best to worst, but for `unrecorded`, of which nothing is known."""

_BROKEN: Mapping[CellOutcome, str] = {
    "crash": "it crashed",
    "hang": "it waits for what never comes",
    "limit": "it ran into the graph's recursion limit",
    "looped": "it went round in circles until the graph's recursion limit",
}
_STALLS = frozenset({"NeverAnswered", "Stalled"})
_RUNAWAY = "Runaway"
_EXPECTED: Mapping[CellOutcome, str] = {"crash": "error", "limit": "limit", "looped": "limit"}


class SweepSettings(Value):
    """What a suite's sweep does: the faults to try, each so many times in a row, the outcomes that a fault may have.

    `limits` override those of the suite and its cases, key by key; `risky_tools` may not run unapproved.
    """

    faults: tuple[ModelFault | ToolFault, ...] = (*MODEL_FAULTS, *(name for name in TOOL_FAULTS if name not in MODEL_FAULTS))
    times: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1,), min_length=1)
    allow: dict[ModelFault | ToolFault, tuple[CellOutcome, ...]] = {}
    limits: Limits = Limits()
    risky_tools: tuple[str, ...] = ()


class Blow(Value):
    """A fault that is to strike one call of one case, and the `times - 1` calls of its kind after it.

    `place` says where the call is: the node, or the tool.
    """

    case: str
    at: FaultPlace
    place: str
    fault: ModelFault | ToolFault
    times: int = 1

    @property
    def label(self) -> str:
        """Name the fault, and for how many calls it lasts."""
        return self.fault if self.times == 1 else f"{self.fault} x{self.times}"

    @property
    def spec(self) -> FaultSpec:
        """Return the fault to inject; one that has no end by its kind has none where it is to strike once."""
        return FaultSpec(at=self.at, fault=self.fault, times=None if self.times == 1 else self.times)


class Cell(Blow):
    """One fault at one call of one case: how the trial ended, which invariants it broke, and the reason of both.

    `like` names the fault at the same call that does the same.
    """

    outcome: CellOutcome
    broken: tuple[str, ...] = ()
    reason: str = ""
    like: str | None = None

    @property
    def name(self) -> str:
        """Return what tells the cell from all others of its sweep."""
        return f"{self.case} {canonical_json(self.at.model_dump(exclude_none=True))} {self.label}"


def judged(blow: Blow, *, trial: Trial, base: Trial, settings: SweepSettings) -> Cell:
    """Return the cell of a trial with a fault, next to the trial of the same case without it."""
    outcome = _outcome(trial, base)
    broken = () if outcome == "unrecorded" else tuple(_broken(outcome, trial, base, settings, blow.fault))
    return Cell(**dict(blow), outcome=outcome, broken=broken, reason=_reason(outcome, trial, base.trace))


def _outcome(trial: Trial, base: Trial) -> CellOutcome:
    if trial.misses:
        return "unrecorded"
    if trial.live or trial.trace.ends == "error":
        crash = trial.trace.crash
        if _ran_away(trial):
            return "looped"
        return "hang" if crash is not None and crash.type in _STALLS and not trial.live else "crash"
    if trial.trace.ends == "limit":
        signals = loop_signals(trial.trace)
        return "looped" if signals.repeated_calls or signals.repeated_states or signals.no_progress else "limit"
    return "answered" if _said(trial.trace) == _said(base.trace) else "degraded"


def _ran_away(trial: Trial) -> bool:
    """Tell whether the agent was stopped by the harness, as nothing else stopped it."""
    crash = trial.trace.crash
    return crash is not None and crash.type == _RUNAWAY and not trial.live


def _said(trace: Trace) -> str:
    return canonical_json([trace.ends, trace.text if trace.text is not None else trace.state])


def _broken(outcome: CellOutcome, trial: Trial, base: Trial, settings: SweepSettings, fault: ModelFault | ToolFault) -> Iterator[str]:
    as_ever = _EXPECTED.get(outcome) == base.trace.ends and not trial.live
    if outcome in _BROKEN and outcome not in settings.allow.get(fault, ()) and not as_ever:
        yield "nothing stopped it" if _ran_away(trial) else _BROKEN[outcome]
    yield from (score.reason for score in trial.scores if score.status == "fail" and score.check in _LIMITS)
    yield from (f"it asked {call.model!r} again after {call.status}, which does not pass by itself" for call in vain_retries(trial.trace))
    if not trial.trace.interrupts:
        unapproved = sorted({call.name for call in trial.trace.tools if call.name in settings.risky_tools})
        yield from (f"the risky tool {name!r} ran without approval" for name in unapproved)


def _reason(outcome: CellOutcome, trial: Trial, base: Trace) -> str:
    """Say in one line why a cell has its outcome."""
    trace = trial.trace
    if outcome in {"crash", "hang", "unrecorded"} or _ran_away(trial):
        return next(iter(trial.reasons), "")
    if outcome == "answered":
        return "; ".join(("the same answer as without the fault", *_calls(trace, base)))
    if outcome == "degraded":
        return "; ".join((_difference(trace, base), *_calls(trace, base)))
    bound = "" if trace.recursion_limit is None else f" of {trace.recursion_limit}"
    stopped = f"stopped by the recursion limit{bound} after {times(trace.supersteps, 'step')}"
    return "; ".join((stopped, *_circles(trace), *_calls(trace, base)))


def _difference(trace: Trace, base: Trace) -> str:
    """Say what is another than without the fault."""
    if trace.ends != base.ends:
        return f"it ended as {trace.ends} instead of {base.ends}"
    if trace.text is not None and base.text is not None:
        return f"it answered {quote(trace.text)} instead of {quote(base.text)}"
    if isinstance(trace.state, dict) and isinstance(base.state, dict):
        return f"the final state has {listed(_differing(trace.state, base.state))}"
    return f"it ended with {quote(trace.state)} instead of {quote(base.state)}"


def _differing(state: Mapping[str, object], base: Mapping[str, object]) -> Iterable[str]:
    keys = sorted(key for key in {*state, *base} if quote(state.get(key), 10**6) != quote(base.get(key), 10**6))
    shown = [f"{key} {quote(state.get(key))} instead of {quote(base.get(key))}" for key in keys[:_KEYS_SHOWN]]
    return [*shown, *([f"{len(keys) - _KEYS_SHOWN} more differences"] if len(keys) > _KEYS_SHOWN else [])]


def _calls(trace: Trace, base: Trace) -> Iterator[str]:
    """Say what it asked more or less, and of whom the last answer is."""
    for noun, made, before in (("model call", trace.model_calls, base.model_calls), ("tool call", trace.tools, base.tools)):
        if len(made) != len(before):
            yield f"{times(len(made), noun)} instead of {len(before)}"
    last, last_before = (calls[-1].model if calls else None for calls in (trace.model_calls, base.model_calls))
    if last != last_before:
        yield f"the last asked is model {last!r} instead of {last_before!r}"


def _circles(trace: Trace) -> Iterator[str]:
    signals = loop_signals(trace)
    for noun, counts in (
        ("repeated tool call", signals.repeated_calls),
        ("repeated state", signals.repeated_states),
        ("visit", signals.no_progress),
    ):
        if counts:
            yield f"{times(sum(counts.values()), noun)}{' without progress' if noun == 'visit' else ''}"
