"""`harness import …`: experiments from what was run elsewhere."""

from pathlib import Path

import click

from harness.cli.group import main
from harness.cli.output import now, show_verdict, write_beside
from harness.cli.project import CONFIG_HERE, redaction
from harness.errors import UsageError


@main.group("import")
def importing() -> None:
    """Make experiments of what was run elsewhere."""


@importing.command("json")
@CONFIG_HERE
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--suite", required=True, metavar="NAME", help="The name of the suite that the experiment is to have.")
@click.option("--case", default="", metavar="FIELD", help="The field that names the case, as a dotted path.")
@click.option("--repeat", default="", metavar="FIELD", help="The field that numbers the repeats of a case from 1.")
@click.option("--score", default="", metavar="FIELD", help="The field with the score: true, false or a number.")
@click.option("--messages", default="", metavar="FIELD", help="The field with the conversation, as chat messages.")
@click.option("--pass-at", type=float, default=1.0, metavar="N", help="The score from which on a trial passes; 1 by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def from_json(
    config_path: Path | None, /, *, config_here: Path | None, path: Path, suite: str, pass_at: float, as_json: bool, **fields: str
) -> int:
    """Import trials from a JSON file: a list of records, or a record a line."""
    from harness.foreign import Fields, provenance, records, trials
    from harness.runner import run as runner

    redactor, root = redaction(config_here or config_path)
    text = _text(path)
    found = trials(records(text, path=str(path)), Fields(**fields, pass_at=pass_at), suite=suite, path=str(path))
    head = provenance(found, suite=suite, text=text, path=path.name)
    folder = runner.begin_imported(root, head, repeats=max(trial.repeat for trial in found), now=now())
    with folder.appending():
        for trial in found:
            folder.append(trial.key, redactor.value(trial).to_json())
    done, summaries = runner.finish(folder, root, now=now())
    write_beside(folder, done, summaries, config_here or config_path)
    return show_verdict(folder, done, summaries, as_json=as_json)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 text (byte {error.start})"
        raise UsageError(message) from None
