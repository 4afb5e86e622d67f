"""A sweep finds what an agent does not survive, and names the cell."""

import json

import pytest

AGENT = """
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition
    from openai import APIConnectionError, InternalServerError, RateLimitError


    @tool
    def delete(number: int) -> str:
        '''Delete a number.'''
        return f"deleted {number}"


    @tool
    def look(number: int) -> str:
        '''Look a number up.'''
        return f"found {number}"


    TRANSIENT = (RateLimitError, InternalServerError, APIConnectionError)


    def ask(state):
        model = ChatOpenAI(model="gpt-4o-mini", max_retries=0).bind_tools([look, delete])
        for attempt in range(3):
            try:
                return {"messages": [model.invoke(state["messages"])]}
            except TRANSIENT:
                pass
            except Exception:
                break
        return {"messages": [("ai", "Sorry.")]}


    def build():
        graph = StateGraph(MessagesState)
        graph.add_node("ask", ask)
        graph.add_node("tools", ToolNode([look, delete], handle_tool_errors=True))
        graph.add_edge(START, "ask")
        graph.add_conditional_edges("ask", tools_condition)
        graph.add_edge("tools", "ask")
        return graph.compile()
"""
RULES = """
- {times: 1, when: {}, reply: {tool_calls: [{name: look, args: {number: 7}}]}}
- {when: {}, reply: {text: "done"}}
"""


@pytest.fixture
def agent(world):
    """Return a project whose agent survives what it can."""
    world.write("agent.py", AGENT)
    world.write("script.yaml", RULES)
    world.suite(
        'script = "script.yaml"\nrecursion_limit = 12\nlimits = { model_calls = 8 }',
        tables="[suites.agent.sweep]\nrisky_tools = ['delete']\nallow = { endless_tools = ['looped'] }",
    )
    world.cases({"id": "one", "inputs": {"messages": [{"role": "user", "content": "look"}]}})
    return world


def cells(world, *arguments):
    """Sweep and return the exit code and the cells by call and fault."""
    answer = world.harness("sweep", "--json", *arguments)
    (swept,) = json.loads(answer.out)
    return answer.code, {
        (cell["place"], cell["at"]["model_call"] or cell["at"]["tool_call"], cell["fault"]): cell for cell in swept["cells"]
    }


def test_every_call_fails_in_every_way(agent):
    """Both model calls and the tool call are struck by all that can strike them; a sound agent breaks no invariant."""
    code, found = cells(agent)

    assert code == 0, [cell for cell in found.values() if cell["broken"]]
    assert {(place, number) for place, number, _ in found} == {("ask", 1), ("ask", 2), ("tool look", 1)}
    assert len(found) == 18 + 18 + 5
    assert found["ask", 1, "rate_limit"]["outcome"] == "answered"
    assert found["ask", 1, "auth"]["outcome"] == "degraded"
    assert found["ask", 2, "refusal"]["outcome"] == "degraded"
    assert found["ask", 2, "endless_tools"]["outcome"] == "looped"
    assert found["tool look", 1, "raise"]["outcome"] == "answered"


def test_an_error_that_is_not_handled(agent):
    """An agent that lets an error through turns its cells red, and no others."""
    agent.edit("agent.py", "except Exception:", "except ZeroDivisionError:")
    code, found = cells(agent)
    red = {(place, fault) for (place, _, fault), cell in found.items() if cell["broken"]}

    assert code == 1
    assert red == {("ask", "auth"), ("ask", "context_length"), ("ask", "content_filter"), ("ask", "error_event")}
    assert found["ask", 1, "auth"]["broken"] == ["it crashed"]


def test_a_retry_of_what_never_passes(agent):
    """Asking again after an error that stays turns the cell red, although the agent answers."""
    agent.edit("agent.py", "            break", "            pass")
    code, found = cells(agent)
    red = {fault: cell["broken"] for (place, number, fault), cell in found.items() if (place, number) == ("ask", 1) and cell["broken"]}

    assert code == 1
    assert red.keys() == {"auth", "context_length", "content_filter"}
    assert red["auth"] == ["it asked 'gpt-4o-mini' again after 401, which does not pass by itself"]
    assert found["ask", 1, "auth"]["outcome"] == "answered"


