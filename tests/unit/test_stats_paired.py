"""Paired statistics, against those of the established packages, by simulation and by their laws."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as established

from harness.stats import (
    Pairs,
    bootstrap_interval,
    cases_for,
    detectable_drop,
    difference_interval,
    exact_interval,
    holm,
    mcnemar,
    non_inferiority,
    pass_all,
    pass_any,
    power,
)

COUNTS = st.integers(0, 60)
PAIRS = st.tuples(COUNTS, COUNTS, COUNTS).filter(any).map(lambda counts: Pairs(counts[0], counts[1], sum(counts)))


@given(COUNTS, COUNTS)
@settings(deadline=None, max_examples=200)
def test_mcnemar_is_the_exact_binomial_test(better, worse):
    """The p-value is scipy's of the flips against an even chance, and 1 without any flip."""
    expected = established.binomtest(better, better + worse).pvalue if better + worse else 1.0

    assert mcnemar(better, worse) == pytest.approx(expected, abs=1e-9)
    assert mcnemar(better, worse) == mcnemar(worse, better)


def test_six_one_way_flips_are_needed():
    """Five cases that flip one way are not significant at 5 %, six are, however many did not flip."""
    assert mcnemar(5, 0) > 0.05 > mcnemar(6, 0)


@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))), st.sampled_from([0.9, 0.95, 0.99]))
@settings(deadline=None, max_examples=150)
def test_exact_interval(counts, confidence):
    """The interval is scipy's exact one."""
    expected = established.binomtest(*counts).proportion_ci(confidence, method="exact")

    assert exact_interval(*counts, confidence=confidence) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))


def likeliest_fall(pairs, difference):
    """Return the share of falling cases that makes the counts likeliest where shares differ by so much, found by search."""
    same = pairs.cases - pairs.better - pairs.worse

    def unlikely(fall):
        shares = (fall + difference, fall, 1 - 2 * fall - difference)
        return -sum(count * math.log(share) for count, share in zip((pairs.better, pairs.worse, same), shares, strict=True) if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    edge = 1e-13
    return optimize.minimize_scalar(unlikely, bounds=(low + edge, high - edge), method="bounded", options={"xatol": 1e-13}).x


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
    st.floats(-0.6, 0.6).filter(lambda number: abs(number) > 1e-3),
)
@settings(deadline=None, max_examples=60)
def test_non_inferiority_is_tangos_score_test(counts, margin):
    """The p-value is that of the score with the likeliest share of falling cases, which a search finds too."""
    pairs = Pairs(counts[0], counts[1], sum(counts))
    fall = likeliest_fall(pairs, -margin)
    error = math.sqrt(pairs.cases * (2 * fall - margin - margin * margin))
    expected = NormalDist().cdf(-(pairs.better - pairs.worse + pairs.cases * margin) / error)

    assert non_inferiority(pairs, margin) == pytest.approx(expected, abs=1e-5)


@given(PAIRS)
@settings(deadline=None, max_examples=100)
def test_the_interval_is_where_the_test_turns(pairs):
    """An end of the 90 % interval is the margin at which the one-sided test at 5 % turns; it holds the difference; sides mirror."""
    low, high = difference_interval(pairs, confidence=0.9)

    if -1 < low < 1 and low:
        assert non_inferiority(pairs, -low) == pytest.approx(0.05, abs=1e-6)
    assert low - 1e-12 <= pairs.difference <= high + 1e-12
    assert difference_interval(Pairs(pairs.worse, pairs.better, pairs.cases), confidence=0.9) == (
        pytest.approx(-high, abs=1e-9),
        pytest.approx(-low, abs=1e-9),
    )


def test_no_flip_is_no_proof_in_a_small_sample():
    """Where nothing flipped, ten cases do not prove a margin of 5 points, and 200 do."""
    assert non_inferiority(Pairs(0, 0, 10), 0.05) > 0.2
    assert non_inferiority(Pairs(0, 0, 200), 0.05) < 0.01
    assert non_inferiority(Pairs(0, 0, 0), 0.05) == 1
    assert difference_interval(Pairs(0, 0, 0)) is None
    assert difference_interval(Pairs(0, 0, 20))[0] < -0.1


@given(PAIRS, st.floats(0.01, 0.5))
@settings(deadline=None, max_examples=100)
def test_a_further_fall_never_helps(pairs, margin):
    """One more case that fell makes non-inferiority less likely, one more that rose does not."""
    before = non_inferiority(pairs, margin)

    assert non_inferiority(Pairs(pairs.better, pairs.worse + 1, pairs.cases + 1), margin) >= before - 1e-12
    assert non_inferiority(Pairs(pairs.better + 1, pairs.worse, pairs.cases + 1), margin) <= before + 1e-12


