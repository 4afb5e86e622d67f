"""The check `streaming`: a trial is run again in every way, and has to come to the same end and show how."""

import textwrap

import pytest

AGENT = """
    from langchain_core.callbacks import dispatch_custom_event
    from langchain_core.messages import AIMessage, SystemMessage
    from langchain_core.runnables import RunnableLambda
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.config import get_stream_writer
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition
    from langgraph.types import interrupt


    @tool
    def weather(city: str) -> str:
        "Return the weather of a city."
        get_stream_writer()({"asked": city})
        return f"{city}: nineteen degrees"


    model = ChatOpenAI(model="gpt-4o-mini", max_retries=0, tags=["answer"])


    def told(message):
        return message


    def request(state):
        return [SystemMessage("Use tools."), *state["messages"]]


    def agent(state):
        return {"messages": [told(model.bind_tools([weather]).invoke(request(state)))]}


    async def aagent(state):
        return {"messages": [told(await model.bind_tools([weather]).ainvoke(request(state)))]}


    def build(checkpointer=None):
        graph = StateGraph(MessagesState)
        graph.add_node("agent", RunnableLambda(agent, afunc=aagent, name="agent"))
        graph.add_node("tools", ToolNode([weather]))
        graph.add_edge(START, "agent")
        graph.add_conditional_edges("agent", tools_condition)
        graph.add_edge("tools", "agent")
        return graph.compile(checkpointer=checkpointer)
"""
RULES = """
- {when: {contains: "nineteen degrees"}, reply: {text: "It is nineteen degrees in Rome."}}
- {when: {contains: "weather"}, reply: {tool_calls: [{name: weather, args: {city: Rome}}, {name: weather, args: {city: Oslo}}]}}
"""
CASE = {
    "id": "one",
    "inputs": {"messages": [{"role": "user", "content": "How is the weather?"}]},
    "expected": {
        "streaming": {
            "custom": [{"asked": "Rome"}, {"asked": "Oslo"}],
            "events": [
                {"type": "tool", "name": "weather", "times": 2},
                {"type": "chat_model", "tag": "answer", "times": 2},
                {"name": "agent"},
            ],
        }
    },
}
WAYS = [
    "ainvoke",
    "stream values",
    "stream updates",
    "stream messages",
    "stream custom",
    "stream debug",
    "stream values updates messages custom",
    "astream values updates messages custom",
    "astream_events",
]


def agent(world, *edits, case=CASE, config=""):
    """Write the agent, edited, and record its case."""
    code = textwrap.dedent(AGENT)
    for old, new in edits:
        assert old in code
        code = code.replace(old, textwrap.dedent(new))
    world.write("agent.py", code)
    world.suite(config)
    world.cases(case)
    recorded = world.record(RULES)
    assert recorded.code == 0, recorded.out + recorded.err


def failed(world):
    """Run the suite, which has to fail; return why, by way."""
    answer = world.harness("run")
    assert answer.code == 1, answer.out + answer.err
    return {score.name: score.reason for score in world.trial().scores if score.check == "streaming" and score.status == "fail"}


def test_every_way_gives_the_same_answer(world):
    """Invoke, ainvoke, each stream mode, several at once and astream_events end the same; tokens, custom events and tools are seen."""
    agent(world)

    answer = world.harness("run")

    assert answer.code == 0, answer.out + answer.err
    trial = world.trial()
    assert [one.way for one in trial.trace.streamings] == WAYS
    assert [score.status for score in trial.scores if score.check == "streaming"] == ["pass"] * len(WAYS)
    seen = {one.way: one for one in trial.trace.streamings}
    assert seen["stream messages"].tokens > 3
    assert seen["stream messages"].text == seen["astream_events"].text == trial.trace.text
    assert seen["stream custom"].custom == ({"asked": "Rome"}, {"asked": "Oslo"})
    assert [(one.name, one.started, one.ended) for one in seen["astream_events"].events if one.type == "tool"] == [("weather", 2, 2)]
    assert trial.played == 2


def test_an_async_graph_has_the_async_ways(world):
    """What has no synchronous form is streamed in every mode all the same."""
    agent(world, ('RunnableLambda(agent, afunc=aagent, name="agent")', "aagent"))

    answer = world.harness("run")

    assert answer.code == 0, answer.out + answer.err
    ways = [one.way for one in world.trial().trace.streamings]
    assert ways == [way.replace("stream ", "astream ") for way in WAYS if way.startswith("stream")] + ["astream_events"]


def test_an_async_form_that_does_something_else_is_caught(world):
    """The asynchronous ways differ, and only they; the reason says in what."""
    agent(
        world,
        (
            'return {"messages": [told(await model',
            'return {"messages": [AIMessage("Busy.")]} if len(state["messages"]) > 1 else {"messages": [told(await model',
        ),
    )

    reasons = failed(world)

    assert set(reasons) == {"streaming.ainvoke", f"streaming.a{WAYS[6].replace(' ', '_')}", "streaming.astream_events"}
    assert "1 requests instead of 2" in reasons["streaming.ainvoke"]
    assert 'state.messages.4.content is "Busy.", it was "It is nineteen degrees in Rome."' in reasons["streaming.ainvoke"]


