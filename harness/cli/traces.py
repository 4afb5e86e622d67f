"""`harness import langsmith RUN…`: traces as cases of a suite, each with its cassette."""

import re
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.project import open_project
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.config import Project
    from harness.dataset import Case
    from harness.foreign import ByClass, Record, Seen, Traced
    from harness.runner.classes import Classes

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(rf"https?://[^\s]+?(?:/p/({_ID.pattern}))?/r/({_ID.pattern})(?:[/?#].*)?", re.IGNORECASE)
_WITHIN_S = 600.0


def is_run(source: str) -> bool:
    """Tell the id or address of a run from the name of a file; a file that is there is a file."""
    return not Path(source).exists() and bool(_ID.fullmatch(source) or source.startswith(("http://", "https://")))


def bring_in_traces(config_path: Path | None, sources: Sequence[str], *, suite: str, named: str, expect: "Sequence[Seen]") -> int:
    """Make a case and a cassette of each trace; nothing is written unless all of it can be."""
    from harness.foreign import traced, trees

    project = open_project(config_path)
    target = _Target(project, suite)
    found = [traced(tree, named=named, expect=expect, formats=target.form) for tree in trees(_records(sources))]
    if not found:
        message = f"{sources[0]}: no trace"
        raise UsageError(message)
    for name, is_new, one in target.add(found):
        did = "" if is_new else ", there already"
        count = "1 exchange" if len(one.exchanges) == 1 else f"{len(one.exchanges):,} exchanges"
        click.echo(f"{suite}: case {name!r}: {count}{did}")
        for why in one.incomplete:
            click.echo(f"harness: incomplete in {name!r}: {why}", err=True)
        for why in one.left_out:
            click.echo(f"harness: left out of {name!r}: {why}", err=True)
    return int(ExitCode.PASS)


def _records(sources: Sequence[str]) -> "Iterator[Record]":
    from harness import store
    from harness.foreign import Record

    runs = [_run_id(source) for source in sources if is_run(source)]
    for source in sources:
        if not is_run(source):
            yield from store.read_export(Path(source))
    if runs:
        for run, values in _fetched(runs):
            yield from (Record(f"run {run}", value) for value in values)


def _fetched(runs: Sequence[tuple[str, str]]) -> "Iterator[tuple[str, list[dict[str, Any]]]]":
    from harness.sinks.langsmith import LangSmith
    from harness.sinks.reading import Reading
    from harness.sinks.sender import Sender

    remote = LangSmith()
    reading = Reading(Sender(remote, within_s=_WITHIN_S, clock=time.monotonic))
    remote.learn(reading)
    for project, run in dict.fromkeys(runs):
        yield run, reading.trace(run, project=project)


def _run_id(source: str) -> tuple[str, str]:
    """Return the project, "" where it is not told, and the id of a run."""
    found = _ADDRESS.fullmatch(source)
    if not found and not _ID.fullmatch(source):
        message = f"{source!r} is no address of a run; it ends with /r/ and the run's id"
        raise UsageError(message)
    return ((found[1] or "").lower(), found[2].lower()) if found else ("", source.lower())


class _Target:
    """The suite that cases go to: its dataset, to which lines are added, and its cassettes."""

    def __init__(self, project: "Project", name: str) -> None:
        from harness import store
        from harness.dataset import parse
        from harness.runner.rules import redactor_of

        suite = project.suite(name)
        self._project, self._root, self._name, self._path = project, project.root, name, suite.dataset
        if suite.cassettes:
            message = f"{project.where(name, 'cassettes')}: it replays the cassettes of {suite.cassettes!r}; import into that suite"
            raise UsageError(message)
        if not suite.dataset.endswith(".jsonl"):
            message = f"{project.where(name, 'dataset')}: cases are added to a .jsonl file only, not to {suite.dataset}"
            raise UsageError(message)
        self._redactor = redactor_of(project)
        self._text = store.read_dataset_text(self._root, self._path) if (self._root / self._path).exists() else ""
        self._there = {case.id: case for case in parse(self._text, name=name, path=self._path).cases}

    def form(self, asked: "ByClass") -> "dict[str, Any]":
        """Return how a class of the suite's graph was sent."""
        return self._classes(asked)

    @cached_property
    def _classes(self) -> "Classes":
        """Return what knows the classes of the suite's graph, which is loaded only where a trace asks for one."""
        from harness.runner.classes import Classes

        return Classes(self._project, self._name)

    def add(self, found: "Sequence[Traced]") -> "Iterator[tuple[str, bool, Traced]]":
        """Add cases, cassettes first; yield each id and whether it is new. UsageError, and nothing written, where another is there."""
        from harness import store

        cases = [self._case(one) for one in found]
        new = [self._check(case, one) for case, one in zip(cases, found, strict=True)]
        names = [case.id for case in cases]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            message = f"two traces would be the case {twice!r}; name another field with --case"
            raise UsageError(message)
        store.refuse_colliding_cassettes(self._name, [*self._there, *names])
        for case, one in zip(cases, found, strict=True):
            if one.exchanges and store.cassette_file(self._root, self._name, case.id) is None:
                store.write_cassette(self._root, self._name, case.id, one.exchanges, self._redactor)
        lines = [case.to_json() for case, is_new in zip(cases, new, strict=True) if is_new]
        if lines:
            before = self._text if not self._text or self._text.endswith("\n") else f"{self._text}\n"
            store.write_text(self._root / self._path, before + "".join(f"{line}\n" for line in lines))
        yield from zip(names, new, found, strict=True)

    def _case(self, one: "Traced") -> "Case":
        from harness.dataset import parse

        (case,) = parse(self._redactor.text(one.case.to_json()), name=self._name, path=self._path).cases
        return case

    def _check(self, case: "Case", one: "Traced") -> bool:
        """Tell whether a case is new; UsageError where the file or the cassette has another of this id."""
        from harness import store

        there = self._there.get(case.id)
        if there is not None and there != case:
            message = f"{self._path}: case {case.id!r} is there with other content, and is not changed; name another field with --case"
            raise UsageError(message)
        file = store.cassette_file(self._root, self._name, case.id)
        if file is not None:
            shown = str(file.relative_to(self._root))
            text, _ = store.scanned_text(one.exchanges, shown, self._redactor)
            if store.exchanges_in(text.encode(), shown=shown) != store.read_cassette(self._root, self._name, case.id):
                message = f"{shown}: it is there with other exchanges, and is not overwritten; remove it, or name another case with --case"
                raise UsageError(message)
        return there is None
