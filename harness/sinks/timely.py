"""Work that is waited for no longer than it may take."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def timely(work: Callable[[], T], *, within_s: float) -> T:
    """Return what work returns; TimeoutError where it takes longer, and is left to a thread that keeps no process from ending."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001, raised where it is waited for
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result(timeout=min(within_s, threading.TIMEOUT_MAX))
