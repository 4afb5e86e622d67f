"""Commands on stored experiments: gate, report, show, list."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.history import show_states, trials_of
from harness.cli.output import check_outputs, screen, show_verdict, write_report
from harness.cli.project import CONFIG_HERE, find_root
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.experiment import Experiment
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
    head = folder.head()
    if head.status == "running":
        message = f"experiment {head.id!r} is not finished; go on with `harness run --resume {head.id}`"
        raise UsageError(message)
    return folder, head


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
@click.option("--states", is_flag=True, help="Run CASE again on its cassette, and show what each superstep changed in the state.")
@click.option("--whole", is_flag=True, help="With --states, show whole states.")
@click.option("--suite", metavar="SUITE", help="The suite of CASE, where several have one.")
@click.option("--variant", metavar="V", help="The variant, where CASE ran under several.")
@click.option("--json", "as_json", is_flag=True, help="With --states, print one JSON document.")
@click.pass_obj
def show(
    config_path: Path | None,
    /,
    *,
    config_here: Path | None,
    experiment: str,
    case: str | None,
    states: bool,
    whole: bool,
    suite: str | None,
    variant: str | None,
    as_json: bool,
) -> int:
    """Show an experiment, what happened in one case of it, or the states that the case goes through."""
    from harness.gate import judge_experiment
    from harness.report import terminal

    if (whole or as_json) and not states:
        message = "--whole and --json are for --states"
        raise UsageError(message)
    if case is None:
        if states or suite or variant:
            message = "--states, --suite and --variant want a CASE after the experiment"
            raise UsageError(message)
        folder, head = _stored(config_here or config_path, experiment)
        click.echo(terminal.show_experiment(head, judge_experiment(head, folder.trials()), **screen()), nl=False)
        return int(ExitCode.PASS)
    if states:
        return show_states(config_here or config_path, experiment, case, suite, variant, whole=whole, as_json=as_json)
    for trial in trials_of(config_here or config_path, experiment, case, suite=suite, variant=variant)[1]:
        click.echo(terminal.show_trial(trial, **screen()), nl=False)
    return int(ExitCode.PASS)


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
