"""The error rates of the whole gate, simulated: how often it fails what did not get worse, and lets through what did.

An alarm is the verdict `fail`: the candidate is shown to be worse by more than the margin. `inconclusive` is none, though it does not
exit with 0 either: it says that there are too few cases to tell. Every draw is judged by `judge` itself, from trials and standings; draws
with the same numbers of risen and fallen cases are judged once, because the order of cases changes nothing.
"""

import functools
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as established

from harness.baseline import Baseline
from harness.experiment import SuiteProvenance, Trial
from harness.gate import Against, judge
from harness.gate.inferiority import shown
from harness.metric import Tally
from harness.score import failed, passed
from harness.standing import Roll, Standing, Standings
from harness.stats import Pairs, power
from harness.terms import Bound, NonInferiority
from harness.trace import Trace

ALPHA = 0.05
DRAWS = 600
WORDS = {"within": "pass", "neither": "inconclusive", "beyond": "fail"}


@functools.cache
def trial(case, repeat, passes):
    """Return a trial that passed or failed its only check."""
    score = passed("ends", "ends") if passes else failed("ends", "ends", "wanted answer")
    outcome = "pass" if passes else "fail"
    return Trial(suite="s", variant="default", case=f"c{case}", repeat=repeat, outcome=outcome, trace=Trace(), scores=(score,))


@functools.cache
def standing(passes: int, repeats: int) -> Standing:
    """Return what a case came to that passed so many of its repeats."""
    roll = Roll()
    for repeat in range(repeats):
        roll.add(trial(0, repeat + 1, repeat < passes))
    return roll.cases()["c0"]


def suite(cases, margin):
    """Return a suite whose pass rate must not be worse than the baseline's."""
    texts = dict.fromkeys(("dataset", "dataset_digest", "cassettes_digest", "graph", "graph_fingerprint", "match", "mode", "build"), "x")
    gate = {"pass.rate": Bound(non_inferiority=NonInferiority(margin=margin, alpha=ALPHA))}
    return SuiteProvenance(suite="s", variant="default", cases=cases, checks=("ends",), gate=gate, **texts)


def verdict(before, after, *, repeats, margin):
    """Return the verdict on cases that passed so many of their repeats after, and before."""
    provenance = suite(len(after), margin)
    tally = Tally(trial(case, repeat + 1, repeat < passes) for case, passes in enumerate(after) for repeat in range(repeats))
    base = {f"c{case}": standing(passes, repeats) for case, passes in enumerate(before)}
    metrics = {"pass.rate": sum(before) / len(before) / repeats}
    baseline = Baseline(experiment="b", standings=Standings(provenance=provenance, metrics=metrics, cases=base))
    candidate = {f"c{case}": standing(passes, repeats) for case, passes in enumerate(after)}
    return judge(provenance, tally, against=Against(baseline, candidate, tally.figures()), repeats=repeats).verdict


@functools.cache
def of_counts(better, worse, cases, margin):
    """Return the verdict where so many cases rose and fell; of the others, one in ten fails on both sides."""
    same = [int(place % 10 > 0) for place in range(cases - better - worse)]
    return verdict([*[0] * better, *[1] * worse, *same], [*[1] * better, *[0] * worse, *same], repeats=1, margin=margin)


def simulated(*, cases, margin, rise, fall):
    """Return how often each verdict was given, as shares of all draws."""
    drawn = np.random.default_rng(cases).multinomial(cases, [rise, fall, 1 - rise - fall], size=DRAWS)
    found = [of_counts(int(better), int(worse), cases, margin) for better, worse, _ in drawn]
    return {word: found.count(word) / DRAWS for word in WORDS.values()}


def error_of(share, draws=DRAWS):
    """Return three standard errors of a share that was counted in so many draws."""
    return 3 * math.sqrt(share * (1 - share) / draws)


def test_no_false_alarm_where_nothing_changed():
    """Where cases flip both ways alike, at most 5 % of the runs fail; as many pass as the power formula says."""
    found = simulated(cases=200, margin=0.05, rise=0.05, fall=0.05)

    assert found["fail"] <= ALPHA + error_of(ALPHA)
    assert found["pass"] == pytest.approx(power(0.0, 0.1, 200, margin=0.05, alpha=2 * ALPHA), abs=error_of(0.5))


def test_at_the_margin_itself_both_errors_are_rare():
    """A candidate that is worse by just the margin fails in at most 5 % of the runs, and passes in at most 5 %."""
    found = simulated(cases=200, margin=0.05, rise=0.05, fall=0.10)

    assert found["fail"] <= ALPHA + error_of(ALPHA)
    assert found["pass"] <= ALPHA + error_of(ALPHA)


@pytest.mark.parametrize("margin", [0.02, 0.05])
def test_a_planted_drop_is_found_as_often_as_the_formula_says(margin):
    """With 200 cases and a true drop of 10 points, the gate fails as often as `power` says; it hardly ever passes."""
    found = simulated(cases=200, margin=margin, rise=0.05, fall=0.15)

    assert found["fail"] == pytest.approx(power(0.1, 0.2, 200, margin=margin, alpha=2 * ALPHA), abs=error_of(0.5))
    assert found["pass"] <= 0.02


