"""Virtual time: programs whose timeline is known by hand, what is real under it, and what it refuses by name."""

import _socket
import asyncio
import contextlib
import multiprocessing
import re
import selectors
import socket
import subprocess
import sys
import threading
import time
from concurrent import futures
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, perf_counter, perf_counter_ns, sleep

import httpx
import pytest
from clock_programs import PROGRAMS, Log

from harness.clock import Stalled, outside, patched, virtual_clock

BEGIN = datetime(2026, 1, 31, 23, 59, 50, tzinfo=UTC)
_LOCK_FROM_BEFORE = threading.Lock()


@pytest.fixture(scope="module", autouse=True)
def _patched():
    """Put the patch in once, as a run does."""
    with patched():
        yield


def observed(program):
    """Run a program in virtual time: its events, and how many virtual seconds it took."""
    with virtual_clock() as clock:
        log = Log()
        program.run(log)
        assert clock.stalled is None
        return log.events, clock.elapsed_s


@pytest.mark.parametrize("name", PROGRAMS)
def test_timeline(name):
    """Each event happens when it should, to the millisecond, twenty times in the same order, in next to no real time."""
    program = PROGRAMS[name]
    began = time.monotonic()
    runs = [observed(program) for _ in range(20)]
    assert time.monotonic() - began < 60

    events, elapsed_s = runs[0]
    assert sorted(events, key=lambda event: (round(event[1], 3), event[0])) == [
        (event, pytest.approx(at, abs=0.001)) for event, at in program.events
    ]
    assert elapsed_s == pytest.approx(program.elapsed_s, abs=0.001)
    assert runs == [runs[0]] * 20


# what time it is


def readings():
    """Return what each clock shows, as seconds since the epoch or since the trial began."""
    return {
        "monotonic": time.monotonic() - 1000,
        "monotonic, imported before": monotonic() - 1000,
        "monotonic_ns": time.monotonic_ns() / 1e9 - 1000,
        "perf_counter": perf_counter() - 1000,
        "perf_counter_ns": perf_counter_ns() / 1e9 - 1000,
        "time": time.time() - BEGIN.timestamp(),
        "time_ns": time.time_ns() / 1e9 - BEGIN.timestamp(),
        "now": datetime.now(UTC).timestamp() - BEGIN.timestamp(),
        "naive now": datetime.now().timestamp() - BEGIN.timestamp(),  # noqa: DTZ005
        "utcnow": datetime.utcnow().replace(tzinfo=UTC).timestamp() - BEGIN.timestamp(),  # noqa: DTZ003
        "today": datetime.today().timestamp() - BEGIN.timestamp(),  # noqa: DTZ002
    }


def test_every_clock_agrees():
    """Every clock shows the same virtual time, in a thread and in a task too, whether it was imported before or not."""
    with virtual_clock(BEGIN.timestamp()):
        sleep(12.5)
        assert readings() == dict.fromkeys(readings(), pytest.approx(12.5, abs=1e-6))
        assert datetime.now(UTC).date() == date(2026, 2, 1)
        with futures.ThreadPoolExecutor() as pool:
            pool.submit(sleep, 7.5).result()
            assert pool.submit(readings).result() == dict.fromkeys(readings(), pytest.approx(20, abs=1e-6))

        async def task():
            await asyncio.sleep(10)
            return readings(), asyncio.get_running_loop().time()

        seen, loop_time = asyncio.run(task())
        assert seen == dict.fromkeys(readings(), pytest.approx(30, abs=1e-6))
        assert loop_time == time.monotonic() == 1030


def test_time_passes_where_a_request_is_made():
    """A recorded latency passes in the thread or task that made the request, and parallel ones overlap."""
    with virtual_clock() as clock:
        clock.pass_time(2)
        assert clock.elapsed_s == 2
        with futures.ThreadPoolExecutor() as pool:
            list(pool.map(clock.pass_time, (3, 4, 5)))
        assert clock.elapsed_s == 7

        async def task():
            await asyncio.gather(*(clock.pass_time_async(seconds) for seconds in (1, 2, 3)))

        asyncio.run(task())
        assert clock.elapsed_s == 10


def test_wall_time_begins_now_unless_told():
    """Without a start, wall time begins at the real time."""
    real = time.time()
    with virtual_clock():
        assert time.time() == pytest.approx(real, abs=60)


