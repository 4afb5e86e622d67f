"""`harness sweep`."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.group import main
from harness.cli.output import screen
from harness.cli.project import make_plan, open_project, selecting_cases
from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.sweep import Sweep


@main.command()
@selecting_cases
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, on standard output.")
@click.pass_obj
def sweep(config_path: Path | None, /, *, config_here: Path | None, jobs: int, as_json: bool, **selecting: Any) -> int:
    """Make every call of every case fail in every way, and show what the agent makes of it."""
    from harness import store
    from harness.clock import patched
    from harness.report.progress import Progress
    from harness.runner.run import sealed_without_keys
    from harness.runner.sweep import sweep as sweeping
    from harness.schema import canonical_json

    project = open_project(config_here or config_path)
    sweeps: list[Sweep] = []
    with contextlib.redirect_stdout(sys.stderr), patched(), sealed_without_keys():
        plan = make_plan(project, 1, selecting)
        for bench in plan.benches:
            progress = Progress(sys.stderr, renew=sys.stderr.isatty() and not os.environ.get("CI"))
            sweeps.append(sweeping(plan, bench, jobs=jobs, progress=progress))
            progress.close()
    for swept in sweeps:
        before = store.read_sweep(project.root, swept.suite, swept.variant)
        if not plan.selection.narrows:
            store.write_sweep(project.root, swept)
        if not as_json:
            _show(swept, before)
    if as_json:
        click.echo(canonical_json([swept.model_dump(mode="json") for swept in sweeps]))
    return int(max(map(_exit_code, sweeps), key=_SEVERITY.index))


def _show(swept: "Sweep", before: "Sweep | None") -> None:
    from harness.report.sweep import heat_map
    from harness.sweep import changes

    click.echo(heat_map(swept, None if before is None else changes(swept, before), **screen()), nl=False)


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
