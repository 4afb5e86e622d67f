"""Which limits a trial reached."""

import pytest

from harness.checks import applicable, loops
from harness.trace import Place, ToolCall, Trace


@pytest.fixture
def reached(case, context):
    """Score which limits of a trial were reached."""

    def score(trace, *expected, **limits):
        (score,) = [one for one in loops.check(case(reached=expected), trace, context(**limits)) if one.name == "loops.reached"]
        return score

    return score


@pytest.fixture(scope="session")
def busy(steps, call):
    """Return a trial of three supersteps, two model calls, one tool call and 45 seconds."""
    tool = ToolCall(place=Place(node="tools", step=2), name="find")
    return Trace(steps=steps("agent", "tools", "agent"), calls=(call(), call()), tools=(tool,), duration_s=45.0, recursion_limit=9)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"steps": 3}, "steps"),
        ({"model_calls": 2}, "model_calls"),
        ({"tool_calls": 1}, "tool_calls"),
        ({"duration_s": 45}, "duration_s"),
        ({"visits": {"agent": 2}}, "visits.agent"),
    ],
    ids=["steps", "model_calls", "tool_calls", "duration_s", "visits"],
)
def test_the_limit_that_was_reached_is_named(reached, busy, limits, name):
    """As much as is allowed is reached; the others are not."""
    assert reached(busy, name, **{"steps": 10, "model_calls": 10, **limits}).status == "pass"


def test_the_recursion_limit_is_a_limit(reached, busy):
    """It is known from the graph or the suite, whether or not reaching it ended the trial."""
    assert reached(busy.model_copy(update={"recursion_limit": 4}), "recursion_limit").status == "pass"
    assert reached(busy, "recursion_limit").status == "fail"


def test_another_limit_reached_fails(reached, busy):
    """The reason says what was expected, what was reached, and how near the trial came to each limit."""
    score = reached(busy, "tool_calls", model_calls=2, tool_calls=20)
    assert score.status == "fail"
    assert (
        score.reason == "expected to reach tool_calls, reached model_calls: recursion_limit 3 of 8, model_calls 2 of 2, tool_calls 1 of 20"
    )


def test_one_limit_more_than_expected_fails(reached, busy):
    """What comes first is alone."""
    assert reached(busy, "model_calls", model_calls=2, tool_calls=1).status == "fail"
    assert reached(busy, "model_calls", "tool_calls", model_calls=2, tool_calls=1).status == "pass"


def test_no_limit_may_be_expected(reached, busy):
    """An empty list expects that nothing stopped the trial."""
    assert reached(busy, model_calls=3).status == "pass"
    assert reached(busy, model_calls=2).status == "fail"


def test_a_limit_of_nothing_is_not_reached_by_spending_nothing(reached, busy):
    """A trial that may call no tool and calls none was stopped by something else."""
    assert reached(busy.model_copy(update={"tools": ()}), "model_calls", model_calls=2, tool_calls=0).status == "pass"


def test_a_limit_that_is_not_set_is_unscored(reached, busy):
    """What has no bound cannot be reached."""
    score = reached(busy, "model_cals", model_calls=2)
    assert score.status == "unscored"
    assert score.reason == "'model_cals' is no limit of this trial; did you mean 'model_calls'?"


def test_an_unknown_duration_is_unscored(reached, busy):
    """In real time nobody knows whether the time was up."""
    score = reached(busy.model_copy(update={"duration_s": None}), "model_calls", model_calls=2, duration_s=45)
    assert (score.status, score.reason) == ("unscored", "nothing is known of limits.duration_s")


def test_the_expectation_makes_the_check_run(case, context):
    """Without any limit of a count the check still looks."""
    assert "loops" in applicable(case(reached=("recursion_limit",)), context())
    assert "loops" not in applicable(case(), context())
