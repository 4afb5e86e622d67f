"""The reference teams give one answer in whatever way they are run, and wherever they keep their threads."""

import asyncio
import textwrap
from contextlib import asynccontextmanager, contextmanager, nullcontext

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from openai_server import serving

from graphs import handoff_swarm, research_loop, supervisor_team, tool_controller
from harness.script import parse

TEAMS = {
    "supervisor_team": (
        supervisor_team,
        "Compare green tea and black tea.",
        "Green tea is heated soon.",
        """
        - {when: {contains: "Done: researcher, analyzer, writer"}, reply: {json: {next: end}}}
        - {when: {contains: "Done: researcher, analyzer"}, reply: {json: {next: writer}}}
        - {when: {contains: "Done: researcher"}, reply: {json: {next: analyzer}}}
        - {when: {contains: "Done: nobody"}, reply: {json: {next: researcher}}}
        - {when: {contains: "Notes:"}, reply: {text: "Green tea is heated soon."}}
        - {reply: {text: "tea"}}
        """,
    ),
    "handoff_swarm": (
        handoff_swarm,
        "My chair is broken.",
        "Please tighten the screws.",
        """
        - {when: {contains: "You are sales"}, reply: {tool_calls: [{name: transfer_to_support, args: {}}]}}
        - {when: {contains: "You are support"}, reply: {tool_calls: [{name: find_advice, args: {product: chair}}]}, times: 1}
        - {when: {contains: "You are support"}, reply: {text: "Please tighten the screws."}}
        """,
    ),
    "tool_controller": (
        tool_controller,
        "How is the weather in Paris, and what can I eat there?",
        "Rain, and onion soup.",
        """
        - {when: {contains: "Facts:\\n- Rain.\\n- Soup."}, reply: {text: "Rain, and onion soup."}}
        - {when: {contains: "Fact: Paris: 15 degrees"}, reply: {text: "Rain."}}
        - {when: {contains: "Fact: Paris: baguette"}, reply: {text: "Soup."}}
        - reply:
            tool_calls: [{name: weather_agent, args: {city: Paris}}, {name: food_agent, args: {city: Paris}}]
        """,
    ),
    "research_loop": (
        research_loop,
        "How far away is the Moon?",
        "384,000 kilometres.",
        """
        - {when: {contains: "Query number"}, reply: {text: "moon distance"}}
        - {when: {contains: "Notes:"}, reply: {text: "384,000 kilometres."}}
        """,
    ),
}


@contextmanager
def sqlite(folder):
    """Give a checkpointer in a file of this folder, for a graph that is run synchronously."""
    with SqliteSaver.from_conn_string(str(folder / "threads.sqlite")) as saver:
        yield saver


@asynccontextmanager
async def async_sqlite(folder):
    """Give the same for one that is run asynchronously."""
    async with AsyncSqliteSaver.from_conn_string(str(folder / "async.sqlite")) as saver:
        yield saver


def invoked(graph, inputs, config):
    """Return the final text of `invoke`."""
    return graph.invoke(inputs, config)["messages"][-1].text


def streamed(graph, inputs, config):
    """Return the final text of `stream`."""
    return list(graph.stream(inputs, config, stream_mode="values"))[-1]["messages"][-1].text


async def by_events(graph, inputs, config):
    """Return the final text of `astream_events`: the output of the outermost graph's end."""
    ends = [event async for event in graph.astream_events(inputs, config, version="v2") if event["event"] == "on_chain_end"]
    return ends[-1]["data"]["output"]["messages"][-1].text


async def events_of(module, memory, inputs):
    """Run a team by its events, on what `memory` gives."""
    async with memory as saver:
        return await by_events(module.build(checkpointer=saver), inputs, {"configurable": {"thread_id": "events"}})


@pytest.mark.parametrize("name", sorted(TEAMS))
def test_a_team_answers_the_same_in_every_way(name, tmp_path, monkeypatch):
    """`invoke`, `stream` and `astream_events`, with no checkpointer, in memory and on SQLite: one final answer."""
    module, question, answer, rules = TEAMS[name]
    script = parse(textwrap.dedent(rules), path="rules")
    inputs = {"messages": [{"role": "user", "content": question}]}
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-the-tests")
    found = {}
    with serving(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for kind, memory in (("none", nullcontext()), ("memory", nullcontext(InMemorySaver())), ("sqlite", sqlite(tmp_path))):
            with memory as saver:
                for way in (invoked, streamed):
                    server.used.clear()
                    graph = module.build(checkpointer=saver)
                    found[kind, way.__name__] = way(graph, inputs, {"configurable": {"thread_id": way.__name__}})
        for kind, memory in (("none", nullcontext()), ("memory", nullcontext(InMemorySaver())), ("sqlite", async_sqlite(tmp_path))):
            server.used.clear()
            found[kind, "events"] = asyncio.run(events_of(module, memory, inputs))

    assert len(found) == 9
    assert set(found.values()) == {answer}, found
