"""The supervisor's team: what breaks its hand-offs, its limit, its subgraph or its memory is caught with the reason."""

import pytest
from regressions import Regression, assert_caught, assert_no_op, edges_taken

SUITE = "supervisor_team"
FILE = "graphs/supervisor_team.py"

SEEDED = [
    Regression(
        "a worker that does not report back",
        FILE,
        (
            (
                '        graph.add_edge(worker, "supervisor")',
                '        graph.add_edge(worker, END if worker == "analyzer" else "supervisor")',
            ),
        ),
        frozenset({1}),
        ("visited nothing more", "compare-001"),
        ("--filter", "compare-001"),
    ),
    Regression(
        "an unknown name goes to the writer",
        FILE,
        (
            ('        return "end"\n    name =', '        return "writer"\n    name ='),
            ('else "end"\n\n\ndef closing', 'else "writer"\n\n\ndef closing'),
        ),
        frozenset({1, 4}),
        ("writer",),
        ("--filter", "invalid-001"),
    ),
    Regression(
        "the limit of reports lowered",
        FILE,
        (("max_reports: int = 5", "max_reports: int = 3"),),
        frozenset({1}),
        ("visited nothing more", "missing"),
        ("--filter", "runaway-003"),
    ),
    Regression(
        "the limit of reports taken away",
        FILE,
        (("len(reports(messages)) >= max_reports", "len(reports(messages)) >= max_reports * 100"),),
        frozenset({4}),
        ("exhausted",),
        ("--filter", "runaway-002"),
    ),
    Regression(
        "an edge of the subgraph",
        FILE,
        (('return "report_notes" if state["notes"] else "report_nothing"', 'return "report_nothing"'),),
        frozenset({1, 4}),
        ("node 'writer'", "I found nothing about that."),
        ("--filter", "text-001"),
    ),
    Regression(
        "the reports of earlier requests counted",
        FILE,
        (("place = max((number", "place = min((number"),),
        frozenset({1, 4}),
        ("turn 2",),
        ("--filter", "turns-002"),
    ),
    Regression(
        "one word of the supervisor's prompt",
        "graphs/prompts/team_supervisor/v1.md",
        (("works next", "acts next"),),
        frozenset({4}),
        ("prompt team_supervisor (v1) edited",),
        ("--filter", "text-001"),
    ),
    Regression(
        "the writer kept from the analysis",
        FILE,
        (('"Notes", "researcher", "analyzer"', '"Notes", "researcher"'),),
        frozenset({4}),
        ("writer", "messages"),
        ("--filter", "compare-001"),
    ),
]


@pytest.mark.parametrize("regression", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, regression):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    assert_caught(SUITE, regression, tmp_path)


def test_a_no_op_edit_passes(tmp_path):
    """A renamed local variable and another order of equal things change no byte of any trial."""
    assert_no_op(
        SUITE,
        FILE,
        tmp_path,
        ("        choice = read_choice(raw)\n", "        choice = decided = read_choice(raw)\n"),
        ('return {"next": choice, "raw": raw,', 'return {"raw": raw, "next": decided,'),
    )


def test_every_edge_is_taken():
    """Each worker, each branch of the researcher and the end are reached by a case."""
    edges = {("supervisor", worker) for worker in ("researcher", "analyzer", "writer", "end")}
    edges |= {(worker, "supervisor") for worker in ("researcher", "analyzer", "writer")}
    inner = (("query", "look_up"), ("look_up", "report_notes"), ("look_up", "report_nothing"))
    edges |= {(f"researcher/{one}", f"researcher/{other}") for one, other in inner}

    assert edges <= edges_taken(SUITE)