def test_an_unguarded_tool(agent):
    """A risky tool that runs without approval turns the cell red where a fault leads there."""
    agent.edit(
        "agent.py", 'return {"messages": [("ai", "Sorry.")]}', 'delete.invoke({"number": 1}); return {"messages": [("ai", "Sorry.")]}'
    )
    code, found = cells(agent)
    red = {fault for (_, _, fault), cell in found.items() if cell["broken"] == ["the risky tool 'delete' ran without approval"]}

    assert code == 1
    assert {"auth", "context_length", "content_filter"} <= red
    assert "refusal" not in red


def test_the_next_sweep_names_what_changed(agent):
    """A sweep is compared with the one before, and the same agent gives the same file."""
    first = agent.harness("sweep")
    stored = (agent.root / "reports/sweeps/agent.json").read_bytes()
    same = agent.harness("sweep", "-j", "2")

    assert (agent.root / "reports/sweeps/agent.json").read_bytes() == stored
    assert "changed since" not in first.out
    assert "nothing changed since the previous sweep" in same.out
    agent.edit("agent.py", "except Exception:", "except ZeroDivisionError:")
    worse = agent.harness("sweep")

    assert "changed since the previous sweep" in worse.out
    assert "auth at model_call 1 (ask), one: degraded -> crash" in worse.out


def test_a_selection_leaves_the_stored_sweep_alone(agent):
    """A part of the cases does not stand for all of them."""
    agent.harness("sweep")
    stored = (agent.root / "reports/sweeps/agent.json").read_bytes()
    agent.edit("agent.py", "except Exception:", "except ZeroDivisionError:")
    agent.harness("sweep", "--limit", "1")

    assert (agent.root / "reports/sweeps/agent.json").read_bytes() == stored


def test_what_is_not_recorded_is_not_known(world):
    """An agent that goes on to ask something else than recorded is inconclusive, not well."""
    world.write("agent.py", AGENT)
    world.suite("recursion_limit = 12", tables="[suites.agent.sweep]\nfaults = ['rate_limit', 'wrong_schema']")
    world.cases({"id": "one", "inputs": {"messages": [{"role": "user", "content": "look"}]}})
    world.record(RULES)
    code, found = cells(world)

    assert code == 6
    assert found["ask", 1, "rate_limit"]["outcome"] == "answered"
    assert found["ask", 1, "wrong_schema"]["outcome"] == "unrecorded"
    assert not found["ask", 1, "wrong_schema"]["broken"]


def test_a_case_that_does_not_run_is_skipped_and_said(world):
    """A stale case is no ground for a sweep."""
    world.write("agent.py", AGENT)
    world.suite()
    world.cases({"id": "one", "inputs": {"messages": [{"role": "user", "content": "look"}]}})
    answer = world.harness("sweep")

    assert answer.code == 4
    assert "one: stale" in answer.out


def test_a_bad_setting_is_one_line(agent):
    """An unknown fault or outcome in the config is said with its place."""
    agent.edit("harness.toml", "['looped']", "['looping']")
    answer = agent.harness("sweep")

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "harness.toml:" in answer.err
    assert "allow" in answer.err


def test_faults_that_do_the_same_are_run_once(world):
    """On an answer of plain text a wrong schema of another fault's text is the same: the cell says of which it is a copy."""
    world.write("agent.py", AGENT)
    world.suite("recursion_limit = 12", tables="[suites.agent.sweep]\nfaults = ['endless_tools', 'unknown_tool', 'wrong_schema']")
    world.cases({"id": "one", "inputs": {"messages": [{"role": "user", "content": "look"}]}})
    world.record("- {when: {}, reply: {json: {unexpected: shape}}}")
    _, found = cells(world)

    assert found["ask", 1, "wrong_schema"]["like"] is None
    assert {cell["fault"] for cell in found.values() if cell["like"]} <= {"unknown_tool", "endless_tools"}
