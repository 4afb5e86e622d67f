"""Faults that take time: slow answers, time-outs and hangs, exact to the virtual millisecond."""

import time

import openai
import pytest
from exchanges import said, tape
from wire_server import ask, client_of, project_of, server_of

AGENT = """
    import asyncio
    from typing import TypedDict

    import aiohttp
    import httpx
    import requests
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph
    from openai import APITimeoutError

    URL = "https://api.openai.com/v1/chat/completions"
    QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
    model = ChatOpenAI(model="gpt-4o-mini", max_retries=0, timeout={timeout})
    bounds = ({timeout},) if {timeout} else ()


    class State(TypedDict, total=False):
        text: str


    @tool
    def look(number: int) -> str:
        '''Look a number up.'''
        return f"found {number}"


    def sync_ask():
        return model.invoke("hello").content


    async def ask():
        return (await model.ainvoke("hello")).content


    async def bounded(work):
        try:
            return await asyncio.wait_for(work, 5)
        except TimeoutError:
            return "too late"


    {node}


    def build():
        graph = StateGraph(State)
        graph.add_node("answer", answer)
        graph.add_edge(START, "answer")
        graph.add_edge("answer", END)
        return graph.compile()
"""
SYNC = "def answer(state): return {'text': sync_ask()}"
ASYNC = "async def answer(state): return {'text': await ask()}"


def run(world, fault, node=SYNC, timeout=None, at=None, expected=None):
    """Run a case with one fault over an agent of one node, and return its trial."""
    world.write("agent.py", AGENT.replace("{node}", node).replace("{timeout}", str(timeout)))
    world.write("script.yaml", "- {when: {}, reply: {text: done}}")
    world.suite('script = "script.yaml"')
    world.cases({"id": "one", "inputs": {}, "faults": [{"at": at or {"model_call": 1}, **fault}], "expected": expected or {}})
    answer = world.harness("run")
    assert answer.code in {0, 1, 3}, answer.err
    return world.trial()


@pytest.mark.parametrize("node", [SYNC, ASYNC], ids=["sync", "async"])
def test_a_slow_answer(world, node):
    """The answer arrives by its delay later, 30 seconds where none is named."""
    trial = run(world, {"fault": "slow", "delay_s": 41.5}, node)

    assert (trial.outcome, trial.trace.duration_s) == ("pass", 41.5), trial.reasons
    assert (trial.trace.calls[0].fault, trial.trace.calls[0].latency_s) == ("slow", 41.5)
    assert run(world, {"fault": "slow"}, node).trace.duration_s == 30.0


@pytest.mark.parametrize("node", [SYNC, ASYNC], ids=["sync", "async"])
@pytest.mark.parametrize("fault", ["slow", "timeout", "hang"])
def test_the_clients_own_time_out(world, node, fault):
    """A client that waits 12 seconds gives up after exactly those."""
    trial = run(world, {"fault": fault}, node, timeout=12)

    assert (trial.outcome, trial.trace.duration_s) == ("error", 12.0)
    assert (trial.trace.crash.type, trial.trace.crash.node) == ("OpenAITimeoutError", "answer")
    assert (trial.trace.calls[0].fault, trial.trace.calls[0].error, trial.trace.calls[0].status) == (fault, "timeout", None)


OTHERS = {
    "httpx": ("def answer(state): return {'text': httpx.post(URL, json=QUESTION, timeout=3).text}", "ReadTimeout"),
    "requests": ("def answer(state): return {'text': requests.post(URL, json=QUESTION, timeout=3).text}", "ReadTimeout"),
    "aiohttp": (
        """async def answer(state):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            async with session.post(URL, json=QUESTION) as response:
                return {'text': await response.text()}""",
        "ServerTimeoutError",
    ),
}


@pytest.mark.parametrize(("node", "error"), OTHERS.values(), ids=OTHERS)
def test_the_time_outs_of_other_clients(world, node, error):
    """Each client library waits as long as it was told to, and raises its own exception."""
    trial = run(world, {"fault": "hang"}, node)

    assert (trial.trace.duration_s, trial.trace.crash.type) == (3.0, error)


