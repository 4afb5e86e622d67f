"""Threads in virtual time: the locks, queues and threads that take the place of Python's own."""

import _queue
import _thread
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from harness.clock.lane import WORK, Lane, local, mutex, this_lane, tracked_lane, wake
from harness.clock.timeline import Stalled, TrialOver

_real_lock = threading.Lock
_take_rlock = _thread.RLock.acquire
_free_rlock = _thread.RLock.release
_NO_WAITERS: deque[Lane] = deque(maxlen=0)


def _contend(thing: "Lock | RLock | SimpleQueue", attempt: Callable[[], bool], timeout_s: float | None, waits_for: str) -> bool:
    """Attempt, and wait for the next chance, until it succeeds or the time is up."""
    lane = this_lane()
    deadline_ns = lane.deadline_ns(timeout_s)
    while True:
        with mutex:
            if thing.waiters is _NO_WAITERS:
                thing.waiters = deque()
            thing.waiters.append(lane)  # before the attempt: who frees the thing after it will see the waiter
            if attempt():
                thing.waiters.remove(lane)
                return True
            lane.prepare(deadline_ns, waits_for)
        if not _rested(thing, lane, deadline_ns):
            return attempt()


def _rested(thing: "Lock | RLock | SimpleQueue", lane: Lane, deadline_ns: int | None) -> bool:
    woken = False
    try:
        woken = lane.rest(deadline_ns)
    finally:
        if not woken:
            with mutex:
                if lane in thing.waiters:
                    thing.waiters.remove(lane)
    return woken


def _wake_first(waiters: deque[Lane]) -> None:
    with mutex:
        if waiters:
            wake(waiters.popleft())


def _timeout_s(timeout: float, *, blocking: bool) -> float | None:
    if not blocking and timeout != -1:
        message = "can't specify a timeout for a non-blocking call"
        raise ValueError(message)
    if timeout == -1:
        return None
    if timeout < 0:
        message = "timeout value must be a non-negative number"
        raise ValueError(message)
    if timeout > threading.TIMEOUT_MAX:
        message = "timeout value is too large"
        raise OverflowError(message)
    return timeout


class Lock:
    """A lock as `threading.Lock`, for which a thread waits in the time it lives in."""

    __slots__ = ("__weakref__", "_lock", "waiters")

    def __init__(self) -> None:
        self._lock = _real_lock()
        self.waiters = _NO_WAITERS

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002, Python's own signature
        """Take the lock; False if that was not possible in time."""
        if self._lock.acquire(False):  # noqa: FBT003
            return True
        timeout_s = _timeout_s(timeout, blocking=blocking)
        if not blocking:
            return False
        return _contend(self, self._try, timeout_s, "a lock")

    def _try(self) -> bool:
        return self._lock.acquire(blocking=False)

    def release(self) -> None:
        """Free the lock."""
        self._lock.release()
        if self.waiters:
            _wake_first(self.waiters)

    def locked(self) -> bool:
        """Tell whether somebody has the lock."""
        return self._lock.locked()

    acquire_lock, release_lock, locked_lock = acquire, release, locked

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return repr(self._lock)

    def _at_fork_reinit(self) -> None:
        self._lock = _real_lock()
        self.waiters = _NO_WAITERS


class RLock(_thread.RLock):  # type: ignore[misc]  # final in the stubs only
    """A lock as `threading.RLock`, for which a thread waits in the time it lives in."""

    waiters: deque[Lane] = _NO_WAITERS

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002, Python's own signature
        """Take the lock, once more if it is already this thread's; False if that was not possible in time."""
        if _take_rlock(self, False):  # noqa: FBT003
            return True
        timeout_s = _timeout_s(timeout, blocking=blocking)
        if not blocking:
            return False
        return _contend(self, self._try, timeout_s, "a lock")

    __enter__ = acquire

    def _try(self) -> bool:
        return _take_rlock(self, False)  # noqa: FBT003

    def release(self) -> None:
        """Free the lock as often as it was taken."""
        _free_rlock(self)
        if self.waiters and not self._is_owned():  # type: ignore[attr-defined]
            _wake_first(self.waiters)

    def __exit__(self, *_: object) -> None:
        _free_rlock(self)
        if self.waiters and not self._is_owned():  # type: ignore[attr-defined]
            _wake_first(self.waiters)

    def _release_save(self) -> Any:
        state = super()._release_save()  # type: ignore[misc]
        if self.waiters:
            _wake_first(self.waiters)
        return state

    def _acquire_restore(self, state: Any) -> None:
        self.acquire()
        _free_rlock(self)
        super()._acquire_restore(state)  # type: ignore[misc]


