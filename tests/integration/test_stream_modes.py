"""Graphs recorded in one way of running them are replayed in every other: invoke, stream in every mode, events; sync and async."""

import textwrap

import pytest

AGENT = """
import asyncio
import operator
from typing import Annotated, Literal, TypedDict

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Send
from pydantic import BaseModel

RESPONSES = __RESPONSES__


def model(**values):
    return ChatOpenAI(model="gpt-4o-mini", use_responses_api=RESPONSES, **values)


@tool
def weather(city: str) -> str:
    "Return the weather of a city."
    get_stream_writer()({"asked": city})
    return f"{city}: nineteen degrees"


class Route(BaseModel):
    "Where a question goes."

    team: Literal["billing", "technical"]


class Person(BaseModel):
    "A person."

    name: str
    age: int


class State(MessagesState, total=False):
    team: str
    person: dict
    notes: Annotated[list, operator.add]


class Branch(TypedDict):
    topic: str


def tools():
    def agent(state):
        return {"messages": [model().bind_tools([weather]).invoke([SystemMessage("Use tools."), *state["messages"]])]}

    graph = StateGraph(State)
    graph.add_node("agent", agent)
    graph.add_node("tools", ToolNode([weather]))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    return graph


def async_tools():
    async def agent(state):
        bound = model().bind_tools([weather])
        return {"messages": [await bound.ainvoke([SystemMessage("Use tools."), *state["messages"]])]}

    graph = tools()
    graph.nodes.pop("agent")
    graph.add_node("agent", agent)
    return graph


def fan_out():
    def say(branch: Branch):
        return {"notes": [branch["topic"] + ": " + model().invoke("Say something of " + branch["topic"]).text]}

    def sum_up(state):
        return {"messages": [model().invoke("Sum up: " + " | ".join(state["notes"]))]}

    graph = StateGraph(State)
    graph.add_node("say", say)
    graph.add_node("sum_up", sum_up)
    graph.add_conditional_edges(START, lambda state: [Send("say", {"topic": topic}) for topic in ("tea", "rain", "bees")], ["say"])
    graph.add_edge("say", "sum_up")
    graph.add_edge("sum_up", END)
    return graph


def router():
    def classify(state):
        routed = model().with_structured_output(Route, method="function_calling").invoke(state["messages"])
        return {"team": routed.team}

    def answer(state):
        return {"messages": [model().invoke([SystemMessage("You are of team " + state["team"]), *state["messages"]])]}

    graph = StateGraph(State)
    graph.add_node("classify", classify)
    graph.add_node("billing", answer)
    graph.add_node("technical", answer)
    graph.add_edge(START, "classify")
    graph.add_conditional_edges("classify", lambda state: state["team"], ["billing", "technical"])
    return graph


def structured():
    def extract(state):
        found = model().with_structured_output(Person, method="json_schema").invoke(state["messages"])
        return {"person": found.model_dump()}

    return StateGraph(State).add_node(extract).set_entry_point("extract").set_finish_point("extract")


def subgraph():
    graph = StateGraph(State)
    graph.add_node("inner", tools().compile())
    graph.add_node("outer", lambda state: {"messages": [model().invoke("Shorten: " + state["messages"][-1].text)]})
    graph.add_edge(START, "inner")
    graph.add_edge("inner", "outer")
    return graph


def shown(message):
    calls = [(call["name"], call["args"], call["id"]) for call in getattr(message, "tool_calls", [])]
    usage = getattr(message, "usage_metadata", None) or {}
    return [message.type, message.text, calls, usage.get("input_tokens"), usage.get("output_tokens")]


def run(inner, way, given):
    config = {"configurable": {"thread_id": "1"}}
    if way == "invoke":
        inner.invoke(given, config)
    elif way == "ainvoke":
        asyncio.run(inner.ainvoke(given, config))
    elif way.startswith("stream "):
        modes = way.split()[1:]
        parts = list(inner.stream(given, config, stream_mode=modes[0] if len(modes) == 1 else modes, subgraphs=len(modes) > 1))
        assert parts or modes == ["custom"]
    elif way.startswith("astream "):
        async def drain():
            return [part async for part in inner.astream(given, config, stream_mode=way.split()[1:])]
        assert asyncio.run(drain())
    else:
        async def drain():
            return [event["event"] async for event in inner.astream_events(given, config, version="v2")]
        assert "on_chat_model_stream" in asyncio.run(drain())
    return inner.get_state(config).values


def build(graph, way="invoke"):
    def drive(state):
        inner = globals()[graph]().compile(checkpointer=InMemorySaver())
        values = run(inner, way, {"messages": [HumanMessage(state["question"])]})
        return {"final": {**values, "messages": [shown(message) for message in values["messages"]]}}

    return StateGraph(dict).add_node(drive).set_entry_point("drive").set_finish_point("drive").compile()
"""

