"""Trials on a clock: recorded latencies and waits take virtual time, durations are figures, and what cannot go on is named."""

import re
import time

import pytest

AGENT = """
    import asyncio
    import operator
    import threading
    import time
    from typing import Annotated, TypedDict

    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph

    LOCK = threading.Lock()


    class State(TypedDict):
        answers: Annotated[list, operator.add]


    model = ChatOpenAI(model="gpt-4o-mini", max_retries=2)


    def build():
        graph = StateGraph(State)
        for name, node in NODES.items():
            graph.add_node(name, node)
            graph.add_edge(START, name)
            graph.add_edge(name, END)
        return graph.compile()
"""
SYNC = """
    def asking(word):
        def ask(state):
            return {"answers": [model.invoke(word).content]}
        return ask


    NODES = {word: asking(word) for word in ("alpha", "beta")}
"""
ASYNC = """
    def asking(word):
        async def ask(state):
            return {"answers": [(await model.ainvoke(word)).content]}
        return ask


    NODES = {word: asking(word) for word in ("alpha", "beta")}
"""
MIXED = """
    def asking(word):
        async def ask(state):
            return {"answers": [await asyncio.to_thread(lambda: model.invoke(word).content)]}
        return ask


    NODES = {word: asking(word) for word in ("alpha", "beta")}
"""
RULES = """
    - when: {contains: "alpha"}
      reply: {text: "A"}
    - when: {contains: "beta"}
      reply: {text: "B"}
"""
ANSWERS = {"output": {"state.answers": ["A", "B"]}}


def agent(world, nodes, limits="", **case):
    """Write a suite of one case over these nodes, and record it; each answer then took 300 seconds."""
    world.write("agent.py", AGENT)
    world.write("agent.py", world.root.joinpath("agent.py").read_text("utf-8") + world.write("nodes.py", nodes).read_text("utf-8"))
    world.suite(limits)
    world.cases({"id": "one", "inputs": {"answers": []}, **case})
    assert world.record(RULES).code == 0
    cassette = world.root / "cassettes/agent/one.yaml"
    if cassette.exists():
        cassette.write_text(re.sub(r"latency_s: .*", "latency_s: 300", cassette.read_text("utf-8")), "utf-8")


@pytest.mark.parametrize("nodes", [SYNC, ASYNC, MIXED], ids=["sync", "async", "mixed"])
def test_latencies_pass_in_virtual_time(world, nodes):
    """Two branches ask at once for 300 recorded seconds: the trial lasts 300, in no time, exactly and again."""
    agent(world, nodes, expected=ANSWERS)
    began = time.monotonic()

    answer = world.harness("run", "--repeat", "20", "--json")

    assert time.monotonic() - began < 60
    assert answer.code == 0, answer.out + answer.err
    assert [trial.trace.duration_s for trial in world.trials()] == [300.0] * 20
    assert answer.json["suites"]["agent"]["metrics"]["duration_s.p99"] == 300.0


def test_a_duration_can_be_bounded(world):
    """A limit on the duration fails a trial that is too slow, and a gate can bound the figure."""
    agent(world, SYNC, "limits = { duration_s = 299 }", expected=ANSWERS)
    answer = world.harness("run")
    assert answer.code == 1
    assert "took 300 s, limits.duration_s = 299" in answer.out


def test_a_timeout_strikes_at_its_moment(world):
    """A graph's own time-out of 45 seconds ends the waiting for a recorded answer of 300 at exactly 45."""
    nodes = """
    async def ask(state):
        try:
            return {"answers": [(await asyncio.wait_for(model.ainvoke("alpha"), 45)).content]}
        except TimeoutError:
            return {"answers": ["late"]}


    NODES = {"ask": ask}
    """
    agent(world, nodes, expected={"output": {"state.answers": ["late"]}})  # recorded, the answer came in time
    assert world.harness("run").code == 0
    assert world.trial().trace.duration_s == 45.0


def test_real_time_on_request(world):
    """With --clock real, waits take real time, no latency is played, and durations are no figures."""
    agent(world, SYNC, "limits = { duration_s = 299 }", expected=ANSWERS)
    answer = world.harness("run", "--clock", "real", "--json")
    suite = answer.json["suites"]["agent"]
    assert world.trial().trace.duration_s is None
    assert suite["metric_reasons"]["duration_s.p50"] == "1 trial ran in real time, whose durations are no figures"


def test_resuming_keeps_the_clock(world):
    """A run that is resumed goes on with the clock it was started with."""
    agent(world, SYNC, expected=ANSWERS)
    assert world.harness("run", "--clock", "real").code == 0
    assert world.harness("run", "--resume", "latest").code == 0
    assert world.trial().trace.duration_s is None


@pytest.mark.parametrize("swallowed", [False, True], ids=["raised", "swallowed"])
def test_a_deadlock_is_an_error_that_names_it(world, swallowed):
    """A node that takes a lock twice ends as an error that says who waits where, even if the node swallows it."""
    nodes = f"""
    def ask(state):
        LOCK.acquire()
        try:
            LOCK.acquire()
        except {"BaseException" if swallowed else "ValueError"}:
            pass
        finally:
            LOCK.release()
        return {{"answers": []}}


    NODES = {{"ask": ask}}
    """
    world.write("agent.py", AGENT)
    world.write("agent.py", world.root.joinpath("agent.py").read_text("utf-8") + world.write("nodes.py", nodes).read_text("utf-8"))
    world.suite()
    world.cases({"id": "one", "inputs": {"answers": []}})

    answer = world.harness("run")

    assert answer.code == 3
    crash = world.trial().trace.crash
    assert crash.type == "Stalled"
    assert re.search(r"deadlock in virtual time: .*'MainThread' waits for a lock at agent.py:\d+ in ask", crash.message)
