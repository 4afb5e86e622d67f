"""Faults as flags of `harness run`: they strike every selected case, and the experiment knows of them."""

import json

import pytest
from letters import AGENT, RULES, case


@pytest.fixture
def recorded(world):
    """Return a project with a recorded suite of two cases."""

    def make():
        world.write("agent.py", AGENT)
        world.suite()
        world.cases(case(0), case(1))
        assert world.record(RULES).code == 0

    world.prepare(make)
    return world


def test_a_flag_strikes_every_case(recorded):
    """Each case meets the fault of the flag besides its own, and the client's retry is answered from the cassette."""
    answer = recorded.harness("run", "--fault", "rate_limit@model_call=1,retry_after_s=0.001", "--json")

    assert [[call.fault for call in trial.trace.calls] for trial in recorded.trials()] == [["rate_limit", None]] * 2
    assert answer.json["suites"]["agent"]["notes"] == ["every case ran with rate_limit@model_call=1,retry_after_s=0.001"]


def test_flags_are_provenance(recorded):
    """The experiment names the faults as they were given, and shows them."""
    recorded.harness("run", "--fault", "auth@node=ask", "--fault", "server_error@model_call=2,times=3,status=503")
    (folder,) = (recorded.root / "reports/experiments").iterdir()
    (suite,) = json.loads((folder / "experiment.json").read_text())["suites"]

    assert suite["faults"] == ["auth@node=ask", "server_error@model_call=2,times=3,status=503"]
    assert "every case ran with auth@node=ask, server_error@model_call=2,times=3,status=503" in " ".join(
        recorded.harness("show", "latest").out.split()
    )


def test_a_run_resumes_with_its_faults(recorded):
    """An interrupted experiment goes on with the faults that it was started with."""
    flags = ("--fault", "rate_limit@model_call=1,retry_after_s=0.001")
    whole = recorded.harness("run", *flags, "--json").json["experiment"]
    path = recorded.root / "reports/experiments" / whole / "trials.jsonl"
    trials = path.read_text()
    path.write_text(trials.splitlines(keepends=True)[0])

    recorded.harness("run", "--resume", whole)

    assert path.read_text() == trials


def test_a_fault_that_strikes_nothing_fails(recorded):
    """A flag proves nothing about a case that never gets there."""
    answer = recorded.harness("run", "--fault", "auth@model_call=9")

    assert answer.code == 1
    assert recorded.trials()[0].reasons[0] == "faults: the fault 'auth' at model_call 9 never struck: nothing such was asked"


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("rate_limits@model_call=1", "unknown fault 'rate_limits'; did you mean 'rate_limit'?"),
        ("rate_limit", "it does not say where; write FAULT@PLACE, as in rate_limit@model_call=1,times=2"),
        ("rate_limit@model_cal=1", "unknown place or detail 'model_cal'; did you mean 'model_call'?"),
        ("rate_limit@model_call=one", "at.model_call: input should be a valid integer (got 'one')"),
        ("rate_limit@model_call", "model_call has no value; write FAULT@PLACE"),
        ("rate_limit@model_call=1,model_call=2", "model_call stands twice"),
        ("rate_limit@tool=look", "'rate_limit' is no fault of a tool; those are raise, hang"),
        ("rate_limit@times=2", "say where: model_call, embedding, tool_call, tool or node"),
        ("rate_limit@model_call=1,times=0", "times: input should be greater than or equal to 1 (got 0)"),
        ("auth@model_call=1,status=500", "a status is for 'server_error' and 'overloaded', not for 'auth'"),
    ],
    ids=["fault", "nowhere", "place", "number", "no value", "twice", "tool", "no place", "times", "status"],
)
def test_a_bad_flag_is_one_line(recorded, flag, said):
    """What cannot be read ends the command in one line with the remedy, and nothing runs."""
    answer = recorded.harness("run", "--fault", flag)

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert answer.err.startswith(f"harness: --fault {flag!r}: {said}")
    assert not (recorded.root / "reports").exists()
