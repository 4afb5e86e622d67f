"""Exported records: JSON objects, each with the place that it stands at."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from harness.errors import UsageError
from harness.schema import read_json

_OBJECT = "a JSON list of objects, an object that holds one, or an object a line"


class Record(NamedTuple):
    """An exported object; `place` is its file and line, or its number."""

    place: str
    value: Mapping[str, JsonValue]


def is_lines(beginning: Sequence[str]) -> bool:
    """Tell by the first two lines with anything on them whether a file holds an object a line."""
    return len(beginning) > 1 and beginning[0].lstrip().startswith("{") and _is_whole(beginning[0])


def _is_whole(line: str) -> bool:
    try:
        read_json(line)
    except json.JSONDecodeError:
        return False
    except ValueError:  # whole, but for what is in it
        return True
    return True


def in_lines(lines: Iterable[str], *, path: str) -> Iterator[Record]:
    """Yield the record of each line that is not empty."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            place = f"{path}:{number}"
            yield _record(_value(line, place), place)


def in_document(text: str, *, path: str, field: str = "") -> Iterator[Record]:
    """Yield the records of a JSON document: those of the list at `field`, a dotted path, or of the only list of objects that it holds."""
    document = _value(text, path) if text.strip() else None
    found = at(document, field) if field and isinstance(document, dict) else _list_in(document, path)
    if not isinstance(found, list) or not found:
        where = f"{path}: no records at {field!r}" if field else f"{path}: no records"
        message = f"{where}; there has to be {_OBJECT}"
        raise UsageError(message)
    for number, item in enumerate(found, start=1):
        place = f"{path}: record {number}"
        yield _record(item, place)


def _list_in(document: JsonValue, path: str) -> JsonValue:
    if not isinstance(document, dict):
        return document
    if "run_type" in document:  # a run of LangSmith, whose lists are its own
        return [document]
    lists = {name: value for name, value in document.items() if _may_be_records(value)}
    if len(lists) > 1:
        message = f"{path}: it holds several lists of objects: {', '.join(sorted(lists))}; name the one with --records"
        raise UsageError(message)
    alone: list[JsonValue] = [document]
    return next(iter(lists.values()), alone)


def _may_be_records(value: JsonValue) -> bool:
    """Tell a list of objects, unless they are the messages of a conversation: those are part of a record."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "role" not in value[0]


def _value(text: str, place: str) -> JsonValue:
    try:
        value: JsonValue = read_json(text)
    except json.JSONDecodeError as error:
        line = f", line {error.lineno}" if error.lineno > 1 else ""
        wanted = f"; there has to be {_OBJECT}" if error.pos == 0 else ""
        message = f"{place}: not JSON{line}: {error.msg}{wanted}"
    except ValueError as error:
        message = f"{place}: not JSON: {error}"
    else:
        return value
    raise UsageError(message)


def _record(value: JsonValue, place: str) -> Record:
    if not isinstance(value, dict):
        message = f"{place}: not an object; there has to be {_OBJECT}"
        raise UsageError(message)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        message = f"{place}: it holds half a pair of surrogates (\\ud8xx), which is no text"
        raise UsageError(message) from None
    return Record(place, value)


def at(value: JsonValue, path: str) -> JsonValue:
    """Return what stands at a dotted path, None where nothing does. A key that has dots itself goes first."""
    for part in (path,) if isinstance(value, dict) and path in value else path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
