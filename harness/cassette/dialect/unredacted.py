"""What a redacted cassette no longer says: address, content type and compression, told from the bodies."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from harness.cassette.compression import GZIP_START, ZSTD_START
from harness.cassette.event_stream import events, is_event_stream
from harness.cassette.exchange import UNKNOWN_HOST, Response, plain_response

_ENCODINGS = frozenset({"identity", "gzip", "x-gzip", "deflate", "compress", "br", "zstd"})


def url_of(url: str, asked: bytes, answered: bytes) -> str:
    """Return the address of a request; one that is no address, but whose bodies show which API was asked, is that API's anywhere."""
    if urlsplit(url).netloc or url.startswith("/"):
        return url
    path = _api(_json_object(asked), _first_object(answered))
    return f"https://{UNKNOWN_HOST}{path}" if path else url


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _first_object(body: bytes) -> dict[str, Any]:
    return next(events(body), {}) if is_event_stream(body) else _json_object(body)


def _api(asked: dict[str, Any], answered: dict[str, Any]) -> str | None:
    """Return the last part of an API's path by what was asked and what was answered."""
    kind = str(answered.get("type"))
    if "messages" in asked:
        return "/messages" if kind in {"message", "message_start", "error"} else "/chat/completions"
    if "prompt" in asked and "choices" in answered:
        return "/completions"
    if "input" in asked and ("embedding" in str(asked.get("model")) or answered.get("object") == "list"):
        return "/embeddings"
    return "/responses" if "input" in asked else None


def plain(response: Response) -> Response:
    """Return a response as a cassette keeps it; a compression and a content type that the headers no longer tell are read off the body."""
    is_bare = not response.headers
    encoding = response.header("content-encoding")
    if is_bare or (encoding is not None and not _is_encoding(encoding)):
        response = _with_header(response, "content-encoding", _encoding_of(response.body))
    kept = plain_response(response)
    told = _content_type_of(kept.body)
    is_lost = is_bare or "/" not in (kept.header("content-type") or "/")
    return _with_header(kept, "content-type", told) if told and is_lost else kept


def _is_encoding(header: str) -> bool:
    return all(name.strip().lower() in _ENCODINGS for name in header.split(","))


def _encoding_of(body: bytes) -> str | None:
    return "gzip" if body.startswith(GZIP_START) else "zstd" if body.startswith(ZSTD_START) else None


def _content_type_of(body: bytes) -> str | None:
    if is_event_stream(body):
        return "text/event-stream"
    return "application/json" if _is_json(body) else None


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _with_header(response: Response, name: str, value: str | None) -> Response:
    others = [(key, old) for key, old in response.headers if key.lower() != name]
    return replace(response, headers=tuple(sorted([*others, *([(name, value)] if value else [])])))
