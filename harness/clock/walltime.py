"""What time it is: sleeping and the clocks that never go back, as a thread sees them, virtual or real."""

import time
from collections.abc import Callable
from typing import Any

from harness.clock.lane import NS, tracked_lane

BEGIN_NS = 1_000 * NS
"""What the monotonic clocks show when virtual time begins."""


class Reading:
    """A clock of the `time` module; not a function, so that it stays itself as an attribute of a class."""

    __slots__ = ("__name__", "_real", "_virtual")

    def __init__(self, real: Callable[[], Any], virtual: Callable[[int], Any]) -> None:
        self._real = real
        self._virtual = virtual
        self.__name__ = real.__name__

    def __call__(self) -> Any:
        """Return the time."""
        lane = tracked_lane()
        if lane is None or lane.timeline is None:
            return self._real()
        lane.timeline.readings += 1
        return self._virtual(BEGIN_NS + lane.timeline.now_ns)


class WallReading:
    """A wall clock of the `time` module, which time-machine moves; it counts how often it is read."""

    __slots__ = ("__name__", "_moved")

    def __init__(self, moved: Callable[[], Any]) -> None:
        self._moved = moved
        self.__name__ = moved.__name__

    def __call__(self) -> Any:
        """Return the time."""
        lane = tracked_lane()
        if lane is not None and lane.timeline is not None:
            lane.timeline.readings += 1
        return self._moved()


class Sleep:
    """`time.sleep`, in the time that the calling thread lives in."""

    __slots__ = ("__name__", "_real")

    def __init__(self, real: Callable[[float], None]) -> None:
        self._real = real
        self.__name__ = real.__name__

    def __call__(self, seconds: float, /) -> None:
        """Sleep."""
        lane = tracked_lane()
        if lane is None or lane.timeline is None or not seconds >= 0:
            self._real(seconds)
        elif seconds == 0:
            lane.timeline.step_back(lane)
        else:
            lane.wait_until(lane.deadline_ns(seconds), "time.sleep")


def replacements() -> dict[Any, Any]:
    """Return what takes the place of the functions of the `time` module."""
    seconds: Callable[[int], float] = lambda ns: ns / NS  # noqa: E731, a reading in seconds
    return {
        time.sleep: Sleep(time.sleep),
        time.monotonic: Reading(time.monotonic, seconds),
        time.monotonic_ns: Reading(time.monotonic_ns, int),
        time.perf_counter: Reading(time.perf_counter, seconds),
        time.perf_counter_ns: Reading(time.perf_counter_ns, int),
        time.time: WallReading(time.time),
        time.time_ns: WallReading(time.time_ns),
    }
