"""A document: what a cassette file says once it is plain values, and where in the file its parts stand."""

import reprlib
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.cassette.dialect.interaction import exchange
from harness.cassette.exchange import Exchange
from harness.errors import CassetteError

VERSION = 1
_LISTS = ("interactions", "http_interactions")  # the second is VCR's own, in Ruby, and Betamax's


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values; `lines` holds, for each list at the top, the line on which each of its items begins."""

    value: Any
    lines: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def line(self, name: str, index: int) -> int:
        """Return the line of an item; 0 where the file has none."""
        lines = self.lines.get(name, ())
        return lines[index] if index < len(lines) else 0


class Dialect(Protocol):
    """One way of writing a cassette down, told by its first bytes."""

    def claims(self, data: bytes) -> bool:
        """Tell whether a file that begins like this is written so."""
        ...

    def opened(self, data: bytes, path: str) -> "Document | bytes":
        """Return what the file says, or what it is wrapped around; CassetteError with path and place where it is damaged."""
        ...


def exchanges(document: Document, path: str) -> tuple[Exchange, ...]:
    """Return the exchanges of a document, of whatever shape; every error names the path and the place."""
    value = document.value
    if value is None:
        return ()
    if isinstance(value, list) and value and isinstance(value[0], dict) and "request" in value[0]:
        message = f"{path}:1: a cassette of vcrpy before 1.0; renew it with `python -m vcr.migration {path}`"
        raise CassetteError(message)
    if not isinstance(value, dict):
        message = f"{path}:1: not a cassette: the document is a {type(value).__name__}, not a mapping with 'interactions'"
        raise CassetteError(message)
    _check_version(value.get("version", VERSION), path)
    if "requests" in value and "responses" in value:
        return _paired(value["requests"], value["responses"], document, path)
    if "request" in value and "response" in value:
        return (_read(value, f"{path}:1", 1),)
    return _listed(value, document, path)


def _check_version(version: Any, path: str) -> None:
    if not isinstance(version, int):
        shown = reprlib.repr(version) if isinstance(version, str) else type(version).__name__
        message = f"{path}: not a cassette: 'version' is {shown}, not a number"
        raise CassetteError(message)
    if version > VERSION:
        newest = f"{VERSION}, the newest this harness reads; upgrade langgraph-harness"
        message = f"{path}: cassette format version {reprlib.repr(version)} is newer than {newest}"
        raise CassetteError(message)


def _listed(value: dict[str, Any], document: Document, path: str) -> tuple[Exchange, ...]:
    name = next((name for name in _LISTS if name in value), _LISTS[0])
    items = value.get(name)
    if not isinstance(items, list):
        message = f"{path}: not a cassette: {name!r} is missing or is not a list"
        raise CassetteError(message)
    return tuple(_read(item, _where(document, path, name, index), document.line(name, index)) for index, item in enumerate(items))


def _paired(requests: Any, responses: Any, document: Document, path: str) -> tuple[Exchange, ...]:
    """Read two lists side by side, as langchain-tests writes them."""
    if not isinstance(requests, list) or not isinstance(responses, list) or len(requests) != len(responses):
        message = f"{path}: not a cassette: 'requests' and 'responses' are not two lists of one length"
        raise CassetteError(message)
    return tuple(
        _read(
            {"request": request, "response": response},
            _where(document, path, "requests", index),
            document.line("requests", index),
        )
        for index, (request, response) in enumerate(zip(requests, responses, strict=True))
    )


def _where(document: Document, path: str, name: str, index: int) -> str:
    line = document.line(name, index)
    return f"{path}:{line}" if line else f"{path}: interaction {index + 1}"


def _read(item: Any, where: str, line: int) -> Exchange:
    try:
        return exchange(item, line)
    except CassetteError as error:
        message = f"{where}: {error}"
        raise CassetteError(message) from None
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        message = f"{where}: not an interaction: {problem}"
        raise CassetteError(message) from None