def test_one_clock_at_a_time():
    """A second clock in the same thread is refused."""
    with virtual_clock(), pytest.raises(RuntimeError, match="already running"), virtual_clock():
        pass


RESTORED = """
import time, threading, socket, subprocess, os, queue, selectors, sys
from time import sleep
from dataclasses import dataclass, field

@dataclass
class Born:
    at: float = field(default_factory=time.monotonic)

def default(now=time.monotonic, *, rest=time.sleep):
    rest(5)
    return now()

class Holder:
    clock = time.monotonic
    def __init__(self):
        self.sleep = time.sleep

def closure():
    now = time.monotonic
    return lambda: now()

holder, closed = Holder(), closure()
from harness.clock import virtual_clock
def names():
    return [id(thing) for thing in (time.sleep, time.monotonic, time.perf_counter, time.time, sleep, threading.Lock, threading.RLock,
        threading._allocate_lock, threading._CRLock, threading.Thread.start, threading.Thread.join, socket.socket.recv,
        socket.socket.connect, subprocess.Popen.wait, os.waitpid, queue.SimpleQueue, selectors.DefaultSelector.select,
        default.__defaults__[0], default.__kwdefaults__["rest"], Holder.clock, holder.sleep)]
before = names()
for error in (None, ValueError, KeyboardInterrupt):
    try:
        with virtual_clock() as clock:
            sleep(10)
            holder.sleep(10)
            assert default() == Born().at == Holder.clock() == holder.clock() == closed() == 1025, closed()
            assert names() != before
            if error:
                raise error
    except BaseException as raised:
        assert type(raised) is error, raised
    assert clock.elapsed_s == 25
    assert names() == before
print("restored")
"""


def test_everything_is_restored():
    """Names bound in modules, defaults, classes, instances and closures live in virtual time, and are as before afterwards."""
    done = subprocess.run([sys.executable, "-c", RESTORED], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("restored\n", "")


# what is real


@pytest.fixture
def slow_service():
    """Give the address of a real HTTP service that takes a fifth of a second."""

    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            threading.Event().wait(0.2)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def fetch(address, timeout_s):
    """Ask the service within so many seconds, then let a minute pass with the connection still open."""
    async with httpx.AsyncClient() as client:
        answer = await asyncio.wait_for(client.get(f"http://{address}/"), timeout_s)
        await asyncio.sleep(60)
        return answer.text


def test_a_real_service_is_waited_for(slow_service):
    """A real service on loopback hits no virtual time-out before its time, takes none, and is named; idle, it holds up nothing."""
    with virtual_clock() as clock:
        assert asyncio.run(fetch(slow_service, 30)) == "ok"
    assert clock.elapsed_s == 60
    assert clock.real_waits == (f"the socket {slow_service} in an event loop",)


def test_a_real_service_can_be_too_slow(slow_service):
    """A virtual time-out that is shorter than the real service's time strikes at its own virtual moment."""
    with virtual_clock() as clock:
        with pytest.raises(TimeoutError):
            asyncio.run(fetch(slow_service, 0.05))
        assert clock.elapsed_s == 0.05


def test_a_real_service_in_a_thread(slow_service):
    """While one thread waits for a real service, the others go on, but no faster than real time."""
    order = []

    def ask():
        httpx.get(f"http://{slow_service}/")
        order.append("service")

    with virtual_clock() as clock, futures.ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(ask),
            pool.submit(lambda: (sleep(0.01), order.append("short"))),
            pool.submit(lambda: (sleep(90), order.append("long"))),
        ]
        futures.wait(jobs)
    assert order == ["short", "service", "long"]
    assert clock.elapsed_s == 90
    assert "recv of a socket" in clock.real_waits


def test_a_number_of_a_file_is_no_socket(monkeypatch):
    """The connection of a library in C is awaited, also where it got the number of one of Python's that was idle and closed."""
    monkeypatch.setattr(outside, "_QUIET_NS", 1)
    with virtual_clock() as clock, selectors.DefaultSelector() as selector:
        ours, theirs = socket.socketpair()
        theirs.send(b"x")
        ours.recv(1)
        with ours, theirs:
            numbers = ours.fileno(), theirs.fileno()
        ours, theirs = _socket.socketpair()
        assert (ours.fileno(), theirs.fileno()) == numbers
        writes = f"import os, time; time.sleep(0.2); os.write({theirs.fileno()}, b'x')"
        later = subprocess.Popen([sys.executable, "-c", writes], pass_fds=[theirs.fileno()])
        selector.register(ours.fileno(), selectors.EVENT_READ)
        assert selector.select(1000)
        later.wait()
        ours.close()
        theirs.close()
    assert clock.elapsed_s == 0


