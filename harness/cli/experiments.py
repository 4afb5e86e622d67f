"""Commands on stored experiments: gate, report, show, list."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.output import check_outputs, screen, show_verdict, write_report
from harness.cli.project import CONFIG_HERE, find_root
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.experiment import Experiment, Trial
    from harness.store import ExperimentFolder


@main.command()
@CONFIG_HERE
@click.argument("experiment", default="latest")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def gate(config_path: Path | None, /, *, config_here: Path | None, experiment: str, as_json: bool) -> int:
    """Judge a stored experiment; no graph is loaded."""
    from harness.gate import judge_experiment

    folder, head = _stored(config_here or config_path, experiment)
    return show_verdict(folder, head, judge_experiment(head, folder.trials()), as_json=as_json)


def _stored(config_path: Path | None, name: str) -> "tuple[ExperimentFolder, Experiment]":
    from harness import store

    folder = store.open_experiment(find_root(config_path), name)
    return folder, finished(folder)


def finished(folder: "ExperimentFolder") -> "Experiment":
    """Return the head of an experiment; UsageError if it was interrupted."""
    head = folder.head()
    if head.status != "done":
        message = f"experiment {head.id!r} is not finished; go on with `harness run --resume {head.id}`"
        raise UsageError(message)
    return head


@main.command()
@CONFIG_HERE
@click.argument("experiment", default="latest")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file to write: .md, .xml (JUnit), .csv or .json; may be given several times.",
)
@click.pass_obj
def report(config_path: Path | None, /, *, config_here: Path | None, experiment: str, outputs: tuple[Path, ...]) -> int:
    """Write reports of a stored experiment."""
    from harness.gate import judge_experiment

    check_outputs(outputs)
    folder, head = _stored(config_here or config_path, experiment)
    summaries = judge_experiment(head, folder.trials())
    for path in outputs:
        write_report(path, folder, head, summaries)
    return int(ExitCode.PASS)


@main.command()
@CONFIG_HERE
@click.argument("experiment", default="latest")
@click.argument("case", required=False)
@click.pass_obj
def show(config_path: Path | None, /, *, config_here: Path | None, experiment: str, case: str | None) -> int:
    """Show an experiment, or what happened in one case of it."""
    from harness.gate import judge_experiment
    from harness.report import terminal

    if case is None:
        folder, head = _stored(config_here or config_path, experiment)
        click.echo(terminal.show_experiment(head, judge_experiment(head, folder.trials()), **screen()), nl=False)
        return int(ExitCode.PASS)
    for trial in _trials_of(config_here or config_path, experiment, case):
        click.echo(terminal.show_trial(trial, **screen()), nl=False)
    return int(ExitCode.PASS)


def _trials_of(config_path: Path | None, experiment: str, case: str) -> "list[Trial]":
    from harness import store
    from harness.schema import nearest

    folder = store.open_experiment(find_root(config_path), experiment)
    trials = [trial for trial in folder.trials() if trial.case == case]
    if not trials:
        message = f"experiment {folder.path.name!r} has no case {case!r}{nearest(case, {trial.case for trial in folder.trials()})}"
        raise UsageError(message)
    return trials


@main.command("list")
@CONFIG_HERE
@click.pass_obj
def list_experiments(config_path: Path | None, /, *, config_here: Path | None) -> int:
    """List the stored experiments."""
    from harness import store
    from harness.report import terminal

    folder = store.experiments_folder(find_root(config_here or config_path))
    heads = [store.ExperimentFolder(path.parent).head() for path in sorted(folder.glob("*/experiment.json"))]
    click.echo(terminal.show_list(heads, **screen()), nl=False)
    return int(ExitCode.PASS)
