"""The ground of what is stored: canonical JSON, digests, the first problem in a line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.schema import Value, canonical_json, digest, first_problem, nearest, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
@settings(deadline=None, max_examples=150)
def test_canonical_json_is_canonical(value):
    """Canonical JSON is the same of a value and of its reading, is one line, and means what it meant."""
    text = canonical_json(value)

    assert value == json.loads(text) == read_json(text) == read_json(text.encode())
    assert text == canonical_json(read_json(json.dumps(value, indent=2)))
    assert "\n" not in text


def deep(depth: int) -> list:
    """Return a list in lists."""
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_canonical_json_refuses(value):
    """What no JSON can hold is a ValueError."""
    with pytest.raises(ValueError, match=r"JSON"):
        canonical_json(value)


def test_canonical_json_refuses_what_is_too_deep():
    """JSON that nothing reads is a ValueError."""
    with pytest.raises(ValueError, match=r"JSON"):
        canonical_json(deep(100_000))


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", "[" * 100_000, "1" * 5_000, "", "{", b"\xff", "[1] 2"])
def test_what_read_json_refuses(text):
    """What `canonical_json` could not write again is not read either: always a ValueError."""
    with pytest.raises(ValueError, match=r".*"):
        read_json(text)


@pytest.mark.parametrize("data", [b'\xef\xbb\xbf{"a": 1}', '{"a": 1}'.encode("utf-16"), b'{"a": 1}', b' {"a":1}\n'])
def test_encodings(data):
    """JSON in UTF-8 or UTF-16, with a byte order mark or without, is read."""
    assert read_json(data) == {"a": 1}


def test_digest():
    """A digest is 16 hexadecimal digits of SHA-256, of a text's UTF-8, even where half a surrogate stands in it."""
    assert digest("abc") == digest(b"abc") == "ba7816bf8f01cfea"
    assert digest("\ud800") != digest("\ud801")


class Leaf(Value):
    """A value in a value."""

    steps: int = 0
    step_limit: int = 0


class Branch(Value):
    """A value between the two."""

    leaf: Leaf = Leaf()
    length: int = 0


class Tree(Value):
    """A value with values in it, one of them under names that a user chooses."""

    leaf: Leaf = Leaf()
    leaves: dict[str, Leaf] = {}
    branches: dict[str, Branch] = {}
    row: tuple[Leaf, ...] = ()
    name: str = ""


def problem(text: str) -> str:
    """Return the first problem of a tree."""
    with pytest.raises(ValidationError) as caught:
        Tree.model_validate_json(text)
    return first_problem(caught.value, Tree)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"nme": 1}', "unknown key 'nme'; did you mean 'name'?"),
        ('{"leaf": {"step": 1}}', "unknown key 'leaf.step'; did you mean 'steps'?"),
        ('{"leaves": {"x": {"step": 1}}}', "unknown key 'leaves.x.step'; did you mean 'steps'?"),
        ('{"leaves": {"name": {"nam": 1}}}', "unknown key 'leaves.name.nam'; known: step_limit, steps"),
        ('{"leaves": {"leaf": {"step": 1}}}', "unknown key 'leaves.leaf.step'; did you mean 'steps'?"),
        ('{"branches": {"leaf": {"lenght": 1}}}', "unknown key 'branches.leaf.lenght'; did you mean 'length'?"),
        ('{"row": [{}, {"step": 1}]}', "unknown key 'row.1.step'; did you mean 'steps'?"),
        ('{"zzz": 1}', "unknown key 'zzz'; known: branches, leaf, leaves, name, row"),
        ('{"name": 1}', "name: input should be a valid string (got 1)"),
        ('{"leaf": {"steps": "x"}}', "leaf.steps: input should be a valid integer (got 'x')"),
    ],
)
def test_first_problem(text, expected):
    """The first problem names the place and, for an unknown key, the nearest one of that place."""
    assert expected == problem(text)


def test_long_values_are_cut():
    """A message does not repeat a long value in full."""
    assert len(problem(json.dumps({"leaf": "x" * 1000}))) < 200


def test_nearest():
    """The nearest name is offered, or all of them, or nothing where there is none."""
    assert nearest("trige", ["triage", "answer"]) == "; did you mean 'triage'?"
    assert nearest("zzz", ["b", "a"]) == "; known: a, b"
    assert nearest("zzz", []) == ""


def test_values_are_frozen_and_strict():
    """A value cannot be changed, and takes no number for a text."""
    with pytest.raises(ValidationError, match="frozen"):
        Leaf().steps = 1
    with pytest.raises(ValidationError, match="valid string"):
        Tree(name=1)


def test_to_json_leaves_defaults_out():
    """A value's JSON holds what differs from the default, keys sorted."""
    assert Tree(name="é", leaf=Leaf(steps=2)).to_json() == '{"leaf":{"steps":2},"name":"é"}'
