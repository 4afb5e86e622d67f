"""The answer and the final state."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import CheckContext, output
from harness.checks.containment import holds, same
from harness.dataset import Case, Expected
from harness.trace import Crash, Trace

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "contains"]), inner, max_size=3),
    max_leaves=8,
)

STATE = {"category": "billing", "items": [{"id": 1, "n": 2}, {"id": 2, "n": 3}], "score": 0.5, "tags": ["x", "y"], "done": True}


def score_of(key, wanted, *, state=STATE, text="Your refund is on its way.", **trace):
    """Return the only score."""
    case = Case(id="c", inputs={}, expected=Expected(output={key: wanted}))
    (score,) = output.check(case, Trace(state=state, text=text, **trace), CheckContext())
    assert score.name == f"output.{key}"
    return score


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        ("state.category", "billing", "technical"),
        ("state.items.0.id", 1, 2),
        ("state.items.-1", {"id": 2, "n": 3}, {"id": 2}),
        ("state.done", True, 1),
        ("state.score", 0.5, 0.50001),
        ("state.tags", ["x", "y"], ["y", "x"]),
        ("text", "Your refund is on its way.", "your refund is on its way."),
        ("text", {"contains": "refund"}, {"contains": "Refund"}),
        ("text", {"contains": ["refund", "way"]}, {"contains": ["refund", "money"]}),
        ("state.tags", {"contains": "x"}, {"contains": "z"}),
        ("state.tags", {"contains": ["y", "x"]}, {"contains": ["x", "z"]}),
        ("state.items", {"contains": {"id": 1, "n": 2}}, {"contains": {"id": 1}}),
        ("state.tags", {"contains": "x"}, {"contains": True}),
        ("text", {"matches": r"refund\b.*way"}, {"matches": "^refund"}),
        ("state.score", {"matches": r"^0\.5$"}, {"matches": "6"}),
        ("state.score", {"equals": 0.6, "tolerance": 0.1}, {"equals": 0.7, "tolerance": 0.1}),
        (
            "state.items",
            {"equals": [{"id": 9, "n": 2}, {"id": 9, "n": 3}], "ignore": ["*.id"]},
            {"equals": [{"id": 9, "n": 2}, {}], "ignore": ["*.id"]},
        ),
        ("state", {"equals": {"category": "billing"}, "ignore": ["[!c]*"]}, {"equals": {"category": "x"}, "ignore": ["[!c]*"]}),
        ("state.items.0", {"equals": {"id": 1}, "ignore": "n"}, {"equals": {"id": 1}, "ignore": "id"}),
        (
            "state.items",
            {"equals": [{"id": 1, "n": 2.5}, {"id": 2, "n": 2.5}], "tolerance": 0.5},
            {"equals": [{"id": 1, "n": 2}, {"id": 2, "n": 9}], "tolerance": 1},
        ),
    ],
)
def test_each_way_to_expect_passes_and_fails(key, right, wrong):
    """Plain values, operators, indices, globs and tolerances."""
    good, bad = score_of(key, right), score_of(key, wrong)
    assert (good.status, good.value, good.reason) == ("pass", 1.0, "")
    assert (bad.status, bad.value) == ("fail", 0.0)
    assert bad.reason


@pytest.mark.parametrize(
    ("key", "wanted", "said"),
    [
        ("text", {"matches": "("}, "`matches` takes a regular expression"),
        ("text", {"matches": 3}, "`matches` takes a regular expression"),
        ("text", {"ignore": ["a"]}, "`ignore` and `tolerance` belong to `equals`"),
        ("text", {"contains": []}, "asks for nothing"),
        ("state.score", {"equals": 1, "tolerance": -1}, "`tolerance` takes a number"),
        ("state.score", {"equals": 1, "tolerance": True}, "`tolerance` takes a number"),
        ("state", {"equals": {}, "ignore": 3}, "`ignore` takes dotted paths"),
    ],
)
def test_an_expectation_that_makes_no_sense_is_unscored(key, wanted, said):
    """It says what is wrong with the expectation; the agent is not blamed."""
    score = score_of(key, wanted)
    assert (score.status, score.value) == ("unscored", None)
    assert said in score.reason


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("state.missing", "state has no 'missing'; it has: category, done, items, score, tags"),
        ("state.items.0.x", "state.items.0 has no 'x'; it has: id, n"),
        ("state.items.7", "state.items has no '7'; it is a list of 2"),
        ("state.items.first", "state.items has no 'first'; it is a list of 2"),
        ("state.category.x", "state.category is 'billing', it has no 'x'"),
    ],
)
def test_what_is_not_there_fails_and_says_what_is(key, said):
    """A missing path is a wrong answer."""
    score = score_of(key, None)
    assert (score.status, score.reason) == ("fail", said)


def test_a_text_that_a_crash_prevented_fails_with_the_crash():
    """No text is a wrong answer, and the reason why is told."""
    score = score_of("text", {"contains": "x"}, text=None, ends="error", crash=Crash(type="KeyError", message="k"))
    assert score.status == "fail"
    assert score.reason == "there is no text: the final state holds no message; the trial crashed with KeyError: k"


def test_a_key_that_holds_dots_is_found():
    """The longest key wins."""
    assert score_of("state.a.b", 1, state={"a.b": 1, "a": {"b": 2}}).status == "pass"


def test_a_table_with_another_key_is_a_plain_value():
    """Only a table of nothing but operators is one; an empty one is plain too."""
    assert score_of("state.x", {"contains": 1, "other": 2}, state={"x": {"contains": 1, "other": 2}}).status == "pass"
    assert score_of("state.x", {}, state={"x": {}}).status == "pass"
    assert score_of("state.x", {}, state={"x": {"a": 1}}).status == "fail"


def test_a_difference_of_tables_is_short_and_told_in_paths():
    """The reason is a diff, on one line, of at most 200 characters."""
    score = score_of("state.items", [{"id": 1, "n": 2}, {"id": 2, "n": 4}])
    assert score.reason == "Value of root[1]['n'] changed from 4 to 3."
    assert len(score_of("state.items", [{"k" * 300: 1}]).reason) <= 200


def test_true_is_not_one_even_inside():
    """A difference that DeepDiff would forgive is told as one of types."""
    score = score_of("state", {"a": [1]}, state={"a": [True]})
    assert score.status == "fail"
    assert score.reason == 'types differ: expected {"a": [1]}, found {"a": [true]}'


def test_every_operator_of_a_table_must_hold():
    """All problems are told."""
    score = score_of("text", {"contains": "x!", "matches": "^z", "equals": "q"})
    assert score.reason.count(";") == 2


@given(value=json_values, other=json_values)
def test_equality_is_of_json(value, other):
    """Reflexive, symmetric, and what is held both ways by one is the same."""
    assert same(value, value)
    assert holds(value, value)
    assert same(value, other) == same(other, value) == (holds(value, other) and holds(other, value))
    assert score_of("state.v", {"equals": other}, state={"v": value}).status == ("pass" if same(value, other) else "fail")


def test_no_expectation_gives_no_score(case, context):
    """Only keys of the expectation are scored."""
    assert output.check(case(), Trace(state=STATE), context()) == ()


def test_deepdiff_is_imported_only_for_a_difference():
    """Checks start quickly: neither DeepDiff nor LangChain is loaded by importing them."""
    program = "import sys, harness.checks; print(sorted({'deepdiff', 'langchain_core', 'langgraph', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
