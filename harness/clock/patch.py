"""What of Python is replaced so that code lives in virtual time, also where it was imported by name before."""

import _queue
import _thread
import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from harness.clock import loop, outside, threads, walltime
from harness.clock.names import renamed


class _Patch:
    """How often the patch was asked for; it is put in once."""

    depth = 0


@contextmanager
def patched() -> Iterator[None]:
    """Replace sleeps, clocks, locks, threads and the waits of event loops; without a virtual clock they act as before."""
    _Patch.depth += 1
    try:
        if _Patch.depth > 1:
            yield
            return
        with ExitStack() as stack:
            for target, name, new in _attributes():
                stack.enter_context(mock.patch.object(target, name, new))
            stack.enter_context(renamed(_replacements()))
            yield
    finally:
        _Patch.depth -= 1


def _replacements() -> dict[Any, Any]:
    return {
        **walltime.replacements(),
        threading.Lock: threads.Lock,
        threading._allocate_lock: threads.Lock,  # type: ignore[attr-defined]  # noqa: SLF001, what conditions are made of
        _thread.RLock: threads.RLock,
        _queue.SimpleQueue: threads.SimpleQueue,
    }


def _attributes() -> Iterator[tuple[Any, str, Any]]:
    yield threading.Thread, "start", threads.start
    yield threading.Thread, "join", threads.join
    yield asyncio.selector_events.BaseSelectorEventLoop, "_write_to_self", loop.wake_up
    for kind in loop.SELECTORS:
        yield kind, "select", loop.select
    for name in outside.SOCKET_CALLS:
        yield socket.socket, name, outside.socket_call(name)
    for name in outside.PROCESS_CALLS:
        yield subprocess.Popen, name, outside.process_call(name)
    yield os, "waitpid", outside.waitpid
