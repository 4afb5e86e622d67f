"""Trials on a clock: recorded latencies and waits take virtual time, durations are figures, and what cannot go on is named."""

import re
import textwrap
import time

import pytest
from openai_server import serving

from harness.script import parse

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


def agent(world, nodes, limits="", tables="", **case):
    """Write a suite of one case over these nodes, and record it; each answer then took 300 seconds."""
    world.write("agent.py", AGENT)
    world.write("agent.py", world.root.joinpath("agent.py").read_text("utf-8") + world.write("nodes.py", nodes).read_text("utf-8"))
    world.suite(limits, tables=tables)
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


def test_ten_minutes_pass_at_once(world):
    """A chain of two recorded calls of 300 seconds takes 600 virtual ones; each node, call and wait is where it was in time."""
    nodes = """
    def first(state):
        return {"answers": [model.invoke("alpha").content]}


    def second(state):
        time.sleep(2.5)
        return {"answers": [model.invoke("beta").content]}


    NODES = {}


    def build():
        graph = StateGraph(State)
        graph.add_sequence([first, second])
        graph.add_edge(START, "first")
        return graph.compile()
    """
    agent(world, nodes, expected=ANSWERS)

    answer = world.harness("run", "--json")

    assert answer.code == 0, answer.out + answer.err
    trace = world.trial().trace
    assert trace.duration_s == 602.5
    assert [(step.place.node, step.start_s, step.duration_s) for step in trace.steps] == [("first", 0.0, 300.0), ("second", 300.0, 302.5)]
    assert [(call.start_s, call.duration_s) for call in trace.calls] == [(0.0, 300.0), (302.5, 300.0)]
    metrics = answer.json["suites"]["agent"]["metrics"]
    assert (metrics["node.first.duration_s.p50"], metrics["node.second.duration_s.p95"]) == (300.0, 302.5)
    shown = world.harness("show", "latest", "one").out
    assert " 300.000 s step 2: second (took 302.500 s)" in shown


def test_random_back_off_is_the_same_in_each_trial(world):
    """The jitter of an SDK's and of LangGraph's pauses between attempts differs from pause to pause and never from trial to trial."""
    nodes = """
    from langgraph.types import RetryPolicy

    TRIED = []


    def ask(state):
        TRIED.append(1)
        if len(TRIED) % 3:
            raise ConnectionError
        return {"answers": [model.invoke("alpha").content]}


    NODES = {}


    def build():
        graph = StateGraph(State)
        graph.add_node("ask", ask, retry_policy=RetryPolicy(max_attempts=3))
        graph.add_edge(START, "ask")
        return graph.compile()
    """
    agent(world, nodes, faults=[{"at": {"model_call": 1}, "fault": "rate_limit", "times": 2}])
    assert world.harness("run", "--repeat", "3").code == 0
    durations = [trial.trace.duration_s for trial in world.trials()]
    assert durations == [durations[0]] * 3
    assert durations[0] > 300 + 0.5 + 1


def test_a_node_that_no_trial_visited_has_no_duration(world):
    """A bound on the time of a node that is never visited cannot be evaluated, and says so."""
    agent(world, SYNC, tables="[suites.agent.gate]\n'node.gamma.duration_s.p95' = { max = 1 }", expected=ANSWERS)
    answer = world.harness("run")
    assert "no trial visited node 'gamma'" in answer.out


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
    trace = world.trial().trace
    assert trace.duration_s == 45.0
    assert [(call.latency_s, call.duration_s) for call in trace.calls] == [(300.0, 45.0)]
    assert "left after 45.000 s" in " ".join(world.harness("show", "latest", "one").out.split())


def test_a_sweep_takes_virtual_time(world):
    """The pauses between the attempts of a client take no time in a sweep: each struck call of a day's back-off is a cell at once."""
    nodes = """
    def ask(state):
        for pause in (3600, 86400):
            try:
                return {"answers": [ChatOpenAI(model="gpt-4o-mini", max_retries=0).invoke("alpha").content]}
            except Exception:
                time.sleep(pause)
        return {"answers": []}


    NODES = {"ask": ask}
    """
    agent(world, nodes)
    began = time.monotonic()
    answer = world.harness("sweep")
    assert time.monotonic() - began < 600
    assert "18 cells" in answer.out, answer.out + answer.err


