"""The reference suites of `rag_data_agent`: what they catch, what reaches the database, and what reaches the models."""

import asyncio
import contextlib
import json
import re
import sqlite3
from collections import Counter

import pytest
from openai_server import serving
from regressions import ROOT, Regression, assert_caught, assert_no_op, unchanged

from graphs import vector_index
from graphs.rag_data_agent import context, database, graph
from graphs.rag_data_agent.evals import CHEAP_NODES
from harness import store
from harness.cassette.segments import segments
from harness.script import parse

FOLDER = ROOT / "graphs" / "rag_data_agent"
GRAPH = "graphs/rag_data_agent/graph.py"
CONTEXT = "graphs/rag_data_agent/context.py"
SEEDED = [
    Regression(
        "the guardrail lets everything through",
        GRAPH,
        (('"route_question" if state["allowed"] == "yes" else "refuse"', '"route_question"'),),
        frozenset({1, 4}),
        ("route_question",),
        ("--filter", "blocked-prompt"),
    ),
    Regression(
        "what cannot be read is let through",
        GRAPH,
        (('"yes" if allowed == "yes" else "no"', '"no" if allowed == "no" else "yes"'),),
        frozenset({1, 4}),
        ("route_question",),
        ("--filter", "fault-guardrail"),
    ),
    Regression(
        "two edges swapped",
        GRAPH,
        (('{"RAG": "rag_agent", "DATA": "data_agent"', '{"RAG": "data_agent", "DATA": "rag_agent"'),),
        frozenset({1, 4}),
        ("data_agent",),
        ("--filter", "rag-hours"),
    ),
    Regression(
        "a longer history",
        CONTEXT,
        (("TURNS = 5", "TURNS = 7"),),
        frozenset({4}),
        ("general", "messages"),
        ("--filter", "history-window"),
    ),
    Regression(
        "longer tool outputs",
        CONTEXT,
        (("TOOL_CHARS = 2_000", "TOOL_CHARS = 4_000"),),
        frozenset({4}),
        ("answer", "messages"),
        ("--filter", "rag-used"),
    ),
    Regression(
        "no budget",
        CONTEXT,
        (("TOKEN_BUDGET = 8_000", "TOKEN_BUDGET = 800_000"),),
        frozenset({4}),
        ("guardrail",),
        ("--filter", "long-refused"),
    ),
    Regression(
        "the router asks the strong model",
        GRAPH,
        (("routing_model: str = CHEAP", "routing_model: str = STRONG"),),
        frozenset({4}),
        ("model smollm2-135m-instruct-backup -> smollm2-135m-instruct",),
        ("--filter", "data-status-none"),
    ),
    Regression(
        "one word of the guardrail's prompt",
        "graphs/prompts/guardrail/v1.md",
        (("attacks", "assaults"),),
        frozenset({4}),
        ("prompt guardrail (v1) edited",),
        ("--filter", "blocked-sql"),
    ),
    Regression(
        "a query without its condition",
        "graphs/rag_data_agent/database.py",
        ((" WHERE orders.id = :order ORDER BY", " WHERE :order > 0 ORDER BY"),),
        frozenset({4}),
        ("answer", "messages"),
        ("--filter", "data-status-none"),
    ),
]


@pytest.mark.parametrize("regression", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, regression):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    assert_caught("rag_data_agent", regression, tmp_path)


def test_a_missing_check_of_arguments_is_caught_by_the_attacks(tmp_path):
    """Without the check of a text's length and kind, the scripted attacks are no longer refused."""
    unchecked = Regression(
        "texts are not checked",
        "graphs/rag_data_agent/database.py",
        (("if not isinstance(value, str) or len(value) > MAX_TEXT or (isinstance(kind, tuple) and value not in kind):", "if False:"),),
        frozenset({1}),
        ("attempt-32", "no rows"),
        ("--filter", "attempt-32 or attempt-35"),
    )

    assert_caught("rag_data_agent_attacks", unchecked, tmp_path)


def test_a_no_op_edit_passes(tmp_path):
    """Renamed local variables change nothing."""
    assert_no_op(
        "rag_data_agent",
        GRAPH,
        tmp_path,
        ('allowed = read(self._ask(self._guard, "guardrail"', 'verdict = read(self._ask(self._guard, "guardrail"'),
        ('"yes" if allowed == "yes" else "no"', '"yes" if verdict == "yes" else "no"'),
    )


