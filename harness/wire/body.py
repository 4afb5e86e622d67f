"""The body of a request as bytes, whatever a client library gives vcrpy's stubs for it."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any


def body_bytes(body: Any) -> bytes:
    """Return the body as it is sent; aiohttp's forms and JSON, not encoded yet, as JSON. TypeError for a kind that is not known."""
    if hasattr(body, "read"):
        body = body.read()
    if body is None or body == "":
        return b""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, Mapping | list | tuple | int | float):
        return _json(dict(body) if isinstance(body, Mapping) else body)
    if hasattr(body, "_fields"):  # aiohttp.FormData, which says what it holds only once
        return _json([[dict(named), _field(value)] for named, _, value in body._fields])
    if hasattr(body, "_value"):  # aiohttp's payloads
        return body_bytes(body._value)  # noqa: SLF001
    if isinstance(body, Iterable):
        return b"".join(part if isinstance(part, bytes) else part.encode() for part in body)
    message = f"a request body of type {type(body).__name__!r} can be neither recorded nor replayed; send bytes or text"
    raise TypeError(message)


def _json(value: Any) -> bytes:
    return json.dumps(value, default=_field).encode()


def _field(value: Any) -> str:
    """Return a value of a form as text; a file is read and put back to where it stood."""
    if hasattr(value, "read"):
        start = value.tell()
        value, file = value.read(), value
        file.seek(start)
    if not isinstance(value, bytes | bytearray | memoryview):
        return str(value)
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
