"""`harness record`."""

from pathlib import Path
from typing import Any

import click

from harness.cli.group import main
from harness.cli.output import steady_clock
from harness.cli.project import make_plan, open_project, selecting_cases
from harness.errors import ExitCode


@main.command()
@selecting_cases
@click.option("--all", "everything", is_flag=True, help="Record anew what is recorded already.")
@click.pass_obj
def record(config_path: Path | None, /, *, config_here: Path | None, everything: bool, **selecting: Any) -> int:
    """Fetch what the cassettes lack from the real servers."""
    from harness.runner.record import record as recording
    from harness.runner.run import sealed

    project = open_project(config_here or config_path)
    added = problems = 0
    now = steady_clock()
    with sealed():
        plan = make_plan(project, 1, selecting)
        for recorded in recording(plan, everything=everything, now=lambda: now().isoformat(timespec="seconds")):
            added += recorded.added
            problems += _tell_recorded(recorded)
    click.echo(f"recorded {added} exchange(s){f'; {problems} trial(s) did not end' if problems else ''}")
    return int(ExitCode.CRASHED if problems else ExitCode.PASS)


def _tell_recorded(recorded: Any) -> int:
    problems = [trial for trial in recorded.trials if trial.outcome in {"error", "stale"}]
    if recorded.added or problems:
        click.echo(f"{recorded.suite}/{recorded.case}: {recorded.added} new, {recorded.before} before", err=True)
    if recorded.old_kept:
        click.echo("  not every request was answered: the cassette stays as it was", err=True)
    for trial in problems:
        click.echo(f"  {trial.outcome}: {trial.reasons[0] if trial.reasons else 'no reason'}", err=True)
    return len(problems)
