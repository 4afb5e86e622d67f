"""The timeline of one trial: its threads run one at a time, and time passes only when none of them can run."""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.clock.lane import NS, Lane, mutex

_real_ns = time.monotonic_ns
_MAX_ROUNDS = 1_000


class Stalled(BaseException):
    """The code under test waits for what cannot come, or for what the clock cannot see. A BaseException, so that it is no answer."""


class TrialOver(SystemExit):
    """Ends a thread that still sleeps when its trial has ended."""


class Timeline:
    """The virtual time of one trial in nanoseconds since its start, its lanes, and which of them runs.

    Exactly one lane runs at a time. When it waits, the next ready one runs, in the order in which they became ready; when none is
    ready, time moves to the earliest deadline, and of equal ones to the first declared. A lane that is outside waits for something
    real: meanwhile time moves no faster than real time does.
    """

    def __init__(self, main: Lane, on_move: Callable[[float], None], patience_s: float) -> None:
        self.now_ns = 0
        self.over = False
        self.failure: str | None = None
        self.patience_s = patience_s
        self.real_waits: dict[str, None] = {}
        self.lanes: list[Lane] = [main]
        self.turns = 0
        self.readings = 0
        self.wake_at: int | None = None
        self.explain: Callable[[Timeline], str] = lambda _: ""
        self.alert: Callable[[], None] = lambda: None
        self.strangers: Callable[[Timeline], bool] = lambda _: False
        self._main = main
        self._on_move = on_move
        self._holder: Lane | None = main
        self._ready: deque[Lane] = deque()
        self._sleeping: list[tuple[int, int, Lane, int]] = []
        self._number = itertools.count()
        self._choosing = False
        self._idle_since: int | None = None
        self._idled_ns = 0
        main.timeline, main.state = self, "running"

    @property
    def holder(self) -> Lane | None:
        """Return the lane that runs."""
        return self._holder

    @property
    def sleepers(self) -> list[Lane]:
        """Return the lanes that wait for a moment."""
        return [lane for _, _, lane, ticket in self._sleeping if lane.ticket == ticket]

    def enlist(self, lane: Lane) -> None:
        """Take in a lane that is ready to run: a new thread, or one that a lane woke."""
        with mutex:
            if lane not in self.lanes:
                self.lanes.append(lane)
            lane.timeline = self
            self._make_ready(lane)

    def leave(self, lane: Lane) -> None:
        """Let go of a lane whose thread ends."""
        with mutex:
            lane.state = "ended"
            if lane in self.lanes:
                self.lanes.remove(lane)
            self._give_up(lane)

    def withdraw(self, lane: Lane) -> None:
        """Forget a lane whose thread could not be started."""
        with mutex:
            self.lanes.remove(lane)
            self._ready.remove(lane)
            lane.timeline = None

    def put_down(self, lane: Lane, deadline_ns: int | None) -> None:
        """Let a lane wait, and the next one run; the mutex is held."""
        lane.ticket += 1
        if deadline_ns is not None:
            heapq.heappush(self._sleeping, (deadline_ns, next(self._number), lane, lane.ticket))
        self._give_up(lane)

    def stay(self, lane: Lane) -> bool:
        """Stop this thread until it is its lane's turn; True if woken, False if its time was up."""
        try:
            lane.pause()
        except BaseException:
            self._barge_in(lane)
            raise
        lane.resume()
        return lane.woken

    def wake(self, lane: Lane) -> None:
        """Make a waiting lane ready."""
        with mutex:
            if lane.waiting:
                lane.woken = True
                self._make_ready(lane)

    def step_back(self, lane: Lane) -> None:
        """Let every other ready lane run first."""
        if self._ready:
            with mutex:
                lane.state = "ready"
                self._ready.append(lane)
                self._give_up(lane)
            self.stay(lane)

    @contextmanager
    def outside(self, lane: Lane, what: str) -> Iterator[None]:
        """Let the others run while this lane waits for something real; it takes no virtual time of its own."""
        with mutex:
            self.real_waits[what] = None
            lane.state, lane.waits_for = "outside", what
            lane.aside += 1
            self._give_up(lane)
        try:
            yield
        finally:
            with mutex:
                lane.aside -= 1
                if self.over:
                    lane.state = "running"
                else:
                    self._make_ready(lane)
            if lane.state != "running":
                self.stay(lane)

    def elapse(self) -> None:
        """Move on although something real is still awaited: it has taken as long as the next deadline is away; the mutex is held."""
        self.wake_at = None
        if self._holder is None and not self.over:
            self._choose(real_is_late=True)

    def fail(self, failure: str) -> None:
        """Stop every lane with this explanation; from here on the threads live in real time."""
        with mutex:
            self.failure = self.failure or failure
            self.over = True
            for lane in self.lanes:
                if lane.stuck or lane.state == "ready":
                    lane.stop = Stalled(self.failure)
                    lane.state, lane.waiting = "ready", False
                    lane.go()

    def close(self) -> None:
        """End what still sleeps, or is in a deadlock, let it unwind, and hand the rest back to real time; the main lane calls it."""
        rounds = 0
        while not self.over and (self._end_leftovers() or self._ready):
            rounds += 1
            if rounds > _MAX_ROUNDS:
                self.fail(f"a thread does not end with its trial: {self.explain(self)}")
                break
            self.step_back(self._main)
        with mutex:
            self.over = True
            self._main.timeline = None

    def _end_leftovers(self) -> bool:
        with mutex:
            stuck = [lane for lane in self.lanes if lane.stuck] if self.failure else []
            sleepers = [lane for lane in self.sleepers if lane not in stuck]
            for lane in stuck:
                lane.stop = Stalled(self.failure)
            for lane in sleepers:
                lane.stop = TrialOver("the trial is over")
            for lane in (*stuck, *sleepers):
                self._make_ready(lane)
            return bool(stuck or sleepers)

    def _make_ready(self, lane: Lane) -> None:
        lane.state, lane.waiting = "ready", False
        lane.ticket += 1
        self._ready.append(lane)
        if self._holder is None:
            self._choose()

    def _give_up(self, lane: Lane) -> None:
        if self._holder is lane:
            self._holder = None
            self._choose()

    def _barge_in(self, lane: Lane) -> None:
        """Run at once, out of turn: a signal's handler raised in this thread."""
        with mutex:
            if lane in self._ready:
                self._ready.remove(lane)
            lane.ticket += 1
            lane.state, lane.waiting = "running", False
            if self._holder is lane:
                lane.forget_go()
            self._holder = lane

    def _choose(self, *, real_is_late: bool = False) -> None:
        """Hand over to the next lane, if there is one; a finaliser or a signal may come back in here, and then finds it being done."""
        if self._choosing or self.over:
            return
        self._choosing = True
        try:
            lane = self._next(real_is_late=real_is_late)
            if lane is not None:
                self._idle_ends()
                self.turns += 1
                self._holder = lane
        finally:
            self._choosing = False
        if lane is not None:
            lane.go()

    def _next(self, *, real_is_late: bool) -> Lane | None:
        if self._ready:
            return self._ready.popleft()
        self._drop_stale()
        outside = any(lane.state == "outside" for lane in self.lanes)
        if outside and not real_is_late:
            self._await_real(self._sleeping[0][0] - self.now_ns if self._sleeping else None)
            return None
        if self._sleeping:
            return self._move()
        if outside:
            return None
        if not real_is_late and self.strangers(self):
            self._await_real(round(self.patience_s * NS))
            return None
        return self._give_in()

    def _drop_stale(self) -> None:
        while self._sleeping and self._sleeping[0][3] != self._sleeping[0][2].ticket:
            heapq.heappop(self._sleeping)

    def _move(self) -> Lane:
        deadline_ns, _, lane, _ = heapq.heappop(self._sleeping)
        if deadline_ns > self.now_ns:
            self._on_move((deadline_ns - self.now_ns) / NS)
            self.now_ns = deadline_ns
            self._idle_since, self._idled_ns = None, 0
        lane.ticket += 1
        lane.state, lane.waiting = "ready", False
        return lane

    def _await_real(self, left_ns: int | None) -> None:
        """Have `elapse` called once real time has passed for so long, the idle time since the last move included."""
        self._idle_since = _real_ns()
        if left_ns is not None:
            self.wake_at = self._idle_since + max(0, left_ns - self._idled_ns)
            self.alert()

    def _idle_ends(self) -> None:
        self.wake_at = None
        if self._idle_since is not None:
            self._idled_ns += _real_ns() - self._idle_since
            self._idle_since = None

    def _give_in(self) -> Lane:
        """Every lane waits for another, and nothing will ever happen: stop the main lane, which unwinds."""
        self.failure = self.failure or self.explain(self)
        lane = self._main
        lane.stop = Stalled(self.failure)
        lane.ticket += 1
        lane.state, lane.waiting = "ready", False
        return lane
