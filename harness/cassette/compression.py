"""Compression: gzip, deflate and Zstandard, unpacked within bounds."""

import zlib
from collections.abc import Callable

import zstandard

from harness.errors import CassetteError

MAX_BYTES = 64 * 1024 * 1024
GZIP_START = b"\x1f\x8b"
ZSTD_START = b"\x28\xb5\x2f\xfd"
_GZIP_OR_ZLIB = 47  # zlib's window bits for "either, by its header"
_RAW = -15
_MOST_MEMBERS = 256
_ZSTD_PIECE = 256  # bytes; each may grow to some megabytes
_ZSTD_WINDOW = 8 * 1024 * 1024  # what RFC 8878 wants every reader to take


def decompressed(body: bytes, encoding: str | None) -> bytes:
    """Return the body without the compression that `content-encoding` names; as it is where that lies, or is not known here.

    CassetteError where it is cut off, or larger than MAX_BYTES.
    """
    names = [name.strip().lower() for name in (encoding or "identity").split(",")]
    if not body or not all(name in _KNOWN for name in names):
        return body
    plain = body
    for name in reversed(names):
        found = _KNOWN[name](plain)
        if found is None:
            return body
        plain = found
    return plain


def inflated(data: bytes) -> bytes | None:
    """Return what gzip or zlib data holds, all its members; None where it is neither."""
    plain, rest = bytearray(), data
    for _ in range(_MOST_MEMBERS):
        member = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            plain += member.decompress(rest, MAX_BYTES + 1 - len(plain))
        except zlib.error:
            return None
        _refuse_excess(len(plain))
        if not member.eof:
            raise CassetteError(_CUT_OFF)
        rest = member.unused_data
        if not rest.startswith(GZIP_START):
            return bytes(plain)
    raise CassetteError(_TOO_MANY)


def _deflated(data: bytes) -> bytes | None:
    """Return what deflate holds, in zlib's wrapping or bare, as servers differ."""
    wrapped = inflated(data)
    if wrapped is not None:
        return wrapped
    bare = zlib.decompressobj(_RAW)
    try:
        plain = bare.decompress(data, MAX_BYTES + 1)
    except zlib.error:
        return None
    _refuse_excess(len(plain))
    return plain if bare.eof and not bare.unused_data else None


def unpacked_zstd(data: bytes) -> bytes | None:
    """Return what Zstandard data holds, all its frames; None where it is none."""
    plain, at = bytearray(), 0
    for _ in range(_MOST_MEMBERS):
        frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        try:
            while at < len(data) and not frame.eof:
                plain += frame.decompress(data[at : at + _ZSTD_PIECE])
                _refuse_excess(len(plain))
                at += _ZSTD_PIECE
        except zstandard.ZstdError:
            return None
        if not frame.eof:
            raise CassetteError(_CUT_OFF)
        at = min(at, len(data)) - len(frame.unused_data)
        if not data.startswith(ZSTD_START, at):
            return bytes(plain)
    raise CassetteError(_TOO_MANY)


def _refuse_excess(size: int) -> None:
    if size > MAX_BYTES:
        message = f"compressed data is larger than {MAX_BYTES} bytes"
        raise CassetteError(message)


_CUT_OFF = "compressed data is cut off"
_TOO_MANY = f"compressed data has more than {_MOST_MEMBERS} parts"
_KNOWN: dict[str, Callable[[bytes], bytes | None]] = {
    "identity": lambda data: data,
    "gzip": inflated,
    "x-gzip": inflated,
    "deflate": _deflated,
    "zstd": unpacked_zstd,
}
