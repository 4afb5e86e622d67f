"""What commands print and write: verdicts, reports, the time they do it."""

import datetime as dt
import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.compare import Comparison
    from harness.experiment import Experiment
    from harness.gate import Summary
    from harness.store import ExperimentFolder

_KNOWN = (".html", ".md", ".xml", ".csv", ".json", ".parquet")
_STEP_SUMMARY = 2**20  # bytes that GitHub takes of one step


def now() -> dt.datetime:
    """Return the time, in UTC."""
    return dt.datetime.now(dt.UTC)


def steady_clock() -> Callable[[], dt.datetime]:
    """Return a clock that goes on where the code under test has its own frozen."""
    started, at = now(), time.monotonic()
    return lambda: started + dt.timedelta(seconds=time.monotonic() - at)


def refuse_in_ci(remedy: str = "; record at your desk") -> None:
    """Raise UsageError where the variable CI is set: nothing asks real servers there unasked."""
    if os.environ.get("CI"):
        message = f"recording asks real servers and is refused where the variable CI is set{remedy}"
        raise UsageError(message)


def show_verdict(folder: "ExperimentFolder", head: "Experiment", summaries: "Sequence[Summary]", *, as_json: bool) -> int:
    """Print the verdict and return the exit code that it means."""
    from harness.gate import overall
    from harness.report import document, terminal
    from harness.tally import counted

    if as_json:
        click.echo(document.render(head.id, summaries), nl=False)
    else:
        click.echo(terminal.verdicts(summaries, experiment=head.id, **screen()), nl=False)
        played, opened = counted(head.exchanges_played, "exchange"), counted(head.sockets_opened, "socket")
        click.echo(f"{played} played, {opened} opened; experiment in {shown(folder.path)}")
    return int(overall(summary.verdict for summary in summaries))


def screen() -> dict[str, Any]:
    """Return the width of the terminal and whether it takes colour."""
    is_terminal = sys.stdout.isatty()
    return {"width": shutil.get_terminal_size().columns if is_terminal else 100, "colour": is_terminal and not os.environ.get("NO_COLOR")}


def write_report(
    path: Path, folder: "ExperimentFolder", head: "Experiment", summaries: "Sequence[Summary]", *, config_path: Path | None = None
) -> None:
    """Write a report in the format that the suffix of `path` asks for.

    The file that GITHUB_STEP_SUMMARY names is added to, as other steps of the job may.
    """
    from harness import store
    from harness.cli.evidence import evidence_of, links
    from harness.report import document, frame, html, junit, markdown, table

    def summary() -> str:
        return markdown.markdown(head.id, summaries, _against_baselines(folder, config_path), links(folder))

    renderers: dict[str, Callable[[], str | bytes]] = {
        ".html": lambda: html.html(evidence_of(folder, head, summaries, config_path)),
        ".md": summary,
        ".xml": lambda: junit.junit(head.id, summaries, folder.trials()),
        ".csv": lambda: table.table(folder.trials()),
        ".json": lambda: document.render(head.id, summaries),
        ".parquet": lambda: frame.parquet(folder.trials()),
    }
    if _is_step_summary(path):
        if not store.append_text(path, summary(), limit=_STEP_SUMMARY):
            click.echo("harness: the summary of this step is full; nothing was added to it", err=True)
        return
    written = renderers[path.suffix]()
    store.write_bytes(path, written if isinstance(written, bytes) else written.encode())


def _against_baselines(folder: "ExperimentFolder", config_path: Path | None) -> "dict[str, Comparison]":
    """Compare each suite that has a baseline with it."""
    from harness import store
    from harness.cli.project import find_root
    from harness.compare import compare

    baselines = store.read_baselines(find_root(config_path), tuple(suite.name for suite in folder.head().suites))
    now = folder.standings() if baselines else {}
    return {name: compare(baseline.standings, now[name]) for name, baseline in baselines.items()}


def _is_step_summary(path: Path) -> bool:
    return str(path) == os.environ.get("GITHUB_STEP_SUMMARY")


_PAGE_TRIALS = 20_000  # reports of more are written when asked for: they take long, and memory for each trial
_BESIDE = ("summary.md", "junit.xml", "report.json")


def write_beside(folder: "ExperimentFolder", head: "Experiment", summaries: "Sequence[Summary]", config_path: Path | None) -> None:
    """Write the reports that an experiment's folder always holds; the HTML report where it is not too large."""
    small = sum(summary.tally.trials for summary in summaries) <= _PAGE_TRIALS
    for name in (*_BESIDE, *(("report.html",) if small else ())):
        write_report(folder.path / name, folder, head, summaries, config_path=config_path)


def shown(path: Path) -> str:
    """Return a path as the user would type it from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def check_outputs(outputs: Sequence[Path]) -> None:
    """Refuse files that no report can be written to, before anything runs."""
    for path in outputs:
        if path.suffix not in _KNOWN and not _is_step_summary(path):
            message = f"-o {path}: a report is a {', '.join(_KNOWN[:-1])} or {_KNOWN[-1]} file (.xml is JUnit)"
            raise UsageError(message)
        if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
            message = f"-o {path}: Parquet needs pyarrow; install `langgraph-harness[analytics]`, or write a .csv"
            raise UsageError(message)
