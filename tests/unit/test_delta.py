"""What differs between two values."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.delta import changes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True}, ["a is true, it was 1"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a.1 is missing, it was 2"]),
        ({"a": [1]}, {"a": [1, {"b": 2}]}, ['a.1 is {"b":2}, which was not there']),
        ({"a": {"b": "x"}, "c": 1}, {"c": 1, "a": {"b": "y"}}, ['a.b is "y", it was "x"']),
        ({"a": None}, {}, ["a is missing, it was null"]),
        ({"a": []}, {"a": {}}, ["a is {}, it was []"]),
        ({"a": ""}, {"a": "x" * 200}, ['a is "' + "x" * 118 + '…, it was ""']),
    ],
)
def test_the_smallest_places_are_told(before, after, told):
    """Keys and items are compared one by one, each difference is told at its own place."""
    assert [str(change) for change in changes(before, after)] == told


@UNHURRIED
@given(VALUES)
def test_a_value_does_not_differ_from_itself(value):
    """Nothing is told of equal values."""
    assert list(changes(value, value)) == []


@UNHURRIED
@given(VALUES, VALUES)
def test_swapped_values_differ_at_the_same_places(left, right):
    """What is added on one side is removed on the other."""
    mirrored = {"added": "removed", "removed": "added", "changed": "changed"}
    there, back = list(changes(left, right)), list(changes(right, left))
    assert {(change.path, mirrored[change.kind]) for change in there} == {(change.path, change.kind) for change in back}
