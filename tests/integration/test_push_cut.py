"""Pushes that are cut off: what went stays, what did not is kept, and the next push brings the rest.

Tests that take `service` run against the double and, where there is a key, against LangSmith itself.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from langsmith_double import Fault, Workspace
from langsmith_service import play

from harness.sinks import sender
from harness.sinks.langsmith import LangSmith

ROOT = Path(__file__).parents[2]
KILLED = """
    import os, signal
    from harness.cli import main
    from harness.store import PushFolder

    noted, note = [], PushFolder.note

    def noting(folder, key, state="sent"):
        note(folder, key, state)
        noted.append(key)
        if sum(key.startswith("trace ") for key in noted) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    PushFolder.note = noting
    main(["push"])
"""


def folder(world):
    """Return the folder of the only experiment."""
    (found,) = (world.root / "reports" / "experiments").iterdir()
    return found


@pytest.mark.parametrize("resume", [True, False], ids=["resumed", "repeated"])
def test_a_push_that_is_killed_goes_on(served, service, resume):
    """Kill -9 after two of six traces: what was acknowledged is in the ledger, and the next push brings the rest, nothing twice."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED)], cwd=served.root, env=environment, check=False)
    (experiment,) = service.experiments()

    answer = served.harness("push", *(["--resume"] if resume else []))

    assert killed.returncode == -signal.SIGKILL
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("agent: 6 of 6 traces are in LangSmith (")
    assert sorted(service.roots(experiment.id, 6)) == [f"case-{number:03d}" for number in range(6)]
    assert [one.id for one in service.experiments()] == [experiment.id]
    assert "(nothing had to be sent)" in served.harness("push").out


class Killed(BaseException):
    """Ends the command, as a signal does."""


def _push_until(world, monkeypatch, last):
    """Push, and end after the answer to a request, by its number; return how many there were."""
    asked, send = [], LangSmith.send

    def sending(remote, call, **how):
        if len(asked) > last:
            raise Killed
        asked.append(call)
        reply = send(remote, call, **how)
        if len(asked) > last:
            raise Killed
        return reply

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(LangSmith, "send", sending)
        assert world.harness("push").code == 0
    return len(asked)


def _held(workspace):
    return [workspace.datasets, workspace.examples, workspace.sessions, workspace.runs, workspace.feedback]


def test_a_push_that_ends_after_any_request_is_resumed(world, hub, monkeypatch):
    """Whatever was the last thing that LangSmith took, and before the ledger has it: --resume ends as if nothing had been."""
    play(world, cases=2)
    requests = _push_until(world, monkeypatch, last=1_000)
    whole = _held(hub.workspace)
    for last in range(requests):
        shutil.rmtree(folder(world) / "push")
        hub.workspace = Workspace()
        _push_until(world, monkeypatch, last)

        answer = world.harness("push", "--resume")

        assert (answer.code, answer.err, hub.workspace.invalid) == (0, "", []), last
        assert _held(hub.workspace) == whole, last


def test_a_push_that_cannot_arrive_exits_with_8_and_keeps_what_did_not_go(ran, hub):
    """The line says how much is there, why, and how to go on; the spool holds the requests, and the experiment stays as it was."""
    before = (folder(ran) / "experiment.json").read_bytes()
    hub.workspace.plan = lambda number: Fault(403)

    answer = ran.harness("push")

    assert answer.code == 8
    name = folder(ran).name
    assert answer.err == (
        f"harness: push incomplete: 0 of 6 traces are there: {hub.address}: the key may not do this (403); look at its workspace and its "
        f"rights; 11 requests wait in reports/experiments/{name}/push/spool.jsonl; go on with `harness push {name}`\n"
    )
    assert len((folder(ran) / "push" / "spool.jsonl").read_text().splitlines()) == 11
    assert (folder(ran) / "experiment.json").read_bytes() == before
    assert ran.harness("gate").code == 1


def test_a_push_goes_on_where_it_was_cut_off(ran, hub):
    """With --resume what was acknowledged is not sent again, and the spool goes when everything is there."""
    hub.workspace.plan = lambda number: Fault(401) if len(hub.workspace.sessions) else None
    assert ran.harness("push").code == 8
    hub.workspace.plan = lambda number: None

    answer = ran.harness("push", "--resume")

    assert (answer.code, answer.err) == (0, "")
    assert len([run for run in hub.workspace.runs.values() if "parent_run_id" not in run]) == 6
    assert not (folder(ran) / "push" / "spool.jsonl").exists()


def test_resume_without_a_push_is_refused(ran, hub):
    """There is nothing to go on with."""
    answer = ran.harness("push", "--resume")

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "push it without --resume" in answer.err
    assert hub.asked == []


def test_a_ledger_that_is_damaged_is_named(ran, hub):
    """The line says which file to remove, and that nothing is sent twice."""
    (folder(ran) / "push").mkdir()
    (folder(ran) / "push" / "ledger.jsonl").write_text("no line of a ledger\n")

    answer = ran.harness("push", "--resume")

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "push/ledger.jsonl:1: not a line of a ledger; remove the file and push again, nothing is sent twice" in answer.err
    assert hub.asked == []


def test_connections_that_are_cut_are_made_good(ran, hub, monkeypatch):
    """Cut before and after it took effect, over real sockets: everything is there once."""
    monkeypatch.setattr(sender, "FIRST_WAIT_S", 0.001)
    hub.workspace.plan = lambda number: Fault(None, taken=number % 6 == 0) if number % 3 == 0 else None

    assert ran.harness("push").code == 0

    assert len([run for run in hub.workspace.runs.values() if "parent_run_id" not in run]) == 6
