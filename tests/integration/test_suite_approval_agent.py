"""The reference suites of `approval_agent`: what they catch, and that a killed process loses neither the question nor the money."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from openai_server import serving
from regressions import ROOT, Regression, assert_caught, assert_no_op, unchanged

from graphs import approval_agent
from harness.script import parse

GRAPH = "graphs/approval_agent.py"
SEEDED = [
    Regression(
        "a risky tool is called safe",
        GRAPH,
        (('frozenset({"send_refund", "close_account"})', 'frozenset({"send_refund"})'),),
        frozenset({1, 4}),
        ("expected 1 interrupt, there were 0", "close_account"),
        ("--filter", "close-approve"),
    ),
    Regression(
        "the edge to the approval cut",
        GRAPH,
        (('"approve" if last.tool_calls[0]["name"] in RISKY else "tools"', '"tools"'),),
        frozenset({1, 4}),
        ("changed text of role user",),
        ("--filter", "refund-unanswered"),
    ),
    Regression(
        "a rejection goes to the tools",
        GRAPH,
        (('Command(goto="agent", update={"messages": [rejection]})', 'Command(goto="tools", update={"approved": call["id"]})'),),
        frozenset({1, 4}),
        ("refund-reject", "messages: changed text of role user"),
        ("--filter", "refund-reject and not plain"),
    ),
    Regression(
        "edited arguments are dropped",
        GRAPH,
        (('tool_calls=[{**call, "args": answer["arguments"]}]', "tool_calls=[call]"),),
        frozenset({1, 4}),
        ("changed text of role user",),
        ("--filter", "refund-edit-amount"),
    ),
    Regression(
        "a retry dropped",
        GRAPH,
        (("RETRIES = 3", "RETRIES = 2"),),
        frozenset({1, 4}),
        ("path",),
        ("--filter", "fault-three"),
    ),
    Regression(
        "any answer is an approval",
        GRAPH,
        (('    return "answer with a decision: approve, reject, or edit with arguments"', "    return None"),),
        frozenset({1, 3}),
        ("TypeError",),
        ("--filter", "refund-true"),
    ),
    Regression(
        "one word of the prompt",
        "graphs/prompts/account_agent/v1.md",
        (("Use a tool only", "Call a tool only"),),
        frozenset({4}),
        ("prompt account_agent (v1) edited",),
        ("--filter", "talk-hello"),
    ),
]


@pytest.mark.parametrize("regression", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, regression):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    assert_caught("approval_agent", regression, tmp_path)


def test_a_review_that_is_skipped_is_caught(tmp_path):
    """Without the static interrupt the answer leaves unseen, and the suite of the reviewed variant says so."""
    skipped = Regression(
        "the review does not stop",
        GRAPH,
        (('interrupt_before=["review"] if review_answers else None', "interrupt_before=None"),),
        frozenset({1}),
        ("interrupts",),
        ("--filter", "review-waits"),
    )

    assert_caught("approval_agent_review", skipped, tmp_path)


def test_a_no_op_edit_passes(tmp_path):
    """A renamed local variable and another order of imports change nothing."""
    assert_no_op(
        "approval_agent",
        GRAPH,
        tmp_path,
        ("    said = shown(", "    conversation = shown("),
        ("nearest(EXAMPLES, said[-1].text", "nearest(EXAMPLES, conversation[-1].text"),
        ("*examples, *said]", "*examples, *conversation]"),
        ("len(said)", "len(conversation)"),
    )


def test_no_risky_tool_ran_without_an_approval():
    """Over the whole suite, each risky call that was executed follows an interrupt that shows it or that a human edited."""
    document, trials = unchanged("approval_agent")

    assert document["suites"]["approval_agent"]["metrics"]["approved.pass_rate"] == 1.0
    for trial in trials:
        risky = [call["name"] for call in trial["trace"].get("tools", []) if call["name"] in approval_agent.RISKY]
        shown = [interrupt["payload"]["action"] for interrupt in trial["trace"].get("interrupts", [])]
        assert set(risky) <= set(shown), trial["case"]


MODEL = parse(
    textwrap.dedent(
        """
        - when: {contains: "Result: 40 euros paid"}
          reply: {json: {decision: {answer: "It is done."}}}
        - when: {contains: "Result: refused"}
          reply: {json: {decision: {answer: "Nobody approved that."}}}
        - reply: {json: {decision: {tool: send_refund, arguments: {account: A-17, amount: 40}}}}
        """
    ),
    path="rules",
)
QUESTION = {"messages": [{"role": "user", "content": "Please pay 40 euros back to account A-17."}]}
THREAD = {"configurable": {"thread_id": "killed"}}
WAITING = """
import sys, time
from contextlib import ExitStack
from graphs import approval_agent
kind, address = sys.argv[1:]
if kind == "sqlite":
    from langgraph.checkpoint.sqlite import SqliteSaver as Saver