def test_a_form_that_asks_something_else_is_caught(world):
    """A request that only one of the ways makes is no answer of the cassette's, and no stale case."""
    agent(world, ("aagent(state):\n", 'aagent(state):\n    state = {"messages": [*state["messages"], SystemMessage("Hurry.")]}\n'))

    reasons = failed(world)

    assert "asked for something that is not on the cassette" in reasons["streaming.ainvoke"]


def test_tokens_that_are_not_the_message_are_caught(world):
    """What a node changes in a message after it was streamed is told."""
    agent(world, ("return message\n", "return message.model_copy(update={'content': message.content.upper()})\n"))

    reasons = failed(world)

    said = "what was streamed of the last message is 'It is nineteen degrees in Rome.', the message is 'IT IS NINETEEN DEGREES IN ROME.'"
    assert said in reasons["streaming.stream_messages"]
    assert set(reasons) == {f"streaming.{way.replace(' ', '_')}" for way in WAYS if "messages" in way or way == "astream_events"}


@pytest.mark.parametrize(
    ("streaming", "edits", "ways", "reason"),
    [
        ({"custom": [{"asked": "Rome"}]}, (), 3, "expected 1 custom event, there were 2"),
        (
            {"custom": [{"asked": "Rome"}, {"asked": "Bern"}]},
            (),
            3,
            'custom event 2 is {"asked": "Oslo"}, which does not hold {"asked": "Bern"}',
        ),
        ({"custom": []}, (), 3, "expected 0 custom events, there were 2"),
        ({"events": [{"type": "tool", "name": "lookup"}]}, (), 1, 'expected at least one of {"name":"lookup","type":"tool"}, there were 0'),
        ({"events": [{"tag": "answer", "times": 1}]}, (), 1, 'expected 1 of {"tag":"answer","times":1}, there were 2'),
    ],
    ids=["fewer", "other", "none", "no such event", "too many events"],
)
def test_what_should_be_seen_is_looked_for(world, streaming, edits, ways, reason):
    """Custom events are compared in order and hold what is expected; events are counted by type, name and tag."""
    agent(world, *edits, case={**CASE, "expected": {"streaming": streaming}})

    reasons = failed(world)

    assert len(reasons) == ways
    assert all(reason in said for said in reasons.values())


def test_a_suite_may_list_it(world):
    """Then every case is streamed, without an expectation; nothing is stored of it where it is not asked for."""
    agent(world, case={**CASE, "expected": {}}, config='checks = ["streaming"]')

    assert world.harness("run").code == 0
    assert len(world.trial().trace.streamings) == len(WAYS)

    world.suite()
    assert world.harness("run").code == 0
    assert (
        b"streamings" not in next((world.root / "reports/experiments").glob("*-02/trials.jsonl"), world.root / "harness.toml").read_bytes()
    )
    assert world.trial().trace.streamings == ()


def test_a_script_streams_too(world):
    """Every answer of a mock model has an identity of its own, so that what is streamed of one is not taken for another's."""
    world.write("agent.py", textwrap.dedent(AGENT))
    world.write("script.yaml", RULES)
    world.suite('script = "script.yaml"')
    world.cases(CASE)

    answer = world.harness("run")

    assert answer.code == 0, answer.out + answer.err


def test_interrupts_are_resumed_in_every_way(world):
    """A graph that stops for a human is resumed by the case's answers however it is streamed."""
    agent(
        world,
        ("told(message):\n", "told(message):\n    interrupt({'send': message.text}) if message.text else None\n"),
        case={**CASE, "resume": ["yes"], "expected": {"streaming": {}, "interrupts": [{"send": "It is nineteen degrees in Rome."}]}},
    )

    answer = world.harness("run")

    assert answer.code == 0, answer.out + answer.err


@pytest.mark.parametrize(
    ("streaming", "message"),
    [
        (
            {"events": [{}]},
            "harness: datasets/agent.jsonl:1: expected.streaming.events.0: value error, say which events: type, name or tag",
        ),
        ({"event": []}, "harness: datasets/agent.jsonl:1: unknown key 'expected.streaming.event'; did you mean 'events'?"),
    ],
)
def test_an_expectation_that_says_nothing_is_refused(world, streaming, message):
    """One line says what is wrong where."""
    world.write("agent.py", textwrap.dedent(AGENT))
    world.suite()
    world.cases({**CASE, "expected": {"streaming": streaming}})

    answer = world.harness("run")

    assert answer.code == 2
    assert answer.err.strip().startswith(message)
