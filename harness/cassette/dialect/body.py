"""A body: the bytes behind every form in which cassettes write one."""

import base64
import json
from typing import Any

_LARGEST_VALUE = 1_000_000
_WRAPPING = frozenset({"string", "base64_string", "encoding", "parsed_body"})


def body_of(item: dict[str, Any], name: str = "body") -> bytes:
    """Return the body of a request or a response: `parsed_body`, or `name` as text, bytes, values or a wrapping of them."""
    if item.get("parsed_body") is not None:
        return _dumped(item["parsed_body"])
    body = item.get(name)
    if isinstance(body, dict) and body.keys() <= _WRAPPING:
        return _unwrapped(body)
    return _bytes(body)


def _unwrapped(body: dict[str, Any]) -> bytes:
    if body.get("parsed_body") is not None:
        return _dumped(body["parsed_body"])
    if body.get("base64_string") is not None:
        return base64.b64decode(_bytes(body["base64_string"]))
    if isinstance(body.get("encoding"), str) and body["encoding"].lower() == "base64":
        return base64.b64decode(_bytes(body.get("string")))
    return _bytes(body.get("string"))


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return _dumped(value)


def _dumped(value: Any) -> bytes:
    _refuse_large(value)
    return json.dumps(value).encode()


def _refuse_large(value: Any) -> None:
    """Refuse a value that grows beyond bounds when it is written out: a few references can stand for billions of copies."""
    waiting, count = [value], 0
    while waiting and count < _LARGEST_VALUE:
        part = waiting.pop()
        count += 1
        waiting += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    if waiting:
        message = f"a body holds more than {_LARGEST_VALUE} values"
        raise ValueError(message)
