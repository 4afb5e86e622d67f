"""`harness sweep`."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.group import main
from harness.cli.numbers import Number
from harness.cli.output import refuse_in_ci, screen, steady_clock
from harness.cli.project import make_plan, open_project, selecting_cases, suites_that
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.config import Project, Suite
    from harness.runner.continuation import Continuations
    from harness.runner.plan import Plan
    from harness.sweep import Sweep


@main.command()
@selecting_cases
@click.option("--record", "recording", is_flag=True, help="Ask the real servers for what the agent goes on to ask, and keep it.")
@click.option("--max-cost", type=Number(min=0), metavar="USD", help="With --record: stop before a call that may go over so many dollars.")
@click.option("--explain", is_flag=True, help="Say of every cell why it is as it is.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, on standard output.")
@click.pass_obj
def sweep(
    config_path: Path | None,
    /,
    *,
    config_here: Path | None,
    recording: bool,
    max_cost: float | None,
    explain: bool,
    jobs: int,
    as_json: bool,
    **selecting: Any,
) -> int:
    """Make every call of every case fail in every way, and show what the agent makes of it."""
    from harness import store
    from harness.schema import canonical_json

    if max_cost is not None and not recording:
        message = "--max-cost is for --record; without it nothing is asked live"
        raise UsageError(message)
    if recording:
        refuse_in_ci()
    project = open_project(config_here or config_path)
    selecting["suites"] = suites_that(project, selecting["suites"], problem=_problem)
    plan, sweeps, fetch = _swept(project, selecting, jobs=jobs, recording=recording, max_cost=max_cost)
    for swept in sweeps:
        before = store.read_sweep(project.root, swept.suite, swept.variant)
        if not plan.selection.narrows:
            store.write_sweep(project.root, swept)
        if not as_json:
            _show(swept, before, explain=explain)
    if as_json:
        click.echo(canonical_json([swept.model_dump(mode="json") for swept in sweeps]))
    if fetch is not None and any(one.over_budget or one.left_out for one in fetch.recorded):
        return int(ExitCode.BUDGET)
    return int(max(map(_exit_code, sweeps), key=_SEVERITY.index))


def _problem(_name: str, suite: "Suite") -> str:
    """Say why a suite cannot be swept; nothing where it can."""
    return "an agent in another process waits for real, so it is not swept; sweep its graph" if suite.is_deployed else ""


def _swept(
    project: "Project", selecting: dict[str, Any], *, jobs: int, recording: bool, max_cost: float | None
) -> "tuple[Plan, list[Sweep], Continuations | None]":
    from harness.report.progress import Progress
    from harness.runner.sweep import sweep as sweeping

    sweeps: list[Sweep] = []
    with contextlib.redirect_stdout(sys.stderr), _sealed(recording=recording):
        plan = make_plan(project, 1, selecting)
        fetch = _continuations(plan, max_cost) if recording else None
        for bench in plan.benches:
            progress = Progress(sys.stderr, renew=sys.stderr.isatty() and not os.environ.get("CI"))
            sweeps.append(sweeping(plan, bench, jobs=jobs, progress=progress, fetch=fetch))
            progress.close()
        if fetch is not None:
            _tell(fetch, max_cost)
    return plan, sweeps, fetch


@contextlib.contextmanager
def _sealed(*, recording: bool) -> Any:
    """Seal the process, in virtual time; to record, with the keys that there are and at the pace that servers like."""
    from harness.clock import patched
    from harness.runner.run import sealed, sealed_without_keys
    from harness.wire.pace import Pace
    from harness.wire.transport import paced

    with contextlib.ExitStack() as stack:
        stack.enter_context(patched())
        stack.enter_context(sealed() if recording else sealed_without_keys())
        if recording:
            stack.enter_context(paced(Pace()))
        yield


def _continuations(plan: "Plan", max_cost: float | None) -> "Continuations":
    from harness.runner.continuation import Continuations
    from harness.wire.budget import Budget

    now = steady_clock()
    return Continuations(plan, Budget(plan.project.config.prices, max_cost), lambda: now().isoformat(timespec="seconds"))


def _tell(fetch: "Continuations", max_cost: float | None) -> None:
    """Say on standard error what was recorded."""
    from harness.report.recording import recorded_lines, recorded_total

    for recorded in fetch.recorded:
        for line in recorded_lines(recorded):
            click.echo(line, err=True)
    click.echo(recorded_total(fetch.recorded, max_cost_usd=max_cost), err=True)


def _show(swept: "Sweep", before: "Sweep | None", *, explain: bool) -> None:
    from harness.report.sweep import explained, heat_map
    from harness.sweep import changes

    click.echo(heat_map(swept, None if before is None else changes(swept, before), **screen()), nl=False)
    if explain:
        click.echo(explained(swept, **screen()), nl=False)


_SEVERITY = (ExitCode.PASS, ExitCode.INCONCLUSIVE, ExitCode.NOTHING_RAN, ExitCode.GATE_FAILED, ExitCode.STALE, ExitCode.CRASHED)


def _exit_code(swept: "Sweep") -> ExitCode:
    """Return 1 where an invariant broke, 4 or 3 where cases do not run without a fault either, 6 where cells are not known."""
    if any(reason.startswith("error") for reason in swept.skipped.values()):
        return ExitCode.CRASHED
    if swept.skipped:
        return ExitCode.STALE
    if swept.broken:
        return ExitCode.GATE_FAILED
    if not swept.cells:
        return ExitCode.NOTHING_RAN
    return ExitCode.INCONCLUSIVE if swept.counts()["unrecorded"] else ExitCode.PASS
