"""`harness cassettes scan`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cassettes import cassettes
from harness.cli.output import shown
from harness.cli.project import CONFIG_HERE, redaction
from harness.errors import CassetteError, ExitCode

if TYPE_CHECKING:
    from harness.cassette.redact import Redactor
    from harness.cassette.scan import Finding


@cassettes.command()
@CONFIG_HERE
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.pass_obj
def scan(config_path: Path | None, /, *, config_here: Path | None, paths: tuple[Path, ...]) -> int:
    """Look for secrets in cassette files, in those of the project where none is named."""
    redactor, root = redaction(config_here or config_path)
    findings: list[Finding] = []
    files = unreadable = 0
    for path in _files(paths or (root / "cassettes",)):
        files += 1
        found, problem = _scanned(path, redactor)
        findings += found
        if problem:
            unreadable += 1
            click.echo(f"harness: {problem}", err=True)
    for finding in findings:
        click.echo(finding)
    click.echo(f"{files} file(s) scanned: {len(findings)} finding(s), {unreadable} unreadable", err=True)
    if findings:
        return int(ExitCode.GATE_FAILED)
    return int(ExitCode.USAGE if unreadable else ExitCode.PASS)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    from harness import store

    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file() and store.is_cassette(file.name))
        else:
            yield path


def _scanned(path: Path, redactor: "Redactor") -> "tuple[tuple[Finding, ...], str]":
    """Return what was found in a file, and why it cannot be read whole, if so."""
    from harness import store
    from harness.cassette.scan import scan, scan_text, text_of

    name = shown(path)
    try:
        data = store.read_bytes(path, CassetteError, shown=name)
    except CassetteError as error:
        return (), str(error)
    try:
        return scan(data, name, redactor), ""
    except CassetteError as error:
        return scan_text(text_of(data), name, redactor), str(error)
