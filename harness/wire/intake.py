"""The body of a request as a server reads it: by its length or in chunks, and never too much of it."""

import re
from collections.abc import Iterator
from email.message import Message
from io import BufferedIOBase

_LARGEST_BYTES = 64 * 1024 * 1024
_LONGEST_LINE = 4096


class Refused(Exception):
    """A request that no trial is asked: its HTTP status, why, and whether the connection can be used on."""

    def __init__(self, status: int, code: str, message: str, *, last: bool = False) -> None:
        super().__init__(message)
        self.status, self.code, self.last = status, code, last


def read_body(file: BufferedIOBase, headers: Message) -> bytes:
    """Read the body that the headers announce; Refused where it is too large, cut off or unreadable."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return b"".join(_chunks(file))
    stated = headers.get("content-length", "0")
    if not re.fullmatch("[0-9]{1,18}", stated):
        message = f"content-length is {stated[:40]!r}, not a number"
        raise Refused(400, "bad_request", message, last=True)
    _check_size(int(stated))
    return _exactly(file, int(stated))


def _chunks(file: BufferedIOBase) -> Iterator[bytes]:
    total = 0
    while size := _chunk_size(file.readline(_LONGEST_LINE)):
        total += size
        _check_size(total)
        yield _exactly(file, size)
        file.readline(_LONGEST_LINE)
    while file.readline(_LONGEST_LINE).strip():  # headers may follow the last chunk
        pass


def _chunk_size(line: bytes) -> int:
    size = line.partition(b";")[0].strip()
    if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", size):
        message = "the request's chunks cannot be read"
        raise Refused(400, "bad_request", message, last=True)
    return int(size, 16)


def _exactly(file: BufferedIOBase, size: int) -> bytes:
    body = file.read(size)
    if len(body) < size:
        message = "the request was cut off"
        raise Refused(400, "bad_request", message, last=True)
    return body


def _check_size(size: int) -> None:
    if size > _LARGEST_BYTES:
        message = f"a request may have {_LARGEST_BYTES} bytes, this one has {size} or more"
        raise Refused(413, "too_large", message, last=True)