CASES, REPEATS, RUNS = 60, 4, 300
NOISE, RISE, FALL = 0.1, 0.05, 0.15
TRUE_DROP = (1 - 2 * NOISE) * (FALL - RISE)


def repeated(random):
    """Draw the passes of each case before and after: a case is good or bad at heart, and each repeat goes the other way now and then."""
    hearts = random.random(CASES) < 0.8
    moved = random.random(CASES)
    rises, falls = moved < RISE, (moved >= RISE) & (moved < RISE + FALL)
    before, after = (hearts | falls) & ~rises, (hearts | rises) & ~falls
    return [random.binomial(REPEATS, np.where(side, 1 - NOISE, NOISE)) for side in (before, after)]


def test_repeats_do_not_inflate_the_errors():
    """Four repeats of a case are one sample: at the margin both errors stay at 5 %; taken for samples of their own they do not."""
    random = np.random.default_rng(60)
    asked = NonInferiority(margin=TRUE_DROP, alpha=ALPHA)
    found, naive = [], []
    for _ in range(RUNS):
        before, after = (side.tolist() for side in repeated(random))
        found.append(verdict(before, after, repeats=REPEATS, margin=TRUE_DROP))
        moved = [one - other for one, other in zip(after, before, strict=True)]
        naive.append(shown(Pairs(sum(by for by in moved if by > 0), -sum(by for by in moved if by < 0), CASES * REPEATS), asked))

    assert found.count("fail") / RUNS <= ALPHA + error_of(ALPHA, RUNS)
    assert found.count("pass") / RUNS <= ALPHA + error_of(ALPHA, RUNS)
    assert (naive.count("beyond") + naive.count("within")) / RUNS > 2 * (ALPHA + error_of(ALPHA, RUNS))


@pytest.mark.parametrize(("better", "worse"), [(3, 3), (2, 12), (0, 30)], ids=["as good", "perhaps worse", "worse"])
def test_a_repeat_that_is_a_copy_is_no_evidence(better, worse):
    """Running every case five times on one recording gives the verdict of running it once."""
    before = [*[0] * better, *[1] * (120 - better)]
    after = [*[1] * better, *[0] * worse, *[1] * (120 - better - worse)]

    once = verdict(before, after, repeats=1, margin=0.05)
    assert verdict([5 * one for one in before], [5 * one for one in after], repeats=5, margin=0.05) == once


def exact(cases, margin, rise, fall):
    """Return the chance of each verdict, added up over all that may happen."""
    asked, chances = NonInferiority(margin=margin, alpha=ALPHA), dict.fromkeys(WORDS.values(), 0.0)
    likely = [[int(one) for one in established.binom.ppf([1e-7, 1 - 1e-7], cases, share)] for share in (rise, fall)]
    counts = [(better, worse) for better in range(likely[0][0], likely[0][1] + 1) for worse in range(likely[1][0], likely[1][1] + 1)]
    table = np.array([(better, worse, cases - better - worse) for better, worse in counts])
    for (better, worse), chance in zip(counts, established.multinomial.pmf(table, cases, [rise, fall, 1 - rise - fall]), strict=True):
        chances[WORDS[shown(Pairs(better, worse, cases), asked)]] += float(chance)
    return chances


def point_alarms(cases, most, rise, fall):
    """Return the chance that a share falls by more than a point bound allows."""
    ups, downs = (established.binom(cases, share) for share in (rise, fall))
    return sum(float(ups.pmf(up)) * float(downs.sf(up + most * cases)) for up in range(cases // 2))


def documented():
    """Return the rows of the table in the document on gates."""
    text = (Path(__file__).parents[2] / "docs" / "gates.md").read_text("utf-8")
    cell = r" ([\d,.]+)(?: %)? \|"
    return [tuple(float(one.replace(",", "")) for one in row) for row in re.findall(rf"^\|{cell * 5}$", text, re.MULTILINE)]


def test_the_documented_chances_are_true():
    """The chances that the document gives for a margin of 5 points are exact, and those of a simulated row are what was simulated."""
    rows = documented()
    assert len(rows) >= 6
    for cases, drop, *percents in rows:
        found = exact(int(cases), 0.05, 0.05, 0.05 + drop / 100)
        assert percents == [round(100 * found[word], 1) for word in ("pass", "inconclusive", "fail")]
    assert "by more than two points in 15 % of all runs" in (Path(__file__).parents[2] / "docs" / "gates.md").read_text("utf-8")
    assert round(100 * point_alarms(200, 0.02, 0.05, 0.05)) == 15
    drawn, chances = simulated(cases=200, margin=0.05, rise=0.05, fall=0.15), exact(200, 0.05, 0.05, 0.15)
    assert all(drawn[word] == pytest.approx(chances[word], abs=error_of(0.5)) for word in drawn)
