"""Streamed answers: the text that the pieces of a stream say together, changed without the stream being damaged.

Server-sent events with JSON, and JSON a line. A piece is a string that grows from event to event: a delta's text, or the arguments of a
tool call.
"""

import json
from collections.abc import Iterator
from typing import Any

from harness.cassette.event_stream import is_event_stream
from harness.cassette.wrapped import Change

_PIECES = frozenset(
    {"delta", "text", "content", "response", "thinking", "reasoning", "completion", "generation", "parts", "message"}
    | {"output", "token", "answer", "chunk", "data", "transcript"}
)
_NUMBERS = ("index", "output_index", "content_index", "summary_index", "item_id")
_DATA = "data:"

Channel = tuple[Any, ...]
"""What tells one growing text of a stream from another: the kind of event, the path to the string and the numbers on the way."""


def is_stream(text: str) -> bool:
    """Tell a stream by its text: server-sent events, or at least two lines that are JSON objects."""
    if is_event_stream(text[:64].encode("utf-8", "replace")):
        return True
    lines = text.split("\n", 2)
    return len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines[:2])


def change_lines(text: str, change: Change) -> str:
    """Return a stream with each of its payloads changed by itself."""
    return "".join(
        line if _payload(line) is None else _with_payload(line, change(_payload(line) or "")) for line in text.splitlines(keepends=True)
    )


def change_joined(text: str, change: Change) -> str:
    """Return a stream whose pieces, put together, are the changed text; what stands before and after a change stays in its place."""
    lines = text.splitlines(keepends=True)
    events = {number: event for number, line in enumerate(lines) if (event := _event(line)) is not None}
    channels: dict[Channel, list[tuple[int, Any, Any]]] = {}
    for number, event in events.items():
        for channel, holder, key in _strings(event, (event.get("type"), event.get("event"))):
            channels.setdefault(channel, []).append((number, holder, key))
    touched: set[int] = set()
    for places in channels.values():
        pieces = [holder[key] for _, holder, key in places]
        joined = "".join(pieces)
        changed = change(joined)
        if len(pieces) > 1 and changed != joined:
            for (number, holder, key), piece in zip(places, _spread(pieces, joined, changed), strict=True):
                if holder[key] != piece:
                    holder[key] = piece
                    touched.add(number)
    return "".join(_with_payload(line, _written(events[number], line)) if number in touched else line for number, line in enumerate(lines))


def _written(event: Any, line: str) -> str:
    return json.dumps(event, ensure_ascii=line.isascii() or "\\u" in line, separators=(",", ":"))


def _spread(pieces: list[str], joined: str, changed: str) -> Iterator[str]:
    """Yield the pieces anew: those of the common start and end as they were, what changed in the piece where the change begins."""
    shortest = min(len(joined), len(changed))
    start = next((index for index in range(shortest) if joined[index] != changed[index]), shortest)
    rest = shortest - start
    end = next((index for index in range(rest) if joined[-1 - index] != changed[-1 - index]), rest)
    middle, last = changed[start : len(changed) - end], len(joined) - end
    position, given = 0, False
    for piece in pieces:
        after = position + len(piece)
        kept = piece[: max(0, start - position)]
        if (not given and after > start) or (not given and after == len(joined)):
            kept, given = kept + middle, True
        yield kept + piece[max(0, last - position) :]
        position = after


def _payload(line: str) -> str | None:
    """Return the JSON or the text of a line, without the line's end."""
    plain = line.rstrip("\r\n")
    if plain.startswith(_DATA):
        return plain[len(_DATA) :].lstrip(" ")
    return plain or None


def _with_payload(line: str, payload: str) -> str:
    before = _payload(line) or ""
    at = line.rindex(before) if before else len(line)
    return line[:at] + payload + line[at + len(before) :]


def _event(line: str) -> dict[str, Any] | None:
    payload = _payload(line)
    if payload is None or not payload.startswith("{"):
        return None
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _strings(value: Any, channel: Channel, *, inside: bool = False) -> Iterator[tuple[Channel, Any, Any]]:
    """Yield the pieces of an event: strings under a name that streams use for what grows."""
    if isinstance(value, dict):
        numbers = tuple(str(value[name]) for name in _NUMBERS if isinstance(value.get(name), str | int))
        for key, part in value.items():
            below = inside or key in _PIECES
            if isinstance(part, str) and below:
                yield (*channel, numbers, key), value, key
            else:
                yield from _strings(part, (*channel, numbers, key), inside=below)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            place = None if isinstance(part, dict) and "index" in part else index
            yield from _strings(part, (*channel, place), inside=inside)
