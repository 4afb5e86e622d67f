"""The trace: what a graph did, seen without changing it, in an order that does not depend on threads."""

import pytest

HEAD = """
    import operator
    from typing import Annotated, TypedDict

    from langchain_core.messages import AIMessage
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.types import Command, RetryPolicy, Send, interrupt


    class State(TypedDict):
        question: str
        notes: Annotated[list, operator.add]


    model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)
"""
SAY = '- {when: {}, reply: {text: "fine", input_tokens: 100, output_tokens: 10}}'


def agent(world, code, *, config="", rules=SAY, case=None, tables=""):
    """Write an agent whose model follows a script."""
    import textwrap

    world.write("agent.py", textwrap.dedent(HEAD) + "\n\n" + textwrap.dedent(code))
    world.write("script.yaml", rules)
    world.suite('script = "script.yaml"\n' + config, tables=tables)
    world.cases({"id": "one", "inputs": {"question": "hello", "notes": []}, **(case or {})})


def run(world, code=0):
    """Run the suite and return its only trial."""
    answer = world.harness("run")
    assert answer.code == code, answer.out + answer.err
    return world.trial()


def test_steps_of_subgraphs_have_their_namespace(world):
    """Nodes of a subgraph stand behind their parent, with its name as namespace; paths of the outer graph leave them out."""
    agent(
        world,
        """
        def search(state):
            return {"notes": [model.invoke("search").content]}


        def build():
            inner = StateGraph(State)
            inner.add_node("search", search)
            inner.add_node("read", lambda state: {"notes": ["read"]})
            inner.add_edge(START, "search")
            inner.add_edge("search", "read")
            graph = StateGraph(State)
            graph.add_node("plan", lambda state: {"notes": ["plan"]})
            graph.add_node("researcher", inner.compile())
            graph.add_node("write", lambda state: {"notes": ["write"]})
            graph.add_edge(START, "plan")
            graph.add_edge("plan", "researcher")
            graph.add_edge("researcher", "write")
            return graph.compile()
        """,
    )

    trace = run(world).trace

    assert [(step.place.namespace, step.place.node) for step in trace.steps] == [
        ((), "plan"),
        ((), "researcher"),
        (("researcher",), "search"),
        (("researcher",), "read"),
        ((), "write"),
    ]
    assert trace.nodes == ("plan", "researcher", "write")
    assert trace.supersteps == 3
    (call,) = trace.calls
    assert (call.place.namespace, call.place.node, call.place.step) == (("researcher",), "search", 1)


def test_parallel_branches_stand_in_the_order_of_their_sends(world):
    """Branches of one superstep that finish in any order stand in the order in which they were sent."""
    agent(
        world,
        """
        import random
        import time


        def work(state):
            time.sleep(random.random() / 100)
            return {"notes": [model.invoke(state["question"]).content + state["question"]]}


        def build():
            graph = StateGraph(State)
            graph.add_node("work", work)
            graph.add_conditional_edges(START, lambda state: [Send("work", {"question": str(number)}) for number in range(12)], ["work"])
            return graph.compile()
        """,
    )

    trace = run(world).trace

    assert [step.update["notes"][0] for step in trace.steps] == [f"fine{number}" for number in range(12)]
    assert [call.place.visit for call in trace.calls] == list(range(1, 13))


def test_a_retry_policy_shows_as_attempts(world):
    """A node that its retry policy ran three times is one visit of three attempts."""
    agent(
        world,
        """
        tries = []


        def flaky(state):
            tries.append(1)
            if len(tries) < 3:
                raise ConnectionError("not yet")
            return {"notes": ["done"]}


        def build():
            tries.clear()
            graph = StateGraph(State)
            graph.add_node("flaky", flaky, retry_policy=RetryPolicy(max_attempts=5, initial_interval=0, jitter=False))
            graph.add_edge(START, "flaky")
            return graph.compile()
        """,
    )

    (step,) = run(world).trace.steps

    assert (step.attempts, step.error, step.place.visit) == (3, None, 1)


def test_interrupts_are_resumed_as_the_case_says(world):
    """The payload of interrupt() is seen, the answer of the case given, and the resumed node does not pay its earlier call twice."""
    agent(
        world,
        """
        def propose(state):
            return {"notes": [model.invoke("propose").content]}


        def approve(state):
            answer = interrupt({"action": "risky", "amount": 7})
            return {"notes": ["approved" if answer["approved"] else "rejected"]}


        def build(checkpointer):
            graph = StateGraph(State)
            graph.add_node("propose", propose)
            graph.add_node("approve", approve)
            graph.add_edge(START, "propose")
            graph.add_edge("propose", "approve")
            return graph.compile(checkpointer=checkpointer)
        """,
        case={
            "expected": {"interrupts": [{"action": "risky"}], "output": {"state.notes": ["fine", "approved"]}},
            "resume": [{"approved": True}],
        },
    )

    trace = run(world).trace

    assert [interrupt.payload for interrupt in trace.interrupts] == [{"action": "risky", "amount": 7}]
    assert trace.ends == "answer"
    assert [(step.place.node, step.attempts) for step in trace.steps] == [("propose", 1), ("approve", 2)]
    assert len(trace.calls) == 1


