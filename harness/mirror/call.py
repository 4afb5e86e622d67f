"""A call: one request to LangSmith as a value, and the bytes that it has on the wire."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from pydantic import JsonValue

from harness.schema import canonical_json, digest

Method = Literal["GET", "POST", "PATCH", "PUT"]
_BYTES_AT_ONCE = 10_000_000  # LangSmith takes 20 MB


class Part(NamedTuple):
    """A part of a form: its name and its JSON."""

    name: str
    value: JsonValue


class Call(NamedTuple):
    """A request: a document, a form with parts, or neither. `key` names it for good: what has been acknowledged is not sent again.

    `sized` says that each part of the form tells its length, as the route of runs wants it.
    """

    key: str
    method: Method
    path: str
    document: JsonValue = None
    parts: tuple[Part, ...] = ()
    sized: bool = False


class Body(NamedTuple):
    """The bytes of a request and their type; None where there are none."""

    data: bytes | None
    content_type: str | None


def grouped(units: Iterable[tuple[Part, ...]], at_most: int | None = None) -> Iterator[tuple[Part, ...]]:
    """Yield the parts of as many units as one request may hold by their size and their number; what belongs together stays so."""
    some: list[tuple[Part, ...]] = []
    size = 0
    for unit in units:
        own = sum(len(json_bytes(part.value)) for part in unit)
        if some and (len(some) == at_most or size + own > _BYTES_AT_ONCE):
            yield tuple(part for one in some for part in one)
            some, size = [], 0
        some.append(unit)
        size += own
    if some:
        yield tuple(part for one in some for part in one)


def encoded(call: Call) -> Body:
    """Return the bytes of a call: the same call gives the same bytes."""
    if call.parts:
        boundary = digest(f"{call.key} 1") + digest(f"{call.key} 2")
        return Body(_form(call, boundary), f"multipart/form-data; boundary={boundary}")
    if call.document is None:
        return Body(None, None)
    return Body(json_bytes(call.document), "application/json")


def written(call: Call) -> str:
    """Return a call as one line of JSON, for people and for the spool."""
    content: dict[str, JsonValue] = {"key": call.key, "method": call.method, "path": call.path}
    if call.parts:
        content["parts"] = [{"name": part.name, "value": part.value} for part in call.parts]
    elif call.document is not None:
        content["json"] = call.document
    return json.dumps(content, ensure_ascii=False)


def _form(call: Call, boundary: str) -> bytes:
    pieces = [piece for part in call.parts for piece in _part(part, boundary, sized=call.sized)]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])


def _part(part: Part, boundary: str, *, sized: bool) -> tuple[bytes, bytes, bytes]:
    data = json_bytes(part.value)
    length = f"Content-Length: {len(data)}\r\n" if sized else ""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"\r\nContent-Type: application/json\r\n{length}\r\n'
    return head.encode(), data, b"\r\n"


def json_bytes(value: Any) -> bytes:
    """Return a value as it is sent: equal values give equal bytes."""
    return canonical_json(value).encode("utf-8", "replace")  # half a pair of surrogates is no UTF-8
