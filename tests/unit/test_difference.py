"""What two trials of a case did differently, to the type of a value and the place in the state."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.difference import differences
from harness.experiment import Trial
from harness.schema import canonical_json
from harness.trace import Crash, NodeStep, Place, ToolCall, Trace


def trial(**trace):
    """Return a trial with this trace."""
    return Trial(suite="s", variant="default", case="c", outcome="pass", trace=Trace(**trace))


def of_states(before, after):
    """Return what differs between two final states, by place."""
    found = differences(trial(state=before), trial(state=after))
    assert {one.kind for one in found} <= {"state"}
    return {one.place: (one.before, one.after) for one in found}


def visits(*nodes):
    """Return the steps of these visits."""
    return tuple(NodeStep(place=Place(node=node, step=step)) for step, node in enumerate(nodes, 1))


def calls(*pairs):
    """Return tool calls with these names and arguments."""
    return tuple(ToolCall(place=Place(), name=name, args=args) for name, args in pairs)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"kind": "a", "n": 1}, {"kind": "b", "n": 1}, {"kind": ('"a"', '"b"')}),
        ({"a": 1}, {"a": True}, {"a": ("1", "true")}),
        ({"a": 0}, {"a": False}, {"a": ("0", "false")}),
        ({"a": 1}, {"a": 1.0}, {"a": ("1", "1.0")}),
        ({"a": None}, {}, {"a": ("null", "")}),
        ({}, {"a": ""}, {"a": ("", '""')}),
        ({"a": [True, "x"]}, {"a": [1, "y"]}, {"a.0": ("true", "1"), "a.1": ('"x"', '"y"')}),
        ({"a": [{"ok": True}]}, {"a": [{"ok": 1}]}, {"a.0.ok": ("true", "1")}),
        ({"a": [1, 2, 3]}, {"a": [1, 2]}, {"a.2": ("3", "")}),
        ({"a": [1, 2, 3]}, {"a": [3, 1, 2]}, {"a.2": ("3", ""), "a.0": ("", "3")}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, {"a.b.c": ("1", "2")}),
        ({"a": [{"id": 1, "x": {"y": 2}}]}, {"a": [{"id": 1, "x": {"y": 3}}]}, {"a.0.x.y": ("2", "3")}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": ('{"b":1}', "[1]")}),
        ([1], {"a": 1}, {"": ("[1]", '{"a":1}')}),
        (None, "x", {"": ("null", '"x"')}),
        ({"a": [[1], {"b": [2]}]}, {"a": [[1], {"b": []}]}, {"a.1.b.0": ("2", "")}),
    ],
    ids=str,
)
def test_state(before, after, told):
    """Each change has its place, with what was there and what is; values of other types are other values."""
    assert of_states(before, after) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 1.5]) | st.sampled_from(["", "a", "b", "true"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, JSON)
@settings(max_examples=200)
def test_states_differ_exactly_where_their_json_does(before, after):
    """Nothing that differs as JSON is missed, and nothing that is equal is told."""
    assert bool(of_states(before, after)) == (canonical_json(before) != canonical_json(after))
    assert of_states(before, before) == {}


def test_many_changes_are_counted():
    """The first 20 places are told; the last of them says how many more there are."""
    before, after = ({f"k{number:02d}": number + shift for number in range(50)} for shift in (0, 1))

    found = differences(trial(state=before), trial(state=after))

    assert [one.place for one in found] == [f"k{number:02d}" for number in range(20)]
    assert [one.more for one in found] == [0] * 19 + [30]


def test_a_huge_value_is_one_change():
    """A list of a megabyte is told as one change, shortened; what stands beside it is still told by place."""
    before = {"documents": [f"{number:020d}" for number in range(60_000)], "kind": "a"}
    after = {"documents": [f"{number:020d}" for number in range(1, 60_001)], "kind": "b"}

    found = of_states(before, after)

    assert set(found) == {"documents", "kind"}
    assert max(len(side) for side in found["documents"]) <= 160


def test_path_tools_end_and_text():
    """The stretch of the path, the calls with their arguments, the end and the text, in this order, before the state."""
    before = trial(steps=visits("a", "b", "c"), tools=calls(("look_up", {"id": 1})), text="hi", state={"k": 1})
    after = trial(steps=visits("a", "x", "c", "d"), tools=calls(("look_up", {"id": True})), text="ho", state={"k": 2}, ends="limit")

    found = [(one.kind, one.place, one.before, one.after) for one in differences(before, after)]

    assert found == [
        ("path", "2", "b", "x"),
        ("path", "4", "", "d"),
        ("tools", "1", 'look_up({"id":1})', 'look_up({"id":true})'),
        ("ends", "", "answer", "limit"),
        ("state", "k", "1", "2"),
        ("text", "", "hi", "ho"),
    ]


def test_a_crash_is_told_with_its_reason():
    """How a trial ended says what crashed, and where."""
    crash = Crash(type="KeyError", message="'id'", node="look_up")
    broken = trial(ends="error", crash=crash).model_copy(update={"outcome": "error"})

    (found,) = differences(trial(), broken)

    assert (found.kind, found.before, found.after) == ("ends", "answer", "error: KeyError in node 'look_up': 'id'")


def test_a_runaway_path_is_told_by_its_length():
    """A path of ten thousand visits is not compared visit by visit."""
    found = differences(trial(steps=visits(*["a"] * 15_000)), trial(steps=visits(*["a", "b"] * 7_500)))

    assert [(one.kind, one.before, one.after) for one in found] == [("path", "15,000 items", "15,000 items")]


def test_values_are_shown_as_json():
    """A string that looks like another type is told from it."""
    assert of_states({"a": ["1", "true", None]}, {"a": [1, True, "null"]}) == {
        "a.0": (json.dumps("1"), "1"),
        "a.1": (json.dumps("true"), "true"),
        "a.2": ("null", json.dumps("null")),
    }


def test_of_a_stale_trial_only_the_end_is_told():
    """It ended where its cassette did, so that its path and its state are nobody's choice."""
    before = trial(steps=visits("a", "b"), state={"k": 1}, text="hi")
    after = trial(steps=visits("a")).model_copy(update={"outcome": "stale"})

    assert [(one.kind, one.before, one.after) for one in differences(before, after)] == [("ends", "answer", "stale: no reason is noted")]
