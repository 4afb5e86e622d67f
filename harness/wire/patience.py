"""Patience: how long a client waits for its answer, and what becomes of one that takes longer."""

import functools
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from harness.wire.seam import Reply

_patience_s: ContextVar[float | None] = ContextVar("harness_patience_s", default=None)


def answered_in_time(reply: Reply, *, streamed: bool) -> Reply:
    """Return the reply, or the time-out of the calling client where nothing arrives for longer than it waits.

    A stream is silent for its delay alone. A client without a time-out waits for good, and one that is said to lose its patience
    loses it at once.
    """
    patience_s = _patience_s.get()
    if patience_s is None:
        return reply
    silent_s = reply.delay_s if streamed else (reply.latency_s or 0.0)
    if reply.failure in {"hang", "timeout"} or (reply.response is not None and silent_s > patience_s):
        return replace(reply, response=None, failure="timeout", latency_s=patience_s, cut=False)
    return reply


def patient_connection(getresponse: Callable[..., Any]) -> Callable[..., Any]:
    """Return `getresponse` of http.client's stub, which notes how long its connection waits."""
    return _noting(getresponse, _of_connection)


def _noting(stub: Callable[..., Any], find: Callable[..., float | None]) -> Callable[..., Any]:
    @functools.wraps(stub)
    def noting_stub(*args: Any, **kwargs: Any) -> Any:
        with _noted(find(*args, **kwargs)):
            return stub(*args, **kwargs)

    return noting_stub


def _noting_async(stub: Callable[..., Any], find: Callable[..., float | None]) -> Callable[..., Any]:
    @functools.wraps(stub)
    async def noting_stub(*args: Any, **kwargs: Any) -> Any:
        with _noted(find(*args, **kwargs)):
            return await stub(*args, **kwargs)

    return noting_stub


@contextmanager
def _noted(patience_s: float | None) -> Iterator[None]:
    token = _patience_s.set(patience_s)
    try:
        yield
    finally:
        _patience_s.reset(token)


def _of_httpx(_transport: Any, request: Any) -> float | None:
    patience_s: float | None = request.extensions.get("timeout", {}).get("read")
    return patience_s


def _of_aiohttp(session: Any, *_args: Any, **kwargs: Any) -> float | None:
    timeout = kwargs.get("timeout", session.timeout)
    if isinstance(timeout, int | float):
        return float(timeout)
    bounds = [bound for bound in (getattr(timeout, "total", None), getattr(timeout, "sock_read", None)) if bound]
    return min(bounds, default=None)


def _of_connection(connection: Any, *_args: Any, **_kwargs: Any) -> float | None:
    timeout = getattr(connection.real_connection, "timeout", None)
    return timeout if isinstance(timeout, int | float) else socket.getdefaulttimeout()


PATIENT: Mapping[str, Callable[[Any], Any]] = {
    "handle_request": lambda stub: _noting(stub, _of_httpx),
    "handle_async_request": lambda stub: _noting_async(stub, _of_httpx),
    "_request": lambda stub: _noting_async(stub, _of_aiohttp),
}
"""By the attribute that a stub of httpx, httpx2 or aiohttp replaces: returns the stub that notes how long its client waits."""
