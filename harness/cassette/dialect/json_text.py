"""A file of JSON."""

import json
import re

from harness.cassette.dialect.document import Document
from harness.cassette.dialect.text import text_of
from harness.errors import CassetteError

_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*[\"}]")
_KEY = re.compile(r'[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*')
_SPACE = re.compile(r"[\s,]*")
_MOST_CONTAINERS = 2_000_000
_DECODER = json.JSONDecoder()


def claims(data: bytes) -> bool:
    """Tell it by its first two signs: an object whose keys are quoted twice."""
    return _START.match(data) is not None


def opened(data: bytes, path: str) -> Document:
    """Return the values of the file and the lines of what its lists hold."""
    text = text_of(data, path)
    if text.count("[") + text.count("{") > _MOST_CONTAINERS:
        message = f"{path}: cannot be read: more than {_MOST_CONTAINERS} lists and objects"
        raise CassetteError(message)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"{path}:{error.lineno}: cannot be read: not JSON: {error.msg}"
        raise CassetteError(message) from None
    except RecursionError:
        message = f"{path}: cannot be read: nested too deeply"
        raise CassetteError(message) from None
    except ValueError as error:  # a number of thousands of digits
        message = f"{path}: cannot be read: {error}"
        raise CassetteError(message) from None
    return Document(value, _lines(text))


def _lines(text: str) -> dict[str, tuple[int, ...]]:
    """Return, for each list at the top of what is known to be an object, the line on which each of its items begins."""
    lines: dict[str, tuple[int, ...]] = {}
    at = text.index("{") + 1
    while key := _KEY.match(text, at):
        at = key.end()
        if text[at] == "[":
            starts, at = _items(text, at + 1)
            lines[key[1]] = _numbers(text, starts)
        else:
            _, at = _DECODER.raw_decode(text, at)
    return lines


def _items(text: str, at: int) -> tuple[list[int], int]:
    """Return where the items of a list begin, and where the list ends."""
    starts = []
    at = _after_space(text, at)
    while text[at] != "]":
        starts.append(at)
        _, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, at)
    return starts, at + 1


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _numbers(text: str, starts: list[int]) -> tuple[int, ...]:
    numbers, line, done = [], 1, 0
    for start in starts:
        line += text.count("\n", done, start)
        done = start
        numbers.append(line)
    return tuple(numbers)
