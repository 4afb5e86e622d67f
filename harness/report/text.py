"""Foreign text made visible: nothing that a model or a graph wrote can act on the terminal or the file it is shown in."""

import re
import unicodedata

_ACTIVE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffe\uffff")


def visible(text: str) -> str:
    """Return `text` with control, direction and unpaired characters written as escapes; tabs and newlines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def line(text: str) -> str:
    r"""Return `text` as one visible line: a newline is shown as `\n`."""
    return visible(text.replace("\t", " ")).replace("\n", "\\n")


def excerpt(text: str, length: int) -> str:
    """Return one visible line of at most `length` characters."""
    shown = line(text[: length + 1])
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def shell_word(text: str) -> str:
    """Return `text` as one visible word of a command line."""
    shown = line(text)
    return shown if re.fullmatch(r"[\w@%+=:,./-]+", shown) else "'" + shown.replace("'", "'\"'\"'") + "'"


def _escaped(character: str) -> str:
    if character in "\n\t":
        return character
    if unicodedata.category(character) not in _ACTIVE_CATEGORIES and character not in _BIDIRECTIONAL:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004, the last code of two digits