def test_pairs_of_repeated_cases():
    """A repeated case is one sample whose difference is the mean of its repeats."""
    pairs = Pairs.of([0.5, -0.25, 0.0, 1.0])

    assert pairs == Pairs(1.5, 0.25, 4)
    assert pairs.difference == 0.3125
    assert Pairs.of([]).difference is None


def draws(seed, *, cases, rise, fall):
    """Yield the pairs of simulated comparisons."""
    shares = np.random.default_rng(seed)
    while True:
        better, worse, _ = map(int, shares.multinomial(cases, [rise, fall, 1 - rise - fall]))
        yield Pairs(better, worse, cases)


@pytest.mark.parametrize(("cases", "margin"), [(30, 0.1), (100, 0.05), (200, 0.03)])
def test_false_alarms_of_non_inferiority(cases, margin):
    """A candidate that is worse by exactly the margin is let through in at most 5 % of 1,000 draws, and their Monte-Carlo error."""
    samples = draws(cases, cases=cases, rise=0.05, fall=0.05 + margin)
    passed = sum(non_inferiority(next(samples), margin) <= 0.05 for _ in range(1000))

    assert passed / 1000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


@given(st.lists(st.floats(-1, 1).map(lambda number: round(number, 3)), min_size=5, max_size=40).filter(lambda some: len(set(some)) > 3))
@settings(deadline=None, max_examples=25)
def test_bootstrap_is_scipys(differences):
    """The BCa interval is scipy's for the same draws."""
    random_numbers = np.random.default_rng(7)
    expected = established.bootstrap(
        (np.array(differences),), np.mean, n_resamples=500, batch=1, method="BCa", rng=random_numbers
    ).confidence_interval

    low, high = bootstrap_interval(differences, seed=7, resamples=500)

    assert (low, high) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))


def test_bootstrap_of_too_little():
    """One difference has no interval; equal ones have one of no width."""
    assert bootstrap_interval([0.5]) is None
    assert bootstrap_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)


def test_holm():
    """The adjusted values are as by hand, in the order given, and never fall."""
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.9}) == {
        "a": pytest.approx(0.09),
        "b": pytest.approx(0.04),
        "c": pytest.approx(0.09),
        "d": pytest.approx(0.9),
    }
    assert holm({}) == {}


@given(st.integers(1, 12).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials), st.integers(1, trials))))
@settings(deadline=None, max_examples=100)
def test_pass_any_and_pass_all(counts):
    """They are scipy's chances of drawing at least one pass, and of drawing passes only, without putting back."""
    passed, trials, k = counts
    drawn = established.hypergeom(trials, passed, k)

    assert pass_any(passed, trials, k) == pytest.approx(1 - drawn.pmf(0), abs=1e-9)
    assert pass_all(passed, trials, k) == pytest.approx(drawn.pmf(k), abs=1e-9)


def test_too_few_trials_for_k():
    """Of two trials nothing is known about three."""
    assert pass_any(2, 2, 3) is None
    assert pass_all(2, 2, 3) is None


def test_power_is_what_happens():
    """With 200 cases a drop of 10 points is shown as often as the formula says, within Monte-Carlo error."""
    samples = draws(3, cases=200, rise=0.05, fall=0.15)
    shown = 0
    for _ in range(1000):
        pairs = next(samples)
        flips = pairs.better + pairs.worse
        shown += bool(flips) and abs(pairs.better - pairs.worse) / math.sqrt(flips) > 1.959964

    assert shown / 1000 == pytest.approx(power(0.1, 0.2, 200), abs=0.04)


@given(st.floats(0.01, 0.9), st.floats(0, 1))
@settings(deadline=None, max_examples=100)
def test_cases_for(drop, flips):
    """So many cases have the power that is wanted, and one fewer has not."""
    needed = cases_for(drop, flips)
    flips = max(flips, drop)

    assert power(drop, flips, needed) >= 0.8 - 1e-6
    assert needed < 3 or power(drop, flips, needed - 1) < 0.8 + 1e-3


def test_detectable_drop():
    """It is the drop that needs just so many cases; with next to no cases there is none, and nothing cannot be shown."""
    drop = detectable_drop(0.2, 200)

    assert cases_for(drop, 0.2) == 200
    assert detectable_drop(0.2, 0) is None
    assert detectable_drop(0.2, 3) is None
    with pytest.raises(ValueError, match="nothing"):
        cases_for(0, 0.2)


def test_differences_that_are_equal_but_for_rounding():
    """Amounts that all rose by 5, to the last bit or not, have an interval of no width; none makes the bootstrap fail."""
    noisy = [5.0, 5.0 + 8.9e-16] * 20

    assert bootstrap_interval(noisy) == pytest.approx((5.0, 5.0))