else:
    from langgraph.checkpoint.postgres import PostgresSaver as Saver
with Saver.from_conn_string(address) as checkpointer:
    checkpointer.setup()
    graph = approval_agent.build(checkpointer=checkpointer)
    question = {"messages": [{"role": "user", "content": "Please pay 40 euros back to account A-17."}]}
    state = graph.invoke(question, {"configurable": {"thread_id": "killed"}})
    print(state["__interrupt__"][0].value, flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def model(script, monkeypatch):
    """Serve a model on loopback, for this process and those that it starts."""
    with serving(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-the-tests")
        yield server


def ask_and_be_killed(kind, address):
    """Let another process ask, wait until it waits for the human, and kill it; return what it showed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WAITING, kind, address]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        shown = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    return shown.strip()


def assert_resumed(checkpointer, server):
    """Resume in this process: the tool runs once, and the model is asked for the answer only."""
    graph = approval_agent.build(checkpointer=checkpointer)
    assert graph.get_state(THREAD).next == ("approve",)
    assert len(server.asked) == 1

    state = graph.invoke(Command(resume={"decision": "approve"}), THREAD)

    assert state["messages"][-1].text == "It is done."
    assert [message.text for message in state["messages"] if message.type == "tool"] == ["40 euros paid to account A-17"]
    assert len(server.asked) == 2
    assert b"Result: 40 euros paid to account A-17" in server.asked[1].body


def test_a_killed_process_is_resumed_from_sqlite(tmp_path, monkeypatch):
    """SIGKILL while it waits; another process goes on from the file, without asking the model again what it had decided."""
    path = str(tmp_path / "threads.sqlite")
    with model(MODEL, monkeypatch) as server:
        shown = ask_and_be_killed("sqlite", path)
        assert shown == str({"action": "send_refund", "arguments": {"account": "A-17", "amount": 40}})
        with SqliteSaver.from_conn_string(path) as checkpointer:
            assert_resumed(checkpointer, server)


def test_a_killed_process_is_resumed_from_postgresql(database, monkeypatch):
    """The same on a real PostgreSQL server."""
    from langgraph.checkpoint.postgres import PostgresSaver

    with model(MODEL, monkeypatch) as server:
        ask_and_be_killed("postgres", database)
        with PostgresSaver.from_conn_string(database) as checkpointer:
            assert_resumed(checkpointer, server)


def test_a_risky_call_that_slips_past_the_approval_is_refused(monkeypatch):
    """Even a state that goes straight to the tools executes no risky call that nobody approved."""
    with model(MODEL, monkeypatch):
        graph = approval_agent.build(checkpointer=InMemorySaver())
        graph.invoke(QUESTION, THREAD)
        graph.update_state(THREAD, Command(goto="tools"), as_node="agent")

        state = graph.invoke(None, THREAD)

    assert "refused: nobody approved it" in [message.text for message in state["messages"] if message.type == "tool"]
    assert not any("paid" in message.text for message in state["messages"] if message.type == "tool")


def test_every_way_to_call_the_graph_gives_the_same_answer(monkeypatch):
    """invoke, ainvoke, stream and astream_events stop at the same question, and end with the same answer."""
    approval = Command(resume={"decision": "approve"})

    def graph():
        return approval_agent.build(checkpointer=InMemorySaver())

    def streamed():
        one = graph()
        list(one.stream(QUESTION, THREAD))
        return list(one.stream(approval, THREAD, stream_mode="values"))[-1]

    async def awaited():
        one = graph()
        await one.ainvoke(QUESTION, THREAD)
        return await one.ainvoke(approval, THREAD)

    async def events():
        one = graph()
        [event async for event in one.astream_events(QUESTION, THREAD, version="v2")]
        ended = [event async for event in one.astream_events(approval, THREAD, version="v2") if event["name"] == "approval_agent"]
        return ended[-1]["data"]["output"]

    with model(MODEL, monkeypatch):
        states = [streamed(), asyncio.run(awaited()), asyncio.run(events())]

    assert [state["messages"][-1].text for state in states] == ["It is done."] * 3
    assert [[message.type for message in state["messages"]] for state in states] == [["human", "ai", "tool", "ai"]] * 3
