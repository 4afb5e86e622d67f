"""The suite `resilient_chain`: its delays are exact, its breaker turns, and edits of retries, fallback and breaker are caught."""

import pytest
from regressions import ROOT, Regression, assert_caught, assert_no_op, run, trials, unchanged

GRAPH = "graphs/resilient_chain.py"
BREAKER = "graphs/circuit_breaker.py"


def regression(what, *edits, texts, arguments, file=GRAPH, codes=frozenset({1})):
    """Return an edit that the run has to catch."""
    return Regression(what, file, edits, codes, texts, arguments)


SEEDED = [
    regression(
        "retry on 401",
        ("isinstance(error, TRANSIENT)", "error is not None"),
        texts=("asked again in vain (smollm2-135m-instruct after 401", "limits.vain_retries = 0", "expected 0 waits, there were"),
        arguments=("--filter", "breaker-005"),
    ),
    regression(
        "the cap removed",
        ("return min(self.max_delay_s, max(jittered, retry_after_s(attempt)))", "return max(jittered, retry_after_s(attempt))"),
        texts=("expected 30 s",),
        arguments=("--variant", "patient", "--filter", "patient-001"),
    ),
    regression(
        "the back-off doubled",
        ("base_delay_s: float = 2.0", "base_delay_s: float = 4.0"),
        texts=("expected 2 to 3 s", "fallback.delay_s"),
        arguments=("--filter", "rate_limit-003"),
    ),
    regression(
        "the back-off constant",
        ("self.base_delay_s * 2.0 ** (attempt.attempt_number - 1)", "self.base_delay_s"),
        texts=("wait 2 was", "expected 4 to 6 s", "wait 3 was", "expected 8 to 12 s"),
        arguments=("--filter", "rate_limit-003"),
    ),
    regression(
        "retry-after ignored",
        ("max(jittered, retry_after_s(attempt))", "jittered"),
        texts=("expected 5 s",),
        arguments=("--filter", "retry_after-001"),
    ),
    regression(
        "a retry dropped",
        ("attempts: int = 4", "attempts: int = 3"),
        texts=("expected 5 attempts, there were 4", "expected 3 waits, there were 2"),
        arguments=("--filter", "rate_limit-004"),
        codes=frozenset({1, 4}),
    ),
    regression(
        "the fallback dropped",
        ("primary.with_fallbacks([reply_from(fallback_model)])", "primary"),
        texts=("smollm2-135m-instruct-backup",),
        arguments=("--filter", "rate_limit-004"),
    ),
    regression(
        "the breaker never opens",
        ("self._failed_in_a_row >= self._opens_after", "False"),
        texts=('expected [\\"closed\\", \\"open\\", \\"half_open\\", \\"closed\\"], the nodes wrote [\\"closed\\"]',),
        arguments=("--filter", "breaker-001"),
        file=BREAKER,
    ),
    regression(
        "the breaker never tries again",
        ('self._become("half_open")', "raise BreakerOpen"),
        texts=('the nodes wrote [\\"closed\\", \\"open\\"]',),
        arguments=("--filter", "breaker-001"),
        file=BREAKER,
    ),
    regression(
        "a refused key opens the breaker",
        ("FAILURES = (*TRANSIENT, InternalServerError)", "FAILURES = (Exception,)"),
        texts=('expected [\\"closed\\"], the nodes wrote [\\"closed\\", \\"open\\"]',),
        arguments=("--filter", "breaker-005"),
    ),
]


@pytest.mark.parametrize("seeded", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, seeded):
    """Each edit fails, and the reasons name the wait, the retry or the breaker that is to blame."""
    assert_caught("resilient_chain", seeded, tmp_path)


def test_a_no_op_edit_passes(tmp_path):
    """The order of imports and a renamed local variable change no byte of the trials, jitter included."""
    assert_no_op(
        "resilient_chain",
        GRAPH,
        tmp_path,
        ("import operator\nimport random\n", "import random\nimport operator\n"),
        ("jittered", "with_jitter"),
    )


def test_the_waits_are_within_their_bounds_and_do_not_all_fall_alike():
    """Every first wait lies between 2 and 3 seconds, and jitter spreads them over that second."""
    _, found = unchanged("resilient_chain")
    calls = {trial["case"]: trial["trace"]["calls"] for trial in found if trial["case"].startswith(("rate_limit", "connect_error"))}
    firsts = [call[1]["start_s"] - call[0].get("duration_s", 0) for call in calls.values()]
    assert all(2 <= wait <= 3 for wait in firsts)


def test_long_outages_cost_virtual_time_alone():
    """Six waits up to the cap add up to more than a minute and a half, and all cases of the variant pass."""
    document = run(ROOT, "resilient_chain", "--variant", "patient", "--tag", "patient")
    assert document["exit_code"] == 0, document["suites"]
    assert all(trial["trace"]["duration_s"] > 39 for trial in trials(ROOT, document))
