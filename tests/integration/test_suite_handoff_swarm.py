"""The swarm: hand-overs that go astray, are forgotten, or never end are caught with the reason."""

import pytest
from regressions import Regression, assert_caught, assert_no_op, edges_taken, unchanged

SUITE = "handoff_swarm"
FILE = "graphs/handoff_swarm.py"

SEEDED = [
    Regression(
        "the active agent forgotten between turns",
        FILE,
        (('return state.get("active_agent", FIRST)', "return FIRST"),),
        frozenset({1, 4}),
        ("turn 2", "sales"),
        ("--filter", "turns-001"),
    ),
    Regression(
        "a hand-over that does not stick",
        FILE,
        (('done], "active_agent": agent}', "done]}"),),
        frozenset({1}),
        ("state has no 'active_agent'",),
        ("--filter", "support-001"),
    ),
    Regression(
        "hand-overs to the wrong agent",
        FILE,
        (("return Command(goto=agent,", 'return Command(goto="billing",'),),
        frozenset({4}),
        ("billing", "support-001"),
        ("--filter", "support-001"),
    ),
    Regression(
        "ping-pong without a limit",
        FILE,
        ((">= max_tool_calls:", ">= max_tool_calls * 100:"),),
        frozenset({1, 4}),
        ("pingpong-001",),
        ("--filter", "pingpong-001"),
    ),
    Regression(
        "one word of a prompt",
        "graphs/prompts/swarm_sales/v1.md",
        (("prices and products", "prices and goods"),),
        frozenset({4}),
        ("prompt swarm_sales (v1) edited",),
        ("--filter", "sales-001"),
    ),
    Regression(
        "a tool described anew",
        FILE,
        (("Price of a product", "Cost of a product"),),
        frozenset({4}),
        ("tool schema find_price",),
        ("--filter", "sales-001"),
    ),
    Regression(
        "hand-overs shown to the next agent",
        FILE,
        (("if not is_handover(m) and not (isinstance", "if not (isinstance"),),
        frozenset({4}),
        ("messages", "support"),
        ("--filter", "support-001"),
    ),
]


@pytest.mark.parametrize("regression", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, regression):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    assert_caught(SUITE, regression, tmp_path)


def test_a_no_op_edit_passes(tmp_path):
    """Another name for a local variable changes no byte of any trial."""
    assert_no_op(
        SUITE,
        FILE,
        tmp_path,
        ("    calls = answer.tool_calls[:most_calls]\n", "    kept = answer.tool_calls[:most_calls]\n"),
        ("text = answer.text if calls or", "text = answer.text if kept or"),
        ("name=agent, tool_calls=calls,", "name=agent, tool_calls=kept,"),
    )


def test_ping_pong_shows_as_repeated_calls():
    """Two agents who hand over to each other repeat a call; the trace says which, and the agent who is left answers."""
    (trial,) = [one for one in unchanged(SUITE)[1] if one["case"] == "pingpong-001"]
    (loops,) = [score for score in trial["scores"] if score["name"] == "loops"]

    assert [call["name"] for call in trial["trace"]["tools"]] == ["transfer_to_support", "transfer_to_sales", "transfer_to_support"]
    assert loops["detail"]["repeated_calls"] == {"transfer_to_support({})": 1}
    assert trial["trace"]["text"]


def test_every_edge_is_taken():
    """Each agent starts a turn, hands over to each other one, uses its tool, and ends a turn."""
    agents = ("sales", "support", "billing")
    edges = {(one, other) for one in ("start", *agents) for other in (*agents, "end") if one != other} - {("start", "end")}
    for agent in agents:
        edges |= {(f"{agent}/model", f"{agent}/tools"), (f"{agent}/tools", f"{agent}/model"), (f"{agent}/model", "end")}

    assert edges <= edges_taken(SUITE)
