"""What is real under a virtual clock: sockets, pipes and processes. They take their real time, and virtual time waits for them."""

import contextlib
import os
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from typing import Any

from harness.clock.lane import NS, Lane, tracked_lane

_QUIET_NS = NS
"""A connection that has sent nothing for so long since its last answer is taken for idle."""

_real_ns = time.monotonic_ns
SOCKET_CALLS = ("connect", "connect_ex", "accept", "recv", "recv_into", "send", "sendall", "listen")
PROCESS_CALLS = ("wait", "communicate")
_busy_until: dict[int, tuple[int, float]] = {}
"""By file number: which socket it was, for the number is given away again, to sockets of C libraries too, and until when it is busy."""
_ALWAYS = float("inf")
_real_waitpid = os.waitpid


def awaited(selector: Any, own_pipe: int | None) -> tuple[str, ...]:
    """Return the names of the real things that a selector watches and from which an answer may still come."""
    watched = selector.get_map()
    if len(watched) <= (own_pipe is not None):
        return ()
    return tuple(_named(fd) for fd in list(watched) if fd != own_pipe and _may_answer(fd))


def _may_answer(fd: int) -> bool:
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    known, until = _busy_until.get(fd, (0, _ALWAYS))
    return not stat.S_ISSOCK(found.st_mode) or known != found.st_ino or until > _real_ns()


def _named(fd: int) -> str:
    try:
        peer = socket.socket(fileno=os.dup(fd))
    except OSError:
        return "a pipe or a process"
    with peer:
        try:
            address = peer.getpeername()
        except OSError:
            address = peer.getsockname()
    return f"the socket {':'.join(str(part) for part in address[:2])}" if isinstance(address, tuple) else "a local socket"


def await_events(
    lane: Lane, deadline_ns: int | None, names: Callable[[], tuple[str, ...]], select: Callable[[float], list[Any]]
) -> list[Any] | None:
    """Wait while something real may answer: its events, none at the deadline; None where nothing real is awaited."""
    timeline = lane.timeline
    if timeline is None or not (waited_for := names()):
        return None
    real_end_ns = None if deadline_ns is None else _real_ns() + deadline_ns - timeline.now_ns
    while waited_for:
        left_ns = _QUIET_NS if real_end_ns is None else min(_QUIET_NS, max(0, real_end_ns - _real_ns()))
        with timeline.outside(lane, f"{', '.join(waited_for)} in an event loop"):
            found = select(left_ns / NS)
        if found:
            return found
        if real_end_ns is not None and _real_ns() >= real_end_ns:
            lane.wait_until(deadline_ns, "an event of its loop")
            return []
        waited_for = names()
    return None


def _late(lane: Lane, started_ns: int, timeout_s: float | None) -> None:
    """Let the virtual time of a real wait pass that was in vain."""
    if timeout_s is not None and lane.timeline is not None and not lane.timeline.over:
        lane.wait_until(started_ns + round(timeout_s * NS), "the end of its time-out")


def socket_call(name: str) -> Callable[..., Any]:
    """Return a socket's call that lets others run while it waits, and notes when the connection is busy."""
    real = getattr(socket.socket, name)
    asks = name in {"connect", "accept", "send", "sendall"}

    def call(sock: socket.socket, *args: Any) -> Any:
        lane = tracked_lane()
        if lane is None or lane.timeline is None:
            return real(sock, *args)
        timeout_s = sock.gettimeout()
        _note_busy(sock.fileno(), _ALWAYS if asks else _real_ns() + _QUIET_NS)
        if timeout_s == 0:
            return real(sock, *args)
        started_ns = lane.timeline.now_ns
        try:
            with lane.timeline.outside(lane, f"{name} of a socket"):
                return real(sock, *args)
        except TimeoutError:
            _late(lane, started_ns, timeout_s)
            raise

    return call


def _note_busy(fd: int, until: float) -> None:
    with contextlib.suppress(OSError):  # the call itself says that the socket is closed
        _busy_until[fd] = os.fstat(fd).st_ino, until


def process_call(name: str) -> Callable[..., Any]:
    """Return a call of `subprocess.Popen` that waits for the process in real time."""
    real = getattr(subprocess.Popen, name)

    def call(process: Any, *args: Any, **kwargs: Any) -> Any:
        lane = tracked_lane()
        if lane is None or lane.timeline is None:
            return real(process, *args, **kwargs)
        started_ns = lane.timeline.now_ns
        try:
            with lane.timeline.outside(lane, f"the process {_command(process.args)!r}"):
                return real(process, *args, **kwargs)
        except subprocess.TimeoutExpired:
            _late(lane, started_ns, kwargs.get("timeout", args[-1] if args else None))
            raise

    return call


def _command(args: Any) -> str:
    return str(args[0] if isinstance(args, list | tuple) and args else args).split(" ")[0]


def waitpid(pid: int, options: int) -> tuple[int, int]:
    """Wait for a child process, as `os.waitpid` does."""
    lane = tracked_lane()
    if lane is None or lane.timeline is None or options & os.WNOHANG:
        return _real_waitpid(pid, options)
    with lane.timeline.outside(lane, "a child process"):
        return _real_waitpid(pid, options)