def test_real_time_on_request(world):
    """With --clock real, latencies and waits take real time; the times are shown as measured, and no figure or check is made of them."""
    agent(world, SYNC, "limits = { duration_s = 299 }", expected=ANSWERS)
    world.edit("cassettes/agent/one.yaml", "latency_s: 300", "latency_s: 0.5")
    answer = world.harness("run", "--clock", "real", "--json")
    trace = world.trial().trace
    assert trace.real_time
    assert trace.duration_s >= 0.5
    assert {call.latency_s for call in trace.calls} == {0.5}
    assert min(call.duration_s for call in trace.calls) >= 0.499
    assert answer.json["suites"]["agent"]["metric_reasons"]["duration_s.p50"] == "1 trial ran in real time, whose durations are no figures"
    assert [score.status for score in world.trial().scores if score.check == "duration"] == ["unscored"]
    assert "were measured in real time, and are no figures" in world.harness("show", "latest", "one").out


@pytest.mark.parametrize("form", ["sync", "async"])
def test_a_database_is_asked_in_virtual_time(world, database, form):
    """Nodes talk to a real PostgreSQL server, whose library waits in C, while others sleep for virtual hours."""
    ask = """
    def ask(state):
        time.sleep(3600)
        with psycopg.connect(ADDRESS, connect_timeout=2) as connection:
            return {"answers": list(connection.execute("SELECT 'A'").fetchone())}
    """
    ask_async = """
    async def ask(state):
        await asyncio.sleep(3600)
        async with await psycopg.AsyncConnection.connect(ADDRESS, connect_timeout=2) as connection:
            return {"answers": list(await (await connection.execute("SELECT 'A'")).fetchone())}
    """
    beside = """
    def beside(state):
        for _ in range(100):
            time.sleep(60)
        return {"answers": ["B"]}


    NODES = {"ask": ask, "beside": beside}
    """
    nodes = "".join(map(textwrap.dedent, (f"import psycopg\n\nADDRESS = {database!r}\n", ask if form == "sync" else ask_async, beside)))
    world.write("agent.py", textwrap.dedent(AGENT) + nodes)
    world.suite('allow_hosts = ["127.0.0.1"]')
    world.cases({"id": "one", "inputs": {"answers": []}, "expected": ANSWERS})

    answer = world.harness("run", "--repeat", "2")

    assert answer.code == 0, answer.out + answer.err
    assert [trial.trace.duration_s for trial in world.trials()] == [6000.0, 6000.0]


STREAMING = {
    "sync": """
    def ask(state):
        return {"answers": [model.model_copy(update={"streaming": True}).invoke("alpha").content]}
    """,
    "async": """
    async def ask(state):
        return {"answers": [(await model.model_copy(update={"streaming": True}).ainvoke("alpha")).content]}
    """,
}


