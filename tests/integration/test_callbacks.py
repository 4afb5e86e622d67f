"""The user's own callbacks see under the harness what they see without it, and the harness's handler changes nothing and loses nothing."""

import asyncio
import runpy
import textwrap

import pytest
from openai_server import serving

from harness.script import parse

AGENT = """
    import asyncio
    import operator
    import threading
    from collections import Counter
    from typing import Annotated, TypedDict

    from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.graph import START, StateGraph
    from langgraph.types import Send

    LOCK = threading.Lock()


    class State(TypedDict, total=False):
        notes: Annotated[list, operator.add]
        seen: dict


    class Counting(BaseCallbackHandler):
        def __init__(self, level, counts):
            self.level, self.counts = level, counts

        def note(self, event):
            with LOCK:
                self.counts[f"{self.level} {event}"] += 1

        def on_chat_model_start(self, *args, **kwargs):
            self.note("model start")

        def on_llm_end(self, *args, **kwargs):
            self.note("model end")

        def on_tool_start(self, *args, **kwargs):
            self.note("tool start")

        def on_tool_end(self, *args, **kwargs):
            self.note("tool end")

        def on_tool_error(self, *args, **kwargs):
            self.note("tool error")


    class Slow(AsyncCallbackHandler, Counting):
        async def on_chat_model_start(self, *args, **kwargs):
            await asyncio.sleep(0.005)
            self.note("model start")

        async def on_llm_end(self, *args, **kwargs):
            await asyncio.sleep(0.005)
            self.note("model end")

        async def on_tool_start(self, *args, **kwargs):
            self.note("tool start")

        async def on_tool_end(self, *args, **kwargs):
            await asyncio.sleep(0.005)
            self.note("tool end")

        async def on_tool_error(self, *args, **kwargs):
            await asyncio.sleep(0.005)
            self.note("tool error")


    @tool
    def weigh(topic: str) -> str:
        "Weigh a topic."
        if topic == "rain":
            raise ValueError("no scales in the rain")
        return f"{topic} weighs little"
"""
SYNC = """
    def build():
        counts = Counter()
        model = ChatOpenAI(model="gpt-4o-mini", max_retries=0, callbacks=[Counting("constructor", counts)])

        def look(branch, config):
            said = model.invoke("look at " + branch["topic"], {**config, "callbacks": config["callbacks"]}).text
            try:
                weigh.invoke({"topic": branch["topic"]}, {"callbacks": [Counting("run", counts)]})
            except ValueError:
                said += " (not weighed)"
            return {"notes": [said]}

        graph = StateGraph(State)
        graph.add_node(look)
        graph.add_node("end", lambda state: {"seen": dict(counts)})
        graph.add_conditional_edges(START, lambda state: [Send("look", {"topic": topic}) for topic in ("tea", "rain", "bees")], ["look"])
        graph.add_edge("look", "end")
        return graph.compile().with_config(callbacks=[Counting("graph", counts)])
"""
ASYNC = """
    def build():
        counts = Counter()
        model = ChatOpenAI(model="gpt-4o-mini", max_retries=0, callbacks=[Slow("constructor", counts)])

        async def look(branch):
            said = (await model.ainvoke("look at " + branch["topic"])).text
            try:
                await weigh.ainvoke({"topic": branch["topic"]}, {"callbacks": [Slow("run", counts)]})
            except ValueError:
                said += " (not weighed)"
            return {"notes": [said]}

        graph = StateGraph(State)
        graph.add_node(look)
        graph.add_node("end", lambda state: {"seen": dict(counts)})
        graph.add_conditional_edges(START, lambda state: [Send("look", {"topic": topic}) for topic in ("tea", "rain", "bees")], ["look"])
        graph.add_edge("look", "end")
        return graph.compile().with_config(callbacks=[Slow("graph", counts)])
"""
RULES = """
- {when: {contains: tea}, reply: {text: hot}}
- {when: {contains: rain}, reply: {text: wet}}
- {when: {contains: bees}, reply: {text: loud}}
"""


def without_the_harness(world, rules):
    """Return the final state of the graph, asked of a real server, with nothing of ours around it."""
    with serving(parse(textwrap.dedent(rules), path="rules")) as server, world._monkeypatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", server.base_url)
        patch.setenv("OPENAI_API_KEY", "a-key-of-the-tests")
        graph = runpy.run_path("agent.py")["build"]()
        if "async def look" in (world.root / "agent.py").read_text("utf-8"):
            return asyncio.run(graph.ainvoke({"notes": []}))
        return graph.invoke({"notes": []})


@pytest.mark.parametrize("code", [SYNC, ASYNC], ids=["sync", "async and slow"])
def test_handlers_of_every_level_see_the_same_as_without_the_harness(world, code):
    """Handlers of the model, of a run and of the graph count model calls, tools and errors of parallel branches: none twice, none lost."""
    world.write("agent.py", textwrap.dedent(AGENT) + "\n\n" + textwrap.dedent(code))
    world.suite()
    world.cases({"id": "one", "inputs": {"notes": []}})
    bare = without_the_harness(world, RULES)
    assert world.record(RULES).code == 0

    answer = world.harness("run", "--repeat", "3")

    assert answer.code == 0, answer.out + answer.err
    assert bare["seen"]["constructor model end"] == bare["seen"]["graph model start"] == 3
    assert (bare["seen"]["run tool end"], bare["seen"]["run tool error"]) == (2, 1)
    for trial in world.trials():
        assert trial.trace.state == bare
        assert sorted(tool.error or "" for tool in trial.trace.tools) == ["", "", "ValueError"]


MANY = """
    def build():
        def look(branch):
            return {"notes": [weigh.invoke({"topic": str(branch["number"])})]}

        graph = StateGraph(State)
        graph.add_node(look)
        graph.add_conditional_edges(START, lambda state: [Send("look", {"number": number}) for number in range(60)], ["look"])
        return graph.compile()
"""


def test_no_event_is_lost_at_the_end(world):
    """Sixty branches that end at the same time are all in the trace, each with its tool, every time."""
    world.write("agent.py", textwrap.dedent(AGENT) + "\n\n" + textwrap.dedent(MANY))
    world.suite()
    world.cases({"id": "one", "inputs": {"notes": []}})

    assert world.harness("run", "--repeat", "5").code == 0

    for trial in world.trials():
        assert len(trial.trace.steps) == len(trial.trace.tools) == 60
        assert [tool.output for tool in trial.trace.tools] == [f"{number} weighs little" for number in range(60)]


HOSTILE = """
    class Hostile:
        def __getattribute__(self, name):
            if name in {"__class__", "kept"}:
                return object.__getattribute__(self, name)
            raise RuntimeError("do not look at me")

        def __repr__(self):
            raise RuntimeError("do not show me")

        kept = 7


    def build():
        graph = StateGraph(dict)
        graph.add_node("make", lambda state: {"thing": Hostile()})
        graph.add_node("use", lambda state: {"answer": state["thing"].kept})
        graph.add_edge(START, "make")
        graph.add_edge("make", "use")
        return graph.compile()
"""


def test_an_object_that_cannot_be_looked_at_changes_nothing(world):
    """What the harness's handler cannot read is shown as its type; the graph goes on with the object itself."""
    world.write("agent.py", textwrap.dedent(AGENT) + "\n\n" + textwrap.dedent(HOSTILE))
    world.suite()
    world.cases({"id": "one", "inputs": {}, "expected": {"output": {"state.answer": 7}}})

    answer = world.harness("run")

    assert answer.code == 0, answer.out + answer.err