def test_the_budget_is_kept_and_tool_outputs_are_cut_in_every_trial():
    """Over the whole suite, no call has more tokens than the budget, no tool output is too long, and each node asks its model."""
    document, trials = unchanged("rag_data_agent")

    metrics = document["suites"]["rag_data_agent"]["metrics"]
    assert (metrics["budget.pass_rate"], metrics["cut_outputs.pass_rate"], metrics["models.pass_rate"]) == (1.0, 1.0, 1.0)
    longest = max(len(m["content"]) for trial in trials for m in trial["trace"]["state"]["messages"] if m["type"] == "tool")
    assert longest == context.TOOL_CHARS


def test_cost_is_known_by_node_and_by_model():
    """The costs of nodes, and those of models, add up to that of the suite; deciding costs less a token than answering."""
    document, trials = unchanged("rag_data_agent")

    calls = [call for trial in trials for call in trial["trace"].get("calls", [])]
    by_node, by_model = Counter(), Counter()
    for call in calls:
        by_node[call["place"]["node"]] += call["cost_usd"]
        by_model[call["model"]] += call["cost_usd"]
    total = document["suites"]["rag_data_agent"]["metrics"]["cost_usd.total"]
    assert set(by_node) == {"guardrail", "route_question", "rag_agent", "data_agent", "answer", "general"}
    assert sum(by_node.values()) == pytest.approx(total)
    assert sum(by_model.values()) == pytest.approx(total)
    assert by_model[graph.CHEAP] == pytest.approx(sum(by_node[node] for node in CHEAP_NODES))


def asked_text(body):
    """Return the texts of the messages of a request."""
    return [message.get("content") or "" for message in json.loads(body)["messages"]]


def test_the_estimate_of_tokens_is_never_below_the_provider_s_count():
    """For every recorded request, the budget counts at least as many tokens as the model did."""
    below = []
    for path in sorted((ROOT / "cassettes" / "rag_data_agent").glob("*.yaml")):
        for exchange in store.read_cassette(ROOT, "rag_data_agent", path.stem):
            estimate = sum(context.tokens(text) + context.MESSAGE_TOKENS for text in asked_text(exchange.request.body))
            counted = json.loads(exchange.response.body)["usage"]["prompt_tokens"]
            below += [(path.stem, estimate, counted)] if estimate < counted else []

    assert below == []


@contextlib.contextmanager
def model(script, monkeypatch):
    """Serve a scripted model on loopback."""
    with serving(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-the-tests")
        yield server


def skeleton(statement):
    """Return a statement without its values: texts, numbers and parameters become `?`, and white space one space."""
    return " ".join(re.sub(r"'(?:[^']|'')*'|:\w+|\b\d+\b", "?", statement).split())


def test_no_statement_but_the_fixed_queries_reaches_the_database(monkeypatch):
    """Under more than 50 attempts, with a model that does what the attacker wants, SQLite sees the fixed statements and no other."""
    cases = [json.loads(line) for line in (ROOT / "datasets" / "rag_data_agent_attacks.jsonl").read_text("utf-8").splitlines()]
    script = parse((FOLDER / "attacks.yaml").read_text("utf-8"), path="attacks.yaml")
    connection = database.connect()
    before = list(connection.execute("SELECT id, status FROM orders")), list(connection.execute("SELECT * FROM products"))
    statements = []
    connection.set_trace_callback(statements.append)

    with model(script, monkeypatch):
        agent = graph.build(connection=connection)
        answers = [agent.invoke(case["inputs"]) for case in cases]

    connection.set_trace_callback(None)
    assert len(cases) >= 50
    assert {skeleton(statement) for statement in statements} <= {skeleton(query.sql) for query in database.QUERIES.values()}
    assert len(statements) >= 20  # attempts that are bound as texts do run
    assert (list(connection.execute("SELECT id, status FROM orders")), list(connection.execute("SELECT * FROM products"))) == before
    said = json.dumps([[message.text for message in answer["messages"][1:]] for answer in answers])
    assert not any(code in said for code in ("7731", "9046"))
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders",
        "UPDATE products SET price = 1",
        "DROP TABLE orders",
        "CREATE TABLE loot (text TEXT)",
        "SELECT door_code FROM staff",
        "SELECT name FROM sqlite_master",
        "PRAGMA query_only = OFF",
        "ATTACH DATABASE ':memory:' AS other",
        "SELECT randomblob(900000000)",
        "SELECT load_extension('loot')",
    ],
)
def test_behind_the_queries_the_connection_itself_refuses(statement):
    """Even a statement that got past the queries cannot write, read the secret table, or switch the protection off."""
    with contextlib.closing(database.connect()) as connection, pytest.raises(sqlite3.DatabaseError):
        connection.execute(statement).fetchall()


