"""`harness cassettes …`: the commands on cassette files."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.output import screen, shown
from harness.cli.project import CONFIG_HERE, find_root, open_project, redaction
from harness.errors import CassetteError, ExitCode, UsageError

if TYPE_CHECKING:
    from harness.cassette.change import FileChanges
    from harness.cassette.upkeep import CassetteFile
    from harness.config import Project


@main.group()
def cassettes() -> None:
    """Look after cassette files."""


@cassettes.command()
@click.argument("suites", nargs=-1, metavar="[SUITE]...")
@CONFIG_HERE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def check(config_path: Path | None, /, *, config_here: Path | None, suites: tuple[str, ...], as_json: bool) -> int:
    """Find unused exchanges, copies, orphans and unreadable files; replays every case under every variant."""
    from harness.cassette.upkeep import findings
    from harness.report import cassettes as report

    files = _survey(open_project(config_here or config_path), suites)
    found = findings(files)
    if as_json:
        click.echo(report.check_json(files, found), nl=False)
    else:
        _print(report.check(files, found))
    return int(report.exit_code(found))


def _survey(project: "Project", suites: Sequence[str]) -> "list[CassetteFile]":
    from harness.report.progress import Progress
    from harness.runner.upkeep import survey

    progress = Progress(sys.stderr, renew=sys.stderr.isatty() and not os.environ.get("CI"), noun="cases")
    try:
        return survey(project, suites, progress=progress)
    finally:
        progress.close()


def _print(lines: Iterable[str]) -> None:
    for text in lines:
        click.echo(text)


@cassettes.command()
@click.argument("suites", nargs=-1, metavar="[SUITE]...")
@CONFIG_HERE
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Remove without asking; needed where there is no terminal.")
@click.pass_obj
def prune(config_path: Path | None, /, *, config_here: Path | None, suites: tuple[str, ...], dry_run: bool, yes: bool) -> int:
    """Remove the exchanges that no variant plays, and the files that belong to no case."""
    from harness.cassette.upkeep import prunings
    from harness.report import cassettes as report
    from harness.runner.upkeep import prune as remove

    project = open_project(config_here or config_path)
    plan, left = prunings(_survey(project, suites))
    _print(report.pruning(plan, left))
    exchanges, files = sum(len(item.indices) for item in plan), sum(item.whole for item in plan)
    what = f"{exchanges} exchange(s), {files} whole file(s)"
    if not plan or dry_run:
        click.echo(f"would remove {what}" if plan else "nothing to remove")
        return int(ExitCode.PASS)
    if not yes and not _agreed(what):
        click.echo("nothing was removed")
        return int(ExitCode.PASS)
    failed = 0
    for _, error in remove(project, plan):
        if error is not None:
            failed += 1
            click.echo(f"harness: {error}", err=True)
    click.echo(f"removed {what}" if not failed else f"{failed} file(s) of {len(plan)} stay as they were")
    return int(ExitCode.USAGE if failed else ExitCode.PASS)


def _agreed(what: str) -> bool:
    """Ask the user; UsageError where there is no one to ask."""
    if not sys.stdin.isatty():
        message = "nothing was removed: there is no terminal to ask on; say --yes to remove, or --dry-run to look only"
        raise UsageError(message)
    return click.confirm(f"remove {what}?", err=True)


@cassettes.command()
@click.argument("named", nargs=-1, metavar="[REV] [SUITE]... | OLD NEW")
@CONFIG_HERE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def diff(config_path: Path | None, /, *, config_here: Path | None, named: tuple[str, ...], as_json: bool) -> int:
    """Say what changed since a git revision (HEAD by default), or between two files or folders."""
    from harness.report import cassettes as report

    found, base = _compared(config_here or config_path, named)
    if as_json:
        click.echo(report.diff_json(found, base=base), nl=False)
    else:
        _print(report.diff(found))
    return int(ExitCode.USAGE if any(file.problem for file in found) else ExitCode.PASS)


def _compared(config_path: Path | None, named: tuple[str, ...]) -> "tuple[list[FileChanges], str]":
    from harness.runner import revision

    project = _project_if_any(config_path)
    known = project.config.suites if project else {}
    redactor, _ = redaction(config_path)
    if len(named) == 2 and named[0] not in known and all(Path(name).exists() for name in named):  # noqa: PLR2004, old and new
        old, new = (revision.in_place(Path(name)) for name in named)
        return list(revision.compare(old, new, redactor)), named[0]
    base, suites = ("HEAD", named) if not named or named[0] in known else (named[0], named[1:])
    for suite in suites:
        (project or open_project(config_path)).suite(suite)
    root = find_root(config_path)
    return list(revision.compare(revision.at_revision(root, base, suites), revision.as_it_is(root, suites), redactor)), base


def _project_if_any(config_path: Path | None) -> "Project | None":
    """Return the project, or None where there is none at all: two files can be compared anywhere."""
    from harness import config
    from harness.errors import ConfigError

    try:
        path = config_path or config.find(Path.cwd())
    except ConfigError:
        return None
    return open_project(path)


@cassettes.command()
@click.argument("named", nargs=-1, required=True, metavar="FILE | SUITE CASE")
@CONFIG_HERE
@click.option("--digests", is_flag=True, help="Also show the digest of each part of the key.")
@click.pass_obj
def show(config_path: Path | None, /, *, config_here: Path | None, named: tuple[str, ...], digests: bool) -> int:
    """Show the exchanges of one cassette as a conversation."""
    from harness import store
    from harness.report.transcript import transcript

    path = _named_cassette(config_here or config_path, named)
    redactor, _ = redaction(config_here or config_path)
    exchanges = tuple(map(redactor.exchange, store.read_exchanges(path, shown=shown(path))))
    _print(transcript(exchanges, title=shown(path), width=screen()["width"], digests=digests))
    return int(ExitCode.PASS)


def _named_cassette(config_path: Path | None, named: tuple[str, ...]) -> Path:
    from harness import store

    if len(named) == 1:
        path = Path(named[0])
        if not path.is_file():
            message = f"{named[0]}: there is no such file; name a cassette file, or a suite and a case"
            raise UsageError(message)
        return path
    if len(named) > 2:  # noqa: PLR2004, suite and case
        message = "name one cassette file, or a suite and a case"
        raise UsageError(message)
    project = open_project(config_path)
    suite, case = named
    project.suite(suite)
    found = store.cassette_file(project.root, suite, case)
    if found is None:
        raise CassetteError(_no_cassette(project, suite, case))
    return found


def _no_cassette(project: "Project", suite: str, case: str) -> str:
    from harness import store
    from harness.dataset import parse
    from harness.schema import nearest

    dataset = project.suite(suite).dataset
    ids = [known.id for known in parse(store.read_dataset_text(project.root, dataset), name=suite, path=dataset).cases]
    if case in ids:
        return f"case {case!r} has no cassette: it asks nothing, or nothing was recorded yet; `harness record {suite}` records it"
    near = nearest(case, ids)
    return f"{dataset} has no case {case!r}{near if near.startswith('; did') else ''}"