@pytest.mark.parametrize("node", [SYNC, ASYNC], ids=["sync", "async"])
def test_a_client_without_a_time_out_hangs(world, node):
    """Nothing ends the wait: the trial is an error that names the node, in no real time."""
    trial = run(world, {"fault": "hang"}, node)

    assert (trial.outcome, trial.trace.duration_s) == ("error", None)
    assert trial.reasons[0] == (
        "NeverAnswered in node 'answer': node 'answer' (step 1) waits for an answer of api.openai.com that never comes; "
        "its client has no read time-out"
    )


def test_a_hang_that_is_swallowed_is_told(world):
    """An agent that catches everything does not hide that it hung."""
    node = """def answer(state):
        try:
            return {'text': sync_ask()}
        except BaseException:
            return {'text': 'fine'}"""
    trial = run(world, {"fault": "hang"}, node)

    assert (trial.outcome, trial.trace.crash.type) == ("error", "NeverAnswered")


def test_a_bound_around_a_hang(world):
    """What the agent itself bounds ends when it says, whatever hangs inside."""
    trial = run(world, {"fault": "hang"}, "async def answer(state): return {'text': await bounded(ask())}")

    assert (trial.outcome, trial.trace.duration_s, trial.trace.state) == ("pass", 5.0, {"text": "too late"})


TOOLS = {
    "sync": ("def answer(state): return {'text': look.invoke({'number': 7})}", "error"),
    "async": ("async def answer(state): return {'text': await look.ainvoke({'number': 7})}", "error"),
    "bounded": ("async def answer(state): return {'text': await bounded(look.ainvoke({'number': 7}))}", "pass"),
}


@pytest.mark.parametrize(("node", "outcome"), TOOLS.values(), ids=TOOLS)
def test_a_tool_that_hangs(world, node, outcome):
    """A tool that never returns ends the trial as an error that names it, unless the agent bounds it."""
    trial = run(world, {"fault": "hang"}, node, at={"tool": "look"})

    assert trial.outcome == outcome
    if outcome == "error":
        assert trial.trace.crash.message == "tool 'look' never returns, and nothing stops it"
    else:
        assert trial.trace.duration_s == 5.0


def test_a_missing_time_out_turns_cells_red(world):
    """An agent without a time-out survives no hang: a sweep names the cell, and no other is red; with a time-out none is."""
    node = """def answer(state):
        try:
            return {'text': sync_ask()}
        except Exception:
            return {'text': 'Sorry.'}"""
    run(world, {"fault": "slow"}, node, timeout=20)
    world.cases({"id": "one", "inputs": {}})
    sound = world.harness("sweep")
    world.edit("agent.py", "timeout=20", "timeout=None")
    broken = world.harness("sweep")

    assert sound.code == 0, sound.out
    assert broken.code == 1
    assert "1 broken" in broken.out
    assert "- hang at model_call 1 (answer), one: it waits for what never comes (NeverAnswered in node 'answer'" in " ".join(
        broken.out.split()
    )


def test_a_delay_is_for_slow_answers(world):
    """A delay at another fault is refused."""
    world.write("agent.py", AGENT.replace("{node}", SYNC).replace("{timeout}", "None"))
    world.suite()
    world.cases({"id": "one", "inputs": {}, "faults": [{"at": {"model_call": 1}, "fault": "auth", "delay_s": 1}]})
    answer = world.harness("run")

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "delay_s is for 'slow', not for 'auth'" in answer.err


@pytest.mark.parametrize("fault", [{"fault": "slow", "delay_s": 0.4}, {"fault": "hang"}], ids=["slow", "hang"])
def test_a_served_answer_takes_its_time(world, fault):
    """Agents in other processes wait for real: for the delay, or until they give up."""
    project = project_of(world)
    world.cases({"id": "late", "inputs": {}, "faults": [{"at": {"model_call": 1}, **fault}]})
    tape(project, "late", said("capital?", "Paris."))

    timeout = 300 if fault["fault"] == "slow" else 0.3
    with server_of(project) as server, client_of(server, "agent/late", max_retries=0, timeout=timeout) as client:
        started = time.monotonic()
        if fault["fault"] == "slow":
            assert ask(client).choices[0].message.content == "Paris."
            assert time.monotonic() - started >= 0.4
        else:
            with pytest.raises(openai.APITimeoutError):
                ask(client)
