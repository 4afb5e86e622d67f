"""A file that gzip or zlib was put around."""

from harness.cassette.compression import GZIP_START, inflated
from harness.errors import CassetteError

_ZLIB_STARTS = (b"x\x01", b"x\x9c", b"x\xda")


def claims(data: bytes) -> bool:
    """Tell gzip by its magic number, and zlib by its header at the usual levels."""
    return data.startswith((GZIP_START, *_ZLIB_STARTS))


def opened(data: bytes, path: str) -> bytes:
    """Return what was compressed."""
    try:
        plain = inflated(data)
    except CassetteError as error:
        message = f"{path}: cannot be read: {error}"
        raise CassetteError(message) from None
    if plain is None:
        message = f"{path}: cannot be read: it begins like a compressed file, but what follows is damaged"
        raise CassetteError(message)
    return plain
