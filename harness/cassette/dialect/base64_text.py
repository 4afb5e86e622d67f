"""A file of base64 around compressed data, as the documentation of LangGraph keeps its cassettes."""

import base64

from harness.errors import CassetteError

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_SPACE = b" \t\r\n"
_STARTS = (b"H4sI", b"eA", b"eJ", b"eN")  # gzip's and zlib's first bytes, encoded
_LOOKED_AT = 64


def claims(data: bytes) -> bool:
    """Tell it by its first letters, which are base64 alone and begin like compressed data."""
    head = data[:_LOOKED_AT].strip(_SPACE)
    return head.startswith(_STARTS) and not head.translate(None, _LETTERS + _SPACE)


def opened(data: bytes, path: str) -> bytes:
    """Return what was encoded."""
    letters = data.translate(None, _SPACE)
    wrong = letters.translate(None, _LETTERS)
    if wrong:
        message = f"{path}: cannot be read: byte {data.index(wrong[:1])} is not base64"
        raise CassetteError(message)
    try:
        return base64.b64decode(letters, validate=True)
    except ValueError as error:
        message = f"{path}: cannot be read: {error}"
        raise CassetteError(message) from None
