"""Variants of a suite, run for a command that needs what they come to."""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.cli.output import now, write_report
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.config import Project
    from harness.store import ExperimentFolder


def run_variants(project: "Project", names: Sequence[str]) -> "ExperimentFolder":
    """Replay variants of one suite (`suite`, `suite@variant`) into a new experiment."""
    from harness.report.progress import Progress
    from harness.runner import run as runner
    from harness.runner.plan import Selection, prepare

    suites = list(dict.fromkeys(name.partition("@")[0] for name in names))
    if len(suites) > 1:
        message = f"{' and '.join(suites)} are two suites; compare variants of one, or two experiments"
        raise UsageError(message)
    variants = tuple(name.partition("@")[2] or "default" for name in names)
    selecting = {"suites": suites, "variants": list(variants), "expression": "", "tags": [], "limit": None, "failing": None}
    with contextlib.redirect_stdout(sys.stderr), runner.sealed_without_keys():
        plan = prepare(project, Selection(suites=tuple(suites), variants=variants))
        folder = runner.begin(plan, now=now(), command=runner.command_line(1, selecting))
        progress = Progress(sys.stderr, renew=sys.stderr.isatty() and not os.environ.get("CI"))
        runner.execute(plan, folder, jobs=1, progress=progress)
        progress.close()
    head, summaries = runner.finish(folder, project.root, now=now())
    for name in ("summary.md", "junit.xml"):
        write_report(folder.path / name, folder, head, summaries)
    return folder
