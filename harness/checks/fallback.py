"""The check `fallback`: who answered in the end, after how many attempts, and what the failed ones cost in time."""

from pydantic import JsonValue

from harness.checks.context import CheckContext
from harness.checks.quoting import listed, times
from harness.checks.retries import delay_s, waits, was_answered
from harness.checks.visits import is_at, last_nodes, steps_of
from harness.dataset import Case, FallbackExpectation
from harness.score import Score, failed, passed, unscored
from harness.trace import Trace, WireCall

_EXACT_S = 0.0005
_NO_TIMES = "the trace does not say when its requests were made: it ran in real time"


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare who answered and the number of model requests on the wire with `expected.fallback`.

    `answered_by` is a node, which must have run last, or a model, which the last request must have named or the answer must name.
    Where the last request failed no model answered: the node that ran last did. The waits before retries and the delay are scores of
    their own.
    """
    wanted = case.expected.fallback
    if wanted is None:
        return ()
    calls = tuple(call for call in trace.model_calls if wanted.node is None or is_at(call.place, wanted.node))
    who = () if wanted.answered_by is None and wanted.attempts is None else (_who(wanted, calls, trace, context),)
    return (*who, *_backoff(wanted, calls), *_delay(wanted, calls))


def _who(wanted: FallbackExpectation, calls: tuple[WireCall, ...], trace: Trace, context: CheckContext) -> Score:
    problems = [*_wrong_answerer(wanted, calls, trace, context), *_wrong_attempts(wanted, calls)]
    reason = f"{'; '.join(problems)}; {_story(calls, wanted)}" if problems else ""
    score = failed("fallback", "fallback", reason) if problems else passed("fallback", "fallback")
    return score.model_copy(update={"detail": _detail(calls, trace)})


def _backoff(wanted: FallbackExpectation, calls: tuple[WireCall, ...]) -> tuple[Score, ...]:
    """Compare the wait before each retry with its bounds; the value is the sum of the waits."""
    if wanted.backoff is None:
        return ()
    found = waits(calls)
    known = [wait for wait in found if wait is not None]
    if len(known) < len(found):
        return (unscored("fallback", "fallback.backoff", _NO_TIMES),)
    problems = [
        f"wait {number} was {wait:.3f} s, expected {_span(bounds)}"
        for number, (wait, bounds) in enumerate(zip(known, wanted.backoff, strict=False), start=1)
        if not _within(wait, bounds)
    ]
    if len(known) != len(wanted.backoff):
        problems.append(f"expected {times(len(wanted.backoff), 'wait')}, there were {len(known)}")
    told = f"waits before retries: {listed(f'{wait:.3f} s' for wait in known)}"
    if problems:
        return (failed("fallback", "fallback.backoff", f"{'; '.join(problems)}; {told}", value=sum(known)),)
    return (passed("fallback", "fallback.backoff", sum(known), told),)


def _delay(wanted: FallbackExpectation, calls: tuple[WireCall, ...]) -> tuple[Score, ...]:
    """Compare what the failed attempts cost in seconds with what is expected; that is the value too."""
    if wanted.delay_s is None:
        return ()
    found = delay_s(calls)
    if found is None:
        return (unscored("fallback", "fallback.delay_s", _NO_TIMES),)
    bounds = wanted.delay_s if isinstance(wanted.delay_s, tuple) else (wanted.delay_s, wanted.delay_s)
    told = f"failed attempts cost {found:.3f} s"
    if _within(found, bounds):
        return (passed("fallback", "fallback.delay_s", found, told),)
    return (failed("fallback", "fallback.delay_s", f"{told}, expected {_span(bounds)}", value=found),)


def _within(seconds: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] - _EXACT_S <= seconds <= bounds[1] + _EXACT_S


def _span(bounds: tuple[float, float]) -> str:
    least, most = bounds
    return f"{least:g} s" if least == most else f"{least:g} to {most:g} s"


def fell_back(calls: tuple[WireCall, ...], *, crashed: bool = False) -> bool:
    """Tell whether a trial went on without the model it had asked.

    What counts, in the order of the model calls: a call failed or was damaged, and another model answered before the failed one did;
    or the failed model never answered and the trial did not crash of it. A retry that the same model answers is no fallback.
    """
    pending: set[str | None] = set()
    for call in calls:
        if _damaged(call):
            pending.add(call.model)
        elif pending - {call.model}:
            return True
        else:
            pending.clear()
    return bool(pending) and not crashed


def _answering(calls: tuple[WireCall, ...]) -> WireCall | None:
    return calls[-1] if calls and was_answered(calls[-1]) else None


def _damaged(call: WireCall) -> bool:
    return not was_answered(call) or call.fault is not None


def _wrong_answerer(wanted: FallbackExpectation, calls: tuple[WireCall, ...], trace: Trace, context: CheckContext) -> list[str]:
    name = wanted.answered_by
    if name is None:
        return []
    if name in context.nodes or steps_of(trace, name):
        return [] if _ran_last(name, trace) else [f"expected node {name!r} to answer, but {_last(trace)} ran last"]
    answering = _answering(calls)
    if answering is None:
        return [f"expected model {name!r} to answer, but {_why_none(calls)} and {_last(trace)} ran last"]
    if name in {answering.model, answering.answered_model}:
        return []
    return [f"expected {name!r} to answer, but model {_model(answering)!r} did"]


def _why_none(calls: tuple[WireCall, ...]) -> str:
    if not calls:
        return "no model was asked"
    return "the last request failed" if any(map(was_answered, calls)) else "every request failed"


def _ran_last(name: str, trace: Trace) -> bool:
    return name in last_nodes(trace) or bool(trace.steps and is_at(trace.steps[-1].place, name))


def _last(trace: Trace) -> str:
    nodes = last_nodes(trace)
    return f"node {'+'.join(nodes)!r}" if nodes else "no node"


def _wrong_attempts(wanted: FallbackExpectation, calls: tuple[WireCall, ...]) -> list[str]:
    if wanted.attempts is None or wanted.attempts == len(calls):
        return []
    return [f"expected {times(wanted.attempts, 'attempt')}, there were {len(calls)}"]


def _story(calls: tuple[WireCall, ...], wanted: FallbackExpectation) -> str:
    where = f" of node {wanted.node!r}" if wanted.node else ""
    told = [f"{number}. {_attempt(call)}" for number, call in enumerate(calls, start=1)]
    return f"attempts{where}: {listed(told)}"


def _attempt(call: WireCall) -> str:
    how = [str(call.status)] if call.status is not None else []
    how += [call.error] if call.error else []
    how += [f"fault {call.fault}"] if call.fault else []
    verb = "answered" if was_answered(call) else "failed"
    told = how if not was_answered(call) or call.fault else []
    return f"{_model(call)} {verb}" + (f" ({', '.join(told)})" if told else "")


def _model(call: WireCall) -> str:
    return call.model or call.answered_model or "(unnamed model)"


def _detail(calls: tuple[WireCall, ...], trace: Trace) -> dict[str, JsonValue]:
    answering = _answering(calls)
    errors: list[JsonValue] = [_attempt(call) for call in calls if _damaged(call)]
    return {
        "answered_by": _model(answering) if answering else "+".join(last_nodes(trace)),
        "answered_model": answering.answered_model if answering else None,
        "attempts": len(calls),
        "errors": errors,
        "fell_back": fell_back(calls, crashed=trace.ends == "error"),
    }
