"""`harness dataset …`: datasets to LangSmith and back."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.numbers import Number
from harness.cli.project import CONFIG_HERE, redaction
from harness.errors import ExitCode, SinkError, UsageError

if TYPE_CHECKING:
    from harness.dataset import Dataset

WITHIN = click.option(
    "--within", type=Number(min=1), default=600.0, metavar="SECONDS", help="Give up after so many seconds; 600 by default."
)


@main.group("dataset")
def datasets() -> None:
    """Push a dataset to LangSmith, or pull one from there."""


@datasets.command("push")
@CONFIG_HERE
@click.argument("path", metavar="FILE")
@WITHIN
@click.pass_obj
def push_dataset(config_path: Path | None, /, *, config_here: Path | None, path: str, within: float) -> int:
    """Put the cases of a dataset file into LangSmith; an edited case becomes a new version of its example."""
    from harness import store
    from harness.cassette.redact import BUILT_IN
    from harness.dataset import parse
    from harness.mirror import Collection, Redactions, dataset_id
    from harness.sinks.datasets import DatasetPush
    from harness.sinks.langsmith import LangSmith
    from harness.sinks.sender import Sender

    redactor, root = redaction(config_here or config_path)
    dataset = parse(store.read_dataset_text(root, path), name=Path(path).stem, path=path)
    remote = LangSmith()
    collection = Collection(dataset_id(remote.owner, dataset.name), dataset, Redactions(redactor))
    changes: list[str] = []
    sender = Sender(remote, within_s=within, clock=time.monotonic)
    try:
        DatasetPush(collection, sender, lambda call, reply: changes.append(call.key) if reply.is_done else None).run()
    except SinkError as problem:
        click.echo(f"harness: push incomplete: {BUILT_IN.text(str(problem))}; push it again, nothing is sent twice", err=True)
        return int(ExitCode.PUSH_INCOMPLETE)
    did = "changed now" if changes else "as they were"
    click.echo(f"dataset {dataset.name!r}: {len(dataset.cases):,} cases are in {remote.address} ({did})")
    return int(ExitCode.PASS)


@datasets.command("pull")
@CONFIG_HERE
@click.argument("name")
@click.option("-o", "--output", metavar="FILE", help="The .jsonl file to write; datasets/NAME.jsonl by default.")
@click.option("--as-of", default="", metavar="TIME|TAG", help="The version of a time (ISO 8601), or with a tag; the newest by default.")
@click.option("--split", "splits", multiple=True, metavar="NAME", help="Only examples of this split; may be given several times.")
@WITHIN
@click.pass_obj
def pull_dataset(
    config_path: Path | None,
    /,
    *,
    config_here: Path | None,
    name: str,
    output: str | None,
    as_of: str,
    splits: tuple[str, ...],
    within: float,
) -> int:
    """Fetch a dataset from LangSmith as a file of cases; nothing that is there is overwritten."""
    from harness.dataset import parse
    from harness.schema import canonical_json
    from harness.sinks.datasets import pulled_rows
    from harness.sinks.langsmith import LangSmith
    from harness.sinks.sender import Sender

    redactor, root = redaction(config_here or config_path)
    path = _target(name, output)
    rows = pulled_rows(Sender(LangSmith(), within_s=within, clock=time.monotonic), name, as_of=as_of, splits=splits)
    text = "\n".join(redactor.text(canonical_json(row)) for row in rows)
    dataset = parse(text, name=Path(path).stem, path=path)
    is_new = _write(root, path, dataset)
    click.echo(f"{path}: {len(dataset.cases):,} cases{'' if is_new else ', as they are in LangSmith'}")
    return int(ExitCode.PASS)


def _target(name: str, output: str | None) -> str:
    """Return the file to write; UsageError where it can be none."""
    from harness.config import is_name

    if output is None and not is_name(name):
        message = f"-o FILE: say where to write it; {name!r} cannot be the name of a file"
        raise UsageError(message)
    path = output or f"datasets/{name}.jsonl"
    if not path.endswith(".jsonl"):
        message = f"{path}: a pulled dataset is a .jsonl file"
        raise UsageError(message)
    return path


def _write(root: Path, path: str, dataset: "Dataset") -> bool:
    """Write a dataset; False where it is there. UsageError rather than change a file."""
    from harness import store
    from harness.dataset import parse

    target = root / path
    if target.exists():
        there = parse(store.read_dataset_text(root, path), name=dataset.name, path=path)
        if {case.id: case for case in there.cases} != {case.id: case for case in dataset.cases}:
            message = f"{path}: it is there with other cases, and is not overwritten; name another file with -o"
            raise UsageError(message)
        return False
    store.write_text(target, "".join(f"{case.to_json()}\n" for case in dataset.cases))
    return True
