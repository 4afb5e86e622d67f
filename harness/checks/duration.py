"""The check `duration`: whether the trial kept to its time."""

from harness.checks.context import CheckContext
from harness.dataset import Case
from harness.score import Score, failed, passed, unscored
from harness.trace import Trace


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare the trial's recorded or virtual duration in seconds with `limits.duration_s`."""
    del case
    bound = context.limits.duration_s
    if bound is None:
        return ()
    duration_s = trace.duration_s
    if duration_s is None:
        return (unscored("duration", "duration", f"limits.duration_s = {bound:g} is set, but the trace does not say how long it took"),)
    if duration_s > bound:
        return (failed("duration", "duration", f"took {duration_s:g} s, limits.duration_s = {bound:g}", value=duration_s),)
    return (passed("duration", "duration", value=duration_s),)
