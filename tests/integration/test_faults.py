"""Faults of tools and of answers, injected into a real graph: what the agent sees, and what the trace says of it."""

import json

import pytest

AGENT = """
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition


    @tool
    {definition} look(number: int) -> str:
        '''Look a number up.'''
        return f"found {{number}}"


    def ask(state):
        return {{"messages": [ChatOpenAI(model="gpt-4o-mini", max_retries=0).bind_tools([look]).invoke(state["messages"])]}}


    def build():
        graph = StateGraph(MessagesState)
        graph.add_node("ask", ask)
        graph.add_node("tools", ToolNode([look], handle_tool_errors={handled}))
        graph.add_edge(START, "ask")
        graph.add_conditional_edges("ask", tools_condition)
        graph.add_edge("tools", "ask")
        return graph.compile()
"""
RULES = """
- {times: 2, when: {}, reply: {tool_calls: [{name: look, args: {number: 7}}]}}
- {when: {}, reply: {text: "done"}}
"""


def run(world, *faults, expected=None, mode="auto", handled="True", definition="def", extra=""):
    """Run a case with these faults over an agent that looks a number up twice, and return its trial."""
    world.write("agent.py", AGENT.format(handled=handled, definition=definition))
    world.write("script.yaml", RULES)
    world.suite(f'script = "script.yaml"\nmode = "{mode}"\nrecursion_limit = 12\n{extra}')
    case = {"id": "one", "inputs": {"messages": [{"role": "user", "content": "look"}]}, "faults": list(faults), "expected": expected or {}}
    world.cases(case)
    world.answer = world.harness("run")
    return world.trial()


@pytest.mark.parametrize(("mode", "definition"), [("invoke", "def"), ("ainvoke", "def"), ("ainvoke", "async def")])
def test_a_tool_that_raises(world, mode, definition):
    """The tool node handles the error as its own; only the named call is struck."""
    trace = run(world, {"at": {"tool": "look"}, "fault": "raise"}, mode=mode, definition=definition).trace

    assert [tool.error for tool in trace.tools] == ["ToolFailure", None]
    assert trace.tools[1].output == "found 7"
    assert trace.ends == "answer"


def test_a_tool_that_raises_unhandled(world):
    """A graph that does not handle the error crashes, and the trial says so."""
    trial = run(world, {"at": {"tool_call": 2}, "fault": "raise"}, handled="False")

    assert trial.outcome == "error"
    assert (trial.trace.crash.type, trial.trace.crash.node) == ("ToolFailure", "tools")


@pytest.mark.parametrize(
    ("fault", "output"),
    [
        ("empty", lambda output: output == ""),
        ("garbage", lambda output: "0xDEADBEEF" in output),
        ("huge", lambda output: len(output) == 1_000_000),
        ("injection", lambda output: output.startswith("Ignore all previous instructions")),
    ],
    ids=["empty", "garbage", "huge", "injection"],
)
def test_what_a_tool_returns(world, fault, output):
    """The agent gets the damaged output, and the trial ends as ever."""
    trial = run(world, {"at": {"tool": "look", "tool_call": 2}, "fault": fault})

    assert trial.outcome == "pass", trial.reasons
    assert trial.trace.tools[0].output == "found 7"
    assert output(trial.trace.tools[1].output)


def test_a_tools_fault_that_never_strikes_fails(world):
    """A fault at a tool that nobody calls proves nothing."""
    trial = run(world, {"at": {"tool": "lock"}, "fault": "raise"})

    assert trial.outcome == "fail"
    assert "the fault 'raise' at tool lock never struck" in trial.reasons[0]


def test_a_tools_fault_ends_with_its_trial(world):
    """The next trial's tools are whole."""
    world.write("agent.py", AGENT.format(handled="True", definition="def"))
    world.write("script.yaml", RULES)
    world.suite('script = "script.yaml"')
    inputs = {"messages": [{"role": "user", "content": "look"}]}
    world.cases(
        {"id": "a", "inputs": inputs, "faults": [{"at": {"tool": "look"}, "fault": "raise", "times": 2}]}, {"id": "b", "inputs": inputs}
    )
    world.harness("run")

    assert [[tool.error for tool in trial.trace.tools] for trial in world.trials()] == [["ToolFailure"] * 2, [None] * 2]


