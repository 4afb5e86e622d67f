"""A sweep finds what an agent does not survive, and names the cell."""

import json
from dataclasses import replace

import pytest
from regressions import ROOT, run
from tool_agent import AGENT, RULES

from harness import config
from harness.runner.plan import prepare
from harness.runner.run import sealed_without_keys
from harness.runner.selection import Selection
from harness.runner.sweep import unstruck


@pytest.fixture
def agent(world):
    """Return a project whose agent survives what it can."""
    world.write("agent.py", AGENT)
    world.write("script.yaml", RULES)
    world.suite(
        'script = "script.yaml"\nrecursion_limit = 12\nlimits = { model_calls = 8 }',
        tables="[suites.agent.sweep]\nrisky_tools = ['delete']\nallow = { endless_tools = ['looped'], hang = ['hang'] }",
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
    assert len(found) == 20 + 20 + 6
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


def test_each_cell_says_why(agent):
    """Every cell has a line of reason, in the document and, with --explain, on the screen."""
    _, found = cells(agent)
    shown = " ".join(agent.harness("sweep", "--explain").out.split())

    assert all(cell["reason"] for cell in found.values())
    reasons = {fault: cell["reason"] for (_, number, fault), cell in found.items() if number == 1}
    assert reasons["rate_limit"] == "the same answer as without the fault; 3 model calls instead of 2"
    assert reasons["auth"] == "it answered 'Sorry.' instead of 'done'; 1 model call instead of 2; 0 tool calls instead of 1"
    stopped = found["ask", 2, "endless_tools"]["reason"]
    assert stopped.startswith("stopped by the recursion limit of 12 after 12 steps; 4 repeated tool calls; 8 visits without progress; ")
    assert "- auth at model_call 1 (ask): degraded: it answered 'Sorry.' instead of 'done'; 1 model call instead of 2" in shown


def test_a_fault_may_last(agent):
    """A fault strikes several calls in a row where the config says so; where the agent asks no more, it is not run again."""
    agent.edit("harness.toml", "[suites.agent.sweep]", "[suites.agent.sweep]\nfaults = ['rate_limit', 'auth', 'empty']\ntimes = [1, 3]")
    answer = agent.harness("sweep", "--json")
    found = {(cell["at"]["model_call"], cell["fault"], cell["times"]): cell for cell in json.loads(answer.out)[0]["cells"]}

    assert [found[1, "rate_limit", times]["outcome"] for times in (1, 3)] == ["answered", "degraded"]
    assert found[1, "rate_limit", 3]["reason"].startswith("it answered 'Sorry.' instead of 'done'; 3 model calls")
    assert (found[1, "rate_limit", 3]["like"], found[1, "auth", 3]["like"]) == (None, "auth")
    assert "rate_limit x3 degraded" in " ".join(agent.harness("sweep").out.split())


def test_a_fault_that_lasts_strikes_what_is_not_recorded(world):
    """A model that never stops is followed to the limit over a cassette too: where nothing is recorded, it says the same again."""
    world.write("agent.py", AGENT)
    world.suite("recursion_limit = 12", tables="[suites.agent.sweep]\nfaults = ['endless_tools']")
    world.cases({"id": "one", "inputs": {"messages": [{"role": "user", "content": "look"}]}})
    world.record(RULES)
    code, found = cells(world)

    assert code == 1
    assert found["ask", 1, "endless_tools"]["outcome"] == found["ask", 2, "endless_tools"]["outcome"] == "looped"


def test_limits_under_faults(agent):
    """Limits of the sweep's own stand in for those of the suite, key by key."""
    agent.edit("harness.toml", "[suites.agent.sweep]", "[suites.agent.sweep]\nfaults = ['rate_limit']\nlimits = { model_calls = 2 }")
    code, found = cells(agent)

    assert code == 1
    assert found["ask", 1, "rate_limit"]["broken"] == ["3 model calls, limits.model_calls = 2"]


def test_a_limit_that_is_expected_breaks_nothing(agent):
    """A case that is expected to reach the recursion limit may reach it under a fault too."""
    agent.edit("harness.toml", "allow = { endless_tools = ['looped'], hang = ['hang'] }", "faults = ['rate_limit']")
    endless = {"at": {"model_call": 2}, "fault": "endless_tools"}
    inputs = {"messages": [{"role": "user", "content": "look"}]}
    agent.edit("harness.toml", "limits = { model_calls = 8 }", "")
    agent.cases({"id": "one", "inputs": inputs, "faults": [endless], "expected": {"ends": "limit"}})
    answer = agent.harness("sweep", "--json")
    (swept,) = json.loads(answer.out)

    assert answer.code == 0, swept["cells"]
    assert {cell["outcome"] for cell in swept["cells"]} == {"looped"}


def test_nodes_that_ask_at_once_are_named(world):
    """Where several nodes ask in one step, a call is counted within its node: which one is first is not determined."""
    world.write("agent.py", PARALLEL)
    world.write("script.yaml", RULES)
    world.suite('script = "script.yaml"', tables="[suites.agent.sweep]\nfaults = ['auth']")
    world.cases({"id": "one", "inputs": {"answers": []}})
    (swept,) = json.loads(world.harness("sweep", "--json").out)

    assert [(cell["at"]["node"], cell["at"]["model_call"], cell["place"]) for cell in swept["cells"]] == [
        ("left", 1, "left"),
        ("right", 1, "right"),
        (None, 3, "last"),
    ]
    assert [cell["reason"].partition(":")[0].rpartition(" ")[2] for cell in swept["cells"]] == ["'left'", "'right'", "'last'"]


PARALLEL = """
    import operator
    from typing import Annotated, TypedDict

    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph


    class State(TypedDict):
        answers: Annotated[list, operator.add]


    def ask(state):
        return {"answers": [ChatOpenAI(model="gpt-4o-mini", max_retries=0).invoke("hello").content]}


    def build():
        graph = StateGraph(State)
        for name in ("left", "right", "last"):
            graph.add_node(name, ask)
        graph.add_edge(START, "left")
        graph.add_edge(START, "right")
        graph.add_edge(["left", "right"], "last")
        graph.add_edge("last", END)
        return graph.compile()
"""


@pytest.mark.parametrize("suite", ["resilient_chain", "support_triage"])
def test_without_a_fault_it_is_the_plain_trial(suite):
    """What a sweep compares its cells with is, byte for byte, the trial that a run writes; without checks the trace is still the same."""
    experiment = run(ROOT, suite, "--limit", "8")["experiment"]
    lines = (ROOT / "reports/experiments" / experiment / "trials.jsonl").read_text("utf-8").splitlines()
    with sealed_without_keys():
        plan = prepare(config.load(ROOT / "harness.toml"), Selection(suites=(suite,), limit=8))
        (bench,) = plan.benches
        bases = unstruck(plan, bench, jobs=1, progress=lambda *_: None)
        bare = replace(bench, checks={}, suite=bench.suite.model_copy(update={"checks": None}))
        bare_bases = unstruck(plan, bare, jobs=1, progress=lambda *_: None)

    assert [base.to_json() for base in bases] == lines
    assert [base.trace.to_json() for base in bare_bases] == [base.trace.to_json() for base in bases]