@pytest.mark.parametrize("seconds", ["0.2", "30"])
def test_a_process_in_a_loop(seconds):
    """A real process is waited for; one that outlasts its time-out hits it at the virtual moment."""

    async def run():
        process = await asyncio.create_subprocess_exec("sleep", seconds)
        try:
            await asyncio.wait_for(process.wait(), 60 if seconds == "0.2" else 0.3)
        except TimeoutError:
            process.kill()
            await process.wait()
            return "killed"
        return "ended"

    with virtual_clock() as clock:
        outcome = asyncio.run(run())
    assert (outcome, clock.elapsed_s) == (("ended", 0) if seconds == "0.2" else ("killed", 0.3))
    assert clock.real_waits


@pytest.mark.parametrize("seconds", ["0.2", "30"])
def test_a_process_in_a_thread(seconds):
    """The same holds where a thread waits for the process."""
    with virtual_clock() as clock:
        try:
            subprocess.run(["sleep", seconds], timeout=60 if seconds == "0.2" else 0.3, check=True)
        except subprocess.TimeoutExpired:
            sleep(1)
    assert clock.elapsed_s == (0 if seconds == "0.2" else 1.3)
    assert clock.real_waits == ("the process 'sleep'",)


def doubled(number):
    """Work for a process; it says what its clocks do, too."""
    wall = time.time()
    began = time.monotonic()
    time.sleep(0.02)
    return number * 2, time.time() - wall > 0.01, time.monotonic() - began > 0.01


def test_a_pool_of_processes():
    """Forked processes work in real time with all their clocks, and what waits for them hits no time-out before its time."""
    fork = multiprocessing.get_context("fork")
    with virtual_clock() as clock, futures.ProcessPoolExecutor(1, mp_context=fork) as pool:
        assert pool.submit(doubled, 21).result(timeout=60) == (42, True, True)
        sleep(5)
    assert clock.elapsed_s == pytest.approx(5, abs=1e-6)


def test_a_thread_from_before_joins_in():
    """A thread that waits for work since before the clock does that work in virtual time."""
    go, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: (go.wait(), sleep(60), done.set()))
    thread.start()
    with virtual_clock() as clock:
        go.set()
        done.wait()
        sleep(5)
    thread.join()
    assert clock.elapsed_s == 65


def test_a_thread_from_before_may_wake():
    """A thread that is at work since before the clock lives in real time, and what it wakes goes on."""
    done = threading.Event()
    thread = threading.Thread(target=lambda: (threading.Event().wait(0.2), done.set()))
    thread.start()
    with virtual_clock() as clock:
        done.wait()
        sleep(5)
    thread.join()
    assert clock.elapsed_s == 5


def test_a_pool_outlives_a_trial():
    """The threads of a pool that several trials use live in the virtual time of each."""
    with futures.ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            with virtual_clock() as clock:
                list(pool.map(sleep, (10, 20, 30)))
            assert clock.elapsed_s == 40
        assert pool.submit(lambda: 1).result() == 1


def test_what_still_sleeps_ends_with_the_trial():
    """A thread that sleeps on when its trial has ended is ended too, after its own cleaning up."""
    cleaned = []

    def work():
        try:
            sleep(1000)
        finally:
            cleaned.append(1)

    thread = threading.Thread(target=work)
    with virtual_clock() as clock:
        thread.start()
        sleep(3)
    assert (clock.elapsed_s, cleaned) == (3, [1])
    thread.join(10)
    assert not thread.is_alive()


# what is refused by name


def stall(run, patience_s=0.2):
    """Run what cannot go on, and return what is said about it."""
    with pytest.raises(Stalled) as stalled, virtual_clock(patience_s=patience_s):
        run()
    return str(stalled.value)


def test_nothing_is_left_of_a_deadlock():
    """Threads that wait for each other are ended when that is said, or the process would never end; those of a pool stay for more work."""
    mine, other = threading.Event(), threading.Event()
    threads = [threading.Thread(target=event.wait) for event in (mine, other)]
    with futures.ThreadPoolExecutor(1) as pool:

        def run():
            pool.submit(sleep, 1).result()
            for thread in threads:
                thread.start()
            mine.wait()

        stall(run)
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
        assert pool.submit(lambda: 1).result(10) == 1


