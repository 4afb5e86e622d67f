"""`harness record`."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.group import main
from harness.cli.numbers import Number
from harness.cli.output import refuse_in_ci, steady_clock
from harness.cli.project import make_plan, open_project, selecting_cases, suites_that
from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.config import Project, Suite
    from harness.report.recording import Recorded


@main.command()
@selecting_cases
@click.option("--all", "everything", is_flag=True, help="Record anew what is recorded already.")
@click.option("--repeat", type=click.IntRange(1, 1000), metavar="N", help="Draws of each case; as many as there are by default.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked live, why, and what it would cost; ask and write nothing.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Cases recorded at once.")
@click.option("--rate", type=Number(min=0, min_open=True), metavar="N", help="At most N requests a minute.")
@click.option("--attempts", type=click.IntRange(min=1), default=6, metavar="N", help="Attempts of a request that a busy server turns down.")
@click.option("--max-cost", type=Number(min=0), metavar="USD", help="Stop before a call that may go over so many dollars.")
@click.option("--keep-errors", is_flag=True, help="Also keep answers that say that the key is wrong or the server busy or broken.")
@click.option("--force", is_flag=True, help="Record although the variable CI is set.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, on standard output.")
@click.pass_obj
def record(config_path: Path | None, /, *, config_here: Path | None, dry_run: bool, force: bool, as_json: bool, **options: Any) -> int:
    """Fetch what the cassettes lack from the real servers."""
    project = open_project(config_here or config_path)
    options["suites"] = suites_that(project, options["suites"], problem=_problem)
    how = {name: options.pop(name) for name in ("everything", "repeat", "jobs", "rate", "attempts", "max_cost", "keep_errors")}
    if dry_run:
        return _foresee(project, options, how, as_json=as_json)
    if not force:
        refuse_in_ci("; record at your desk, or use --force")
    return _record(project, options, how, as_json=as_json)


def _problem(name: str, suite: "Suite") -> str:
    """Say why a suite cannot be recorded by running it here; nothing where it can."""
    if suite.cassettes:
        return f"it replays the cassettes of {suite.cassettes!r}; record that suite"
    return f"an agent in another process is recorded with `harness serve --record {name}`" if suite.is_deployed else ""


def _foresee(project: "Project", selecting: dict[str, Any], how: dict[str, Any], *, as_json: bool) -> int:
    from harness.report.recording import foreseen_document, foreseen_text
    from harness.runner.foresee import foresee
    from harness.runner.run import sealed_without_keys

    with contextlib.redirect_stdout(sys.stderr), sealed_without_keys():
        plan = make_plan(project, 1, selecting)
        for name in dict.fromkeys(bench.name for bench in plan.benches):
            others = set(project.suite(name).variants) - {bench.variant for bench in plan.benches if bench.name == name}
            if others:
                click.echo(f"harness: suite {name!r}: not looked at, as not selected: variant {', '.join(sorted(others))}", err=True)
        foreseen = list(foresee(plan, everything=how["everything"], repeat=how["repeat"]))
    click.echo(foreseen_document(foreseen) if as_json else foreseen_text(foreseen), nl=False)
    return int(ExitCode.PASS)


def _record(project: "Project", selecting: dict[str, Any], how: dict[str, Any], *, as_json: bool) -> int:
    from harness.report import recording as report
    from harness.runner.record import Terms
    from harness.runner.record import record as recording
    from harness.runner.run import sealed
    from harness.wire.budget import Budget
    from harness.wire.pace import Pace
    from harness.wire.transport import paced

    now = steady_clock()
    every: dict[int, Recorded] = {}
    budget = Budget(project.config.prices, how["max_cost"])
    terms = Terms(
        how["everything"], how["keep_errors"], how["jobs"], budget, now=lambda: now().isoformat(timespec="seconds"), repeat=how["repeat"]
    )
    with contextlib.redirect_stdout(sys.stderr), sealed(), paced(Pace(how["attempts"], per_minute=how["rate"])):
        for index, recorded in recording(make_plan(project, 1, selecting), terms):
            every[index] = recorded
            for line in report.recorded_lines(recorded):
                click.echo(line, err=True)
    ordered = [every[index] for index in sorted(every)]
    code = _exit_code(ordered)
    text = report.recorded_document(ordered, code) if as_json else f"{report.recorded_total(ordered, max_cost_usd=how['max_cost'])}\n"
    click.echo(text, nl=False)
    return code


def _exit_code(every: "list[Recorded]") -> int:
    if any(recorded.problems for recorded in every):
        return int(ExitCode.CRASHED)
    stopped = any(recorded.over_budget or recorded.left_out for recorded in every)
    return int(ExitCode.BUDGET if stopped else ExitCode.PASS)
