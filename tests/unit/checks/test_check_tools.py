"""Which tools were called with which arguments."""

from itertools import permutations
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import CheckContext, tools
from harness.checks.tools import args_agree, fits
from harness.dataset import ArgsMode, Case, Expected, Mode, ToolExpectation, ToolsExpectation
from harness.trace import Place, ToolCall, ToolRequest, Trace


def ran(name, args=None, **fields):
    """Return one execution."""
    return ToolCall(place=Place(node="act", step=1), name=name, args=args, **fields)


def want(name, args=None):
    """Return one expected call."""
    return ToolExpectation(name=name, args=args)


def score_of(expected, called, mode="strict", args="exact", **trace):
    """Return the only score."""
    case = Case(id="c", inputs={}, expected=Expected(tools=ToolsExpectation(mode=mode, calls=tuple(expected), args=args)))
    (score,) = tools.check(case, Trace(tools=tuple(called), **trace), CheckContext())
    return score


@pytest.mark.parametrize(
    ("called", "agreeing"),
    [
        ("a b", {"strict", "unordered", "subset", "superset", "in_order"}),
        ("b a", {"unordered", "subset", "superset"}),
        ("a", {"subset"}),
        ("a x b", {"superset", "in_order"}),
        ("b a a", {"superset"}),
        ("x", set()),
        ("", {"subset"}),
    ],
)
def test_each_mode_agrees_with_what_it_says(called, agreeing):
    """The modes against the calls a, b."""
    calls = [ran(name) for name in called.split()]
    found = {mode for mode in get_args(Mode) if score_of([want("a"), want("b")], calls, mode).status == "pass"}
    assert found == agreeing


@pytest.mark.parametrize(
    ("actual", "agreeing"),
    [
        ({"x": 1, "y": 2}, {"exact", "subset", "superset", "ignore"}),
        ({"x": 1, "y": 2, "z": 3}, {"superset", "ignore"}),
        ({"x": 1}, {"subset", "ignore"}),
        ({"x": 1, "y": 3}, {"ignore"}),
        ({"x": True, "y": 2}, {"ignore"}),
        ({"x": 1.0, "y": 2}, {"exact", "subset", "superset", "ignore"}),
        (None, {"subset", "ignore"}),
        ("x=1", {"ignore"}),
    ],
)
def test_each_argument_mode_agrees_with_what_it_says(actual, agreeing):
    """The modes against x=1, y=2, as agentevals has them."""
    assert {mode for mode in get_args(ArgsMode) if args_agree({"x": 1, "y": 2}, actual, mode)} == agreeing


def test_no_expected_arguments_mean_any():
    """An expectation may name just the tool."""
    assert score_of([want("find")], [ran("find", {"q": 1})]).status == "pass"
    assert score_of([want("find", {})], [ran("find", {"q": 1})]).status == "fail"


def test_a_tool_may_have_a_mode_of_its_own():
    """Overrides go by name, `*` is for the others, and `exact` where neither says."""
    expected, called = [want("find", {"q": 1}), want("save", {"q": 1})], [ran("find", {"q": 2}), ran("save", {"q": 2})]
    assert score_of(expected, called, args={"find": "ignore", "*": "ignore"}).status == "pass"
    assert score_of(expected, called, args={"find": "ignore"}).status == "fail"


def test_pairing_is_never_greedy():
    """An expected call that fits both must leave the better one to the call that fits only that."""
    expected = [want("f", {}), want("f", {"a": 1})]
    called = [ran("f", {"a": 1}), ran("f", {"b": 2})]
    for order in permutations(expected):
        assert score_of(order, called, "superset", "superset").status == "pass"
        assert score_of(order, called, "unordered", "superset").status == "pass"


arguments = st.dictionaries(st.sampled_from("xy"), st.integers(0, 1), max_size=2)
calls = st.lists(st.tuples(st.sampled_from("fg"), arguments), max_size=4)


