"""Time travel over a stored trial: its case is run once more on the cassette, and its states are kept in memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.constants import START

from harness import store
from harness.config import Project
from harness.dataset import Case
from harness.delta import changes
from harness.errors import HarnessError, UsageError
from harness.experiment import Experiment, SuiteProvenance, Trial
from harness.history import Assignment, Fork, History, Snapshot
from harness.plain import plain
from harness.runner.cut import Cut
from harness.runner.edit import edit_of
from harness.runner.performance import Performance
from harness.runner.plan import Bench, memory, prepare
from harness.runner.player import Awaited, Plain, Play
from harness.runner.selection import Selection
from harness.runner.trial import TrialRunner, thread_of
from harness.trace import Trace

_PARTS = {
    "dataset_digest": "the dataset",
    "cassettes_digest": "the cassettes",
    "graph": "`graph`",
    "graph_fingerprint": "the graph's nodes or edges",
    "prompts": "the prompts",
    "model": "the model",
    "parameters": "the parameters",
    "match": "`match`",
    "mode": "`mode`",
    "build": "`build`",
    "normalise": "`normalise`",
    "freeze": "`freeze`",
    "latencies": "`latencies`",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A stored trial with what it takes to run it again, and notes of what changed since."""

    bench: Bench
    case: Case
    trial: Trial
    project: Project
    notes: tuple[str, ...]

    def play(self, play: Play) -> Performance:
        """Run the case on its cassette; what is wrong with the user's wish, not with the graph, is raised."""
        runner = TrialRunner(self.project.root, self.project.config.prices)
        try:
            done = runner.perform(self.bench, self.case, self.trial.repeat, runner.exchanges(self.bench.tapes, self.case.id), play)
        finally:
            runner.close()
        if isinstance(done.ended.crash, HarnessError):
            raise done.ended.crash
        return done

    def builder(self) -> Callable[[], Any]:
        """Return what builds the graph, each time on the same checkpoints: in memory, unless it has a place for them of its own."""
        saver = memory()
        return lambda: self.bench.build(lambda: saver)


def scene_of(project: Project, head: Experiment, trial: Trial, cases: Iterable[str]) -> Scene:
    """Prepare the run of a stored trial's case; `cases` are those that the experiment ran of the suite."""
    plan = prepare(project, Selection(suites=(trial.suite,), variants=(trial.variant,)))
    (bench,) = plan.benches
    case = next((case for case in bench.cases if case.id == trial.case), None)
    if case is None:
        message = f"case {trial.case!r} is no longer in {bench.suite.dataset}"
        raise UsageError(message)
    if bench.target is None:
        message = f"{project.where(bench.name, 'graph')}: the agent is behind a URL, so its states are not to be seen here"
        raise UsageError(message)
    if not bench.target.takes("checkpointer") and getattr(bench.target.value, "checkpointer", None) is None:
        message = f"{project.where(bench.name, 'graph')}: it takes no checkpointer, so its states are not kept; let the factory take one"
        raise UsageError(message)
    before = next(suite for suite in head.suites if (suite.suite, suite.variant) == (trial.suite, trial.variant))
    digest = store.cassettes_digest(project.root, bench.tapes, tuple(dict.fromkeys(cases)))
    now = plan.provenance()[0].model_copy(update={"cassettes_digest": digest})
    return Scene(bench, case, trial, project, tuple(_changed(before, now)))


def _changed(before: SuiteProvenance, now: SuiteProvenance) -> Iterator[str]:
    parts = [words for name, words in _PARTS.items() if getattr(before, name) != getattr(now, name)]
    if parts:
        yield f"changed since the experiment: {', '.join(parts)}; what is shown is how it runs now"


