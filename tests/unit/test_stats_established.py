"""The statistics beside those of statsmodels, to nine digits after the point, wherever it has them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats import contingency_tables, multitest
from statsmodels.stats import power as established
from statsmodels.stats.proportion import proportion_confint

from harness.stats import Pairs, cases_for, exact_interval, holm, mcnemar, non_inferiority, power, wilson
from harness.stats.paired import supposed_variance

COUNTS = st.integers(0, 80)
SHARES = st.integers(1, 400).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))
ALPHAS = st.sampled_from([0.01, 0.05, 0.1, 0.2])
TRUTHS = st.tuples(st.floats(-0.3, 0.3), st.floats(0.31, 0.9), st.floats(0, 0.2), ALPHAS).filter(lambda four: abs(four[0] - four[2]) > 1e-3)


def near(number):
    """Return what equals a number to nine digits after the point."""
    return pytest.approx(number, rel=0, abs=1e-9)


@given(COUNTS, COUNTS, COUNTS)
@settings(max_examples=40)
def test_mcnemar(better, worse, same):
    """The exact test is that of a two-by-two table; cases that did not flip change nothing."""
    table = [[same, worse], [better, same]]

    assert mcnemar(better, worse) == near(min(1.0, contingency_tables.mcnemar(table, exact=True).pvalue) if better + worse else 1.0)


@given(COUNTS, COUNTS, COUNTS)
@settings(max_examples=40)
def test_the_score_without_a_margin_is_mcnemars(better, worse, same):
    """Tango's score with no margin at all is the square root of McNemar's asymptotic statistic, without a correction."""
    if better + worse:
        found = contingency_tables.mcnemar([[same, worse], [better, same]], exact=False, correction=False)
        one_sided = found.pvalue / 2 if better >= worse else 1 - found.pvalue / 2

        assert non_inferiority(Pairs(better, worse, better + worse + same), 0.0) == near(one_sided)


@given(SHARES, ALPHAS)
@settings(max_examples=40)
def test_intervals_of_a_share(counts, alpha):
    """Wilson's and the exact interval are those of the package."""
    exact = proportion_confint(*counts, alpha=alpha, method="beta")

    assert exact_interval(*counts, confidence=1 - alpha) == (near(exact[0]), near(exact[1]))
    low, high = proportion_confint(*counts, alpha=0.05, method="wilson")
    assert wilson(*counts) == (near(low), near(high))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=40)
def test_holm(p_values):
    """The adjusted p-values are those of the package."""
    expected = multitest.multipletests(p_values, method="holm")[1]

    assert list(holm({str(place): p_value for place, p_value in enumerate(p_values)}).values()) == [near(one) for one in expected]


def spreads(drop, flips, margin):
    """Return the standard deviation of a case's difference if the drop is true, and if the margin is."""
    supposed = supposed_variance(Pairs((flips - drop) / 2, (flips + drop) / 2, 1), -margin)
    return {"std_null": math.sqrt(supposed), "std_alternative": math.sqrt(flips - drop * drop)}


@given(TRUTHS, st.integers(1, 2000))
@settings(max_examples=40)
def test_power(truth, cases):
    """The power is that of a normal test whose spread differs under what is supposed and what is true, on the side that counts."""
    drop, flips, margin, alpha = truth
    expected = established.normal_power_het(abs(drop - margin), cases, alpha / 2, alternative="larger", **spreads(drop, flips, margin))

    assert power(drop, flips, cases, margin=margin, alpha=alpha) == near(expected)


@given(TRUTHS, st.sampled_from([0.7, 0.8, 0.95]))
@settings(max_examples=40)
def test_cases_for(truth, wanted):
    """The number of cases is the package's, rounded up."""
    drop, flips, margin, alpha = truth
    expected = established.normal_sample_size_one_tail(abs(drop - margin), wanted, alpha / 2, **spreads(drop, flips, margin))

    assert cases_for(drop, flips, margin=margin, alpha=alpha, wanted=wanted) in {math.ceil(expected - 1e-6), math.ceil(expected + 1e-6)}
