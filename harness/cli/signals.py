"""Waiting until a server is asked to end."""

import signal
import threading


def catch_stop() -> threading.Event:
    """Return an event that SIGINT or SIGTERM sets from now on."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


def wait_for(stop: threading.Event) -> None:
    """Wait for the event; another signal then ends the process at once."""
    stop.wait()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
