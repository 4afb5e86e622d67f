"""A whole run: from a plan to a finished experiment on disk."""

import contextlib
import datetime as dt
import importlib.metadata
import itertools
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import graph, price, store
from harness.dataset import Case
from harness.errors import UsageError
from harness.experiment import Experiment, SuiteProvenance, Trial, read_trial
from harness.gate import Summary, judge_experiment, overall_verdict
from harness.runner.bounds import Bounds, in_order
from harness.runner.plan import Bench, Plan
from harness.runner.pool import Work, WorkerDied, can_fork, spread
from harness.runner.rehearsal import rehearsed
from harness.runner.trial import TrialRunner
from harness.store import ExperimentFolder, TrialKey
from harness.trace import Crash, Trace
from harness.wire.guard import guarded
from harness.wire.patch import patched

_PACKAGES = ("langgraph-harness", "langgraph", "langchain-core", "langchain-openai", "openai", "vcrpy", "genai-prices")

_SAME_SECOND = 1000

Progress = Callable[[int, int], None]
"""Told how many trials of how many are done."""


@contextlib.contextmanager
def sealed() -> Iterator[bool]:
    """Route HTTP through the wire, guard the sockets and silence LangSmith's tracing; yields whether that had been on."""
    with patched(), guarded():
        yield graph.silence_tracing()


@contextlib.contextmanager
def sealed_without_keys() -> Iterator[bool]:
    """Seal the process for replay, which needs no provider's key."""
    with sealed() as tracing_was_on:
        graph.give_placeholder_keys()
        yield tracing_was_on


@dataclass(frozen=True, slots=True)
class Task:
    """One trial to run."""

    bench: Bench
    case: Case
    repeat: int

    @property
    def key(self) -> TrialKey:
        """Return the key of its trial."""
        return (self.bench.name, self.bench.variant, self.case.id, self.repeat)


def tasks_of(plan: Plan) -> list[Task]:
    """Return all trials of a plan, in dataset order."""
    return [Task(bench, case, repeat) for bench in plan.benches for case in bench.cases for repeat in range(1, plan.selection.repeat + 1)]


def begin(plan: Plan, *, now: dt.datetime, command: tuple[str, ...]) -> ExperimentFolder:
    """Make the folder of a new experiment and write its head."""
    suites = plan.provenance()
    folder = _fresh_folder(plan.project.root, f"{now:%Y%m%d-%H%M%S}")
    folder.write_head(
        Experiment(
            id=folder.path.name,
            started_at=now.isoformat(timespec="seconds"),
            commit=_commit(plan.project.root),
            packages=_packages(),
            price_table=price.table_version(),
            repeat=plan.selection.repeat,
            command=command,
            suites=suites,
        )
    )
    return folder


def begin_imported(root: Path, suite: SuiteProvenance, *, repeats: int, now: dt.datetime) -> ExperimentFolder:
    """Make the folder of an experiment whose trials were run elsewhere and write its head."""
    folder = _fresh_folder(root, f"{now:%Y%m%d-%H%M%S}")
    folder.write_head(Experiment(id=folder.path.name, started_at=now.isoformat(timespec="seconds"), repeat=repeats, suites=(suite,)))
    return folder


