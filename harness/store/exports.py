"""Exports of other tools on disk: read line by line where they hold an object a line, else whole."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.foreign.records import Record, in_document, in_lines, is_lines
from harness.store.files import read_text

_CHUNK = 1 << 20


def read_export(path: Path, *, field: str = "") -> Iterator[Record]:
    """Yield the records of an exported file; `field` names the list of a document that holds several."""
    if not field and is_lines(tuple(itertools.islice((line for line in _lines(path) if line.strip()), 2))):
        yield from in_lines(_lines(path), path=str(path))
    else:
        yield from in_document(read_text(path, UsageError, shown=str(path)).removeprefix("\ufeff"), path=str(path), field=field)


def export_digest(paths: Sequence[Path]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of files, one after the other."""
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    return found.hexdigest()[:16]


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file; UsageError with what is wrong with it."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from file
    except FileNotFoundError:
        message = f"{path}: there is no such file"
    except OSError as problem:
        message = f"{path}: cannot be read: {problem.strerror or problem}"
    except UnicodeDecodeError:
        message = f"{path}: not UTF-8 text"
    else:
        return
    raise UsageError(message)