def run_threads(*targets):
    """Run functions in threads of their own, to the end."""
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_deadlock_of_an_event():
    """Waiting for what nobody will do is named, with its place."""
    stalled = stall(lambda: threading.Event().wait())
    assert re.search(r"deadlock in virtual time: .*'MainThread' waits for a lock at .*test_clock.py:\d+", stalled)


def test_deadlock_of_tasks():
    """A task that waits for what nobody will do is named with the line of its await."""

    async def forever():
        await asyncio.Event().wait()

    assert re.search(r"a task waits at .*test_clock.py:\d+ in forever", stall(lambda: asyncio.run(forever())))


def test_deadlock_of_two_locks():
    """Two threads that wait for each other's lock are both named, even where the code swallows what stops it."""
    first, second = threading.Lock(), threading.Lock()

    def work(one, other):
        with one:
            sleep(1)
            with other:
                pass

    def run():
        with contextlib.suppress(BaseException):  # the code under test may do this
            run_threads(lambda: work(first, second), lambda: work(second, first))

    stalled = stall(run)
    assert len(re.findall(r"thread 'Thread \(<lambda>\)' waits for a lock at .*?in work", stalled)) == 2
    assert "--clock real" in stalled


def test_a_lock_from_before_held_across_a_sleep():
    """A lock that is older than the clock, held across a sleep, is named after the patience is out; nothing hangs."""

    def work():
        with _LOCK_FROM_BEFORE:
            sleep(5)

    stalled = stall(lambda: run_threads(work, work), patience_s=0.3)
    assert re.search(r"stands still: .*'Thread \(work\)' runs, or waits for what the clock does not see, at .*in work", stalled)


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "among others"])
@pytest.mark.parametrize("clock", ["monotonic", "time"])
def test_spinning_on_the_clock(clock, alone):
    """A loop that waits for the time to pass without waiting is stopped and named, also where no other thread waits for it."""

    def run():
        if not alone:
            threading.Thread(target=sleep, args=(1,)).start()
        read = getattr(time, clock)
        end = read() + 5
        while read() < end:
            pass

    assert re.search(r"has not waited for 0.3 real seconds.*test_clock.py:\d+ in run", stall(run, patience_s=0.3))


def test_computing_is_no_stall():
    """A thread that computes for longer than others would wait for one that does nothing is not stopped."""

    def compute():
        end = time.process_time() + 0.8
        while time.process_time() < end:
            pass

    with virtual_clock(patience_s=0.6) as clock:
        run_threads(lambda: sleep(3), compute)
    assert clock.elapsed_s == 3


def test_computing_for_ever_is_a_stall():
    """A thread that looks again and again for what another one is to do, and never lets it, is stopped and named."""

    def run():
        done = threading.Event()
        threading.Thread(target=done.set).start()
        while not done.is_set():
            pass

    assert re.search(r"stands still: .*test_clock.py:\d+ in run", stall(run, patience_s=0.1))


# against real time


def order_of(program, unit_s):
    """Return the events of a program in their order."""
    events = []
    program(events.append, unit_s)
    return events


def branches(log, unit_s):
    """Sleep in parallel threads."""
    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda units: (sleep(units * unit_s), log(units)), (3, 1, 4, 2)))


def locked(log, unit_s):
    """Take turns with a lock."""
    lock = threading.Lock()

    def work(units):
        sleep(units * unit_s)
        with lock:
            log(f"in {units}")
            sleep(2 * unit_s)
        log(f"out {units}")

    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(work, (0.5, 1, 5)))


def mixed(log, unit_s):
    """Sleep in tasks and in threads, with time-outs."""

    async def task(units):
        await asyncio.sleep(units * unit_s)
        log(f"task {units}")

    def thread(units):
        sleep(units * unit_s)
        log(f"thread {units}")

    async def run():
        late = asyncio.create_task(asyncio.wait_for(task(9), 2.5 * unit_s))
        await asyncio.gather(task(1), asyncio.to_thread(thread, 2), task(3), asyncio.to_thread(thread, 4), late, return_exceptions=True)
        log(type(late.exception()).__name__)

    asyncio.run(run())


@pytest.mark.parametrize("program", [branches, locked, mixed])
def test_the_order_is_that_of_real_time(program):
    """The same program with small real sleeps does the same in the same order."""
    with virtual_clock():
        virtual = order_of(program, 1)
    assert order_of(program, 0.15) == virtual
