"""Recordings that go on: what was paid for lies apart, a file an answer, until its case is whole."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from harness.cassette.exchange import Exchange
from harness.cassette.redact import Redactor
from harness.errors import UsageError
from harness.store.cassettes import read_exchanges, remove, scanned_text
from harness.store.files import write_text
from harness.store.names import cassette_path


def unfinished_folder(root: Path, suite: str, case: str) -> Path:
    """Return where the answers that were paid for lie, a file each, until the recording of a case is whole."""
    return root / ".harness" / "recording" / suite / cassette_path(root, suite, case).stem


def read_unfinished(root: Path, suite: str, case: str) -> tuple[Exchange, ...]:
    """Return the answers that an interrupted recording of a case left; without one there are none."""
    paths = sorted(unfinished_folder(root, suite, case).glob("*.yaml"))
    return tuple(exchange for path in paths for exchange in read_exchanges(path, shown=str(path.relative_to(root))))


def keep_unfinished(root: Path, suite: str, case: str, exchange: Exchange, redactor: Redactor, *, number: int) -> None:
    """Write the answer with this number of a recording that goes on; refused as the cassette would be."""
    text, _ = scanned_text((exchange,), str(cassette_path(root, suite, case).relative_to(root)), redactor)
    write_text(unfinished_folder(root, suite, case) / f"{number:06}.yaml", text)


@contextlib.contextmanager
def recording_alone(root: Path, suite: str) -> Iterator[None]:
    """Keep two processes from recording one suite: each would remove what the other has paid for. The lock ends with the process."""
    path = root / ".harness" / "recording" / f"{suite}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        message = f"{path.relative_to(root)}: cannot be written: {error.strerror or error}"
        raise UsageError(message) from None
    with file:
        _lock_for_this_process(file, suite)
        yield


def _lock_for_this_process(file: BinaryIO, suite: str) -> None:
    """Lock a file, without the workers that are forked later: one that outlives its parent holds up nobody."""
    try:
        import fcntl  # noqa: PLC0415, only where there is one
    except ImportError:
        return
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        message = f"suite {suite!r} is being recorded by another process; wait for its end and record again"
        raise UsageError(message) from None


def drop_unfinished(root: Path, suite: str, case: str) -> None:
    """Remove the answers that a recording of a case left: they are where they belong."""
    for path in sorted(unfinished_folder(root, suite, case).glob("*.yaml")):
        remove(path)
