"""A connection that is lost in the middle of an answer: what each client library makes of it."""

import functools
import http.client
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

HTTPX_LIKE = ("httpx", "httpx2")
CAN_BREAK = frozenset({"handle_request", "handle_async_request"})
_LOST = "peer closed connection without sending complete message body (injected by the harness)"

_cut: ContextVar[list[str] | None] = ContextVar("harness_cut", default=None)


def lose_connection(library: str, arrived: bytes) -> None:
    """Lose the connection of the answer that is being played: httpx and httpx2 after what arrived of it, others at once."""
    answers = _cut.get()
    if library in HTTPX_LIKE and answers is not None:
        answers.append(library)
        return
    _raise_at_once(library, arrived)


def _raise_at_once(library: str, arrived: bytes) -> NoReturn:
    if library == "aiohttp":
        import aiohttp  # noqa: PLC0415, there if its stub was called

        raise aiohttp.ClientPayloadError(_LOST)
    raise http.client.IncompleteRead(arrived)


def cutting(attribute: str, stub: Any) -> Any:
    """Return a stub of httpx or httpx2, for one of its attributes in CAN_BREAK, whose answers break off where the connection is lost."""
    return _cutting_async(stub) if attribute == "handle_async_request" else _cutting(stub)


def _cutting(stub: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stub)
    def cutting_stub(*args: Any, **kwargs: Any) -> Any:
        with _noting() as cut:
            response = stub(*args, **kwargs)
        return _broken(response, cut[0]) if cut else response

    return cutting_stub


def _cutting_async(stub: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stub)
    async def cutting_stub(*args: Any, **kwargs: Any) -> Any:
        with _noting() as cut:
            response = await stub(*args, **kwargs)
        return _broken(response, cut[0]) if cut else response

    return cutting_stub


@contextmanager
def _noting() -> Iterator[list[str]]:
    cut: list[str] = []
    token = _cut.set(cut)
    try:
        yield cut
    finally:
        _cut.reset(token)


def _broken(response: Any, library: str) -> Any:
    """Let the body of a response end in the exception that its library raises for a lost connection."""
    response.stream = _broken_stream(library)(b"".join(response.stream))
    return response


@functools.cache
def _broken_stream(library: str) -> Any:
    module = importlib.import_module(library)

    def keep(stream: Any, arrived: bytes) -> None:
        stream.arrived = arrived

    def parts(stream: Any) -> Iterator[bytes]:
        yield stream.arrived
        raise module.RemoteProtocolError(_LOST)

    async def async_parts(stream: Any) -> AsyncIterator[bytes]:
        yield stream.arrived
        raise module.RemoteProtocolError(_LOST)

    bases = (module.SyncByteStream, module.AsyncByteStream)
    return type("BrokenStream", bases, {"__init__": keep, "__iter__": parts, "__aiter__": async_parts})
