"""Live requests while recording: sent at the pace that was asked for, again where the server was busy, in a compression that can be read.

The graph's own client sends them, through its own transport and proxy. It sees the last answer only.
"""

import asyncio
import importlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from unittest import mock

from harness.cassette.exchange import Request
from harness.wire.pace import Pace
from harness.wire.trial import current

_READABLE = "gzip, identity"
_POOLS = ("httpcore", "httpcore2")


@dataclass(slots=True)
class Sending:
    """When an attempt of a request was sent, and when the first part of its answer's body came, by time.perf_counter."""

    sent_at: float
    first_at: float | None = None


sending: ContextVar[Sending | None] = ContextVar("harness_sending", default=None)
"""The last attempt of the request of this context."""


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """Pace the live requests of this process, those of httpx, httpx2 and http.client with what is built on it."""
    with ExitStack() as stack:
        for name in _POOLS:
            try:
                module = importlib.import_module(name)
            except ImportError:
                continue
            pool, async_pool = module.ConnectionPool, module.AsyncConnectionPool
            stack.enter_context(mock.patch.object(pool, "handle_request", _again(pool.handle_request, pace)))
            stack.enter_context(mock.patch.object(async_pool, "handle_async_request", _again_async(async_pool.handle_async_request, pace)))
        stack.enter_context(_paced_connections(pace))
        yield


@contextmanager
def _paced_connections(pace: Pace) -> Iterator[None]:
    from vcr.stubs import VCRConnection  # noqa: PLC0415, as the patch

    with mock.patch.object(VCRConnection, "getresponse", _again_by_stub(VCRConnection.getresponse, pace)):
        yield


def _again(send: Callable[..., Any], pace: Pace) -> Callable[..., Any]:
    def handle_request(pool: Any, request: Any) -> Any:
        if not _is_recorded(str(request.method, "ascii"), _url(request.url)):
            return send(pool, request)
        _ask_readable(request)
        waited_s = 0.0
        for attempt in itertools.count(1):
            time.sleep(pace.turn_s())
            sent = _sent_now()
            response = send(pool, request)
            pause = pace.pause_s(response.status, _plain(response.headers), attempt=attempt, waited_s=waited_s)
            if pause is None:
                response.stream = _Timed(response.stream, sent)
                return response
            response.close()
            time.sleep(pause)
            waited_s += pause
        raise AssertionError

    return handle_request


def _again_async(send: Callable[..., Any], pace: Pace) -> Callable[..., Any]:
    async def handle_async_request(pool: Any, request: Any) -> Any:
        if not _is_recorded(str(request.method, "ascii"), _url(request.url)):
            return await send(pool, request)
        _ask_readable(request)
        waited_s = 0.0
        for attempt in itertools.count(1):
            await asyncio.sleep(pace.turn_s())
            sent = _sent_now()
            response = await send(pool, request)
            pause = pace.pause_s(response.status, _plain(response.headers), attempt=attempt, waited_s=waited_s)
            if pause is None:
                response.stream = _Timed(response.stream, sent)
                return response
            await response.aclose()
            await asyncio.sleep(pause)
            waited_s += pause
        raise AssertionError

    return handle_async_request


def _sent_now() -> Sending:
    sent = Sending(time.perf_counter())
    sending.set(sent)
    return sent


class _Timed:
    """The stream of an answer, which notes when its first part came."""

    def __init__(self, stream: Any, sent: Sending) -> None:
        self._stream = stream
        self._sent = sent

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self._note()
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._note()
            yield part

    def _note(self) -> None:
        if self._sent.first_at is None:
            self._sent.first_at = time.perf_counter()

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


def _is_recorded(method: str, url: str) -> bool:
    """Tell whether a request is the recording's, and not one to a service that the config lets past it."""
    trial, _ = current()
    return trial.live is not None and not trial.allows(Request(method, url))


@dataclass(slots=True)
class _Try:
    """One attempt of a request by http.client: the stub hands its answer to the cassette before anyone else sees it."""

    pace: Pace
    number: int
    waited_s: float
    pause_s: float | None = None


_trying: ContextVar[_Try | None] = ContextVar("harness_trying", default=None)


def is_turned_down(response: dict[str, Any]) -> bool:
    """Tell whether a stub's answer is that of a busy server, and the request is about to be sent again."""
    attempt = _trying.get()
    if attempt is None:
        return False
    headers = {name.lower(): values if isinstance(values, str) else values[0] for name, values in response["headers"].items()}
    attempt.pause_s = attempt.pace.pause_s(response["status"]["code"], headers, attempt=attempt.number, waited_s=attempt.waited_s)
    return attempt.pause_s is not None


def _again_by_stub(get: Callable[..., Any], pace: Pace) -> Callable[..., Any]:
    def getresponse(connection: Any, *args: Any, **kwargs: Any) -> Any:
        request = connection._vcr_request  # noqa: SLF001, vcrpy keeps it there
        if connection.cassette.can_play_response_for(request) or not _is_recorded(request.method, request.uri):
            return get(connection, *args, **kwargs)
        request.headers["accept-encoding"] = _READABLE
        waited_s = 0.0
        for number in itertools.count(1):
            time.sleep(pace.turn_s())
            _sent_now()
            attempt = _Try(pace, number, waited_s)
            token = _trying.set(attempt)
            try:
                response = get(connection, *args, **kwargs)
            finally:
                _trying.reset(token)
            if attempt.pause_s is None:
                return response
            time.sleep(attempt.pause_s)
            waited_s += attempt.pause_s
        raise AssertionError

    return getresponse


def _url(url: Any) -> str:
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme.decode()}://{url.host.decode()}{port}{url.target.decode()}"


def _ask_readable(request: Any) -> None:
    others = [(name, value) for name, value in request.headers if name.lower() != b"accept-encoding"]
    request.headers = [*others, (b"accept-encoding", _READABLE.encode())]


def _plain(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
