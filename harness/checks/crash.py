"""The check `crash`: whether the trial comes to the same end when it is cut off after its supersteps and resumed from its checkpoints."""

from harness.checks.context import CheckContext
from harness.checks.quoting import cut, listed, times
from harness.dataset import Case
from harness.score import Score, failed, passed
from harness.trace import Recovery, Trace

_SHOWN = 400


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Return one score for each checkpointer that the trial was resumed on."""
    del case, context
    return tuple(_score(recovery) for recovery in trace.recoveries)


def _score(recovery: Recovery) -> Score:
    name = f"crash.{recovery.backend}"
    if not recovery.differs:
        return passed(
            "crash",
            name,
            reason=f"cut off {times(len(recovery.cut_after), 'time')} and resumed, it ended the same",
            cut_after=[*recovery.cut_after],
        )
    reason = cut(f"{_when(recovery)}: {'; '.join(recovery.differs)}", _SHOWN)
    return failed("crash", name, reason, cut_after=[*recovery.cut_after], guilty=[*recovery.guilty])


def _when(recovery: Recovery) -> str:
    if not recovery.guilty:
        return f"cut off after each superstep and resumed on {recovery.backend}"
    noun = "superstep" if len(recovery.guilty) == 1 else "supersteps"
    return f"cut off after {noun} {listed(map(str, recovery.guilty))} and resumed on {recovery.backend}"
