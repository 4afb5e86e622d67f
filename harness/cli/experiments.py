"""Commands on stored experiments: gate, bless, report, list."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.output import check_outputs, now, screen, show_verdict, shown, write_report
from harness.cli.project import CONFIG_HERE, FAIL_ON, find_root
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.experiment import Experiment
    from harness.gate import Summary
    from harness.store import ExperimentFolder


@main.command()
@CONFIG_HERE
@click.argument("experiment", default="latest")
@click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE", help="A baseline instead of the committed one.")
@FAIL_ON
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def gate(
    config_path: Path | None, /, *, config_here: Path | None, experiment: str, baseline: Path | None, fail_on: str, as_json: bool
) -> int:
    """Judge a stored experiment; no graph is loaded."""
    config = config_here or config_path
    folder, head = stored(config, experiment)
    return show_verdict(folder, head, judged(config, folder, head, baseline=baseline, fail_on=fail_on), as_json=as_json)


def judged(
    config_path: Path | None, folder: "ExperimentFolder", head: "Experiment", *, baseline: Path | None = None, fail_on: str = "inconclusive"
) -> "tuple[Summary, ...]":
    """Return the verdict of each suite, against its baseline where there is one."""
    from harness import store
    from harness.gate import judge_experiment

    names = tuple(suite.name for suite in head.suites)
    baselines = store.read_baselines(find_root(config_path), names)
    if baseline is not None:
        named = store.read_baseline(baseline)
        if named.standings.name not in names:
            message = f"{baseline}: a baseline of {named.standings.name!r}; experiment {head.id!r} has {', '.join(names)}"
            raise UsageError(message)
        baselines = {**baselines, named.standings.name: named}
    return judge_experiment(head, folder.trials(), baselines=baselines, forgiving=fail_on == "fail", today=now().date())


@main.command()
@CONFIG_HERE
@click.argument("experiment", default="latest")
@click.option("--force", is_flag=True, help="Bless it although its gate has not passed; the baseline says so.")
@click.pass_obj
def bless(config_path: Path | None, /, *, config_here: Path | None, experiment: str, force: bool) -> int:
    """Make an experiment the baseline of its suites: a file for each, to be committed."""
    from harness import store
    from harness.baseline import Baseline

    config = config_here or config_path
    folder, head = stored(config, experiment)
    summaries = judged(config, folder, head)
    _refuse_to_bless(head, summaries, force=force)
    gathered = folder.gathered(now().date())
    for summary in summaries:
        name = summary.provenance.name
        baseline = Baseline.of(head, gathered[name].standings, forced=summary.verdict.verdict != "pass")
        path = store.write_baseline(find_root(config), baseline)
        click.echo(f"{name}: {len(baseline.standings.cases):,} cases of experiment {head.id} are the baseline now; commit {shown(path)}")
    return int(ExitCode.PASS)


def _refuse_to_bless(head: "Experiment", summaries: "Sequence[Summary]", *, force: bool) -> None:
    if head.stopped:
        message = f"experiment {head.id!r} was stopped: {head.stopped}; a baseline needs all cases"
        raise UsageError(message)
    for summary in summaries:
        name, verdict = summary.provenance.name, summary.verdict
        unfit = _unfit(head.id, summary)
        if unfit:
            raise UsageError(unfit)
        if verdict.verdict != "pass" and not force:
            why = f": {verdict.reasons[0]}" if verdict.reasons else ""
            message = f"{name}: the verdict is {verdict.verdict}{why}; --force blesses it all the same, and the baseline says so"
            raise UsageError(message)


def _unfit(experiment: str, summary: "Summary") -> str:
    """Return why a suite cannot be a baseline, not even by force; "" if it can."""
    name = summary.provenance.name
    if summary.provenance.selected:
        return f"experiment {experiment!r} ran selected cases of {name!r} only; a baseline needs all of them, so run the whole suite"
    if summary.provenance.faults:
        added = ", ".join(summary.provenance.faults)
        return f"experiment {experiment!r} ran every case of {name!r} with {added}; a baseline is of the cases as they are"
    measured = summary.tally.passed + summary.tally.failed
    return "" if measured else f"no trial of {name!r} in experiment {experiment!r} passed or failed, so there is nothing to bless"


def stored(config_path: Path | None, name: str) -> "tuple[ExperimentFolder, Experiment]":
    """Return a finished experiment and its head."""
    from harness import store

    folder = store.open_experiment(find_root(config_path), name)
    return folder, finished(folder)


def finished(folder: "ExperimentFolder") -> "Experiment":
    """Return the head of an experiment; UsageError if it was interrupted."""
    head = folder.head()
    if head.status == "running":
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
    help="A file to write: .html, .md, .xml (JUnit), .csv, .json or .parquet; may be given several times.",
)
@click.pass_obj
def report(config_path: Path | None, /, *, config_here: Path | None, experiment: str, outputs: tuple[Path, ...]) -> int:
    """Write reports of a stored experiment."""
    check_outputs(outputs)
    folder, head = stored(config_here or config_path, experiment)
    summaries = judged(config_here or config_path, folder, head)
    for path in outputs:
        write_report(path, folder, head, summaries, config_path=config_here or config_path)
    return int(ExitCode.PASS)


@main.command("list")
@CONFIG_HERE
@click.pass_obj
def list_experiments(config_path: Path | None, /, *, config_here: Path | None) -> int:
    """List the stored experiments."""
    from harness import store
    from harness.report import terminal

    heads = [folder.head() for folder in store.stored_experiments(find_root(config_here or config_path))]
    click.echo(terminal.show_list(heads, **screen()), nl=False)
    return int(ExitCode.PASS)
