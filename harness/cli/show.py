"""`harness show`: an experiment, or one case of it as a transcript, played at its pace, or by its states."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli.experiments import judged, stored
from harness.cli.group import main
from harness.cli.history import show_states, trials_of
from harness.cli.numbers import Number
from harness.cli.output import screen
from harness.cli.play import play
from harness.cli.project import CONFIG_HERE, find_root
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.cassette.exchange import Exchange
    from harness.experiment import Trial


class _Wanted(NamedTuple):
    """What is to be shown of a case, and how."""

    case: str
    suite: str | None
    variant: str | None
    whole: bool
    speed: float | None


@main.command()
@CONFIG_HERE
@click.argument("experiment", default="latest")
@click.argument("case", required=False)
@click.option("--states", is_flag=True, help="Run CASE again on its cassette, and show what each superstep changed in the state.")
@click.option("--play", "playing", is_flag=True, help="Play CASE step by step at its recorded pace.")
@click.option("--speed", type=Number(min=0, min_open=True), metavar="X", help="With --play, X times as fast.")
@click.option("--whole", is_flag=True, help="Show whole texts; with --states, whole states.")
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
    playing: bool,
    speed: float | None,
    whole: bool,
    suite: str | None,
    variant: str | None,
    as_json: bool,
) -> int:
    """Show an experiment, what happened in one case of it, or the states that the case goes through."""
    config = config_here or config_path
    _refuse_what_excludes(states=states, playing=playing, speed=speed, as_json=as_json)
    if case is None:
        if states or playing or whole or suite or variant:
            message = "--states, --play, --whole, --suite and --variant want a CASE after the experiment"
            raise UsageError(message)
        return _show_experiment(config, experiment)
    if states:
        return show_states(config, experiment, case, suite, variant, whole=whole, as_json=as_json)
    return _show_case(config, experiment, _Wanted(case, suite, variant, whole, (speed or 1.0) if playing else None))


def _refuse_what_excludes(*, states: bool, playing: bool, speed: float | None, as_json: bool) -> None:
    message = ""
    if as_json and not states:
        message = "--json is for --states"
    if states and playing:
        message = "--states and --play exclude each other"
    if speed is not None and not playing:
        message = "--speed is for --play"
    if message:
        raise UsageError(message)


def _show_experiment(config: Path | None, experiment: str) -> int:
    from harness.report import terminal

    folder, head = stored(config, experiment)
    click.echo(terminal.show_experiment(head, judged(config, folder, head), **screen()), nl=False)
    return int(ExitCode.PASS)


def _show_case(config: Path | None, experiment: str, wanted: _Wanted) -> int:
    from harness.report.trial import show_trial

    folder, trials = trials_of(config, experiment, wanted.case, suite=wanted.suite, variant=wanted.variant)
    for number, trial in enumerate(trials):
        if number:
            click.echo()
        exchanges = _played(find_root(config), experiment, trial)
        if wanted.speed is None:
            shown = show_trial(trial, exchanges, experiment=folder.path.name, whole=wanted.whole, **screen())
            click.echo(shown, nl=False)
        else:
            play(trial, exchanges, speed=wanted.speed, whole=wanted.whole)
    return int(ExitCode.PASS)


def _played(root: Path, experiment: str, trial: "Trial") -> "tuple[Exchange, ...]":
    """Return the exchanges that a trial was played from; none, with a note, where the cassettes have changed since."""
    from harness import store

    folder = store.open_experiment(root, experiment)
    exchanges, why = store.Played(root, folder.head(), folder.cases()).exchanges(trial)
    if why and trial.trace.calls:
        click.echo(f"harness: {why}", err=True)
    return exchanges
