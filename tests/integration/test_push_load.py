"""Pushes of many trials: traces go several at a time, never more than so many, and memory does not grow with their number."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from langsmith_service import play, push

from harness.sinks.traces import AT_ONCE

ROOT = Path(__file__).parents[2]
TRIALS = 3 * AT_ONCE
BYTES_A_TRIAL = 8_000
"""What may stay of a trial: ids, counts, and what an allocator wastes; its trace alone is more than twice as large."""


class Holding:
    """Lets no trace be answered before as many are under way as may be; `most` is how many there ever were."""

    def __init__(self, answer):
        self._answer = answer
        self._together = threading.Barrier(AT_ONCE, timeout=60)
        self._lock = threading.Lock()
        self._now = self.most = 0

    def __call__(self, method, target, headers, body):
        """Answer a request, a trace only together with others."""
        if target != "/runs/multipart":
            return self._answer(method, target, headers, body)
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._together.wait()
        time.sleep(0.1)  # one too many would come meanwhile
        with self._lock:
            self._now -= 1
        return self._answer(method, target, headers, body)


def test_traces_go_several_at_a_time_and_no_more(world, hub, monkeypatch):
    """A server that answers none of them before a group is there gets all of them, and never one above the bound."""
    play(world, cases=TRIALS)
    holding = Holding(hub.workspace.answer)
    monkeypatch.setattr(hub.workspace, "answer", holding)

    push(world)

    assert len([run for run in hub.workspace.runs.values() if "parent_run_id" not in run]) == TRIALS
    assert holding.most == AT_ONCE


def test_memory_does_not_grow_with_the_trials():
    """A process that pushes 200 trials of a dozen runs, then 1,000: of the 800 more nothing stays but ids."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    answer = subprocess.run([sys.executable, str(ROOT / "tests" / "many_pushed.py")], env=environment, stdout=subprocess.PIPE, check=True)

    (few_sent, few), (sent, many) = json.loads(answer.stdout)

    assert (sent - few_sent) / 800 > 2 * BYTES_A_TRIAL
    assert (many - few) / 800 < BYTES_A_TRIAL
