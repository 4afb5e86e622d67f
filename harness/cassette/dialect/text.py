"""The text of a file: UTF-8, with or without a byte order mark."""

from harness.errors import CassetteError


def text_of(data: bytes, path: str) -> str:
    """Return the text of a file; CassetteError with the place of what is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 text (byte {error.start})"
        raise CassetteError(message) from None
