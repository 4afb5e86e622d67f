"""The tool controller: agents asked wrongly, in the wrong number, or with each other's answers are caught with the reason."""

import pytest
from regressions import Regression, assert_caught, assert_no_op, edges_taken, unchanged

SUITE = "tool_controller"
FILE = "graphs/tool_controller.py"

SEEDED = [
    Regression(
        "an agent that looks up another subject",
        FILE,
        (("{known[subject]}", "{known['food']}"),),
        frozenset({4}),
        ("agents", "messages"),
        ("--filter", "weather-004"),
    ),
    Regression(
        "an agent less",
        FILE,
        (('Literal["weather", "history", "food"]', 'Literal["weather", "history"]'),),
        frozenset({4}),
        ("tool food_agent removed",),
        ("--filter", "weather-004"),
    ),
    Regression(
        "an agent renamed",
        FILE,
        (('name=f"{subject}_agent"', 'name=f"{subject}_expert"'),),
        frozenset({4}),
        ("weather_expert",),
        ("--filter", "weather-004"),
    ),
    Regression(
        "calls that are not made",
        FILE,
        (('return "agents" if isinstance(last, AIMessage) and last.tool_calls else "__end__"', 'return "__end__"'),),
        frozenset({1}),
        ("weather-004", "'agents'"),
        ("--filter", "weather-004"),
    ),
    Regression(
        "a round of asking more",
        FILE,
        (("max_rounds: int = 1", "max_rounds: int = 2"),),
        frozenset({1, 4}),
        ("controller",),
        ("--filter", "weather-004"),
    ),
    Regression(
        "one word of an agent's prompt",
        "graphs/prompts/city_agent/v1.md",
        (("one short sentence", "one brief sentence"),),
        frozenset({4}),
        ("prompt city_agent (v1) edited",),
        ("--filter", "weather-004"),
    ),
    Regression(
        "the answers of parallel agents exchanged",
        FILE,
        (
            (
                "for message in messages if isinstance(message, ToolMessage))",
                "for message in reversed(messages) if isinstance(message, ToolMessage))",
            ),
        ),
        frozenset({4}),
        ("controller", "messages"),
        ("--filter", "parallel-001"),
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
        ("        last = state[", "        latest = last = state["),
        ("isinstance(last, AIMessage) and last.tool_calls", "isinstance(last, AIMessage) and latest.tool_calls"),
    )


def test_parallel_agents_get_their_own_answers():
    """Of two agents asked at once each was told its own fact: every answer is the one that its own question got."""
    (trial,) = [one for one in unchanged(SUITE)[1] if one["case"] == "parallel-001"]
    calls = trial["trace"]["calls"]
    tools = trial["trace"]["tools"]

    assert [tool["name"] for tool in tools] == ["food_agent", "weather_agent"]
    assert len({tool["output"] for tool in tools}) == 2
    assert len({call["exchange"] for call in calls}) == len(calls) == 4


def test_every_edge_is_taken():
    """Agents are asked or not; both end."""
    assert {("controller", "agents"), ("agents", "controller"), ("controller", "end")} <= edges_taken(SUITE)
