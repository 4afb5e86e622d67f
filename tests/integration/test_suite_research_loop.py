"""The research loop: a limit, an edge, a prompt or a memory that breaks is caught with the reason."""

import pytest
from regressions import Regression, assert_caught, assert_no_op, edges_taken

SUITE = "research_loop"
FILE = "graphs/research_loop.py"

SEEDED = [
    Regression(
        "the iteration limit lowered",
        FILE,
        (("max_iterations: int = 3", "max_iterations: int = 2"),),
        frozenset({1, 4}),
        ("analyze",),
        ("--filter", "glacier-001"),
    ),
    Regression(
        "enough results raised",
        FILE,
        (("enough_results: int = 5", "enough_results: int = 50"),),
        frozenset({1, 4}),
        ("research", "visit 3"),
        ("--filter", "honey-001"),
    ),
    Regression(
        "the edge back to itself dropped",
        FILE,
        (('graph.add_conditional_edges("research", decide)', 'graph.add_edge("research", "analyze")'),),
        frozenset({1}),
        ("'research'", "none-001"),
        ("--filter", "none-001"),
    ),
    Regression(
        "a model asked when nothing was found",
        FILE,
        (('if not state["results"]:', 'if not state["messages"]:'),),
        frozenset({4}),
        ("node 'analyze'", "none-001"),
        ("--filter", "none-001"),
    ),
    Regression(
        "notes found twice",
        FILE,
        (("and note not in known]", "]"),),
        frozenset({1, 4}),
        ("messages", "honey-001"),
        ("--filter", "honey-001"),
    ),
    Regression(
        "the state of the question before kept",
        FILE,
        (('return {"messages": state["messages"]} if state.get("answer") else state', "return state"),),
        frozenset({1, 4}),
        ("turn 2", "turns-001"),
        ("--filter", "turns-001"),
    ),
    Regression(
        "one word of a prompt",
        "graphs/prompts/research_query/v1.md",
        (("short search query", "brief search query"),),
        frozenset({4}),
        ("prompt research_query (v1) edited",),
        ("--filter", "honey-001"),
    ),
]


@pytest.mark.parametrize("regression", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, regression):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    assert_caught(SUITE, regression, tmp_path)


def test_a_no_op_edit_passes(tmp_path):
    """The same condition in other words changes no byte of any trial."""
    assert_no_op(
        SUITE,
        FILE,
        tmp_path,
        (
            'return "analyze" if limit_reached or len(state["results"]) >= enough_results else "research"',
            'return "research" if not limit_reached and len(state["results"]) < enough_results else "analyze"',
        ),
    )


def test_every_edge_is_taken():
    """The loop goes on, ends in the analysis, and starts anew with the next turn."""
    edges = {("start", "research"), ("research", "research"), ("research", "analyze"), ("analyze", "end")}

    assert edges == edges_taken(SUITE)
