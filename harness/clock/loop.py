"""Event loops in virtual time: a loop with nothing ready waits on the timeline instead of in the operating system."""

import asyncio
import selectors
from asyncio import selector_events
from functools import partial
from typing import Any

from harness.clock import outside
from harness.clock.lane import NS, Lane, mutex, tracked_lane

SELECTORS = tuple(
    getattr(selectors, name)
    for name in ("EpollSelector", "PollSelector", "SelectSelector", "KqueueSelector", "DevpollSelector")
    if hasattr(selectors, name)
)
_real_select = {kind: kind.select for kind in SELECTORS}
_real_wake_up = selector_events.BaseSelectorEventLoop._write_to_self  # type: ignore[attr-defined]  # noqa: SLF001, the one door to a sleeping loop
_selecting: dict[Any, Lane] = {}


def select(selector: Any, timeout: float | None = None) -> Any:
    """Return what is ready in a selector, as `select` does, after at most so many seconds of the time the thread lives in."""
    real = _real_select[type(selector)]
    lane = tracked_lane()
    if lane is None or lane.timeline is None:
        return real(selector, timeout)
    pipe = _own_pipe(selector)
    if timeout is not None and pipe is None:
        timeout = max(timeout, 0) + 1 / NS  # who counts what is left of a time-out looks again until it is less than nothing
    if timeout is not None and timeout <= 0:
        lane.timeline.step_back(lane)
        return real(selector, 0)
    if found := real(selector, 0):
        return found
    deadline_ns = lane.deadline_ns(timeout)
    found = outside.await_events(lane, deadline_ns, partial(outside.awaited, selector, pipe), partial(real, selector))
    if found is None:
        _wait(lane, selector, deadline_ns)
        found = real(selector, 0)
    return found


def _wait(lane: Lane, selector: Any, deadline_ns: int | None) -> None:
    """Wait on the timeline until the loop is woken or the deadline has come."""
    with mutex:
        if _real_select[type(selector)](selector, 0):
            return
        _selecting[selector] = lane
        lane.loop = asyncio._get_running_loop()  # noqa: SLF001, get_running_loop raises
        lane.prepare(deadline_ns, "an event of its loop")
    try:
        lane.rest(deadline_ns)
    finally:
        _selecting.pop(selector, None)
        lane.loop = None


def wake_up(loop: Any) -> None:
    """Wake a loop from another thread, as `call_soon_threadsafe` does."""
    _real_wake_up(loop)
    with mutex:
        lane = _selecting.get(loop._selector)  # noqa: SLF001
        if lane is not None and lane.timeline is not None:
            lane.timeline.wake(lane)


def _own_pipe(selector: Any) -> int | None:
    """Return the number of the pipe through which the running loop is woken; None where the selector is not a loop's."""
    loop: Any = asyncio._get_running_loop()  # noqa: SLF001, get_running_loop raises
    return loop._ssock.fileno() if getattr(loop, "_selector", None) is selector else None  # noqa: SLF001
