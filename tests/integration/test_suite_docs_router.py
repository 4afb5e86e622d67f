"""The reference suite docs_router: red for every seeded regression with the right reason, green for a no-op edit."""

import pytest
from regressions import Regression, assert_caught, assert_no_op

ROUTER = "graphs/docs_router.py"
SOME = ("--filter", "python-001 or js-001 or go-001")

SEEDED = [
    Regression(
        "an edge led astray",
        ROUTER,
        (('return "all_docs" if datasource == "unknown" else datasource', 'return "all_docs" if datasource == "js_docs" else datasource'),),
        frozenset({1}),
        ("js_docs", "all_docs", "path.pass_rate"),
        SOME,
    ),
    Regression(
        "an unknown label taken for a known one",
        ROUTER,
        (('return {"datasource": "unknown", "confidence": 0.0}', 'return {"datasource": "python_docs", "confidence": 0.0}'),),
        frozenset({1}),
        ("all_docs", "state.datasource"),
        ("--tag", "label"),
    ),
    Regression(
        "one word of the prompt",
        "graphs/prompts/docs_route/v1.md",
        (("the browser", "a browser"),),
        frozenset({4}),
        ("prompt docs_route (v1) edited",),
        SOME,
    ),
    Regression(
        "fewer worked examples",
        ROUTER,
        (("examples: int = 2", "examples: int = 1"),),
        frozenset({4}),
        ("are stale, messages",),
        SOME,
    ),
    Regression(
        "every retriever over the same notes",
        ROUTER,
        (("NotesRetriever(sources=sources)", "NotesRetriever(sources=DATASOURCES[:1])"),),
        frozenset({1}),
        ("output.pass_rate", "js_docs:"),
        SOME,
    ),
    Regression(
        "a confidence that is always full",
        ROUTER,
        (('"confidence": route.confidence}', '"confidence": 1.0}'),),
        frozenset({1}),
        ("route.route.ece", "above max"),
    ),
    Regression(
        "a label dropped from the schema",
        ROUTER,
        (('"enum": list(DATASOURCES)', '"enum": list(DATASOURCES[:2])'),),
        frozenset({4}),
        ("are stale, response format",),
        SOME,
    ),
]


@pytest.mark.parametrize("regression", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, regression):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    assert_caught("docs_router", regression, tmp_path)


def test_no_op_edits_pass(tmp_path):
    """A renamed local variable changes nothing."""
    assert_no_op(
        "docs_router",
        ROUTER,
        tmp_path,
        ("known = nearest(question,", "alike = nearest(question,"),
        ("for note in reversed(known)", "for note in reversed(alike)"),
    )
