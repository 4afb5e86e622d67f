"""Files: read with the reason why they cannot be, written whole or not at all."""

import os
import tempfile
from pathlib import Path

from harness.errors import HarnessError, UsageError


def read_bytes(path: Path, error: type[HarnessError], *, shown: str) -> bytes:
    """Return what a file holds, or raise `error` with why it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        message = f"{shown}: there is no such file"
    except OSError as problem:
        message = f"{shown}: cannot be read: {problem.strerror or problem}"
    raise error(message) from None


def read_text(path: Path, error: type[HarnessError], *, shown: str) -> str:
    """Return the text of a file, with plain line ends, or raise `error` with what is wrong with it."""
    try:
        return read_bytes(path, error, shown=shown).decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as problem:
        message = f"{shown}: not UTF-8 text (byte {problem.start})"
    raise error(message) from None


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: it is there whole, or as it was before."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically: it is there whole, or as it was before."""
    try:
        _write_whole(path, data)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror or error}"
        raise UsageError(message) from None


def append_text(path: Path, text: str, *, limit: int) -> bool:
    """Append to a file that may hold at most so many bytes; tell whether it had room, else it is as it was."""
    data = text.encode()
    try:
        with path.open("ab") as file:
            if file.tell() + len(data) > limit:
                return False
            file.write(data)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror or error}"
        raise UsageError(message) from None
    return True


def write_whole(path: Path, text: str) -> None:
    """Write a text file atomically; OSError where it cannot be done."""
    _write_whole(path, text.encode())


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
