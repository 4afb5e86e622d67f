"""A server-sent event stream: told by its body, read as JSON objects, written from them."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_WORDS = re.compile(r"\S+\s*|\s+")
_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_MARK = b"\xef\xbb\xbf"


def is_event_stream(body: bytes) -> bool:
    """Tell a server-sent event stream by its body."""
    return body[:64].removeprefix(_MARK).lstrip().startswith(_STARTS)


def events(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a server-sent event stream; events that hold none are passed over."""
    begun = b""
    for line in body.splitlines():  # of bytes: a text would be cut at U+2028 too
        if not line.strip():
            begun = b""
        elif line.startswith(b"data:"):
            begun += line[5:] + b"\n"  # one object may stand on several lines
            value = _value(begun) or _value(line[5:])
            if value is not None:
                begun = b""
            if isinstance(value, dict):
                yield value


def _value(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def is_marked_done(body: bytes) -> bool:
    """Tell whether the stream says itself that it is at its end."""
    return any(line[5:].strip() == b"[DONE]" for line in reversed(body.splitlines()) if line.startswith(b"data:"))


def unnamed(lines: Iterable[dict[str, Any]]) -> str:
    """Return a stream of events without names, which ends by saying so."""
    return "".join(f"data: {in_ascii(line)}\n\n" for line in lines) + "data: [DONE]\n\n"


def named(lines: Iterable[dict[str, Any]]) -> str:
    """Return a stream of events that are named by their type."""
    return "".join(f"event: {line['type']}\ndata: {in_ascii(line)}\n\n" for line in lines)


def in_ascii(value: Any) -> str:
    """Return JSON in ASCII: half a pair of surrogates, cut apart by a stream, is whole again when both halves are side by side."""
    return json.dumps(value, separators=(",", ":"))


def pieces(text: str) -> list[str]:
    """Cut a text as a model would say it, a word at a time: the same text always gives the same pieces."""
    return _WORDS.findall(text)
