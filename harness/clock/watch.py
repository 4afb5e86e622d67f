"""The watch: one thread that lives in real time, sees when a timeline stands still, and says who waits for what."""

import _thread
import asyncio
import contextlib
import ctypes
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from harness.clock.lane import NS, Lane, mutex
from harness.clock.timeline import Stalled, Timeline

_real_ns = time.monotonic_ns
_real_lock = threading.Lock
_OWN = os.path.dirname(__file__)  # noqa: PTH120, compared with names of code
_LIBRARY = os.path.dirname(os.__file__)  # noqa: PTH120
_STEPS = 4
_IDLE_SHARE = 0.02
"""A thread that gets less of the processor than this does not compute, however slow the machine is."""

_HOG = 3
"""How many times as long as others wait for an idle thread they wait for one that computes, counted in its own processor time."""

_MANY_READINGS = 1_000_000
"""How often a thread that computes does not look at the clock, and one that spins on it does."""

_NUMBER = re.compile(r"[-_]\d+")


class Watch:
    """Watches one timeline after the other in a thread of its own, which Python's `threading` does not know."""

    def __init__(self) -> None:
        self._bell = _real_lock()
        self._timeline: Timeline | None = None
        self._turns = 0
        self._idle_looks = 0
        self._looked_ns = 0
        self._used_ns = 0
        self._used_at_turn_ns = 0
        self._pid = 0

    def begin(self, timeline: Timeline) -> None:
        """Watch this timeline."""
        timeline.alert, timeline.explain, timeline.strangers = self._ring, explain, _strangers
        self._timeline = timeline
        self._begin_turn(timeline)
        if self._pid != os.getpid():  # a forked process has no thread but the one that forked
            self._pid, self._bell = os.getpid(), _real_lock()
            self._bell.acquire()
            _thread.start_new_thread(self._watch, ())
        self._ring()

    def end(self) -> None:
        """Watch nothing."""
        self._timeline = None

    def _ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has been rung already
            self._bell.release()

    def _watch(self) -> None:
        while True:
            timeline = self._timeline
            self._bell.acquire(timeout=-1 if timeline is None else _pause_s(timeline))
            timeline = self._timeline
            if timeline is not None:
                self._look(timeline)

    def _look(self, timeline: Timeline) -> None:
        with mutex:
            if timeline.wake_at is not None and _real_ns() >= timeline.wake_at:
                timeline.elapse()
            if timeline.turns != self._turns or timeline.holder is None:
                self._begin_turn(timeline)
            elif self._holds_up(timeline):
                self._begin_turn(timeline)
                _stop(timeline)

    def _begin_turn(self, timeline: Timeline) -> None:
        self._turns, timeline.readings = timeline.turns, 0
        self._idle_looks, self._looked_ns = 0, _real_ns()
        self._used_ns = self._used_at_turn_ns = time.process_time_ns()

    def _holds_up(self, timeline: Timeline) -> bool:
        """Tell whether others wait in vain for the thread that runs, or it waits itself, spinning, for a clock to go on."""
        used_ns, patience_ns = time.process_time_ns() - self._used_at_turn_ns, timeline.patience_s * NS
        others = len(timeline.lanes) > 1
        self._count_idle_look(patience_ns / _STEPS)
        if used_ns >= patience_ns and timeline.readings > _MANY_READINGS:
            return True
        return others and (self._idle_looks >= _STEPS or used_ns >= _HOG * patience_ns)

    def _count_idle_look(self, pause_ns: float) -> None:
        """Count the looks, a pause apart, between which the process did nothing; one that was stopped meanwhile is not taken for idle."""
        now_ns, used_ns = _real_ns(), time.process_time_ns()
        if now_ns - self._looked_ns >= pause_ns:
            self._idle_looks = self._idle_looks + 1 if used_ns - self._used_ns < pause_ns * _IDLE_SHARE else 0
            self._looked_ns, self._used_ns = now_ns, used_ns


def _strangers(timeline: Timeline) -> bool:
    """Tell whether there are threads that the timeline does not know; they might wake one of its lanes."""
    known = {lane.ident for lane in timeline.lanes}
    return not known.issuperset(threading._active)  # type: ignore[attr-defined]  # noqa: SLF001, enumerate() takes a lock


def _pause_s(timeline: Timeline) -> float:
    pause_s = timeline.patience_s / _STEPS
    due = timeline.wake_at
    return pause_s if due is None else min(pause_s, max(0.0, (due - _real_ns()) / NS))


def _stop(timeline: Timeline) -> None:
    holder = timeline.holder
    timeline.fail(explain(timeline))
    if holder is not None and holder.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(holder.ident), ctypes.py_object(Stalled))


def explain(timeline: Timeline) -> str:
    """Say who waits for what, and where."""
    holder = timeline.holder
    head = (
        "deadlock in virtual time: every thread waits for another"
        if holder is None
        else f"virtual time stands still: one thread has not waited for {timeline.patience_s:g} real seconds{_held_up(timeline)}"
    )
    frames = sys._current_frames()  # noqa: SLF001, there is no other way to see where a thread is
    lanes = "; ".join(f"thread {_name(lane)!r} {_doing(lane, holder)} at {_place(frames.get(lane.ident or 0))}" for lane in timeline.lanes)
    tasks = "; ".join(_tasks(timeline))
    return f"{head}: {lanes}{'; ' if tasks else ''}{tasks}. `--clock real` runs this in real time"


def _held_up(timeline: Timeline) -> str:
    return ", and others wait for it" if len(timeline.lanes) > 1 else ", and looks at the clock again and again"


def _doing(lane: Lane, holder: Lane | None) -> str:
    if lane is holder:
        return "runs, or waits for what the clock does not see,"
    return "is ready to run" if lane.state == "ready" else f"waits for {lane.waits_for}"


def _name(lane: Lane) -> str:
    """Return the thread's name without the numbers that Python counts up in a process."""
    return _NUMBER.sub("", lane.name)


def _place(frame: FrameType | None) -> str:
    """Return file:line of the innermost frame that is neither Python's library nor ours, else of the innermost."""
    shown = frame
    while frame is not None:
        if not _of_library(frame.f_code.co_filename):
            shown = frame
            break
        frame = frame.f_back
    return "an unknown place" if shown is None else _line(shown)


def _line(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else Path(*path.parts[-2:])
    return f"{shown}:{frame.f_lineno} in {frame.f_code.co_name}"


def _of_library(filename: str) -> bool:
    return filename.startswith((_OWN, "<", _LIBRARY)) or "site-packages" in filename


def _tasks(timeline: Timeline) -> Iterator[str]:
    """Yield where the tasks of the loops of a timeline wait."""
    for loop in [lane.loop for lane in timeline.lanes if lane.loop is not None]:
        places = sorted(_await_place(task.get_coro()) for task in asyncio.all_tasks(loop))
        yield from (f"a task waits at {place}" for place in places)


def _await_place(coroutine: Any) -> str:
    """Return file:line of the innermost await of a suspended coroutine that is not in a library."""
    place, own = "an unknown place", ""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        place = _line(frame)
        if not _of_library(frame.f_code.co_filename):
            own = place
        coroutine = coroutine.cr_await
    return own or place