def test_values_are_taken_for_other_statements_by_no_skeleton():
    """The test of the statements would see a condition that was put into one."""
    injected = database.QUERIES["orders_of_customer"].sql.replace(":customer", "'x' OR '1'='1'")

    assert skeleton(injected) not in {skeleton(query.sql) for query in database.QUERIES.values()}


TALK = parse(
    """
- when: {contains: "You guard the chat"}
  reply: {json: {allowed: "yes"}}
- when: {contains: "You route questions"}
  reply: {json: {route: GENERAL}}
- reply: {text: "Fine."}
""",
    path="rules",
)


def conversation(turns, text, chars):
    """Return a history of so many turns, each of so many characters, and a question."""
    said = (text * chars)[:chars]
    history = [message for turn in range(turns) for message in (("user", f"{turn}: {said}"), ("assistant", f"{turn} {said}"))]
    return {"messages": [*history, ("user", "And what do you say to all of this, my friend?")]}


def test_the_budget_holds_for_histories_of_any_size_and_script(monkeypatch):
    """Whatever the history is, no request has more tokens than the budget, and the newest turns that fit are shown."""
    sizes = [(turns, text, chars) for turns in (0, 1, 5, 9) for text in ("word ", "1234 ", "漢字") for chars in (40, 2_500, 12_000)]
    with model(TALK, monkeypatch) as server:
        agent = graph.build()
        for size in sizes:
            agent.invoke(conversation(*size))

    spoken = [asked_text(request.body) for request in server.asked if "friendly assistant" in asked_text(request.body)[0]]
    assert len(spoken) == len(sizes)
    sums = [sum(context.tokens(text) + context.MESSAGE_TOKENS for text in texts) for texts in spoken]
    assert max(sums) <= context.TOKEN_BUDGET
    assert max(sums) > context.TOKEN_BUDGET // 2  # it is used, too
    for (turns, _, chars), texts in zip(sizes, spoken, strict=True):
        shown = [int(text.split(":")[0]) for text in texts[1:-1] if ":" in text]
        assert shown == list(range(turns))[len(range(turns)) - len(shown) :]
        assert len(shown) == min(turns, context.TURNS) or chars > 40


def test_more_than_the_budget_is_not_sent(monkeypatch):
    """Where even the question does not fit, nothing is sent: the error says so."""
    with model(TALK, monkeypatch) as server, pytest.raises(context.OverBudgetError, match="more than 20 tokens"):
        graph.build(token_budget=20).invoke(conversation(0, "", 0))

    assert server.asked == []


def test_the_stored_vectors_are_those_of_the_model():
    """The vectors in the files are what the model makes of the texts beside them."""
    for path in (FOLDER / "handbook.jsonl", FOLDER / "examples.jsonl", ROOT / "graphs" / "approval_agent_examples.jsonl"):
        for entry in vector_index.entries(path)[::12]:
            fresh = vector_index.vector(entry)
            assert max(abs(one - other) for one, other in zip(fresh, entry["vector"], strict=True)) <= vector_index.STEPS // 50, entry["id"]


def test_every_way_to_call_the_graph_gives_the_same_answer(monkeypatch):
    """invoke, ainvoke, stream and astream_events end with the same messages."""
    question = {"messages": [("user", "Where is order 1003?")]}
    rules = parse(
        """
- when: {contains: "You guard the chat"}
  reply: {json: {allowed: "yes"}}
- when: {contains: "You route questions"}
  reply: {json: {route: DATA}}
- when: {contains: "Choose the query"}
  reply: {json: {call: {query: order_status, arguments: {order: 1003}}}}
- reply: {text: "It was shipped."}
""",
        path="rules",
    )

    async def events(agent):
        return [event async for event in agent.astream_events(question, version="v2") if event["name"] == "rag_data_agent"][-1]["data"][
            "output"
        ]

    with model(rules, monkeypatch) as server:
        agent = graph.build()
        states = [
            agent.invoke(question),
            asyncio.run(agent.ainvoke(question)),
            list(agent.stream(question, stream_mode="values"))[-1],
            asyncio.run(events(agent)),
        ]

    told = [[(message.type, message.text) for message in state["messages"]] for state in states]
    assert told == [told[0]] * 4
    assert told[0][-2:] == [("tool", "1003 | Jon Vik | 1 | e-bike | shipped | 2026-03-02"), ("ai", "It was shipped.")]
    assert {segments(request).model for request in server.asked} == {graph.CHEAP, graph.STRONG}
