"""A trace that was pushed is fetched again and becomes a case, from the double and, where there is a key, from LangSmith itself."""

import pytest
from langsmith_service import play, push
from letters import case


@pytest.mark.parametrize("by", ["id", "address"])
def test_a_trace_there_becomes_a_case_that_passes(world, service, by):
    """The run tree is fetched; the graph plays the case from what the model said there."""
    play(world, service.path, cases=2)
    (session,) = push(world)
    root = str(service.roots(session, 2)["case-001"].id)
    source = root if by == "id" else f"https://langsmith/o/t/projects/p/{session}/r/{root}?poll=true"

    answer = world.harness("import", "langsmith", source, "--suite", "agent", "--expect", "path")

    assert (answer.code, answer.out, answer.err) == (0, f"agent: case '{root}': 1 exchange\n", "")
    assert world.harness("run", "--filter", root).code == 0
    assert (world.trial().played, world.trial().unused, world.trial().outcome) == (1, 0, "pass")
    assert world.trial().trace.nodes == ("classify", "letter")


@pytest.mark.parametrize("fault", ["empty", "auth"])
def test_an_injected_answer_is_not_taken_for_what_a_model_said(ran, hub, fault):
    """The run of the call shows no answer of the cassette, and its trace makes no case: nobody said what the graph was told."""
    line = {**case(0), "faults": [{"at": {"model_call": 1}, "fault": fault}]}
    ran.cases(line)
    ran.harness("run", "--limit", "1")
    push(ran)
    runs = hub.workspace.runs.values()
    (call,) = [run for run in runs if run["run_type"] == "llm"]
    (root,) = [run["id"] for run in runs if "parent_run_id" not in run]

    answer = ran.harness("import", "langsmith", root, "--suite", "agent")

    assert (call["inputs"], call["outputs"].keys()) == ({}, {"status", "finish_reason"})
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert f"its answer was injected ({fault})" in answer.err
