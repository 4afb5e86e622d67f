"""A file of MessagePack."""

import ormsgpack

from harness.cassette.dialect.document import Document
from harness.errors import CassetteError

_SMALL_MAPS = tuple(bytes([first]) for first in range(0x81, 0x90))
_LARGE_MAPS = (b"\xde", b"\xdf")
_LARGEST = 16 * 1024 * 1024  # bytes; each may be an empty list, which takes sixty in memory
_IN_TEXT = range(0x80, 0xC0)  # what would follow such a first byte in UTF-8


def claims(data: bytes) -> bool:
    """Tell it by a first byte that opens a map of it, and no text."""
    return data.startswith(_SMALL_MAPS) or (data.startswith(_LARGE_MAPS) and not set(data[1:2]) & set(_IN_TEXT))


def opened(data: bytes, path: str) -> Document:
    """Return the values of the file; types of others' own are refused."""
    if len(data) > _LARGEST:
        message = f"{path}: cannot be read: MessagePack of more than {_LARGEST} bytes"
        raise CassetteError(message)
    try:
        return Document(ormsgpack.unpackb(data))
    except ValueError as error:
        message = f"{path}: cannot be read: not MessagePack: {error}"
        raise CassetteError(message) from None