def test_an_interrupt_without_an_answer_ends_the_trial(world):
    """A trial that stops for a human whom the case does not play ends as `interrupt`."""
    agent(
        world,
        """
        def build(checkpointer):
            graph = StateGraph(State)
            graph.add_node("review", lambda state: {"notes": ["reviewed"]})
            graph.add_edge(START, "review")
            return graph.compile(checkpointer=checkpointer, interrupt_before=["review"])
        """,
        case={"expected": {"ends": "interrupt"}},
    )

    trace = run(world).trace

    assert (trace.ends, [interrupt.node for interrupt in trace.interrupts]) == ("interrupt", ["review"])
    world.cases({"id": "one", "inputs": {"question": "hello", "notes": []}, "resume": [None]})
    assert run(world).trace.nodes == ("review",)


LOOP = """
def build():
    graph = StateGraph(State)
    graph.add_node("again", lambda state: {"notes": ["more"]})
    graph.add_edge(START, "again")
    graph.add_conditional_edges("again", lambda state: "again")
    return graph.compile()
"""


def test_the_recursion_limit_is_a_limit_not_a_crash(world):
    """GraphRecursionError ends a trial as `limit`: a failing check with exit code 1, or what was expected."""
    agent(world, LOOP, config="recursion_limit = 5")

    trial = run(world, code=1)

    assert (trial.outcome, trial.trace.ends, trial.trace.crash) == ("fail", "limit", None)
    assert any("'again'" in reason for reason in trial.reasons)
    world.cases({"id": "one", "inputs": {"question": "hello", "notes": []}, "expected": {"ends": "limit"}})
    assert run(world).outcome == "pass"


def test_tools_are_seen_with_arguments_and_errors(world):
    """Executed tools, parallel ones too, are seen with what they were given, what they returned and how they failed."""
    agent(
        world,
        """
        from langchain_core.tools import tool
        from langgraph.prebuilt import ToolNode, tools_condition


        @tool
        def look(number: int) -> str:
            '''Look a number up.'''
            if number == 13:
                raise ValueError("unlucky")
            return f"found {number}"


        def ask(state):
            return {"messages": [model.bind_tools([look]).invoke(state["messages"])]}


        def build():
            graph = StateGraph(MessagesState)
            graph.add_node("ask", ask)
            graph.add_node("tools", ToolNode([look], handle_tool_errors=True))
            graph.add_edge(START, "ask")
            graph.add_conditional_edges("ask", tools_condition)
            graph.add_edge("tools", "ask")
            return graph.compile()
        """,
        rules="""
        - {times: 1, when: {}, reply: {tool_calls: [{name: look, args: {number: 13}}, {name: look, args: {number: 7}}]}}
        - {when: {}, reply: {text: "done"}}
        """,
        case={
            "inputs": {"messages": [{"role": "user", "content": "look"}]},
            "expected": {
                "tools": {
                    "mode": "unordered",
                    "calls": [{"name": "look", "args": {"number": 7}}, {"name": "look", "args": {"number": 13}}],
                },
                "output": {"text": "done"},
            },
        },
    )

    trace = run(world).trace

    assert [(tool.args, tool.error) for tool in trace.tools] == [({"number": 13}, "ValueError"), ({"number": 7}, None)]
    assert trace.tools[1].output == "found 7"
    assert [request.name for request in trace.calls[0].tool_requests] == ["look", "look"]


def test_tokens_and_cost_come_from_the_wire(world):
    """Tokens are the provider's, dollars the price table's or the config's; an unknown model has an unknown cost, and no zero."""
    code = """
    def build(model="gpt-4o-mini"):
        chat = ChatOpenAI(model=model)
        graph = StateGraph(State)
        graph.add_node("ask", lambda state: {"notes": [chat.invoke("x").content]})
        graph.add_edge(START, "ask")
        return graph.compile()
    """
    agent(world, code)
    known = run(world)
    world.suite('script = "script.yaml"', tables='[suites.agent.variants.default]\nmodel = "my-model"')
    unknown = world.harness("run", "--json").json["suites"]["agent"]
    unknown_trial = world.trial()
    own = '[suites.agent.variants.default]\nmodel = "my-model"\n[prices.my-model]\ninput = 10\noutput = 100'
    world.suite('script = "script.yaml"', tables=own)
    priced = run(world)

    assert known.trace.total_tokens == 110
    assert known.trace.cost_usd == pytest.approx((100 * 0.15 + 10 * 0.6) / 1e6)
    assert unknown_trial.trace.cost_usd is None
    assert unknown["metrics"]["cost_usd.mean"] is None
    assert "my-model" in unknown["metric_reasons"]["cost_usd.mean"]
    assert priced.trace.cost_usd == pytest.approx((100 * 10 + 10 * 100) / 1e6)


