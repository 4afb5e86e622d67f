"""Stops for a human."""

import pytest

from harness.checks import interrupts
from harness.trace import Interrupt, Trace

ASKED = Trace(
    interrupts=(Interrupt(node="a", payload={"action": "pay", "sum": {"usd": 5, "why": "x"}}), Interrupt(node="b", payload="sure?"))
)


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        (({"action": "pay"}, "sure?"), ""),
        (({"sum": {"usd": 5}}, "sure?"), ""),
        (
            ({"sum": {"usd": 6}}, "sure?"),
            'interrupt 1 shows {"action": "pay", "sum": {"usd": 5, "why": "x"}}, which does not hold {"sum": {"usd": 6}}',
        ),
        (("sure?", {"action": "pay"}), "interrupt 1 shows"),
        (({"action": "pay"},), "expected 1 interrupt, there were 2; unexpected: 'sure?'"),
        (({"action": "pay"}, "sure?", "really?"), "expected 3 interrupts, there were 2; missing: 'really?'"),
        ((), "expected 0 interrupts, there were 2; unexpected"),
    ],
)
def test_payloads_are_compared_in_order_and_in_number(case, context, expected, problem):
    """Each expected payload is held by the one in its place, and there are no others."""
    (score,) = interrupts.check(case(interrupts=expected), ASKED, context())
    assert score.status == ("fail" if problem else "pass")
    assert problem in score.reason


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ((None,), ""),
        (({"before": "review"},), ""),
        (({"before": "send"},), 'interrupt 1 before node \'review\' shows null, which does not hold {"before": "send"}'),
        ((), "unexpected before node 'review': null"),
    ],
)
def test_a_static_interrupt_may_be_expected_by_its_node(case, context, expected, problem):
    """It shows nothing; null expects any, `before` one before that node."""
    (score,) = interrupts.check(case(interrupts=expected), Trace(interrupts=(Interrupt(node="review"),)), context())
    assert score.status == ("fail" if problem else "pass")
    assert problem in score.reason


def test_none_expected_and_nothing_said_are_two_things(case, context):
    """An empty list forbids interrupts, no list does not look."""
    (score,) = interrupts.check(case(interrupts=()), Trace(), context())
    assert score.status == "pass"
    assert interrupts.check(case(), ASKED, context()) == ()
