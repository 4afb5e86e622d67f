"""`harness fork`, and the states of `harness show`."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.output import screen
from harness.cli.project import CONFIG_HERE, find_root, open_project
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.experiment import Trial
    from harness.history import Fork, History
    from harness.runner.history import Scene
    from harness.store import ExperimentFolder


@main.command()
@CONFIG_HERE
@click.argument("experiment")
@click.argument("case")
@click.option("--at", type=click.IntRange(min=0), required=True, metavar="STEP", help="The superstep to go on from; 0 is the input.")
@click.option("--set", "assignments", multiple=True, required=True, metavar="KEY=VALUE", help="A place of the state, and JSON or text.")
@click.option("--suite", metavar="SUITE", help="The suite of CASE, where several have one.")
@click.option("--variant", metavar="V", help="The variant, where CASE ran under several.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def fork(
    config_path: Path | None,
    /,
    *,
    config_here: Path | None,
    experiment: str,
    case: str,
    at: int,
    assignments: tuple[str, ...],
    suite: str | None,
    variant: str | None,
    as_json: bool,
) -> int:
    """Run a case to a superstep, change its state there, and let it go on from there, on the cassette."""
    from harness.history import Assignment
    from harness.report import history as report
    from harness.runner.history import fork_of

    parsed = tuple(Assignment.parse(text) for text in assignments)
    with _scene(config_here or config_path, experiment, case, suite, variant) as scene:
        forked = fork_of(scene, at, parsed)
    code = _exit_code(forked)
    click.echo(_json(forked, exit_code=int(code)) if as_json else report.show_fork(forked, **screen()), nl=False)
    return int(code)


def _exit_code(forked: "Fork") -> ExitCode:
    if forked.misses:
        return ExitCode.STALE
    return ExitCode.CRASHED if forked.ends == "error" else ExitCode.PASS


def show_states(
    config_path: Path | None, experiment: str, case: str, suite: str | None, variant: str | None, *, whole: bool, as_json: bool
) -> int:
    """Print the states that a case goes through."""
    from harness.report import history as report
    from harness.runner.history import history_of

    with _scene(config_path, experiment, case, suite, variant) as scene:
        history = history_of(scene)
    click.echo(_json(history) if as_json else report.show_states(history, whole=whole, **screen()), nl=False)
    return int(ExitCode.PASS)


def _json(value: "Fork | History", **more: int) -> str:
    from harness.schema import canonical_json

    return f"{canonical_json({**value.model_dump(mode='json'), **more})}\n"


@contextlib.contextmanager
def _scene(config_path: Path | None, experiment: str, case: str, suite: str | None, variant: str | None) -> "Iterator[Scene]":
    """Prepare the run of a stored case, sealed off from the network until the block ends."""
    from harness.runner.history import scene_of
    from harness.runner.run import sealed_without_keys

    folder, trials = trials_of(config_path, experiment, case, suite=suite, variant=variant)
    places = list(dict.fromkeys(f"{trial.suite}@{trial.variant}" for trial in trials))
    if len(places) > 1:
        message = f"case {case!r} was run in {', '.join(places)}; say which with --suite and --variant"
        raise UsageError(message)
    first = trials[0]
    cases = [trial.case for trial in folder.trials_in(first.suite, first.variant)]
    with contextlib.redirect_stdout(sys.stderr), sealed_without_keys():
        yield scene_of(open_project(config_path), folder.head(), first, cases)


def trials_of(
    config_path: Path | None, experiment: str, case: str, *, suite: str | None, variant: str | None
) -> "tuple[ExperimentFolder, list[Trial]]":
    """Return an experiment and the trials of a case in it, of one suite or variant if that is named."""
    from harness import store
    from harness.schema import nearest

    folder = store.open_experiment(find_root(config_path), experiment)
    known = {name for _, _, name in folder.cases()}
    if case not in known:
        message = f"experiment {folder.path.name!r} has no case {case!r}{nearest(case, known)}"
        raise UsageError(message)
    found = list(folder.trials_of(frozenset({case})))
    chosen = [trial for trial in found if suite in {None, trial.suite} and variant in {None, trial.variant}]
    if not chosen:
        places = ", ".join(dict.fromkeys(f"{trial.suite}@{trial.variant}" for trial in found))
        message = f"case {case!r} was not run there; it was run in {places}"
        raise UsageError(message)
    return folder, chosen
