"""The values that a key of the state took."""

import pytest

from harness.checks import sequence
from harness.trace import NodeStep, Place, Trace


@pytest.fixture
def scored(case, context):
    """Score what the nodes wrote, one update a superstep."""

    def score(*updates, **expected):
        steps = tuple(NodeStep(place=Place(node="a", step=n), update=update) for n, update in enumerate(updates, start=1))
        (score,) = sequence.check(case(sequence=expected), Trace(steps=steps), context())
        return score

    return score


def test_values_one_after_another_pass(scored):
    """What the nodes wrote is what was expected, in this order."""
    score = scored({"breaker": "closed"}, {"breaker": "open"}, {"breaker": "closed"}, breaker=("closed", "open", "closed"))
    assert (score.check, score.name, score.status) == ("sequence", "sequence.breaker", "pass")


def test_a_wrong_order_names_both(scored):
    """The reason shows what was expected and what was written."""
    score = scored({"breaker": "closed"}, {"breaker": "half_open"}, breaker=("closed", "open"))
    assert score.status == "fail"
    assert score.reason == 'expected ["closed", "open"], the nodes wrote ["closed", "half_open"]'


def test_a_value_written_again_counts_once(scored):
    """Only changes count; to return to an earlier value is a change."""
    assert scored({"breaker": "open"}, {"breaker": "open"}, {"breaker": "closed"}, breaker=("open", "closed")).status == "pass"
    assert scored({"breaker": "open"}, {"breaker": "closed"}, {"breaker": "open"}, breaker=("open", "closed")).status == "fail"


def test_a_list_counts_as_its_items(scored):
    """What a node appends to a list are several values, one after another."""
    score = scored(
        {"breaker": ["closed", "open"]}, {"breaker": []}, {"breaker": ["open", "half_open"]}, breaker=("closed", "open", "half_open")
    )
    assert score.status == "pass"


@pytest.mark.parametrize("updates", [(), ({"other": 1},), (None,), ("closed",)], ids=["no step", "other key", "no update", "no table"])
def test_a_key_that_nobody_wrote_fails(scored, updates):
    """Nothing written is no sequence; an empty one may be expected."""
    assert scored(*updates, breaker=("closed",)).status == "fail"
    assert scored(*updates, breaker=()).status == "pass"


def test_booleans_are_no_numbers(scored):
    """`true` is not 1."""
    assert scored({"flag": True}, flag=(1,)).status == "fail"


def test_each_key_is_a_score(case, context):
    """Several keys give several scores, none none."""
    trace = Trace(steps=(NodeStep(place=Place(node="a", step=1), update={"a": 1, "b": 2}),))
    assert [score.status for score in sequence.check(case(sequence={"a": (1,), "b": (3,)}), trace, context())] == ["pass", "fail"]
    assert sequence.check(case(), trace, context()) == ()
