"""`harness run`."""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.group import complain, main
from harness.cli.output import check_outputs, now, show_verdict, write_report
from harness.cli.project import FAIL_ON, make_plan, open_project, selecting_cases
from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.config import Project
    from harness.runner.plan import Plan
    from harness.store import ExperimentFolder


@main.command()
@selecting_cases
@click.option("--repeat", type=click.IntRange(min=1), default=None, metavar="N", help="Run each case N times.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Worker processes.")
@click.option("--resume", metavar="EXPERIMENT", help="Go on with an experiment that was interrupted.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a report: .md, .xml (JUnit), .csv or .json.",
)
@FAIL_ON
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, on standard output.")
@click.pass_obj
def run(
    config_path: Path | None,
    /,
    *,
    config_here: Path | None,
    repeat: int | None,
    jobs: int,
    resume: str | None,
    outputs: tuple[Path, ...],
    fail_on: str,
    as_json: bool,
    **selecting: Any,
) -> int:
    """Replay, check, gate."""
    from harness.report.progress import Progress
    from harness.runner import run as runner

    check_outputs(outputs)
    project = open_project(config_here or config_path)

    with contextlib.redirect_stdout(sys.stderr), runner.sealed_without_keys() as tracing_was_on:
        if tracing_was_on:
            click.echo("harness: LangSmith tracing is switched off while trials run", err=True)
        plan, folder = _resumed(project, resume) if resume else _started(project, repeat or 1, selecting)
        for note in plan.notes():
            click.echo(f"harness: {note}", err=True)
        progress = Progress(sys.stderr, renew=sys.stderr.isatty() and not os.environ.get("CI"))
        try:
            runner.execute(plan, folder, jobs=jobs, progress=progress)
        except KeyboardInterrupt:
            progress.close()
            complain(f"interrupted; go on with `harness run --resume {folder.path.name}`", ExitCode.INTERRUPTED)
        progress.close()
    head, summaries = runner.finish(folder, project.root, now=now(), forgiving=fail_on == "fail")
    for path in (folder.path / "summary.md", folder.path / "junit.xml", *outputs):
        write_report(path, folder, head, summaries)
    return show_verdict(folder, head, summaries, as_json=as_json)


def _started(project: "Project", repeat: int, selecting: dict[str, Any]) -> "tuple[Plan, ExperimentFolder]":
    from harness import store
    from harness.runner import run as runner

    if selecting["failing"] is not None:
        selecting = {**selecting, "failing": store.open_experiment(project.root, selecting["failing"]).path.name}
    plan = make_plan(project, repeat, selecting)
    return plan, runner.begin(plan, now=now(), command=runner.command_line(repeat, selecting))


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
