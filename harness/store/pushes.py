"""What was sent of an experiment, beside it: what has been acknowledged where, what could not be sent, what was redacted of it."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Self, TextIO

from pydantic import JsonValue, ValidationError

from harness.errors import ExperimentUnreadable, UsageError
from harness.schema import Value, canonical_json
from harness.store.files import write_text

_PAGE = "page "
State = Literal["sent", "missing"]


class _Entry(Value):
    """A call that was acknowledged at an address, or that was not to be found there although it had been."""

    to: str
    key: str
    state: State = "sent"
    session: str | None = None
    page: str | None = None


class Page(NamedTuple):
    """A suite that has arrived whole: its id as an experiment there, and the address that a browser shows it at, "" if unknown."""

    session: str
    address: str


class PushFolder:
    """The folder `push` of an experiment: the ledger, to which lines are appended, the spool and the manifest of what was redacted."""

    def __init__(self, experiment: Path, to: str) -> None:
        self.path = experiment / "push"
        self._to = to
        self._file: TextIO | None = None

    @property
    def spool_path(self) -> Path:
        """Return the file of the requests that did not go, one a line."""
        return self.path / "spool.jsonl"

    @property
    def is_begun(self) -> bool:
        """Tell whether a push of the experiment was ever begun."""
        return self._ledger_path.is_file()

    @property
    def _ledger_path(self) -> Path:
        return self.path / "ledger.jsonl"

    def acknowledged(self) -> frozenset[str]:
        """Return the keys of the calls that this address has acknowledged; a line that was cut off counts as none."""
        if not self._ledger_path.is_file():
            return frozenset()
        states: dict[str, State] = {}
        with self._ledger_path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if not _is_cut(line):
                    entry = self._entry(line, number)
                    states |= {entry.key: entry.state} if entry.to == self._to else {}
        return frozenset(key for key, state in states.items() if state == "sent")

    def _entry(self, line: str, number: int) -> _Entry:
        try:
            return _Entry.model_validate_json(line)
        except ValidationError:
            message = f"{self._ledger_path}:{number}: not a line of a ledger; remove the file and push again, nothing is sent twice"
            raise ExperimentUnreadable(message) from None

    @contextlib.contextmanager
    def noting(self) -> Iterator[Self]:
        """Open the ledger for appending, beside other pushes perhaps; a last line that was cut off is ended first, as no entry."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with self._ledger_path.open("a", encoding="utf-8") as self._file:
                if _ends_in_a_line(self._ledger_path):
                    self._file.write("\n")
                yield self
        except OSError as error:
            message = f"{self._ledger_path}: cannot be written: {error.strerror or error}"
            raise UsageError(message) from None
        finally:
            self._file = None

    def note_page(self, suite: str, page: Page) -> None:
        """Append where a suite has arrived, unless that is noted already."""
        if pages(self.path.parent, self._to).get(suite) != page:
            self._write(_Entry(to=self._to, key=f"{_PAGE}{suite}", session=page.session, page=page.address))

    def note(self, key: str, state: State = "sent") -> None:
        """Append what became of a call, and flush it."""
        self._write(_Entry(to=self._to, key=key, state=state))

    def _write(self, entry: _Entry) -> None:
        if self._file is None:
            message = "note is for `with folder.noting()`"
            raise RuntimeError(message)
        self._file.write(entry.to_json() + "\n")
        self._file.flush()

    def write_spool(self, lines: Iterable[str]) -> int:
        """Write the requests that did not go, and return how many; without any there is no file."""
        temporary = self.spool_path.with_suffix(".part")
        count = 0
        with temporary.open("w", encoding="utf-8", errors="replace") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
        if count:
            temporary.replace(self.spool_path)
        else:
            temporary.unlink()
            self.spool_path.unlink(missing_ok=True)
        return count

    def write_redacted(self, manifest: Iterable[JsonValue]) -> None:
        """Write what was redacted of what was sent: its place, its kind, its fingerprint."""
        write_text(self.path / "redacted.json", canonical_json(list(manifest)) + "\n")


def pages(experiment: Path, to: str | None = None) -> dict[str, Page]:
    """Return where the suites of an experiment have arrived, by their names: at one address, or where they arrived last."""
    path = experiment / "push" / "ledger.jsonl"
    found: dict[str, Page] = {}
    for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else ():
        with contextlib.suppress(ValidationError):  # cut off; a push says so
            entry = _Entry.model_validate_json(line) if _PAGE in line else None
            if entry and entry.session and to in {None, entry.to}:
                found[entry.key.removeprefix(_PAGE)] = Page(entry.session, entry.page or "")
    return found


def _is_cut(line: str) -> bool:
    """Tell the begin of an entry from a whole one; a later push ends the line."""
    return not line.endswith("\n") or (line.startswith("{") and not line.endswith("}\n"))


def _ends_in_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        return file.seek(0, os.SEEK_END) > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
