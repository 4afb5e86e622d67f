"""How a trial ended."""

import pytest

from harness.checks import ends
from harness.trace import Crash, Interrupt, Trace


def test_an_answer_is_expected_unless_the_case_says_otherwise(case, context):
    """A trial that ended with an answer passes."""
    (score,) = ends.check(case(), Trace(), context())
    assert (score.status, score.value, score.name) == ("pass", 1.0, "ends")


def test_a_crash_is_named(case, context):
    """The reason of a crash says type, message and node."""
    trace = Trace(ends="error", crash=Crash(type="KeyError", message="'x'", node="plan"))
    (score,) = ends.check(case(), trace, context())
    assert score.status == "fail"
    assert score.reason == "expected to end with 'answer', but the trial crashed in node 'plan' with KeyError: 'x'"


def test_a_limit_names_the_node_that_was_looping(case, context, visited):
    """The reason of a reached limit names the most visited nodes."""
    trace = visited("plan", "act", "act", "plan", "act", ends="limit", recursion_limit=5)
    (score,) = ends.check(case(), trace, context())
    assert score.status == "fail"
    assert "recursion limit of 5 after 5 supersteps: 'act' was visited 3 times, 'plan' was visited 2 times" in score.reason


def test_a_limit_without_a_loop_says_so(case, context, visited):
    """A long chain is no loop."""
    (score,) = ends.check(case(), visited("a", "b", ends="limit"), context())
    assert score.reason.endswith("no node was visited twice")


def test_an_interrupt_shows_its_payload(case, context):
    """The reason of a stop names node and payload."""
    trace = Trace(ends="interrupt", interrupts=(Interrupt(node="ask", payload={"q": 1}),))
    (score,) = ends.check(case(), trace, context())
    assert "at node 'ask', payload {\"q\": 1}" in score.reason


@pytest.mark.parametrize("end", ["answer", "limit", "interrupt", "error"])
def test_every_end_can_be_expected(case, context, end):
    """What was expected passes, and an unexpected answer fails."""
    (score,) = ends.check(case(ends=end), Trace(ends=end), context())
    assert score.status == "pass"
    (score,) = ends.check(case(ends=end), Trace(ends="limit" if end == "answer" else "answer"), context())
    assert score.status == "fail"
    assert score.detail["expected"] == end
