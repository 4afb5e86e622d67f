"""A judgement: the scores of a performance, and the trial that it makes."""

from collections.abc import Iterable

from harness import checks
from harness.cassette.miss import Miss
from harness.dataset import Case
from harness.errors import WireStop
from harness.experiment import OVER_BUDGET, Trial, outcome
from harness.runner.performance import Performance
from harness.runner.plan import Bench
from harness.score import Score, failed
from harness.story import Story
from harness.trace import Trace
from harness.wire.faults import Faults
from harness.wire.tools import ToolFaults
from harness.wire.trial import TrialWire


def scores_of(bench: Bench, case: Case, done: Performance) -> tuple[Score, ...]:
    """Return what the checks say of a performance, and a failing score for each thing that the case plays in vain; all redacted."""
    checked = _checked(bench, bench.redactor.value(case), done.trace.exact())
    return tuple(bench.redactor.value(score) for score in (*checked, *_unplayed(case, done)))


def _checked(bench: Bench, case: Case, trace: Trace) -> tuple[Score, ...]:
    context = bench.context(case)
    try:
        return checks.run_checks(case, trace, context, None if bench.suite.checks is None else bench.checks)
    except WireStop:  # a judge's own request missed; its note makes the trial stale
        return ()


def _unplayed(case: Case, done: Performance) -> Iterable[Score]:
    """Yield a failing score for what the case plays that never came to pass: a fault, an answer, a turn."""
    for layer in done.layers:
        if isinstance(layer, Faults | ToolFaults):
            for spec in layer.unstruck():
                at = ", ".join(f"{name} {value}" for name, value in spec.at.model_dump(exclude_none=True).items())
                yield failed("faults", "faults", f"the fault {spec.fault!r} at {at} never struck: nothing such was asked")
    answers = done.ended.answers
    if answers and done.ended.ends != "error":
        given = len(case.resume)
        yield failed("resume", "resume", f"{len(answers)} of {given} answers in `resume` were not asked for: the graph did not stop")
    turns = done.ended.turns
    if turns and done.ended.ends != "error":
        yield failed("turns", "turns", f"{len(turns)} of {len(case.turns)} inputs in `turns` were not played: an earlier turn did not end")


def trial_of(bench: Bench, case: Case, repeat: int, done: Performance, scores: tuple[Score, ...]) -> Trial:
    """Return the trial that a performance and its scores make, with its outcome."""
    trace, wire, story = done.trace, done.wire, done.story
    misses = tuple(bench.redactor.value(miss) for miss in _placed_misses(wire, story))
    live = tuple(
        sorted({attempt.model_copy(update={"place": story.place(attempt.place, span)}) for attempt, span in wire.refused}, key=str)
    )
    unused = sum(1 for _ in wire.cursor.unused(bench.variant))
    if bench.suite.match == "strict" and unused and not misses:
        scores = (
            *scores,
            failed("unused", "unused", f"{unused} recorded exchange(s) of this variant were not asked for", value=float(unused)),
        )
    if wire.over_budget:
        scores = (failed(OVER_BUDGET, OVER_BUDGET, f"stopped: {wire.over_budget}"),)
    return Trial(
        suite=bench.name,
        variant=bench.variant,
        case=case.id,
        repeat=repeat,
        outcome=outcome(
            trace,
            scores,
            misses,
            live,
            expects_error=bool(wire.over_budget) or (case.expected.ends == "error" and trace.crash is not None),
            optional=optional(bench, case),
        ),
        trace=trace,
        scores=() if misses else scores,
        misses=misses,
        live=live,
        played=len(wire.cursor.played),
        recorded=sum(1 for note in wire.notes if note.reply is not None and note.reply.source == "live"),
        unused=unused,
        sockets=wire.sockets,
        draw=wire.cursor.draw,
    )


def optional(bench: Bench, case: Case) -> frozenset[str]:
    """Return the checks that nobody asked for, or that real time leaves without a figure: being unscored, they do not spoil a trial."""
    limits = bench.context(case).limits
    return frozenset({"duration"} if limits.tokens is not None or limits.cost_usd is not None else {"duration", "cost"})


def _placed_misses(wire: TrialWire, story: Story) -> tuple[Miss, ...]:
    """Return the misses with their places: the causes first, each in the order of the graph's steps."""
    ordered = sorted(wire.misses, key=lambda pair: (pair[0].follows, story.order(pair[1])))
    return tuple(miss.model_copy(update={"place": story.place(miss.place, span)}) for miss, span in ordered)
