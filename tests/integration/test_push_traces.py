"""A trace that was pushed is fetched again and becomes a case, from the double and, where there is a key, from LangSmith itself."""

import pytest
from langsmith_service import play, push


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
