"""Virtual time: on a virtual clock waiting takes no real time, and every thread and event loop agrees on what time it is."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import time_machine

from harness.clock.jitter import steady_jitter
from harness.clock.lane import NS, this_lane, tracked_lane
from harness.clock.patch import patched
from harness.clock.real import RealClock
from harness.clock.timeline import Stalled, Timeline
from harness.clock.watch import Watch

__all__ = ["Clock", "ClockKind", "RealClock", "Stalled", "patched", "steady_jitter", "virtual_clock"]

PATIENCE_S = 20.0
"""How many real seconds a thread may hold up the others without doing anything before that is taken for a stall."""

ClockKind = Literal["virtual", "real"]

_MICRO = 6
_watch = Watch()
_walls: list[time_machine.Traveller] = []


def _go_on() -> None:
    """Let the wall clock go on in a forked process, which lives in real time."""
    for wall in _walls:
        wall.move_to(wall.time_ns() / NS, tick=True)


os.register_at_fork(after_in_child=_go_on)


class Clock:
    """The clock of one trial."""

    is_virtual = True

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    @property
    def elapsed_s(self) -> float:
        """Return the virtual seconds since the trial began, to the microsecond: what is real costs a nanosecond here and there."""
        return round(self._timeline.now_ns / NS, _MICRO)

    @property
    def stalled(self) -> str | None:
        """Return why the trial could not go on; the code under test may have swallowed the exception that said it."""
        return self._timeline.failure

    @property
    def real_waits(self) -> tuple[str, ...]:
        """Return what real things were waited for; they took no virtual time."""
        return tuple(self._timeline.real_waits)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in the calling thread."""
        lane = tracked_lane()
        if lane is not None and seconds > 0:
            lane.wait_until(lane.deadline_ns(seconds), "time to pass")

    async def pass_time_async(self, seconds: float) -> None:
        """Let time pass in the calling task."""
        if seconds > 0:
            await asyncio.sleep(seconds)


@contextmanager
def virtual_clock(start: float | None = None, *, patience_s: float = PATIENCE_S) -> Iterator[Clock]:
    """Run what the calling thread does, and all that it starts, in virtual time; wall time begins at `start` (seconds since 1970) or now.

    Raises Stalled where the code waits for what cannot come, or for what the clock cannot see. One at a time in a process.
    """
    main = this_lane()
    if main.timeline is not None and not main.timeline.over:
        message = "a virtual clock is already running in this thread"
        raise RuntimeError(message)
    with patched(), time_machine.travel(start, tick=False) as wall:
        timeline = Timeline(main, wall.shift, patience_s)
        _watch.begin(timeline)
        _walls.append(wall)
        try:
            yield Clock(timeline)
        except Stalled:
            if timeline.failure is None:
                raise
        finally:
            timeline.close()
            _walls.remove(wall)
            _watch.end()
    if timeline.failure is not None:
        raise Stalled(timeline.failure)
