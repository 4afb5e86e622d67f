"""Figures, against those of the established packages."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import Confusion, RouteFigures, calibration, confusion, mean, quantile, wilson

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(NUMBERS, st.floats(0, 1))
@settings(deadline=None, max_examples=200)
def test_quantile(values, share):
    """The quantile is numpy's default one."""
    assert quantile(values, share) == pytest.approx(float(np.quantile(values, share)), rel=1e-9, abs=1e-6)


@given(NUMBERS)
@settings(deadline=None, max_examples=50)
def test_quantiles_are_within(values):
    """The ends are the least and the greatest value, whatever order the values come in."""
    assert (quantile(values, 0), quantile(values, 1)) == (min(values), max(values))
    assert quantile(values, 0.95) == quantile(values[::-1], 0.95)


@given(NUMBERS)
@settings(deadline=None, max_examples=50)
def test_mean(values):
    """The mean is exact but for its last rounding, in any order."""
    assert mean(values) == mean(sorted(values)) == math.fsum(values) / len(values)


def test_nothing_has_no_figures():
    """Of nothing there is no quantile, mean, interval or accuracy; that is not zero."""
    assert [quantile([], 0.5), mean([]), wilson(0, 0), confusion([]).accuracy] == [None] * 4


@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
@settings(deadline=None, max_examples=150)
def test_wilson(counts):
    """The interval is scipy's Wilson interval, within 0 and 1, around the share."""
    stats = pytest.importorskip("scipy.stats")
    successes, trials = counts
    low, high = wilson(successes, trials) or (0, 0)
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")

    assert (low, high) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1


PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), max_size=20)


def test_confusion():
    """Precision, recall and accuracy of a small table are as by hand; a route nobody expected has no recall."""
    found = confusion([("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", "c")])

    assert found.counts == ((("a", "a"), 2), (("a", "b"), 1), (("b", "b"), 1), (("b", "c"), 1))
    assert (found.labels, found.total, found.accuracy) == (("a", "b", "c"), 5, 0.6)
    assert found.figures() == (RouteFigures("a", 3, 2, 2), RouteFigures("b", 2, 2, 1), RouteFigures("c", 0, 1, 0))
    assert [(figure.precision, figure.recall) for figure in found.figures()] == [(1, 2 / 3), (0.5, 0.5), (0, None)]


@given(PAIRS, st.randoms())
@settings(deadline=None, max_examples=80)
def test_confusion_counts_everything(pairs, random):
    """Every pair is counted once, in any order; the routes' figures add up."""
    shuffled = list(pairs)
    random.shuffle(shuffled)
    found = confusion(pairs)

    assert found == confusion(shuffled) == Confusion(found.counts)
    assert (
        len(pairs) == found.total == sum(figure.expected for figure in found.figures()) == sum(figure.routed for figure in found.figures())
    )
    assert found.accuracy == (sum(figure.right for figure in found.figures()) / len(pairs) if pairs else None)


def test_calibration_by_hand():
    """Seven decisions in three bins: gaps of 0.05, 0.065 and 0.46 over 1, 2 and 4 of them; 1.0 falls into the last bin."""
    found = calibration(right=[0.95, 0.92, 0.55], wrong=[0.97, 0.58, 0.05, 1.0])

    assert found.ece == pytest.approx((1 * 0.05 + 2 * 0.065 + 4 * 0.46) / 7)
    assert [(one.low, one.decisions, one.right) for one in found.bins if one.decisions] == [(0.0, 1, 0), (0.5, 2, 1), (0.9, 4, 2)]
    assert [one.accuracy for one in found.bins[8:]] == [None, 0.5]
    assert found.bins[9].mean_confidence == pytest.approx(0.96)


@pytest.mark.parametrize(
    ("right", "wrong", "ece"),
    [([], [], None), ([1.0, 1.0], [], 0.0), ([], [1.0, 1.0], 1.0), ([0.5], [0.5], 0.0), ([0.1], [], 0.9), ([0.25] * 1, [0.25] * 3, 0.0)],
)
def test_calibration_at_its_ends(right, wrong, ece):
    """Nothing has no error; to be sure and right, or unsure and right as often, has none; to be sure and wrong has all."""
    assert calibration(right, wrong).ece == (None if ece is None else pytest.approx(ece))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_calibration_is_a_share_in_any_order(decisions, shuffling):
    """The error lies between none and all, every decision is in one bin, and the order of decisions changes no bit."""
    shuffled = shuffling.sample(decisions, len(decisions))
    one, other = (calibration([c for c, good in each if good], [c for c, good in each if not good]) for each in (decisions, shuffled))

    assert one == other
    assert 0 <= one.ece <= 1
    assert one.decisions == len(decisions)
    assert all(a.low <= a.mean_confidence <= a.high for a in one.bins if a.decisions)