@given(expected=calls, called=calls, args=st.sampled_from(["exact", "subset", "superset", "ignore"]))
def test_the_modes_agree_with_brute_force(expected, called, args):
    """Whether all calls can be paired is what trying every order finds."""
    wanted, made = [want(*call) for call in expected], [ran(*call) for call in called]
    short, long = sorted((len(wanted), len(made)))

    def pairs(order):
        return zip(wanted, order, strict=False) if len(wanted) <= len(made) else zip(order, made, strict=False)

    full = any(
        all(fits(one, other, args) for one, other in pairs(order))
        for order in permutations(made if len(wanted) <= len(made) else wanted, short)
    )
    expects = {
        "unordered": full and short == long,
        "superset": full and len(wanted) <= len(made),
        "subset": full and len(made) <= len(wanted),
    }
    for mode, agrees in expects.items():
        if wanted or mode != "superset":
            assert (mode, score_of(wanted, made, mode, args).status == "pass") == (mode, agrees)


@given(expected=calls, called=calls)
def test_swapping_the_sides_mirrors_the_modes(expected, called):
    """What is a subset from here is a superset from there."""
    there = score_of([want(*call) for call in called], [ran(*call) for call in expected], "superset")
    here = score_of([want(*call) for call in expected], [ran(*call) for call in called], "subset")
    assert there.status in {here.status, "unscored"}


@pytest.mark.parametrize(
    ("mode", "called", "said"),
    [
        (
            "strict",
            [("find", {"id": 8, "n": 1})],
            "missing: find(id=7, n=1), closest is find(id=8, n=1): 'id' is 8, expected 7; missing: save(…)",
        ),
        ("strict", [("save", None), ("find", {"id": 7, "n": 1})], "not their order: call 1 is save(), expected find(id=7, n=1)"),
        ("superset", [("find", {"id": 7})], "closest is find(id=7): 'n' is missing, expected 1"),
        ("unordered", [("find", {"id": 7, "n": 1}), ("save", {}), ("drop", {"t": "x"})], "unexpected: drop(t='x')"),
        (
            "subset",
            [("find", {"id": 7, "n": 1, "z": 0})],
            "closest is find(id=7, n=1, z=0): 'z' is not expected; unexpected: find(id=7, n=1, z=0)",
        ),
        ("in_order", [("save", None), ("find", {"id": 7, "n": 1})], "save(…) does not come after find(id=7, n=1), which is call 2"),
    ],
)
def test_a_difference_is_explained(mode, called, said):
    """It names calls that nothing fits, and the first argument that differs from the closest."""
    score = score_of([want("find", {"id": 7, "n": 1}), want("save")], [ran(*call) for call in called], mode)
    assert score.status == "fail"
    assert said in score.reason


def test_the_closest_call_is_the_one_most_alike():
    """Of several calls of the tool the one with the most equal arguments is shown."""
    called = [ran("find", {"id": 1, "n": 9}), ran("find", {"id": 7, "n": 9}), ran("find", {"id": 2, "n": 2})]
    assert "closest is find(id=7, n=9): 'n' is 9, expected 1" in score_of([want("find", {"id": 7, "n": 1})], called, "superset").reason


def test_calls_that_were_only_asked_for_stand_in_where_none_was_executed(call):
    """An agent that stops before its tools is judged by what its model wanted, and the score says so."""
    asking = call(tool_requests=(ToolRequest(name="find", args={"id": 7}),))
    score = score_of([want("find", {"id": 7})], [], calls=(asking,))
    assert (score.status, score.detail["source"]) == ("pass", "requested")
    score = score_of([want("find", {"id": 8})], [], calls=(asking,))
    assert "no tool was executed" in score.reason
    score = score_of([want("save")], [ran("save")], calls=(asking,))
    assert (score.status, score.detail["source"]) == ("pass", "executed")


def test_a_failing_tool_was_called():
    """What the tool made of it is another matter."""
    assert score_of([want("find")], [ran("find", error="ValueError: no")]).status == "pass"


@pytest.mark.parametrize(("mode", "status"), [("superset", "unscored"), ("in_order", "unscored"), ("strict", "fail"), ("subset", "fail")])
def test_an_expectation_that_asks_for_nothing_measures_nothing(mode, status):
    """No calls in `superset` would let every dangerous call through; `strict` forbids them."""
    assert score_of([], [ran("drop")], mode).status == status


def test_no_expectation_gives_no_score(case, context):
    """Tools are only scored if some are expected."""
    assert tools.check(case(), Trace(tools=(ran("find"),)), context()) == ()
