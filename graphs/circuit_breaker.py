"""A circuit breaker: it stops asking a service that keeps failing, and tries again after a while."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]


class BreakerOpen(Exception):
    """A call that was not made, because the ones before it failed."""


class CircuitBreaker:
    """Opens after so many failures in a row, lets one call try after a cool-down, and closes when a call succeeds.

    `failures` are the exceptions that speak against the service; any other one says that it is there. Conversations share it.
    """

    def __init__(self, *, opens_after: int, cool_down_s: float, failures: tuple[type[Exception], ...]) -> None:
        self.state: BreakerState = "closed"
        self._opens_after = opens_after
        self._cool_down_s = cool_down_s
        self._failures = failures
        self._failed_in_a_row = 0
        self._opened_at = 0.0
        self._watching: list[list[BreakerState]] = []
        self._lock = Lock()

    @contextmanager
    def watched(self) -> Iterator[list[BreakerState]]:
        """The state as it is, and every one that it takes in the meantime."""
        with self._lock:
            seen = [self.state]
            self._watching.append(seen)
        try:
            yield seen
        finally:
            with self._lock:
                self._watching = [other for other in self._watching if other is not seen]

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Make a call inside, or raise BreakerOpen instead of it."""
        self._admit()
        try:
            yield
        except BaseException as error:
            self._learn(alive=isinstance(error, Exception) and not isinstance(error, self._failures))
            raise
        self._learn(alive=True)

    def _admit(self) -> None:
        with self._lock:
            cooled_down = time.monotonic() - self._opened_at >= self._cool_down_s
            if self.state == "half_open" or (self.state == "open" and not cooled_down):
                raise BreakerOpen
            if self.state == "open":
                self._become("half_open")

    def _learn(self, *, alive: bool) -> None:
        with self._lock:
            self._failed_in_a_row = 0 if alive else self._failed_in_a_row + 1
            if alive and self.state != "closed":
                self._become("closed")
            elif not alive and (self.state == "half_open" or self._failed_in_a_row >= self._opens_after):
                self._opened_at = time.monotonic()
                self._become("open")

    def _become(self, state: BreakerState) -> None:
        if state != self.state:
            self.state = state
            for seen in self._watching:
                seen.append(state)
