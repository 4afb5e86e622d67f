"""A replay as commands ask for it: planned, run with its progress shown, finished, its reports beside it."""

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from harness.cli.group import complain
from harness.cli.output import now, write_beside
from harness.cli.project import make_plan
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.clock import ClockKind
    from harness.config import Project
    from harness.experiment import Experiment
    from harness.gate import Summary
    from harness.runner.bounds import Bounds
    from harness.runner.plan import Plan
    from harness.store import ExperimentFolder


class Replayed(NamedTuple):
    """A finished experiment and the verdict of each of its suites."""

    folder: "ExperimentFolder"
    head: "Experiment"
    summaries: "tuple[Summary, ...]"


class Asked(NamedTuple):
    """What a replay is asked for: the selection as the options spell it, or the experiment to go on with."""

    selecting: dict[str, Any]
    repeat: int = 1
    jobs: int = 1
    resume: str | None = None
    forgiving: bool = False


def replay(project: "Project", asked: Asked, bounds: "Bounds") -> Replayed:
    """Replay what is selected into a new experiment, or go on with one; every socket to the outside is shut meanwhile."""
    from harness.report.progress import Progress
    from harness.runner import run as runner

    with contextlib.redirect_stdout(sys.stderr), _clock(asked.selecting["clock"]), runner.sealed_without_keys() as tracing_was_on:
        if tracing_was_on:
            click.echo("harness: LangSmith tracing is switched off while trials run", err=True)
        plan, folder = _resumed(project, asked.resume) if asked.resume else _started(project, asked)
        for note in plan.notes():
            click.echo(f"harness: {note}", err=True)
        progress = Progress(sys.stderr, renew=sys.stderr.isatty() and not os.environ.get("CI"))
        try:
            stopped = runner.execute(plan, folder, jobs=asked.jobs, progress=progress, bounds=bounds)
        except KeyboardInterrupt:
            progress.close()
            complain(f"interrupted; go on with `harness run --resume {folder.path.name}`", ExitCode.INTERRUPTED)
        progress.close()
    if stopped:
        click.echo(f"harness: {stopped}; go on with `harness run --resume {folder.path.name}` and a larger budget", err=True)
    head, summaries = runner.finish(folder, project.root, now=now(), stopped=stopped, forgiving=asked.forgiving)
    write_beside(folder, head, summaries, project.path)
    return Replayed(folder, head, summaries)


def of_variants(project: "Project", names: "Sequence[str]") -> Replayed:
    """Replay variants of one suite (`suite`, `suite@variant`) into a new experiment."""
    from harness.runner.bounds import Bounds

    suites = list(dict.fromkeys(name.partition("@")[0] for name in names))
    if len(suites) > 1:
        message = f"{' and '.join(suites)} are two suites; compare variants of one, or two experiments"
        raise UsageError(message)
    variants = [name.partition("@")[2] or "default" for name in names]
    everything: dict[str, Any] = {"expression": "", "tags": [], "limit": None, "failing": None, "faults": [], "clock": "virtual"}
    return replay(project, Asked({"suites": suites, "variants": variants, **everything}), Bounds())


def _clock(kind: "ClockKind") -> "contextlib.AbstractContextManager[None]":
    """Put virtual time in place before the graph is imported, so that its locks and threads live there too."""
    from harness.clock import patched

    return patched() if kind == "virtual" else contextlib.nullcontext()


def _started(project: "Project", asked: Asked) -> "tuple[Plan, ExperimentFolder]":
    from harness import store
    from harness.runner import run as runner
    from harness.runner.blessed import baselines_of

    selecting = asked.selecting
    if selecting["failing"] is not None:
        selecting = {**selecting, "failing": store.open_experiment(project.root, selecting["failing"]).path.name}
    plan = make_plan(project, asked.repeat, selecting)
    baselines_of(plan)  # what is wrong with them is told before the run
    return plan, runner.begin(plan, now=now(), command=runner.command_line(asked.repeat, selecting))


def _resumed(project: "Project", name: str) -> "tuple[Plan, ExperimentFolder]":
    from harness import store
    from harness.runner import run as runner

    folder = store.open_experiment(project.root, name)
    head = folder.head()
    selecting = json.loads(head.command[0])
    repeat = selecting.pop("repeat")
    plan = make_plan(project, repeat, selecting)
    runner.check_resumable(plan, head, name)
    return plan, folder