RULES = """
- {when: {contains: "nineteen degrees"}, reply: {text: "It is nineteen degrees in Rome, \\"fine\\" weather. 😀"}}
- {when: {contains: "Shorten"}, reply: {text: Nineteen.}}
- {when: {contains: "of tea"}, reply: {text: Tea is hot.}}
- {when: {contains: "of rain"}, reply: {text: Rain is wet.}}
- {when: {contains: "of bees"}, reply: {text: Bees hum.}}
- {when: {contains: "Sum up"}, reply: {text: Three things.}}
- {when: {contains: "of team"}, reply: {text: We pay it back.}}
- {when: {contains: "charged twice"}, reply: {tool_calls: [{name: Route, args: {team: billing}}]}}
- {when: {contains: "Ann"}, reply: {json: {name: Ann, age: 7}}}
- when: {contains: "weather"}
  reply: {text: "I look it up.", tool_calls: [{name: weather, args: {city: Rome}}, {name: weather, args: {city: Oslo}}]}
"""

GRAPHS = {
    "tools": "How is the weather?",
    "async_tools": "How is the weather?",
    "fan_out": "Go.",
    "router": "I was charged twice.",
    "structured": "Ann is seven.",
    "subgraph": "How is the weather?",
}
ASYNC_ONLY = {"async_tools"}
STREAMS = [f"stream {mode}" for mode in ("values", "updates", "messages", "custom", "debug", "checkpoints", "tasks")]
WAYS = ["invoke", "ainvoke", *STREAMS, "stream updates messages custom", "astream messages values", "astream_events"]
APIS = [pytest.param("False", id="chat-completions"), pytest.param("True", id="responses")]


def project(world, graph, responses):
    """Write the agent, and a variant for each way of running it."""
    world.write("agent.py", textwrap.dedent(AGENT).replace("__RESPONSES__", responses))
    ways = [way for way in WAYS if graph not in ASYNC_ONLY or way.startswith("a")]
    tables = [f'[suites.agent.variants.{way.replace(" ", "_")}]\nparameters = {{ graph = "{graph}", way = "{way}" }}' for way in ways]
    first = f'[suites.agent.variants.default]\nparameters = {{ graph = "{graph}", way = "{ways[0]}" }}'
    world.suite(tables="\n".join([first, *tables]))
    world.cases({"id": "one", "inputs": {"question": GRAPHS[graph]}})
    return [way.replace(" ", "_") for way in ways]


def finals(world, *variants):
    """Replay under these variants and return the final state of each."""
    answer = world.harness("run", *(word for variant in variants for word in ("--variant", variant)))
    assert answer.code == 0, answer.out + answer.err
    trials = {trial.variant: trial for trial in world.trials()}
    assert trials.keys() == set(variants)
    return {variant: trial.trace.state["final"] for variant, trial in trials.items()}, trials


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # of the SDK, where it streams what it parses
@pytest.mark.parametrize("responses", APIS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_recorded_by_invoke_replayed_as_a_stream(world, graph, responses):
    """What invoke recorded replays under every stream mode and under astream_events, with the final state that invoke gives."""
    ways = project(world, graph, responses)
    recorded = world.record(RULES)
    assert recorded.code == 0, recorded.out + recorded.err

    states, trials = finals(world, *ways)

    first = states[ways[0]]
    assert first["messages"]
    for way, state in states.items():
        assert state == first, way
        assert trials[way].unused == 0
    assert any(call.streamed and call.converted for call in trials["astream_events"].trace.calls)


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # of the SDK, where it streams what it parses
@pytest.mark.parametrize("responses", APIS)
@pytest.mark.parametrize("recorded_by", ["stream_messages", "astream_events"])
@pytest.mark.parametrize("graph", [graph for graph in GRAPHS if graph not in ASYNC_ONLY])
def test_recorded_as_a_stream_replayed_by_invoke(world, graph, recorded_by, responses):
    """What a stream or astream_events recorded replays by invoke, with the final state that the stream gives."""
    project(world, graph, responses)
    recorded = world.record(RULES, "--variant", recorded_by)
    assert recorded.code == 0, recorded.out + recorded.err

    states, trials = finals(world, recorded_by, "invoke", "ainvoke", "stream_values")

    assert all(state == states[recorded_by] for state in states.values()), states
    assert all(call.converted and not call.streamed for call in trials["invoke"].trace.calls)
    assert not any(call.converted for call in trials[recorded_by].trace.calls)
