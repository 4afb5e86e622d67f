"""`harness import …`: experiments, and cases, from what was run elsewhere."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.group import main
from harness.cli.numbers import Number
from harness.cli.output import now, show_verdict, write_beside
from harness.cli.project import CONFIG_HERE, redaction
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.experiment import Trial
    from harness.foreign import Key, Plain, Record, Runs, Seen
    from harness.runner.imports import Described

SUITE = click.option("--suite", required=True, metavar="NAME", help="The name of the suite that the experiment is to have.")
PASS_AT = click.option("--pass-at", type=Number(), default=1.0, metavar="N", help="The score from which on a trial passes; 1 by default.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, on standard output.")


@main.group("import")
def importing() -> None:
    """Make experiments, or cases, of what was run elsewhere."""


@importing.command("json")
@CONFIG_HERE
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@SUITE
@click.option("--records", default="", metavar="FIELD", help="The list of records in a document that holds several, as a dotted path.")
@click.option("--case", default="", metavar="FIELD", help="The field that names the case, as a dotted path.")
@click.option("--repeat", default="", metavar="FIELD", help="The field that numbers the repeats of a case, from 0 or 1.")
@click.option("--score", default="", metavar="FIELD", help="The field with the score: true, false or a number.")
@click.option("--messages", default="", metavar="FIELD", help="The field with the conversation, as chat messages.")
@click.option("--error", default="", metavar="FIELD", help="The field with the error, if the trial crashed.")
@click.option("--tokens", default="", metavar="FIELD", help="The field with the tokens that the trial used.")
@click.option("--cost", default="", metavar="FIELD", help="The field with the dollars that the trial cost.")
@PASS_AT
@AS_JSON
@click.pass_obj
def from_json(config_path: Path | None, /, *, config_here: Path | None, path: Path, suite: str, as_json: bool, **fields: Any) -> int:
    """Import trials from a JSON file: a list of records, or a record a line."""
    from harness import store
    from harness.foreign import Fields, Plain

    records = fields.pop("records")
    reader = Plain(Fields(**fields), _named(suite))
    found = _plain(reader, store.read_export(path, field=records), path)
    return _bring_in(config_here or config_path, found, _from(suite, (path,), reader), as_json=as_json)


def _plain(reader: "Plain", records: "Iterator[Record]", path: Path) -> "Iterator[tuple[Key, Trial]]":
    yield from map(reader.read, records)
    unmet = ", ".join(reader.unmet())
    if unmet:
        message = f"{path}: no record has {unmet}"
        raise UsageError(message)


@importing.command("langsmith")
@CONFIG_HERE
@click.argument("sources", metavar="RUN|FILE...", nargs=-1, required=True)
@click.option("--suite", required=True, metavar="NAME", help="The suite that the experiment is to have, or that the cases go to.")
@click.option(
    "--as-case", is_flag=True, help="Make a case and a cassette of each trace in the files; runs by id or address always become that."
)
@click.option(
    "--expect", multiple=True, type=click.Choice(["path", "text", "tools"]), help="Expect of the case what the trace shows of it."
)
@click.option("--score", "keys", multiple=True, metavar="KEY", help="Feedback that decides; may be given several times; all by default.")
@click.option(
    "--case", default="", metavar="FIELD", help="The field that names the case, as a dotted path; the id of example or run by default."
)
@click.option("--session", default="", metavar="ID", help="The experiment whose runs are taken, where the files hold several.")
@PASS_AT
@AS_JSON
@click.pass_context
def from_langsmith(
    context: click.Context,
    /,
    *,
    config_here: Path | None,
    sources: tuple[str, ...],
    suite: str,
    as_case: bool,
    expect: tuple["Seen", ...],
    as_json: bool,
    **how: Any,
) -> int:
    """Import an experiment from exported runs and feedback; or a trace as a case, by the id or address of its root run."""
    from harness.cli.traces import bring_in_traces, is_run

    config = config_here or context.obj
    if as_case or any(map(is_run, sources)):
        _refuse_options(context, ("keys", "session", "pass_at", "as_json"), "is for experiments, and this makes a case of each trace")
        return bring_in_traces(config, sources, suite=suite, named=how["case"], expect=expect)
    _refuse_options(context, ("expect",), "is for cases: give the id or address of a run, or --as-case")
    return _import_runs(config, tuple(map(Path, sources)), suite, as_json=as_json, **how)


def _refuse_options(context: click.Context, names: Sequence[str], why: str) -> None:
    options = {str(option.name): option.opts[0] for option in context.command.params}
    given = [name for name in names if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE]
    if given:
        message = f"{options[given[0]]} {why}"
        raise UsageError(message)


def _import_runs(config_path: Path | None, paths: tuple[Path, ...], suite: str, *, as_json: bool, **how: Any) -> int:
    from harness.foreign import Runs, feedback_in

    reader = Runs(_named(suite), feedback_in(_every(paths)), **how)
    code = _bring_in(config_path, _runs(reader, paths), _from(suite, paths, reader), as_json=as_json)
    for why, count in sorted(reader.left_out.items()):
        click.echo(f"harness: left out: {count:,} {why}", err=True)
    return code


def _every(paths: Sequence[Path]) -> "Iterator[Record]":
    from harness import store

    for path in paths:
        yield from store.read_export(path)


def _runs(reader: "Runs", paths: Sequence[Path]) -> "Iterator[tuple[Key, Trial]]":
    yield from (found for record in _every(paths) if (found := reader.read(record)) is not None)
    if not reader.checks:
        left = "; ".join(f"{count:,} {why}" for why, count in sorted(reader.left_out.items()))
        message = f"{paths[0]}: no root run of an experiment{f': {left}' if left else ''}"
        raise UsageError(message)


def _named(suite: str) -> str:
    from harness.config import is_name

    if not is_name(suite):
        message = f"--suite {suite!r} cannot be a name; use letters, digits, '.', '_' and '-'"
        raise UsageError(message)
    return suite


def _from(suite: str, paths: Sequence[Path], reader: "Plain | Runs") -> "Described":
    from harness import store
    from harness.foreign import provenance

    def described(cases: list[str]) -> Any:
        source, source_digest = ", ".join(path.name for path in paths), store.export_digest(paths)
        return provenance(cases, suite=suite, source=source, source_digest=source_digest, checks=tuple(sorted(reader.checks)))

    return described


def _bring_in(config_path: Path | None, trials: "Iterator[tuple[Key, Trial]]", described: "Described", *, as_json: bool) -> int:
    from harness.runner import run as runner
    from harness.runner.imports import bring_in

    redactor, root = redaction(config_path)
    folder = bring_in(root, trials, described, redactor, now=now())
    done, summaries = runner.finish(folder, root, now=now())
    write_beside(folder, done, summaries, config_path)
    return show_verdict(folder, done, summaries, as_json=as_json)
