"""A lane: one thread as virtual time sees it, and how it waits and is woken."""

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from harness.clock.timeline import Timeline

State = Literal["running", "ready", "waiting", "outside", "ended"]

NS = 1_000_000_000
WORK = "an item of a queue"
"""What the threads of a pool wait for between their jobs."""

mutex = threading.RLock()
"""Guards every lane and timeline; a real lock, taken before anything was replaced."""

_allocate_lock = threading.Lock
_real_ns = time.monotonic_ns


class Lane:
    """One thread on a timeline, or beside it: `timeline` is None for a thread that lives in real time."""

    def __init__(self, thread: threading.Thread | None) -> None:
        self._thread = thread
        self._ident = threading.get_ident()
        self.timeline: Timeline | None = None
        self.loop: Any = None
        self.state: State = "running"
        self.waiting = False
        self.waits_for = ""
        self.adoptable = False
        self.aside = 0
        self.woken = False
        self.stop: BaseException | None = None
        self.ticket = 0
        self._spot = _allocate_lock()
        self._spot.acquire()

    @property
    def ident(self) -> int | None:
        """Return the thread's number; None before it has started."""
        return self._thread.ident if self._thread is not None else self._ident

    @property
    def name(self) -> str:
        """Return the thread's name."""
        return self._thread.name if self._thread is not None else f"number {self._ident}"

    @property
    def tracked(self) -> bool:
        """Tell whether this thread, which is running, lives in virtual time."""
        timeline = self.timeline
        return timeline is not None and not timeline.over and self.state == "running" and not self.aside

    @property
    def stuck(self) -> bool:
        """Tell whether this thread waits, and not just for work: then it ends where the trial cannot go on."""
        return self.state == "waiting" and self.waits_for != WORK

    def deadline_ns(self, timeout_s: float | None) -> int | None:
        """Return when a wait of so many seconds that starts now ends, virtual or real as the thread lives; None for never."""
        if timeout_s is None:
            return None
        now_ns = self.timeline.now_ns if self.timeline is not None and self.tracked else _real_ns()
        return now_ns + max(0, round(timeout_s * NS))

    def prepare(self, deadline_ns: int | None, waits_for: str) -> None:
        """Begin to wait; the mutex is held, and `rest` follows once it is not."""
        timeline = self.timeline if self.tracked else None
        self.waits_for, self.woken, self.waiting = waits_for, False, True
        if timeline is not None:
            self.state = "waiting"
            timeline.put_down(self, deadline_ns)

    def rest(self, deadline_ns: int | None) -> bool:
        """Wait until woken (True) or until the deadline (False)."""
        if self.timeline is not None and not self.timeline.over and not self.aside:
            return self.timeline.stay(self)
        left_s = -1 if deadline_ns is None else max(0, deadline_ns - _real_ns()) / NS
        try:
            in_time = self._spot.acquire(timeout=min(left_s, threading.TIMEOUT_MAX))
        except BaseException:
            self._withdraw()
            raise
        if not in_time and not self._withdraw():
            self.pause()
        if self.state == "ready":  # who woke this thread took it into virtual time
            self.state = "running"
        self._raise_stop()
        return self.woken

    def wait_until(self, deadline_ns: int | None, waits_for: str) -> bool:
        """Wait until woken (True) or until the deadline (False)."""
        with mutex:
            self.prepare(deadline_ns, waits_for)
        return self.rest(deadline_ns)

    def _withdraw(self) -> bool:
        """Stop waiting; False where somebody woke this lane meanwhile."""
        with mutex:
            waited, self.waiting = self.waiting, False
            return waited

    def pause(self) -> None:
        """Stop this thread until `go`."""
        self._spot.acquire()

    def forget_go(self) -> None:
        """Take back a `go` that nobody waited for."""
        self._spot.acquire(blocking=False)

    def go(self) -> None:
        """Let the thread go on."""
        self._spot.release()

    def resume(self) -> None:
        """Run from here on, or raise what was to stop this lane."""
        self.state = "running"
        self._raise_stop()

    def _raise_stop(self) -> None:
        if self.stop is not None:
            stop, self.stop = self.stop, None
            raise stop


class _Local(threading.local):
    lane: Lane | None = None


local = _Local()


def _forget() -> None:
    """Live in real time in a forked process, where no other thread is left."""
    mutex._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001, as Python's own modules do
    local.lane = None


os.register_at_fork(after_in_child=_forget)


def this_lane() -> Lane:
    """Return the lane of the calling thread; one beside any timeline where it has none yet."""
    lane = local.lane
    if lane is None:
        # current_thread() would make up a thread object for one that is just being started
        lane = local.lane = Lane(threading._active.get(threading.get_ident()))  # type: ignore[attr-defined]  # noqa: SLF001
    return lane


def tracked_lane() -> Lane | None:
    """Return the lane of the calling thread if it lives in virtual time."""
    lane = local.lane
    return lane if lane is not None and lane.tracked else None


def wake(lane: Lane) -> None:
    """Wake a lane that waits: in its turn, or at once where it lives in real time. The mutex is held."""
    timeline = lane.timeline
    if timeline is not None and not timeline.over and not lane.aside:
        timeline.wake(lane)
        return
    if not lane.waiting:
        return
    lane.woken = True
    waker = tracked_lane()
    if lane.adoptable and not lane.aside and waker is not None and waker.timeline is not None:
        waker.timeline.enlist(lane)
    else:
        lane.waiting = False
        lane.go()
