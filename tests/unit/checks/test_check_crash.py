"""The check `crash`, on what rehearsals showed."""

import pytest

from harness.checks import crash
from harness.trace import Recovery, Trace


def scored(case, context, **fields):
    """Return the score of one recovery."""
    (score,) = crash.check(case(crash=("sqlite",)), Trace(recoveries=(Recovery(backend="sqlite", **fields),)), context())
    return score


def test_the_same_end_passes(case, context):
    """The score says how often the trial was cut off."""
    score = scored(case, context, cut_after=(0, 1))
    assert (score.name, score.status, score.reason) == ("crash.sqlite", "pass", "cut off 2 times and resumed, it ended the same")


@pytest.mark.parametrize(
    ("guilty", "when"),
    [
        ((), "cut off after each superstep and resumed on sqlite: a; b"),
        ((1,), "cut off after superstep 1 and resumed on sqlite: a; b"),
        ((1, 3), "cut off after supersteps 1, 3 and resumed on sqlite: a; b"),
    ],
)
def test_another_end_fails(case, context, guilty, when):
    """The reason names the supersteps after which one cut is enough, then what differs."""
    score = scored(case, context, cut_after=(0, 1, 2, 3), differs=("a", "b"), guilty=guilty)
    assert (score.status, score.reason) == ("fail", when)


def test_what_was_not_rehearsed_has_no_score(case, context):
    """A trial that is stale, say."""
    assert crash.check(case(crash=("memory",)), Trace(), context()) == ()
