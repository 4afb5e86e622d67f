"""Rehearsals: a trial that came to its end is run again in other ways, for the checks `crash` and `streaming`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness import checks
from harness.cassette.exchange import Exchange
from harness.dataset import Backend, Case
from harness.delta import changes
from harness.experiment import OVER_BUDGET, Trial, outcome
from harness.runner import checkpoints
from harness.runner.cut import Cut
from harness.runner.judgement import optional
from harness.runner.performance import Performance
from harness.runner.plan import Bench, memory
from harness.runner.player import Awaited, Play
from harness.runner.trial import TrialRunner
from harness.runner.ways import EVENTS, Seen, Way, ways
from harness.trace import Recovery, SeenEvent, Streaming, Trace

_CHANGES_SHOWN = 3
_MESSAGES = "messages"
_CUSTOM = "custom"


def rehearsed(runner: TrialRunner, bench: Bench, case: Case, trial: Trial, exchanges: tuple[Exchange, ...]) -> Trial:
    """Return the trial with what its rehearsals showed; one that is stale, crashed or was stopped is not rehearsed."""
    names = [name for name in ("crash", "streaming") if name in bench.checks_of(case)]
    if not names or trial.outcome in {"stale", "error"} or any(score.check == OVER_BUDGET for score in trial.scores):
        return trial
    stage = _Stage(runner, bench, case, trial, exchanges)
    trace = trial.trace.model_copy(
        update={
            "recoveries": tuple(stage.recoveries()) if "crash" in names else (),
            "streamings": tuple(stage.streamings()) if "streaming" in names else (),
        }
    )
    trace = bench.redactor.value(trace)
    context = bench.context(case)
    found = [score for name in names for score in checks.BUILT_IN[name](bench.redactor.value(case), trace, context)]
    scores = (*trial.scores, *(bench.redactor.value(score) for score in found))
    ended = outcome(trace, scores, (), (), expects_error=case.expected.ends == "error", optional=optional(bench, case))
    return trial.model_copy(update={"trace": trace, "scores": scores, "outcome": ended})


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is rehearsed, and against what."""

    runner: TrialRunner
    bench: Bench
    case: Case
    trial: Trial
    exchanges: tuple[Exchange, ...]

    def recoveries(self) -> Iterator[Recovery]:
        """Cut the trial off after every superstep and resume it, on each checkpointer; where it ends differently, find the superstep."""
        wanted = self.case.expected.crash
        for backend in dict.fromkeys(self.bench.suite.checkpointers if wanted is None else wanted):
            cut_after, differs = self._cut_off(backend, lambda _step: True)
            guilty = tuple(step for step in cut_after if self._cut_off(backend, step.__eq__)[1]) if differs else ()
            if guilty:
                _, differs = self._cut_off(backend, guilty[0].__eq__)
            yield Recovery(backend=backend, cut_after=cut_after, differs=differs, guilty=guilty)

    def _cut_off(self, backend: Backend, dies_after: Callable[[int], bool]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Run the trial, cut off after these supersteps; return after which it was, and how it differs from the trial."""
        cuts: list[Cut] = []
        with checkpoints.kept_in(backend, postgres_env=self.bench.postgres_env) as reopen:

            def play(awaited: Awaited) -> Cut:
                def build() -> Any:
                    return self.bench.build(reopen)

                def dies(step: int, following: Sequence[str]) -> bool:
                    return bool(following) and dies_after(step)

                cuts.append(Cut(build, self.bench.mode, awaited, dies_after=dies))
                return cuts[0]

            done = self._perform(play)
        return tuple(cut for player in cuts for cut in player.cut_after), tuple(self._differences(done))

    def streamings(self) -> Iterator[Streaming]:
        """Run the trial in every way."""
        for way in ways(self.bench.mode):
            seen = Seen()

            def play(awaited: Awaited, way: str = way, seen: Seen = seen) -> Way:
                return Way(self.bench.build(memory), way, awaited, seen)

            done = self._perform(play)
            yield _streaming(way, seen, done, tuple(self._differences(done)))

    def _perform(self, play: Play) -> Performance:
        return self.runner.perform(self.bench, self.case, self.trial.repeat, self.exchanges, play)

    def _differences(self, done: Performance) -> Iterator[str]:
        """Say how another execution of the case differs from the trial, the cause first."""
        before, after = self.trial.trace, done.trace
        yield from (str(miss) for miss, _ in done.wire.misses[:1])
        yield from (str(attempt) for attempt, _ in done.wire.refused[:1])
        if done.wire.misses or done.wire.refused:
            return
        if before.ends != after.ends or _crash(before) != _crash(after):
            yield f"it ended as {after.ends}{_crash(after)}, not as {before.ends}{_crash(before)}"
        if len(before.calls) != len(after.calls):
            yield f"{len(after.calls)} requests instead of {len(before.calls)}"
        if before.nodes != after.nodes:
            yield f"it visited {', '.join(after.nodes)} instead of {', '.join(before.nodes)}"
        was, now = _compared(before), _compared(after)
        found = [str(change) for change in changes(was, now)]
        yield from found[:_CHANGES_SHOWN]
        if len(found) > _CHANGES_SHOWN:
            yield f"and {len(found) - _CHANGES_SHOWN} more"


def _crash(trace: Trace) -> str:
    return f" ({trace.crash.type}: {trace.crash.message})" if trace.crash else ""


def _compared(trace: Trace) -> dict[str, Any]:
    return {"state": trace.state, "interrupts": [interrupt.payload for interrupt in trace.interrupts]}


def _streaming(way: str, seen: Seen, done: Performance, differs: tuple[str, ...]) -> Streaming:
    unfit = next((miss.cause for miss, _ in done.wire.misses if any(cause.kind == "form" for cause in miss.causes)), "")
    events, messages = way == EVENTS, _MESSAGES in way.split() or way == EVENTS
    return Streaming(
        way=way,
        differs=() if unfit else differs,
        unfit=unfit,
        tokens=seen.pieces if messages else None,
        text=_last_text(seen, done.ended.state) if messages else None,
        custom=tuple(seen.custom) if _CUSTOM in way.split() else None,
        events=tuple(_events(seen)) if events else None,
    )


def _last_text(seen: Seen, state: Any) -> str | None:
    """Return what was streamed of the last message, None where nothing was."""
    messages = state.get("messages") if isinstance(state, dict) else getattr(state, "messages", None)
    last = messages[-1] if isinstance(messages, list | tuple) and messages else None
    return seen.texts.get(getattr(last, "id", None) or "")


def _events(seen: Seen) -> Iterator[SeenEvent]:
    for of in sorted(seen.started.keys() | seen.ended.keys()):
        kind, name, tags = of
        yield SeenEvent(type=kind, name=name, tags=tags, started=seen.started[of], ended=seen.ended[of])
