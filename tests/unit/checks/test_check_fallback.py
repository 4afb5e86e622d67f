"""Who answered, after how many attempts."""

import pytest

from harness.checks import fallback
from harness.dataset import FallbackExpectation
from harness.trace import Trace


@pytest.fixture
def scored(case, context):
    """Score a trace under a fallback expectation."""

    def score(trace, **expected):
        (score,) = fallback.check(case(fallback=FallbackExpectation(**expected)), trace, context())
        return score

    return score


@pytest.fixture
def failed_over(call, steps):
    """Two rate limits, then another model answers under its dated name."""
    damaged = call(status=429, fault="rate_limit")
    return Trace(steps=steps("classify", "answer"), calls=(damaged, damaged, call("gpt-4o-mini", answered_model="gpt-4o-mini-2024-07-18")))


def test_a_fallback_model_that_answers_passes(scored, failed_over):
    """The requested and the answered name are both right, and the attempts are those on the wire."""
    for name in ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"):
        score = scored(failed_over, answered_by=name, attempts=3)
        assert score.status == "pass"
    assert score.detail["fell_back"] is True
    assert score.detail["attempts"] == 3
    assert score.detail["errors"] == ["gpt-4o failed (429, fault rate_limit)"] * 2


def test_the_reason_tells_the_attempts_in_order(scored, failed_over):
    """It names who should have answered, who did, and what went wrong before."""
    score = scored(failed_over, answered_by="claude-sonnet", attempts=2)
    assert score.status == "fail"
    assert score.reason == (
        "expected 'claude-sonnet' to answer, but model 'gpt-4o-mini' did; expected 2 attempts, there were 3; attempts: "
        "1. gpt-4o failed (429, fault rate_limit), 2. gpt-4o failed (429, fault rate_limit), 3. gpt-4o-mini answered"
    )


def test_a_dated_name_is_not_its_family(scored, call, steps):
    """A model that answers under a dated name is the expected one only if that was asked for."""
    trace = Trace(steps=steps("answer"), calls=(call("router-alias", answered_model="gpt-4o-mini-2024-07-18"),))
    assert scored(trace, answered_by="gpt-4o-mini").status == "fail"
    assert scored(trace, answered_by="router-alias").status == "pass"
    trace = Trace(steps=steps("answer"), calls=(call("gpt-4o"),))
    assert scored(trace, answered_by="gpt-4").status == "fail"


def test_a_node_that_answers_must_have_run_last(scored, call, steps):
    """Where every call failed, the answer is the last node's."""
    trace = Trace(steps=steps("answer", "apologise"), calls=(call(status=None, error="timeout"), call("gpt-4o-mini", status=500)))
    assert scored(trace, answered_by="apologise", attempts=2).status == "pass"
    score = scored(trace, answered_by="answer")
    assert score.status == "fail"
    assert "expected node 'answer' to answer, but node 'apologise' ran last" in score.reason
    assert "1. gpt-4o failed (timeout), 2. gpt-4o-mini failed (500)" in score.reason
    assert score.detail["answered_by"] == "apologise"
    assert score.detail["fell_back"] is True


def test_a_model_cannot_have_answered_if_the_last_request_failed(scored, call, steps):
    """An earlier answer in another node is not the answer."""
    trace = Trace(steps=steps("classify", "answer"), calls=(call(node="classify"), call(status=503)))
    score = scored(trace, answered_by="gpt-4o")
    assert score.status == "fail"
    assert "but the last request failed and node 'answer' ran last" in score.reason


def test_no_call_at_all_is_no_answer_by_a_model(scored, steps):
    """An agent that never asks a model did not fall back to it."""
    score = scored(Trace(steps=steps("answer")), answered_by="gpt-4o")
    assert score.status == "fail"
    assert "no model was asked" in score.reason
    assert score.detail["fell_back"] is False
    assert scored(Trace(), attempts=0).status == "pass"


def test_a_named_node_narrows_the_attempts(scored, call, steps):
    """Requests of other nodes do not count."""
    trace = Trace(steps=steps("classify", "answer"), calls=(call(node="classify"), call(status=429), call()))
    assert scored(trace, attempts=2, node="answer").status == "pass"
    score = scored(trace, attempts=3, node="answer")
    assert score.status == "fail"
    assert "attempts of node 'answer': 1." in score.reason


def test_embeddings_are_no_attempts(scored, call):
    """Only requests to a generating model count."""
    assert scored(Trace(calls=(call(kind="embedding"), call())), attempts=1).status == "pass"


def test_a_broken_stream_is_no_answer(scored, call, steps):
    """A status of 200 with an error is a failure."""
    trace = Trace(steps=steps("answer"), calls=(call(error="stream ended early"),))
    assert scored(trace, answered_by="gpt-4o").status == "fail"


def test_two_nodes_with_two_models_are_no_fallback(call):
    """A fallback is another model after one that failed; a second model alone is none."""
    small, large = call("small", node="classify"), call("large", node="answer")
    assert fallback.fell_back((small, large)) is False
    assert fallback.fell_back((small, call("large", status=429), call("backup"))) is True
    assert fallback.fell_back((call("large", fault="wrong_schema"), call("backup", node="repair"))) is True
    assert fallback.fell_back((call("large"), call("backup"))) is False
    assert fallback.fell_back((call("large", status=500),), crashed=True) is False
    assert fallback.fell_back(()) is False
    assert fallback.fell_back((call(status=500),)) is True


def test_no_expectation_gives_no_score(case, context, failed_over):
    """Neither a missing nor an empty expectation is scored."""
    assert fallback.check(case(), failed_over, context()) == ()
    assert fallback.check(case(fallback=FallbackExpectation(node="answer")), failed_over, context()) == ()