def test_a_damaged_answer_is_asked_for_again(world):
    """Whoever asks again after a damaged answer gets the recorded one: an agent that validates and retries is shown to recover."""
    world.write(
        "agent.py",
        """
        import json
        from typing import TypedDict

        from langchain_openai import ChatOpenAI
        from langgraph.graph import END, START, StateGraph
        from langgraph.types import RetryPolicy


        class State(TypedDict, total=False):
            label: str


        def ask(state):
            return {"label": json.loads(ChatOpenAI(model="gpt-4o-mini").invoke("label?").content)["label"]}


        def build():
            graph = StateGraph(State)
            policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=(ValueError, KeyError))
            graph.add_node("ask", ask, retry_policy=policy)
            graph.add_edge(START, "ask")
            graph.add_edge("ask", END)
            return graph.compile()
        """,
    )
    world.suite()
    case = {"id": "one", "inputs": {}, "expected": {"output": {"state.label": "billing"}}}
    world.cases(case)
    world.record("- {when: {}, reply: {json: {label: billing}}}")
    for fault in ("truncated_json", "wrong_schema", "empty", "refusal"):
        world.cases({**case, "faults": [{"at": {"model_call": 1}, "fault": fault}]})
        world.harness("run")
        trial = world.trial()

        assert (trial.outcome, trial.unused) == ("pass", 0), (fault, trial.reasons)
        assert [(call.source, call.fault) for call in trial.trace.calls] == [("fault", fault), ("replay", None)]
        assert trial.trace.steps[0].attempts == 2


def test_an_unknown_tool(world):
    """The tool node answers for a tool that there is not, and the agent goes on."""
    trace = run(world, {"at": {"model_call": 1}, "fault": "unknown_tool"}).trace

    assert json.dumps(trace.state).count("no_such_tool") >= 1
    assert trace.ends == "answer"


def test_endless_tools_reach_the_limit(world):
    """A model that never stops calling tools is stopped by the graph's limit, which is no crash."""
    trial = run(world, {"at": {"model_call": 2}, "fault": "endless_tools"}, expected={"ends": "limit"})

    assert trial.trace.ends == "limit"
    assert trial.outcome == "pass", trial.reasons
    assert len(trial.trace.tools) == 6


@pytest.mark.parametrize(
    ("fault", "status"),
    [("auth", 401), ("context_length", 400), ("content_filter", 400), ("server_error", 500), ("overloaded", 503)],
)
def test_an_error_crashes_an_agent_that_does_not_handle_it(world, fault, status):
    """Errors of the provider reach the graph as exceptions of the SDK, or of LangChain around it."""
    trace = run(world, {"at": {"model_call": 1}, "fault": fault}).trace

    assert (trace.calls[0].status, trace.calls[0].fault, trace.crash.node) == (status, fault, "ask")
    assert f"Error code: {status}" in trace.crash.message


def test_a_bad_fault_is_one_line(world):
    """An unknown fault, or a place that does not fit it, is said with file and line."""
    world.write("agent.py", AGENT.format(handled="True", definition="def"))
    world.suite()
    for fault, said in (
        ({"at": {"model_call": 1}, "fault": "rate_limits"}, "faults.0.fault"),
        ({"at": {"tool": "look"}, "fault": "auth"}, "'auth' is no fault of a tool; those are raise"),
        ({"at": {"tool": "look", "model_call": 1}, "fault": "raise"}, "write several faults"),
        ({"at": {"model_call": 1}, "fault": "auth", "status": 500}, "a status is for 'server_error' and 'overloaded'"),
    ):
        world.cases({"id": "one", "inputs": {}, "faults": [fault]})
        answer = world.harness("run")

        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert said in answer.err
        assert "datasets/agent.jsonl:1" in answer.err