def history_of(scene: Scene) -> History:
    """Run the case again and return every state that it went through."""
    players: list[Plain] = []

    def play(awaited: Awaited) -> Plain:
        players.append(Plain(scene.builder()(), scene.bench.mode, awaited))
        return players[0]

    done = scene.play(play)
    config = {"configurable": {"thread_id": thread_of(scene.bench, scene.case, scene.trial.repeat)}}
    snapshots = _snapshots(reversed(list(players[0].graph.get_state_history(config)))) if players else ()
    trial = scene.trial
    return History(
        suite=trial.suite,
        variant=trial.variant,
        case=trial.case,
        repeat=trial.repeat,
        notes=(*scene.notes, *_ended_otherwise(trial, done)),
        states=tuple(scene.bench.redactor.value(snapshot) for snapshot in snapshots),
    )


def _snapshots(found: Iterable[Any]) -> Iterator[Snapshot]:
    """Yield the states but those in which an input only waits to be taken in."""
    ran: tuple[str, ...] = ()
    for snapshot in found:
        following = tuple(snapshot.next)
        if START not in following:
            yield Snapshot(
                step=snapshot.metadata["step"],
                after=tuple(node for node in ran if node != START),
                next=following,
                state=plain(snapshot.values),
                interrupts=tuple(plain(interrupt.value) for task in snapshot.tasks for interrupt in task.interrupts),
            )
        ran = following


def _ended_otherwise(trial: Trial, done: Performance) -> Iterator[str]:
    """Say where a run of now does not do what the stored trial did."""
    before, now = trial.trace, done.trace
    if done.wire.misses:
        yield f"the states end early: {done.wire.misses[0][0]}"
        return
    if (before.ends, before.nodes) != (now.ends, now.nodes):
        yield f"it does not run as in the experiment: {_path(before)}, ended as {before.ends}; now {_path(now)}, ended as {now.ends}"
    elif first := next(changes(before.state, now.state), None):
        yield f"it does not end as in the experiment: {first}"


def _path(trace: Trace) -> str:
    return ", ".join(trace.nodes) or "no node"


def fork_of(scene: Scene, at: int, assignments: Sequence[Assignment]) -> Fork:
    """Run the case to this superstep, edit the state, and let it go on from there."""
    players: list[Cut] = []

    def play(awaited: Awaited) -> Cut:
        edit = edit_of(assignments)
        players.append(Cut(scene.builder(), scene.bench.mode, awaited, dies_after=lambda step, _next: step == at, edit=edit))
        return players[0]

    done = scene.play(play)
    player = players[0] if players else None
    if player is None or not player.cut_after:
        raise UsageError(_out_of_range(scene, at, done, player))
    return _fork(scene, at, assignments, done, player)


def _out_of_range(scene: Scene, at: int, done: Performance, player: Cut | None) -> str:
    if player is None or player.last_step < 0 or done.wire.misses:
        reason = next((str(miss) for miss, _ in done.wire.misses), None) or str(done.ended.crash)
        return f"case {scene.case.id!r} does not come to step {at}: {reason}"
    return f"case {scene.case.id!r} has no step {at} to fork from; it has 0 (the input) to {player.last_step}"


def _fork(scene: Scene, at: int, assignments: Sequence[Assignment], done: Performance, player: Cut) -> Fork:
    trial, before, now = scene.trial, scene.trial.trace, done.trace
    return Fork(
        suite=trial.suite,
        variant=trial.variant,
        case=trial.case,
        repeat=trial.repeat,
        notes=scene.notes,
        at=at,
        after=tuple(node for node in player.ran_at_cut if node != START),
        assignments=tuple(scene.bench.redactor.value(assignment) for assignment in assignments),
        path=_nodes_after(now, at),
        path_before=_nodes_after(before, at),
        ends=now.ends,
        ends_before=before.ends,
        crash=now.crash,
        misses=tuple(scene.bench.redactor.text(str(miss)) for miss, _ in done.wire.misses),
        differs=tuple(changes(before.state, now.state)),
        state=now.state,
        text=now.text,
    )


def _nodes_after(trace: Trace, step: int) -> tuple[str, ...]:
    return tuple(
        one.place.node for one in trace.steps if one.place.node and not one.place.namespace and one.place.step and one.place.step > step
    )
