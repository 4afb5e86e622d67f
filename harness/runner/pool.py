"""The workers: trials spread over forked processes, each running one at a time; a worker that dies costs one trial."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from harness.errors import HarnessError

Work = Callable[[int], str]
"""Runs the task of an index and returns its line."""

Start = Callable[[], AbstractContextManager[Work]]
"""Called once in each worker process."""


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    task: int | None = None


class WorkerDied(Exception):
    """A worker process ended while it ran a task."""

    def __init__(self, task: int, exit_code: int | None) -> None:
        self.task = task
        self.exit_code = exit_code
        super().__init__(f"the worker process died ({_how(exit_code)})")


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"


def can_fork() -> bool:
    """Tell whether this platform can fork workers."""
    return "fork" in multiprocessing.get_all_start_methods()


def spread(tasks: Sequence[int], start: Start, jobs: int, died: Callable[[WorkerDied], str]) -> Iterator[tuple[int, str]]:
    """Run tasks in `jobs` forked processes and yield (task, line) as they end; `start` is called once in each process."""
    context = multiprocessing.get_context("fork")
    remaining = iter(tasks)
    workers: dict[Connection, _Worker] = {}
    try:
        for _ in range(min(jobs, len(tasks))):
            _hand_out(_start(context, start, workers), remaining, workers)
        while workers:
            for ready in wait(list(workers)):
                worker = workers[ready]  # type: ignore[index]  # wait returns what it was given
                yield from _take(worker, workers, died)
                alive = worker if worker.pipe in workers else _start(context, start, workers)
                _hand_out(alive, remaining, workers)
    finally:
        for worker in workers.values():
            worker.process.terminate()
            worker.process.join()


def _start(context: Any, start: Start, workers: dict[Connection, _Worker]) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, ours, start), daemon=False)
    process.start()
    theirs.close()
    workers[ours] = _Worker(process, ours)
    return workers[ours]


def _hand_out(worker: _Worker, remaining: Iterator[int], workers: dict[Connection, _Worker]) -> None:
    worker.task = next(remaining, None)
    worker.pipe.send(worker.task)
    if worker.task is None:
        worker.process.join()
        del workers[worker.pipe]
        worker.pipe.close()


def _take(worker: _Worker, workers: dict[Connection, _Worker], died: Callable[[WorkerDied], str]) -> Iterator[tuple[int, str]]:
    task = worker.task
    if task is None:
        return
    try:
        line = worker.pipe.recv()
    except EOFError:
        worker.process.join()
        del workers[worker.pipe]
        yield task, died(WorkerDied(task, worker.process.exitcode))
        return
    if isinstance(line, HarnessError):
        raise line
    yield task, line


def _serve(pipe: Connection, other_end: Connection, start: Start) -> None:
    """Run what the parent hands out until it hands out None."""
    other_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with start() as work:
        while (task := pipe.recv()) is not None:
            try:
                pipe.send(work(task))
            except HarnessError as error:
                pipe.send(error)
