"""Tokens and dollars."""

import pytest

from harness.checks import cost
from harness.trace import Trace


@pytest.fixture
def scored(case, context):
    """Score some calls under limits, by name."""
    return lambda *calls, **limits: {score.name: score for score in cost.check(case(), Trace(calls=calls), context(**limits))}


def test_cost_is_summed_by_model_and_by_node(scored, call):
    """The value is in dollars; the detail has the totals and both breakdowns."""
    score = scored(call(cost_usd=0.1), call("mini", cost_usd=0.2), call("mini", node="other", cost_usd=0.3))["cost"]
    assert (score.status, score.value) == ("pass", 0.6)
    assert score.detail["tokens"] == 45
    assert (score.detail["cached_input_tokens"], score.detail["reasoning_tokens"]) == (0, 0)
    assert score.detail["by_model"]["mini"]["cost_usd"] == 0.5
    assert {node: sums["calls"] for node, sums in score.detail["by_node"].items()} == {"answer": 2, "other": 1}


def test_no_call_costs_nothing(scored):
    """Zero is known here: nothing was asked."""
    scores = scored(tokens=0, cost_usd=0.0)
    assert [(score.status, score.value) for score in scores.values()] == [("pass", 0.0), ("pass", 0.0)]


def test_failed_calls_and_foreign_services_cost_nothing(scored, call):
    """Only answered calls to models and embeddings are paid."""
    scores = scored(call(status=429), call(kind="http", cost_usd=None), call(kind="embedding", cost_usd=0.25))
    assert scores["cost"].value == 0.25


def test_a_passed_budget_fails_and_names_the_dearest_node(scored, call):
    """Reaching the limit is fine."""
    calls = (call(cost_usd=0.1), call(node="research", cost_usd=0.3))
    assert scored(*calls, cost_usd=0.4)["cost"].status == "pass"
    score = scored(*calls, cost_usd=0.39)["cost"]
    assert (score.status, score.value) == ("fail", 0.4)
    assert score.reason == "cost $0.4, limits.cost_usd = 0.39; the most by 'research': $0.3"


def test_too_many_tokens_fail(scored, call):
    """Tokens have a score of their own where they are limited."""
    assert scored(call(), tokens=15)["cost.tokens"].status == "pass"
    score = scored(call(), tokens=14)["cost.tokens"]
    assert (score.status, score.value, score.reason) == ("fail", 15.0, "15 tokens, limits.tokens = 14")
    assert "cost.tokens" not in scored(call())


@pytest.mark.parametrize("limits", [{}, {"cost_usd": 1.0}])
def test_an_unknown_price_is_unscored_bounded_or_not(scored, call, limits):
    """The reason names the model and the table to write."""
    score = scored(call(), call("my-model", cost_usd=None), **limits)["cost"]
    assert (score.status, score.value) == ("unscored", None)
    assert "no price for 'my-model'; add [prices.\"my-model\"]" in score.reason
    assert score.detail["cost_usd"] is None
    assert score.detail["by_model"]["gpt-4o"]["cost_usd"] == 0.001


def test_an_unknown_usage_leaves_both_unknown(scored, call):
    """Tokens that the provider did not count are not zero."""
    scores = scored(call(tokens=None), tokens=100, cost_usd=1.0)
    assert [score.status for score in scores.values()] == ["unscored", "unscored"]
    assert "1 answer of 'gpt-4o' did not say how many tokens were used" in scores["cost.tokens"].reason
    assert "price" not in scores["cost"].reason
    assert scores["cost"].detail["tokens"] is None


def test_what_is_known_may_already_be_too_much(scored, call):
    """An unknown part only adds to a budget that is passed."""
    scores = scored(call(cost_usd=2.0), call(tokens=None), tokens=10, cost_usd=1.0)
    assert [score.status for score in scores.values()] == ["fail", "fail"]
    assert "cost at least $2" in scores["cost"].reason