@pytest.mark.parametrize("form", STREAMING)
def test_the_first_token_is_timed(world, monkeypatch, form):
    """Recording notes when the first part of a streamed answer came, beside its latency; a replay makes figures of it."""
    nodes = textwrap.dedent(STREAMING[form]) + '\n\nNODES = {"ask": ask}\n'
    world.write("agent.py", textwrap.dedent(AGENT) + nodes)
    world.suite(tables="[suites.agent.gate]\n'ttft_s.p95' = { min = 0.0 }")
    world.cases({"id": "one", "inputs": {"answers": []}})
    with serving(parse(textwrap.dedent(RULES), path="rules")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-the-tests")
        server.delay_s, server.rest_s = 0.2, 0.4
        assert world.harness("record").code == 0

    answer = world.harness("run", "--json")

    assert answer.code == 0, answer.out + answer.err
    (call,) = world.trial().trace.calls
    assert call.streamed
    assert call.ttft_s >= 0.195
    assert call.latency_s - call.ttft_s >= 0.395
    assert answer.json["suites"]["agent"]["metrics"]["ttft_s.p50"] == call.ttft_s
    cassette = world.root / "cassettes/agent/one.yaml"
    cassette.write_text(re.sub(" *ttft_s: .*\n", "", cassette.read_text("utf-8")), "utf-8")
    reasons = world.harness("run", "--json").json["suites"]["agent"]["metric_reasons"]
    assert reasons["ttft_s.p50"] == "the recordings do not say when the first token of 1 streamed answer came"


def test_resuming_keeps_the_clock(world):
    """A run that is resumed goes on with the clock it was started with."""
    agent(world, SYNC, expected=ANSWERS)
    world.edit("cassettes/agent/one.yaml", "latency_s: 300", "latency_s: 0.01")
    assert world.harness("run", "--clock", "real").code == 0
    (folder,) = (world.root / "reports/experiments").glob("*-*")
    (folder / "trials.jsonl").write_text("", "utf-8")
    assert world.harness("run", "--resume", "latest").code == 0
    assert world.trial().trace.real_time


ON_THE_WAY = """
    def first(state):
        return {"answers": [model.invoke("alpha").content]}


    async def second(state):
        return {"answers": [(await model.ainvoke("beta")).content]}


    async def late(state):
        patient = ChatOpenAI(model="gpt-4o-mini", timeout=1.5, max_retries=1)
        return {"answers": [(await patient.ainvoke("gamma")).content]}


    NODES = {}


    def build():
        graph = StateGraph(State)
        graph.add_node(first)
        graph.add_node(second)
        graph.add_node(late)
        graph.add_edge(START, "first")
        graph.add_edge(START, "second")
        graph.add_edge(["first", "second"], "late")
        return graph.compile()
"""


def timeline(trace):
    """Return what started and ended in its order, of what starts at once in any."""
    events = [event for step in trace.steps for event in ((step.start_s, "start"), (step.start_s + step.duration_s, "end"))]
    names = [step.place.node for step in trace.steps for _ in range(2)]
    ordered = [f"{name} {what}" for (_, what), name in sorted(zip(events, names, strict=True), key=lambda event: event[0][0])]
    return [*sorted(ordered[:2]), *ordered[2:]]


def took(trace):
    """Return how long each node took."""
    return {step.place.node: step.duration_s for step in trace.steps}


def test_virtual_time_is_that_of_a_slow_server(world, monkeypatch):
    """A graph that asks a really slow server, and its replay in real and in virtual time, do the same in the same order, as slowly.

    Two branches wait for it at once; then a client loses its patience with it, pauses, and asks again.
    """
    world.write("agent.py", AGENT)
    world.write("agent.py", world.root.joinpath("agent.py").read_text("utf-8") + world.write("nodes.py", ON_THE_WAY).read_text("utf-8"))
    live = '[suites.live]\ngraph = "agent.py:build"\ndataset = "datasets/live.jsonl"\nallow_hosts = ["127.0.0.1"]'
    world.suite(tables=live)
    one = {"id": "one", "inputs": {"answers": []}, "expected": {"output": {"state.answers": ["A", "B", "C"]}}}
    world.cases(one, name="datasets/live.jsonl")
    world.cases({**one, "faults": [{"at": {"node": "late"}, "fault": "timeout"}]})
    rules = textwrap.dedent(RULES) + '- when: {contains: "gamma"}\n  reply: {text: "C"}\n'
    with serving(parse(rules, path="rules")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-the-tests")
        server.delays = {"alpha": [0.3, 0.3], "beta": [1.2, 1.2], "gamma": [0.0, float("inf"), 0.0]}
        assert world.harness("record", "agent").code == 0
        answer = world.harness("run", "live", "--clock", "real")
        assert answer.code == 0, answer.out + answer.err
        really = world.trial().trace
    assert world.harness("run", "agent", "--clock", "real").code == 0
    replayed = world.trial().trace
    assert world.harness("run", "agent").code == 0
    virtual = world.trial().trace

    assert timeline(really) == ["first start", "second start", "first end", "second end", "late start", "late end"]
    assert timeline(really) == timeline(replayed) == timeline(virtual)
    assert (
        [call.place.node for call in replayed.calls] == [call.place.node for call in virtual.calls] == ["first", "second", "late", "late"]
    )
    least = {"first": 0.3, "second": 1.2, "late": 1.5 + 0.375}
    for trace in (really, replayed, virtual):
        assert all(least[node] - 0.005 <= seconds <= least[node] + 10 for node, seconds in took(trace).items()), took(trace)
    assert all(took(virtual)[node] - 0.005 <= seconds for node, seconds in took(replayed).items())


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
