"""The socket guard: while trials run, no connection is opened but to what the config or the recording allows.

It listens to Python's audit events, so it sees every door to the network that Python code has; libraries written in C have their own.
"""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest import mock

from harness.wire.trial import TrialWire, current

_HINTS = {
    "openaipublic.blob.core.windows.net": "tiktoken wants its vocabulary: set TIKTOKEN_CACHE_DIR to a folder that has it",
    "huggingface.co": "a model is to be downloaded: set HF_HOME to a folder that has it, and HF_HUB_OFFLINE=1",
    "cdn-lfs.huggingface.co": "a model is to be downloaded: set HF_HOME to a folder that has it, and HF_HUB_OFFLINE=1",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


_ours: ContextVar[bool] = ContextVar("harness_ours", default=False)


@contextmanager
def unguarded() -> Iterator[None]:
    """Let the harness itself, not the code under test, open connections from here on in this context."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


class _Guard:
    """Whether the guard stands; an audit hook cannot be taken out again, so one hook asks this."""

    standing = 0
    installed = False


@contextmanager
def guarded() -> Iterator[None]:
    """Refuse connections and name look-ups that the running trial is not allowed, and note them on it."""
    if not _Guard.installed:
        sys.addaudithook(_on_event)
        _Guard.installed = True
    _Guard.standing += 1
    try:
        with mock.patch.object(socket, "getaddrinfo", _learning(socket.getaddrinfo)):
            yield
    finally:
        _Guard.standing -= 1


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if not _Guard.standing or not event.startswith("socket.") or _ours.get():
        return
    match event:
        case "socket.connect":
            _check(arguments[1]).sockets += 1
        case "socket.sendto" | "socket.sendmsg":
            if arguments[1] is not None:
                _check(arguments[1])
        case "socket.getaddrinfo" if arguments[0] is not None:
            _check(arguments[:2])
        case "socket.gethostbyname" | "socket.gethostbyaddr":
            _check((arguments[0], None))


def _learning(look_up: Callable[..., Any]) -> Callable[..., Any]:
    """Return the look-up that also allows, while a recording passes requests on, what the host's name stands for."""

    def learning_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        found = look_up(host, *args, **kwargs)
        if host is not None and not _ours.get():
            trial = current()[0]
            if trial.live is not None:
                trial.reachable.update(entry[4][0] for entry in found)
        return found

    return learning_look_up


def _check(address: Any) -> TrialWire:
    """Return the running trial, which may reach this address; refuse it otherwise."""
    trial, _ = current()
    host, shown = _host_and_text(address)
    if trial.may_reach(host, shown):
        return trial
    if trial.ignores(host, shown):
        message = f"{shown} is in ignore_hosts, so it is out of reach while a trial runs"
        raise ConnectionRefusedError(message)
    raise trial.refuse(shown, hint_for(host))


def _host_and_text(address: Any) -> tuple[str, str]:
    if isinstance(address, tuple) and len(address) > 1:
        host = address[0].decode() if isinstance(address[0], bytes) else str(address[0])
        return host, f"{host}:{address[1]}" if address[1] else host
    text = address.decode("utf-8", "replace") if isinstance(address, bytes) else str(address)
    return text, text


def hint_for(host: str) -> str:
    """Return what to do about a refused host, where that is known."""
    if host in _LOOPBACK:
        return 'if it is a service that the graph needs, add "host:port" to allow_hosts'
    return _HINTS.get(host, "")
