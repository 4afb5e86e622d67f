"""The times of attempts: the waits before retries, and what failed attempts cost."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.checks import fallback
from harness.checks.retries import delay_s, waits
from harness.dataset import FallbackExpectation
from harness.trace import Place, Trace

SECONDS = st.integers(0, 10**11).map(lambda nanoseconds: nanoseconds / 10**9)


@pytest.fixture(scope="session")
def scored(case, context):
    """Score calls under an expectation of their times."""

    def score(calls, **expected):
        wanted = FallbackExpectation.model_validate_json(FallbackExpectation(**expected).to_json())
        (score,) = fallback.check(case(fallback=wanted), Trace(calls=tuple(calls)), context())
        return score

    return score


@pytest.fixture(scope="session")
def attempts(call):
    """Build attempts of one model that last so long, with waits between them; all but the last fail, and that one if `failing`."""

    def build(lasting, gaps, *, failing=False, **fields):
        starts = [0.0]
        for duration, gap in zip(lasting, gaps, strict=False):
            starts.append(starts[-1] + duration + gap)
        statuses = [429] * (len(lasting) - 1) + [429 if failing else 200]
        timed = zip(starts, lasting, statuses, strict=True)
        return [call(status=status, start_s=start, duration_s=duration, **fields) for start, duration, status in timed]

    return build


def test_waits_within_their_bounds_pass(scored, attempts):
    """Three retries after 2.5, 5 and 9 seconds keep to 2-3, 4-6 and 8-12; the value is their sum."""
    score = scored(attempts([1, 1, 1, 1], [2.5, 5, 9]), backoff=((2, 3), (4, 6), (8, 12)))
    assert (score.name, score.status, score.value) == ("fallback.backoff", "pass", 16.5)


def test_a_wait_out_of_its_bounds_is_named(scored, attempts):
    """The reason says which wait it was, how long, and how long it should have been."""
    score = scored(attempts([0, 0, 0], [2.5, 10]), backoff=((2, 3), (4, 6)))
    assert score.status == "fail"
    assert score.reason == "wait 2 was 10.000 s, expected 4 to 6 s; waits before retries: 2.500 s, 10.000 s"


@pytest.mark.parametrize("gaps", [[2.5], [2.5, 5, 9]], ids=["fewer", "more"])
def test_another_number_of_waits_fails(scored, attempts, gaps):
    """A retry too few or too many is wrong, even where the waits fit."""
    score = scored(attempts([0] * (len(gaps) + 1), gaps), backoff=((2, 3), (4, 6)))
    assert score.status == "fail"
    assert f"expected 2 waits, there were {len(gaps)}" in score.reason


def test_no_retry_may_be_expected(scored, attempts):
    """An empty list expects that nothing was retried."""
    assert scored(attempts([1], []), backoff=()).status == "pass"
    assert scored(attempts([1, 1], [2]), backoff=()).status == "fail"


def test_another_model_or_another_visit_is_no_retry(call):
    """What a fallback or a later question asks is no retry of what failed before."""
    failed = call(status=429, start_s=0.0, duration_s=1.0)
    elsewhere = call(start_s=4.0, duration_s=1.0).model_copy(update={"place": Place(node="answer", step=2, visit=2)})
    assert waits([failed, call("backup", start_s=4.0, duration_s=1.0)]) == ()
    assert waits([failed, elsewhere]) == ()
    assert waits([call(start_s=0.0, duration_s=1.0), call(start_s=4.0, duration_s=1.0)]) == ()


def test_the_delay_is_what_failed_attempts_cost(call):
    """Each failed attempt costs its time and the wait after it; the last one of all costs its own time alone."""
    primary = [call(status=429, start_s=0.0, duration_s=1.0), call(status=429, start_s=3.5, duration_s=1.0)]
    assert delay_s([*primary, call("backup", start_s=4.5, duration_s=2.0)]) == 4.5
    assert delay_s([*primary, call("backup", status=None, error="timeout", start_s=4.5, duration_s=45.0)]) == 49.5
    assert delay_s([call(start_s=0.0, duration_s=9.0)]) == 0
    assert delay_s([]) == 0


@pytest.mark.parametrize(
    ("expected", "status"), [(4.5, "pass"), ((4, 5), "pass"), ((4.5, 4.5), "pass"), (4.6, "fail"), ((0, 4), "fail"), ((5, 9), "fail")]
)
def test_the_delay_is_expected_exactly_or_within_bounds(scored, attempts, expected, status):
    """A number is exact to half a millisecond; two are bounds."""
    score = scored(attempts([1, 1], [3.5]), delay_s=expected)
    assert (score.name, score.status, score.value) == ("fallback.delay_s", status, 4.5)


@pytest.mark.parametrize("expected", [{"backoff": ((2, 3),)}, {"delay_s": 2.0}], ids=["backoff", "delay_s"])
def test_times_that_are_not_known_are_unscored(scored, call, expected):
    """In real time nothing is known of waits: that is neither a pass nor a failure."""
    score = scored([call(status=429), call()], **expected)
    assert score.status == "unscored"
    assert "real time" in score.reason


def test_times_are_scores_beside_who_answered(case, context, attempts):
    """Who answered, the waits and the delay are three scores."""
    wanted = FallbackExpectation(attempts=2, backoff=((2, 3),), delay_s=(0, 10))
    scores = fallback.check(case(fallback=wanted), Trace(calls=tuple(attempts([1, 1], [2.5]))), context())
    assert [score.name for score in scores] == ["fallback", "fallback.backoff", "fallback.delay_s"]
    assert {score.check for score in scores} == {"fallback"}


@pytest.mark.parametrize("expected", [{"backoff": [[3, 2]]}, {"backoff": [[-1, 2]]}, {"delay_s": [9, 1]}, {"delay_s": -1}], ids=str)
def test_bounds_that_nothing_keeps_are_refused(expected):
    """The lower bound comes first, and no time is negative."""
    with pytest.raises(ValidationError):
        FallbackExpectation.model_validate(expected, strict=False)


@given(st.lists(SECONDS, max_size=8), st.data())
def test_waits_are_measured_and_bounded_exactly(scored, attempts, gaps, data):
    """Whatever the attempts last, the waits are the gaps; bounds around each pass, and one moved beyond its wait fails."""
    lasting = data.draw(st.lists(SECONDS, min_size=len(gaps) + 1, max_size=len(gaps) + 1))
    calls = attempts(lasting, gaps)
    assert waits(calls) == pytest.approx(gaps, abs=1e-6)
    bounds = [(max(0.0, gap - data.draw(SECONDS)), gap + data.draw(SECONDS)) for gap in gaps]
    assert scored(calls, backoff=tuple(bounds)).status == "pass"
    if gaps:
        wrong = data.draw(st.integers(0, len(gaps) - 1))
        bounds[wrong] = (gaps[wrong] + 0.002, gaps[wrong] + 1)
        assert scored(calls, backoff=tuple(bounds)).status == "fail"


@given(st.integers(1, 6), st.floats(0.5, 8), st.floats(0.5, 64), st.data())
def test_a_jittered_backoff_keeps_to_its_bounds(scored, attempts, retries, base_s, cap_s, data):
    """Base x 2^n to half more, under a cap, is accepted at any jitter; doubled, what exceeds the bounds is not."""
    spans = [(min(cap_s, base_s * 2**n), min(cap_s, base_s * 2**n * 1.5)) for n in range(retries)]
    gaps = [data.draw(st.floats(least, most)) for least, most in spans]
    assert scored(attempts([0.0] * (retries + 1), gaps), backoff=tuple(spans)).status == "pass"
    doubled = [2 * gap for gap in gaps]
    assert scored(attempts([0.0] * (retries + 1), doubled), backoff=tuple(spans)).status == "fail"


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=8))
def test_the_delay_grows_with_each_failed_attempt(attempts, timed):
    """One failed attempt more never costs less."""
    lasting, gaps = zip(*timed, strict=True)
    costs = [delay_s(attempts(lasting[:count], gaps[: count - 1], failing=True)) for count in range(1, len(lasting) + 1)]
    assert all(before <= after + 1e-6 for before, after in pairwise(costs))