def _fresh_folder(root: Path, stem: str) -> ExperimentFolder:
    for number in range(1, _SAME_SECOND):
        try:
            return store.new_experiment(root, f"{stem}-{number:02d}")
        except UsageError:
            continue
    message = f"{store.experiments_folder(root)}: no folder can be made for the experiment"
    raise UsageError(message)


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _commit(root: Path) -> str | None:
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=10, check=False)  # noqa: S607, the user's own git
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def command_line(repeat: int, selecting: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the selection as JSON, so that --resume selects the same."""
    return (json.dumps({**selecting, "repeat": repeat}, sort_keys=True),)


def check_resumable(plan: Plan, head: Experiment, identifier: str) -> None:
    """Refuse to go on with an experiment of something else than what would be run now."""
    for before, after in itertools.zip_longest(head.suites, plan.provenance()):
        if before == after:
            continue
        if before is None or after is None:
            what = "the selected suites"
        else:
            what = ", ".join(name for name in type(before).model_fields if getattr(before, name) != getattr(after, name))
        message = f"experiment {identifier!r} cannot be resumed: {what} changed since it was started; run anew"
        raise UsageError(message)
    if head.repeat != plan.selection.repeat:
        message = f"experiment {identifier!r} cannot be resumed: it was started with --repeat {head.repeat}"
        raise UsageError(message)


def execute(plan: Plan, folder: ExperimentFolder, *, jobs: int, progress: Progress, bounds: Bounds) -> str:
    """Run what the folder lacks, append each trial as it ends, and put them in dataset order at the end.

    Within bounds, trials are kept in dataset order up to the first that would go over; return why it stopped there, if it did.
    """
    tasks = tasks_of(plan)
    stopped = ""
    with folder.appending(), contextlib.ExitStack() as running:
        missing = [index for index, task in enumerate(tasks) if task.key not in folder.done]
        finished = len(tasks) - len(missing)
        done = running.enter_context(contextlib.closing(lines(plan, tasks, missing, jobs)))
        if bounds.set:
            bounds.count(folder.trials())
        for index, line in in_order(done, missing) if bounds.set else done:
            stopped = _over(bounds, tasks[index], line)
            if stopped:
                break
            folder.append(tasks[index].key, line)
            finished += 1
            progress(finished, len(tasks))
    folder.put_in_order(plan.keys())
    return stopped


def _over(bounds: Bounds, task: Task, line: str) -> str:
    """Say where and why a run stops before a trial; nothing where it goes on."""
    reason = bounds.over(read_trial(line, path="worker", number=1)) if bounds.set else ""
    return f"stopped by the budget before {task.bench.name} {task.case.id!r}: {reason}" if reason else ""


def lines(plan: Plan, tasks: list[Task], missing: list[int], jobs: int) -> Generator[tuple[int, str], None, None]:
    """Run the tasks of these indices and yield (index, trial as JSON) as they end."""
    if jobs > 1 and len(missing) > 1 and can_fork() and not any(bench.suite.serves_one for bench in plan.benches):
        yield from spread(missing, lambda: _working(plan, tasks), jobs, lambda death: _dead(tasks[death.task], death).to_json())
        return
    with _working(plan, tasks) as work:
        for index in missing:
            yield index, work(index)


@contextlib.contextmanager
def _working(plan: Plan, tasks: list[Task]) -> Iterator[Work]:
    """Yield what runs the task of an index."""
    runner = TrialRunner(plan.project.root, plan.project.config.prices, plan.selection.clock)
    try:
        yield lambda index: run_task(tasks[index], runner).to_json()
    finally:
        runner.close()


def run_task(task: Task, runner: TrialRunner) -> Trial:
    """Replay one trial over the cassette of its case, and rehearse it where its checks ask for that."""
    exchanges = runner.exchanges(task.bench.tapes, task.case.id)
    trial = runner.run(task.bench, task.case, task.repeat, exchanges)
    return rehearsed(runner, task.bench, task.case, trial, exchanges)


def _dead(task: Task, death: WorkerDied) -> Trial:
    suite, variant, case, repeat = task.key
    trace = Trace(ends="error", crash=Crash(type="WorkerDied", message=str(death)))
    return Trial(suite=suite, variant=variant, case=case, repeat=repeat, outcome="error", trace=trace)


def finish(
    folder: ExperimentFolder, root: Path, *, now: dt.datetime, stopped: str = "", forgiving: bool = False
) -> tuple[Experiment, tuple[Summary, ...]]:
    """Judge the experiment against its baselines and mark it done, or stopped, with what it did: exchanges played, sockets opened."""
    head = folder.head().model_copy(update={"status": "stopped" if stopped else "done", "stopped": stopped})
    counts: Counter[str] = Counter()
    names = tuple(suite.name for suite in head.suites)
    keeping = store.Keeping(names)
    trials = _counted(folder.trials(), counts, keeping)
    today = now.date()
    summaries = judge_experiment(head, trials, baselines=store.read_baselines(root, names), forgiving=forgiving, today=today)
    done = {
        "finished_at": now.isoformat(timespec="seconds"),
        "exchanges_played": counts["played"],
        "sockets_opened": counts["sockets"],
        "verdict": overall_verdict(summary.verdict for summary in summaries),
    }
    head = head.model_copy(update=done)
    folder.write_head(head)
    keeping.keep(folder.path, [(summary.provenance, summary.tally) for summary in summaries])
    return head, summaries


def _counted(trials: Iterator[Trial], counts: Counter[str], keeping: store.Keeping) -> Iterator[Trial]:
    for trial in trials:
        counts.update(played=trial.played, sockets=trial.sockets)
        yield trial
        keeping.add(trial)
