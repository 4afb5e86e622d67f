"""Declared latencies of tools: they pass on the trial's clock while the tool runs."""

import pytest

AGENT = """
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool, tool
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode


    @tool
    {definition} look(number: int, config: RunnableConfig) -> str:
        '''Look a number up.'''
        return f"found {{number}} on {{config['configurable']['thread_id']}}"


    class Count(BaseTool):
        name: str = "count"
        description: str = "Count how often it was asked."
        asked: int = 0

        def _run(self, run_manager=None) -> str:
            assert run_manager is not None
            self.asked += 1
            return str(self.asked)


    TOOLS = [look, Count()]


    def ask(state):
        calls = [{{"name": name, "args": args, "id": str(n)}} for n, (name, args) in enumerate({calls})]
        return {{"messages": [AIMessage("", tool_calls=calls)]}}


    def build():
        graph = StateGraph(MessagesState)
        tools = ToolNode(TOOLS, handle_tool_errors=True)
        graph.add_sequence([("ask", ask), ("tools", tools), ("ask again", ask), ("tools again", tools)])
        graph.add_edge(START, "ask")
        return graph.compile()
"""
LOOK = '[("look", {"number": 7})]'


def run(world, latencies, *faults, calls=LOOK, mode="invoke", definition="def"):
    """Run a case whose agent executes these tools twice, one step after the other."""
    world.write("agent.py", AGENT.format(calls=calls, definition=definition))
    world.suite(f'mode = "{mode}"\nlatencies = {latencies}')
    world.cases({"id": "one", "inputs": {"messages": []}, "faults": list(faults)})
    world.answer = world.harness("run")
    return world.trial().trace


@pytest.mark.parametrize(("mode", "definition"), [("invoke", "def"), ("ainvoke", "def"), ("ainvoke", "async def")])
def test_a_declared_latency_passes(world, mode, definition):
    """Each execution takes the declared seconds, exactly, and gets its arguments as ever."""
    trace = run(world, "{ look = 1.5 }", mode=mode, definition=definition)

    assert (trace.ends, trace.duration_s) == ("answer", 3.0), trace.crash
    assert [(tool.start_s, tool.duration_s, tool.output) for tool in trace.tools] == [
        (0.0, 1.5, "found 7 on agent/default/one/1"),
        (1.5, 1.5, "found 7 on agent/default/one/1"),
    ]


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_latencies_of_parallel_tools_overlap(world, mode):
    """Tools that run at once take as long as the slowest; a tool that keeps count of its executions still does."""
    trace = run(world, "{ look = 1.5, count = 4 }", calls='[("look", {"number": 7}), ("count", {})]', mode=mode)

    assert trace.duration_s == 8.0
    assert [tool.output for tool in trace.tools if tool.name == "count"] == ["1", "2"]


def test_a_struck_tool_takes_as_long(world):
    """An execution that a fault strikes fails when it would have ended."""
    trace = run(world, "{ look = 1.5 }", {"at": {"tool": "look"}, "fault": "raise"})

    assert [(tool.duration_s, tool.error) for tool in trace.tools] == [(1.5, "ToolFailure"), (1.5, None)]


def test_a_latency_of_no_tool_is_noted(world):
    """A name of which no tool was executed is said, with the name that was meant."""
    run(world, "{ lok = 1.5 }")
    assert "`latencies` names tool 'lok', which no trial executed; did you mean 'look'?" in " ".join(world.answer.out.split())


def test_a_negative_latency_is_refused(world):
    """A latency below zero is a mistake of the config, with its line."""
    world.write("agent.py", AGENT)
    world.suite("latencies = { look = -1 }")
    answer = world.harness("run")
    assert answer.code == 2
    assert "harness.toml:4: suites.agent.latencies.look: input should be greater than or equal to 0 (got -1" in answer.err
