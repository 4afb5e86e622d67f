"""The check `ends`: whether the trial ended the way it should."""

from harness.checks.context import CheckContext
from harness.checks.quoting import cut, listed, quote, times
from harness.checks.visits import most_visited
from harness.dataset import Case
from harness.score import Score, failed, passed
from harness.trace import Trace

_MESSAGE = 200


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare how the trial ended with `expected.ends`, `answer` where the case does not say."""
    del context
    wanted = case.expected.ends
    story = what_happened(trace)
    if trace.ends == wanted:
        return (passed("ends", "ends", reason=story, expected=wanted, actual=trace.ends),)
    return (failed("ends", "ends", f"expected to end with {wanted!r}, but {story}", expected=wanted, actual=trace.ends),)


def what_happened(trace: Trace) -> str:
    """Say in half a sentence how the trial ended: the crash, the node that was looping, the interrupt."""
    match trace.ends:
        case "answer":
            return "the trial ended with an answer"
        case "error":
            return _crash(trace)
        case "limit":
            return _limit(trace)
        case "interrupt":
            return _interrupt(trace)


def _crash(trace: Trace) -> str:
    if trace.crash is None:
        return "the trial ended with an error of which nothing is known"
    where = f" in node {trace.crash.node!r}" if trace.crash.node else ""
    message = cut(trace.crash.message, _MESSAGE)
    return f"the trial crashed{where} with {trace.crash.type}" + (f": {message}" if message else "")


def _limit(trace: Trace) -> str:
    limit = "the recursion limit" if trace.recursion_limit is None else f"the recursion limit of {trace.recursion_limit}"
    loops = [f"{name!r} was visited {times(visits, 'time')}" for name, visits in most_visited(trace)]
    why = listed(loops) if loops else "no node was visited twice"
    return f"the trial reached {limit} after {times(trace.supersteps, 'superstep')}: {why}"


def _interrupt(trace: Trace) -> str:
    if not trace.interrupts:
        return "the trial stopped at an interrupt"
    last = trace.interrupts[-1]
    where = f" at node {last.node!r}" if last.node else ""
    return f"the trial stopped at an interrupt{where}, payload {quote(last.payload)}"
