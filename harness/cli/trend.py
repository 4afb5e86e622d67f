"""`harness history`: how the metrics of a suite went over its experiments."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.output import screen
from harness.cli.project import CONFIG_HERE, find_root
from harness.errors import ExitCode, ExperimentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.experiment import Experiment
    from harness.store import ExperimentFolder

    Row = tuple[Experiment, Mapping[str, float | None]]


@main.command()
@CONFIG_HERE
@click.argument("suite")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="A metric to show; may be given several times.")
@click.option("--limit", type=click.IntRange(min=1), default=20, metavar="N", help="The newest N experiments; 20 by default.")
@click.pass_obj
def history(config_path: Path | None, /, *, config_here: Path | None, suite: str, metrics: tuple[str, ...], limit: int) -> int:
    """Show how the metrics of a suite (SUITE or SUITE@VARIANT) went over its experiments."""
    from harness import store
    from harness.report import trend

    name = suite.removesuffix("@default")
    heads = _finished(store.stored_experiments(find_root(config_here or config_path)))
    having = [(folder, head) for folder, head in heads if any(each.name == name for each in head.suites)]
    if not having:
        _refuse(suite, {each.name for _, head in heads for each in head.suites})
    rows = [row for folder, head in having[-limit:] for row in _row(folder, head, name)]
    _check(metrics, rows, suite)
    click.echo(trend.show(rows, metrics, **screen()), nl=False)
    if len(having) > limit:
        click.echo(f"the newest {limit} of {len(having)} experiments; --limit shows more")
    return int(ExitCode.PASS)


def _finished(folders: "Sequence[ExperimentFolder]") -> "list[tuple[ExperimentFolder, Experiment]]":
    """Return the experiments that ran to their end; say which are passed over, and why."""
    heads = []
    for folder in folders:
        try:
            head = folder.head()
        except ExperimentError as error:
            _pass_over(folder, str(error))
            continue
        if head.status == "done":
            heads.append((folder, head))
        else:
            _pass_over(folder, "it is not finished" if head.status == "running" else f"it was stopped: {head.stopped}")
    return heads


def _row(folder: "ExperimentFolder", head: "Experiment", name: str) -> "list[Row]":
    try:
        return [(head, folder.metrics()[name])]
    except ExperimentError as error:
        _pass_over(folder, str(error))
        return []


def _pass_over(folder: "ExperimentFolder", why: str) -> None:
    click.echo(f"harness: experiment {folder.path.name} is passed over: {why}", err=True)


def _refuse(suite: str, known: set[str]) -> None:
    from harness.schema import nearest

    message = f"no finished experiment has a suite {suite!r}{nearest(suite, known) or '; `harness run` makes one'}"
    raise UsageError(message)


def _check(metrics: "Sequence[str]", rows: "Sequence[Row]", suite: str) -> None:
    """Refuse a metric that none of the experiments has."""
    from harness.schema import nearest

    known = {name for _, found in rows for name in found}
    for metric in metrics:
        if metric not in known:
            message = f"no experiment of {suite!r} has a metric {metric!r}{nearest(metric, known)}"
            raise UsageError(message)