class SimpleQueue:
    """A queue as `queue.SimpleQueue`, for whose items a thread waits in the time it lives in."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self.waiters = _NO_WAITERS

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002, FBT001, FBT002
        """Put an item in, which never waits."""
        self._items.append(item)
        if self.waiters:
            _wake_first(self.waiters)

    def put_nowait(self, item: Any) -> None:
        """Put an item in."""
        self.put(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002, Python's own signature
        """Take the oldest item; queue.Empty if there was none in time."""
        taken: list[Any] = []
        attempt = partial(self._take, taken)
        if attempt():
            return taken[0]
        if timeout is not None and timeout < 0:
            message = "'timeout' must be a non-negative number"
            raise ValueError(message)
        if not block or not _contend(self, attempt, timeout, WORK):
            raise _queue.Empty
        return taken[0]

    def get_nowait(self) -> Any:
        """Take the oldest item; queue.Empty if there is none."""
        return self.get(block=False)

    def _take(self, taken: list[Any]) -> bool:
        try:
            taken.append(self._items.popleft())
        except IndexError:
            return False
        return True

    def empty(self) -> bool:
        """Tell whether there is no item."""
        return not self._items

    def qsize(self) -> int:
        """Return how many items there are."""
        return len(self._items)

    def __class_getitem__(cls, _: Any) -> type["SimpleQueue"]:
        return cls


_real_start = threading.Thread.start
_real_join = threading.Thread.join
_ENDED = "_harness_ended"


def start(thread: threading.Thread) -> None:
    """Start a thread; one that a thread in virtual time starts lives there too."""
    if thread.ident is not None or not thread._initialized:  # type: ignore[attr-defined]  # noqa: SLF001
        _real_start(thread)  # says what is wrong
        return
    parent, child = this_lane(), Lane(thread)
    child.adoptable = True
    thread.run = partial(_run, child, thread, thread.run)  # type: ignore[method-assign]
    ended = Lock()
    ended.acquire()
    setattr(thread, _ENDED, ended)
    if parent.tracked and parent.timeline is not None:
        parent.timeline.enlist(child)
    parent.aside += 1  # the operating system starts it, which takes real time only
    try:
        _real_start(thread)
    except BaseException:
        if child.timeline is not None:
            child.timeline.withdraw(child)
        raise
    finally:
        parent.aside -= 1


def _run(lane: Lane, thread: threading.Thread, run: Callable[[], None]) -> None:
    local.lane = lane
    del thread.run  # a thread that holds itself would live until the garbage collector comes
    try:
        if lane.timeline is not None:
            lane.timeline.stay(lane)
        run()
    except (TrialOver, Stalled):  # the one is no error, the other is noted on the timeline
        return
    finally:
        _end(lane, getattr(thread, _ENDED))


def _end(lane: Lane, ended: "Lock") -> None:  # in quotes it is no place that names the class, which would be searched for its owner
    ended.release()
    timeline = lane.timeline
    lane.timeline = None
    if timeline is not None and not timeline.over:
        timeline.leave(lane)


def join(thread: threading.Thread, timeout: float | None = None) -> None:
    """Wait for the end of a thread in the time the caller lives in."""
    lane, ended = tracked_lane(), getattr(thread, _ENDED, None)
    if lane is None or lane.timeline is None or not thread.is_alive() or thread is threading.current_thread():
        _real_join(thread, timeout)
    elif ended is None:
        with lane.timeline.outside(lane, f"the end of thread {thread.name!r}"):
            _real_join(thread, timeout)
    elif ended.acquire(timeout=-1 if timeout is None else max(0, timeout)):
        ended.release()
        _real_join(thread)
