"""Which nodes were visited."""

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import path
from harness.checks.path import differences, lcs_f1
from harness.dataset import Mode, PathExpectation
from harness.trace import Crash

nodes = st.lists(st.sampled_from("abc"), max_size=6).map(tuple)


@pytest.fixture
def scored(case, context):
    """Score a trace under a path expectation."""

    def score(trace, mode, *expected):
        (score,) = path.check(case(path=PathExpectation(mode=mode, nodes=expected)), trace, context())
        return score

    return score


@pytest.mark.parametrize(
    ("visited", "agreeing"),
    [
        ("a b c", {"strict", "unordered", "subset", "superset", "in_order"}),
        ("a c b", {"unordered", "subset", "superset"}),
        ("a b", {"subset"}),
        ("a b c c", {"superset", "in_order"}),
        ("c b a x", {"superset"}),
        ("a x b x c", {"superset", "in_order"}),
        ("a a b", set()),
        ("", {"subset"}),
    ],
)
def test_each_mode_agrees_with_what_it_says(visited, agreeing):
    """The modes against a → b → c."""
    found = {mode for mode in get_args(Mode) if not differences(mode, ("a", "b", "c"), tuple(visited.split()))}
    assert found == agreeing


@given(expected=nodes, visited=nodes)
def test_subset_and_superset_mirror_each_other(expected, visited):
    """Swapping the sides swaps the two modes; both together are unordered."""
    subset = not differences("subset", expected, visited)
    superset = not differences("superset", expected, visited)
    assert subset == (not differences("superset", visited, expected))
    assert (subset and superset) == (not differences("unordered", expected, visited)) == (Counter(expected) == Counter(visited))


@given(expected=nodes, visited=nodes)
def test_stricter_modes_imply_looser_ones(expected, visited):
    """Strict implies all; in order implies superset; the score of likeness is 1 for equal paths only."""
    agreeing = {mode for mode in get_args(Mode) if not differences(mode, expected, visited)}
    assert ("strict" in agreeing) == (expected == visited) == (lcs_f1(expected, visited) == 1.0)
    assert "strict" not in agreeing or agreeing == set(get_args(Mode))
    assert "in_order" not in agreeing or "superset" in agreeing


@given(expected=nodes, extra=nodes, at=st.integers(0, 6))
def test_what_is_inserted_does_not_disturb_the_order(expected, extra, at):
    """Visits in between are fine in order."""
    assert not differences("in_order", expected, expected[:at] + extra + expected[at:])


@pytest.mark.parametrize(
    ("mode", "visited", "said"),
    [
        ("strict", "a x c", "position 2: expected 'b', visited 'x'; missing: b; unexpected: x"),
        ("strict", "a b", "position 3: expected 'c', visited nothing more; missing: c"),
        ("strict", "a b c d", "position 4: expected nothing more, visited 'd'; unexpected: d"),
        ("strict", "b a c", "position 1: expected 'a', visited 'b'; the same nodes in another order"),
        ("unordered", "c a x", "missing: b; unexpected: x"),
        ("subset", "a x x", "unexpected: x, x"),
        ("superset", "a", "missing: b, c"),
        ("in_order", "a c", "'b' was never visited"),
        ("in_order", "b a c", "'b' was not visited after 'a' at position 2"),
    ],
)
def test_a_difference_is_explained(mode, visited, said):
    """It names what is missing, extra or out of place, and where."""
    assert differences(mode, ("a", "b", "c"), tuple(visited.split())) == said


def test_the_score_shows_both_paths(scored, visited):
    """A failing score has mode, both paths and their likeness."""
    score = scored(visited("classify", "technical"), "strict", "classify", "billing")
    assert (score.status, score.value, score.name) == ("fail", 0.0, "path")
    assert score.reason.endswith("(strict): expected classify → billing; visited classify → technical")
    assert score.detail["lcs_f1"] == 0.5
    assert scored(visited("classify", "billing"), "strict", "classify", "billing").status == "pass"


def test_a_path_that_a_crash_cut_short_says_so(scored, visited):
    """The reason names the crash behind the missing nodes."""
    trace = visited("a", ends="error", crash=Crash(type="KeyError", message="k", node="a"))
    assert "crashed in node 'a' with KeyError: k" in scored(trace, "in_order", "a", "b").reason


def test_nodes_of_subgraphs_count_only_when_a_slash_names_them(scored, visited):
    """`sub/inner` asks for the full list."""
    trace = visited("a", "sub", "sub/inner", "b")
    assert scored(trace, "strict", "a", "sub", "b").status == "pass"
    assert scored(trace, "strict", "a", "sub", "sub/inner", "b").status == "pass"
    assert scored(trace, "strict", "a", "sub/inner", "b").status == "fail"


@pytest.mark.parametrize(("mode", "status"), [("superset", "unscored"), ("in_order", "unscored"), ("strict", "fail"), ("subset", "fail")])
def test_an_expectation_that_asks_for_nothing_measures_nothing(scored, visited, mode, status):
    """No nodes in `superset` would let everything through."""
    assert scored(visited("a"), mode).status == status


def test_a_long_path_is_shortened_in_the_reason(scored, visited):
    """The middle of hundreds of visits is left out."""
    score = scored(visited(*["a"] * 500), "strict", "b")
    assert "… 470 more …" in score.reason
    assert len(score.reason) < 4000


def test_no_expectation_gives_no_score(case, context, visited):
    """A path is only scored if one is expected."""
    assert path.check(case(), visited("a"), context()) == ()