def test_embeddings_are_counted_though_they_fire_no_callbacks(world):
    """An embedding call has its place, its tokens and its cost."""
    agent(
        world,
        """
        def build():
            graph = StateGraph(State)
            vectors = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False)
            graph.add_node("embed", lambda state: {"notes": [len(vectors.embed_query("x"))]})
            graph.add_edge(START, "embed")
            return graph.compile()
        """,
        rules="- {when: {}, reply: {dimensions: 5, input_tokens: 1000}}",
    )

    (call,) = run(world).trace.calls

    assert (call.kind, call.place.node, call.usage.input_tokens) == ("embedding", "embed", 1000)
    assert call.cost_usd == pytest.approx(0.00002)


def test_a_crash_names_node_type_and_line(world):
    """A node that raises ends the trial as an error that names it; the stack is relative to the project."""
    agent(
        world,
        """
        def boom(state):
            raise RuntimeError("out of paper")


        def build():
            graph = StateGraph(State)
            graph.add_node("boom", boom)
            graph.add_edge(START, "boom")
            return graph.compile()
        """,
    )

    answer = world.harness("run")
    trial = world.trial()

    assert answer.code == 3
    assert "RuntimeError in node 'boom': out of paper" in answer.out
    assert trial.trace.crash.traceback.splitlines()[-1].startswith("agent.py:")
    assert str(world.root) not in trial.to_json()


FALLBACK = """
def build():
    first = ChatOpenAI(model="gpt-4o", max_retries=1)
    second = ChatOpenAI(model="gpt-4o-mini", max_retries=0)
    graph = StateGraph(State)
    graph.add_node("ask", lambda state: {"notes": [first.with_fallbacks([second]).invoke("x").content]})
    graph.add_edge(START, "ask")
    return graph.compile()
"""


@pytest.mark.parametrize(
    ("fault", "seen"),
    [("rate_limit", (429, None)), ("timeout", (None, "timeout")), ("connect_error", (None, "connect_error"))],
)
def test_a_fault_arrives_as_the_sdk_s_own_exception(world, fault, seen):
    """A fault makes the SDK retry, then the fallback answer; the trace tells each attempt with its fault."""
    expected = {"fallback": {"answered_by": "gpt-4o-mini", "attempts": 3}}
    agent(
        world,
        FALLBACK,
        case={"faults": [{"at": {"model_call": 1}, "fault": fault, "times": 2, "retry_after_s": 0.001}], "expected": expected},
    )

    calls = run(world).trace.calls

    assert [(call.model, call.fault) for call in calls] == [("gpt-4o", fault), ("gpt-4o", fault), ("gpt-4o-mini", None)]
    assert (calls[0].status, calls[0].error if calls[0].status is None else None) == seen


@pytest.mark.parametrize(
    ("fault", "name"), [("rate_limit", "RateLimitError"), ("timeout", "APITimeoutError"), ("connect_error", "APIConnectionError")]
)
def test_a_fault_that_nobody_handles_is_the_sdk_s_exception(world, fault, name):
    """Without fallback the trial crashes with the exception that production would see."""
    agent(
        world,
        FALLBACK.replace(".with_fallbacks([second])", ""),
        case={"faults": [{"at": {"node": "ask"}, "fault": fault, "times": 9, "retry_after_s": 0.001}]},
    )

    crash = run(world, code=3).trace.crash

    assert name in crash.type or name.removeprefix("API") in crash.type


def test_observing_does_not_change_the_outcome(world):
    """The final state is what the graph returns when it is invoked without the harness."""
    agent(world, FALLBACK, rules=SAY)
    trial = run(world)

    assert trial.trace.state == {"question": "hello", "notes": ["fine"]}


def test_a_users_own_cassette_keeps_working(world):
    """A graph that opens a vcrpy cassette of its own inside a node is answered by that one."""
    agent(
        world,
        """
        import vcr


        def ask(state):
            with vcr.use_cassette("own.yaml", record_mode="none", match_on=["method", "path"]):
                return {"notes": [model.invoke("x").content]}


        def build():
            graph = StateGraph(State)
            graph.add_node("ask", ask)
            graph.add_node("more", lambda state: {"notes": [model.invoke("y").content]})
            graph.add_edge(START, "ask")
            graph.add_edge("ask", "more")
            return graph.compile()
        """,
        rules='- {when: {contains: "y"}, reply: {text: "from the script"}}',
    )
    world.write(
        "own.yaml",
        """
        version: 1
        interactions:
        - request: {method: POST, uri: "https://api.openai.com/v1/chat/completions", body: "", headers: {}}
          response:
            status: {code: 200, message: OK}
            headers: {content-type: [application/json]}
            body:
              string: |-
                {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices":
                [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "from my own cassette"}}]}
        """,
    )

    assert run(world).trace.state["notes"] == ["from my own cassette", "from the script"]
