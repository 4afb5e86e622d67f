"""The sender: each call a bounded number of times, in bounded time, waiting as long as the server asks for."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from harness.errors import SinkError
from harness.mirror import Call

ATTEMPTS = 10
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
_OK, _NOT_FOUND, _CONFLICT, _MULTIPLE = 200, 404, 409, 300
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_NO_USE = {
    401: "the key is not accepted (401); look at LANGSMITH_API_KEY",
    403: "the key may not do this (403); look at its workspace and its rights",
}
_BUSY = 429


class Reply(NamedTuple):
    """The answer to a call: its status, its JSON document, and how many seconds it says to wait."""

    status: int
    document: Any = None
    retry_after_s: float | None = None

    @property
    def is_done(self) -> bool:
        """Tell an answer that took the call."""
        return _OK <= self.status < _MULTIPLE

    @property
    def is_there_already(self) -> bool:
        """Tell an answer that the server had this before."""
        return self.status == _CONFLICT

    @property
    def is_absent(self) -> bool:
        """Tell an answer that there is no such thing."""
        return self.status == _NOT_FOUND


class NoAnswer(SinkError):
    """No answer came; whether the call was taken is not known."""


class Stopped(SinkError):
    """It is of no use to go on: the server cannot be reached, lets nobody in, or the time is over."""


class Refused(SinkError):
    """The server does not take this call, and will not."""


class Remote(Protocol):
    """A service that takes calls. `send` returns its answer whatever the status, and raises NoAnswer where none came."""

    address: str

    def send(self, call: Call, *, within_s: float) -> Reply:
        """Send a call once; no answer that takes longer is waited for."""
        ...


class Sender:
    """Sends calls to a remote. All of it ends `within_s`; `clock` gives seconds, `wait` waits so many, both for tests to choose.

    `has_newer_runs_only` says that the remote answers questions about runs by its newer route alone.
    """

    def __init__(
        self, remote: Remote, *, within_s: float, clock: Callable[[], float], wait: Callable[[float], object] | None = None
    ) -> None:
        self.remote = remote
        self.has_newer_runs_only = False
        self._clock = clock
        self._within_s = within_s
        self._until = clock() + within_s
        self._over = threading.Event()
        self._why = ""
        self._wait = wait or self._over.wait

    def stop(self, why: str) -> None:
        """Let no call be sent any more, in no thread; the first reason is the one that is told."""
        self._why = self._why or why
        self._over.set()

    def ask(self, call: Call) -> Reply:
        """Send a call until it is answered for good: done, there already, or absent. Stopped and Refused say why it is not."""
        for attempt in range(ATTEMPTS):
            left_s = self._left_s()
            try:
                reply = self.remote.send(call, within_s=left_s)
            except NoAnswer as silence:
                problem = str(silence)
                wait_s = None
            else:
                if reply.status not in _AGAIN:
                    return self._settled(call, reply)
                problem = _told(self.remote.address, call, reply)
                wait_s = reply.retry_after_s
            if attempt + 1 < ATTEMPTS:
                self._wait_before(attempt + 1, wait_s, problem)
        message = f"{problem}; given up after {ATTEMPTS} attempts"
        raise Stopped(message)

    def change(self, call: Call) -> Reply:
        """Send a call that changes something; that it is there already is as good."""
        reply = self.ask(call)
        if reply.is_absent:
            message = f"{self.remote.address}: {call.method} {call.path} answered 404; look at LANGSMITH_ENDPOINT"
            raise Refused(message)
        return reply

    def document(self, call: Call) -> Any:
        """Return the document that a question is answered with, None where there is nothing."""
        reply = self.ask(call)
        return None if reply.is_absent else reply.document

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        self._pause(seconds, f"{self.remote.address}: not everything that was sent can be seen")

    def _wait_before(self, attempt: int, asked_s: float | None, problem: str) -> None:
        """Wait before a further attempt, as long as the server asks for."""
        if asked_s is not None and asked_s > self._left_s(problem):
            message = f"{problem}; it asks to wait {asked_s:g} s, which is more than is left of {self._within_s:g} s (--within)"
            raise Stopped(message)
        self._pause(min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S) if asked_s is None else asked_s, problem)

    def _pause(self, seconds: float, problem: str) -> None:
        if self._left_s(problem) < seconds:
            raise self._late(problem)
        self._wait(seconds)

    def _left_s(self, problem: str = "") -> float:
        """Return the time that is left; Stopped where there is none."""
        if self._over.is_set():
            raise Stopped(self._why)
        left_s = self._until - self._clock()
        if left_s <= 0:
            raise self._late(problem)
        return left_s

    def _late(self, problem: str) -> Stopped:
        return Stopped(f"{problem or f'{self.remote.address}: it takes too long'}; the time of {self._within_s:g} s is over (--within)")

    def _settled(self, call: Call, reply: Reply) -> Reply:
        if reply.is_done or reply.is_there_already or reply.is_absent:
            return reply
        if reply.status in _NO_USE:
            message = f"{self.remote.address}: {_NO_USE[reply.status]}"
            raise Stopped(message)
        raise Refused(_told(self.remote.address, call, reply))


def _told(address: str, call: Call, reply: Reply) -> str:
    if reply.status == _BUSY:
        return f"{address}: too many requests (429)"
    document = reply.document
    said = document.get("detail") or document.get("error") or "" if isinstance(document, Mapping) else document or ""
    return f"{address}: {call.method} {call.path} answered {reply.status}{f': {said}' if said else ''}"
