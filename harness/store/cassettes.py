"""Cassettes on disk: any dialect is read, only what is redacted is written."""

import contextlib
import logging
from collections.abc import Collection
from pathlib import Path

from harness.cassette import vcr_yaml
from harness.cassette.cut import without
from harness.cassette.dialect.file import read_file
from harness.cassette.exchange import Exchange
from harness.cassette.redact import Redactor
from harness.cassette.scan import HIGH_ENTROPY, Finding, scan
from harness.errors import CassetteError
from harness.schema import digest
from harness.store.files import read_bytes, write_text, write_whole
from harness.store.names import cassette_file, cassette_path

_LOG = logging.getLogger(__name__)


def read_cassette(root: Path, suite: str, case: str) -> tuple[Exchange, ...]:
    """Return the exchanges recorded for a case; without a file there are none."""
    path = cassette_file(root, suite, case)
    if path is None:
        return ()
    return read_exchanges(path, shown=str(path.relative_to(root)))


def read_exchanges(path: Path, *, shown: str) -> tuple[Exchange, ...]:
    """Return the exchanges of any cassette file."""
    return exchanges_in(read_bytes(path, CassetteError, shown=shown), shown=shown)


def exchanges_in(data: bytes, *, shown: str) -> tuple[Exchange, ...]:
    """Return the exchanges of a cassette file that is in memory."""
    return read_file(data, shown)


def write_cassette(root: Path, suite: str, case: str, exchanges: tuple[Exchange, ...], redactor: Redactor) -> None:
    """Write the cassette of a case, redacted; refused if anything in it still looks like a secret."""
    path = cassette_path(root, suite, case)
    text, findings = scanned_text(exchanges, str(path.relative_to(root)), redactor)
    for finding in findings:
        _LOG.warning("%s: kept; say `allow` under [redact] if it is no secret", finding)
    write_text(path, text)


def scanned_text(exchanges: tuple[Exchange, ...], shown: str, redactor: Redactor) -> tuple[str, tuple[Finding, ...]]:
    """Return what a cassette file of these exchanges says, and what in it only looks random; CassetteError if it holds a secret."""
    text = vcr_yaml.dumps(tuple(map(redactor.exchange, exchanges)))
    findings = scan(text.encode(), shown, redactor)
    kinds = sorted({finding.kind for finding in findings} - {HIGH_ENTROPY})
    if kinds:
        message = f"{shown}: not written: it would hold something like a secret ({', '.join(kinds)})"
        raise CassetteError(message)
    return text, findings


def cut_cassette(root: Path, path: Path, indices: Collection[int]) -> None:
    """Take exchanges out of a cassette file, to the byte; the file goes where none is left. CassetteError where it cannot be done."""
    shown = str(path.relative_to(root))
    try:
        text = path.read_bytes().decode()
        if len(indices) == len(exchanges_in(text.encode(), shown=shown)):
            remove(path)
        else:
            write_whole(path, without(text, indices, path=shown))
    except (OSError, UnicodeDecodeError) as error:
        message = f"{shown}: cannot be pruned: {getattr(error, 'strerror', None) or error}"
        raise CassetteError(message) from None


def remove(path: Path) -> None:
    """Remove a file, and its folder if it was the last there."""
    path.unlink()
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def cassettes_digest(root: Path, suite: str, cases: tuple[str, ...]) -> str:
    """Return one digest of the cassette files of these cases."""
    files = ((case, cassette_file(root, suite, case)) for case in cases)
    return digest("\n".join(f"{case} {_file_digest(root, path)}" for case, path in files if path))


def _file_digest(root: Path, path: Path) -> str:
    return digest(read_bytes(path, CassetteError, shown=str(path.relative_to(root))))
