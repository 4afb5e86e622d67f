"""Comparisons: what moved, and the laws that hold whatever did."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import gate
from harness.baseline import Baseline
from harness.compare import MOVEMENTS, compare, is_share, paired
from harness.errors import ExitCode
from harness.experiment import Outcome, SuiteProvenance, Trial
from harness.metric import Tally
from harness.score import failed, passed, unscored
from harness.standing import Roll, Standings
from harness.terms import Bound, NonInferiority
from harness.trace import NodeStep, Place, ToolCall, Trace, Usage, WireCall

OUTCOMES: tuple[Outcome, ...] = ("pass", "fail", "error", "stale", "unscored")
MIRROR = {"better": "worse", "worse": "better", "only in base": "only in candidate", "only in candidate": "only in base"}


def provenance(cases: int = 1, **fields: Any) -> SuiteProvenance:
    """Return the provenance of a suite of so many cases."""
    known: dict[str, Any] = {"suite": "s", "variant": "default", "dataset": "d.jsonl", "dataset_digest": "d", "cassettes_digest": "c"}
    known |= {"graph": "g:build", "graph_fingerprint": "f", "match": "semantic", "mode": "invoke", "build": "trial", "checks": ("route",)}
    return SuiteProvenance(**{**known, "cases": cases, **fields})


def trial(case: str = "a", outcome: Outcome = "pass", *, repeat: int = 1, to: str = "x", tokens: int | None = 10, **trace: Any) -> Trial:
    """Return a trial that was routed to `to`, where `x` is right, and spent so many tokens."""
    right = outcome == "pass"
    route = (passed if right else failed)(
        "route", "route.r", router="r", expected="x", actual="x" if right else to, **({} if right else {"reason": "wrong"})
    )
    scores = (unscored("route", "route.r", "no decision"),) if outcome == "unscored" else (route,)
    call = WireCall(
        place=Place(), kind="chat", source="replay", url="u", status=200, usage=None if tokens is None else Usage(input_tokens=tokens)
    )
    return Trial(
        suite="s", variant="default", case=case, repeat=repeat, outcome=outcome, scores=scores, trace=Trace(**{"calls": (call,), **trace})
    )


def standings(*trials: Trial, **fields: Any) -> Standings:
    """Return what these trials came to."""
    roll, tally = Roll(), Tally()
    for one in trials:
        roll.add(one)
        tally.add(one)
    cases = roll.cases()
    return Standings(
        provenance=provenance(len(cases), **fields), metrics={name: metric.value for name, metric in tally.metrics().items()}, cases=cases
    )


TRIALS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(OUTCOMES), st.integers(1, 3), st.sampled_from("xyz"), st.integers(1, 50)),
    max_size=16,
    unique_by=lambda row: (row[0], row[2]),
).map(lambda rows: standings(*(trial(case, outcome, repeat=repeat, to=to, tokens=tokens) for case, outcome, repeat, to, tokens in rows)))


@given(TRIALS, TRIALS)
@settings(max_examples=60)
def test_swapping_the_sides_mirrors(base, candidate):
    """Better becomes worse, flips and differences turn round, p-values stay."""
    there, back = compare(base, candidate), compare(candidate, base)

    assert {pair.case: MIRROR.get(pair.movement, pair.movement) for pair in there.pairs} == {
        pair.case: pair.movement for pair in back.pairs
    }
    assert [{router: flip[::-1] for router, flip in pair.flips.items()} for pair in there.pairs] == [pair.flips for pair in back.pairs]
    assert [pair.drift for pair in there.pairs] == [pair.drift for pair in back.pairs]
    for one, other in zip(there.metrics, back.metrics, strict=True):
        assert (one.name, one.cases, one.rose, one.fell) == (other.name, other.cases, other.fell, other.rose)
        assert one.p_value == pytest.approx(other.p_value)
        assert one.difference == pytest.approx(None if other.difference is None else -other.difference)
        if is_share(one.name) and one.interval:
            assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]), abs=1e-9)


SEVERITY = ("better", "same", "worse", "unscored", "stale", "crashed", "only in base")


def severity(pair):
    """Return how much a reviewer has to worry about a case; what cannot be measured is never less worrying than what got worse."""
    return SEVERITY.index(pair.unmeasured or pair.movement if pair.candidate else pair.movement)


ROWS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(OUTCOMES), st.integers(1, 3)),
    min_size=1,
    max_size=16,
    unique_by=lambda row: (row[0], row[2]),
)


@given(TRIALS, ROWS, st.data())
@settings(max_examples=80)
def test_what_is_not_measured_never_helps(base, rows, data):
    """A trial of the candidate more that crashed, is stale or is not scored, or a case of it less, improves no case's movement."""
    trials = [trial(case, outcome, repeat=repeat) for case, outcome, repeat in rows]
    case = data.draw(st.sampled_from(sorted({row[0] for row in rows} & {*base.cases}) or [rows[0][0]]))
    lost = [one for one in trials if one.case != case]
    changed = [lost, *([*trials, trial(case, outcome, repeat=9)] for outcome in ("error", "stale", "unscored"))]

    before = {pair.case: severity(pair) for pair in compare(base, standings(*trials)).pairs if pair.base}
    for others in changed:
        after = {pair.case: severity(pair) for pair in compare(base, standings(*others)).pairs if pair.base}
        assert {name: level for name, level in after.items() if level < before[name]} == {}


@given(TRIALS, ROWS, st.sampled_from(["error", "stale", "unscored"]), st.data())
@settings(max_examples=80)
def test_what_is_not_measured_never_improves_the_verdict(base, rows, outcome, data):
    """A trial more that crashed, is stale or is not scored makes the exit code no less severe; a case less makes no pass of it."""
    trials = [trial(case, found, repeat=repeat) for case, found, repeat in rows]
    case = data.draw(st.sampled_from(sorted({row[0] for row in rows})))
    cases = {*base.cases, *(one.case for one in trials)}

    before = judged(base, trials, len(cases))
    more = judged(base, [*trials, trial(case, outcome, repeat=9)], len(cases))
    less = judged(base, [one for one in trials if one.case != case], len(cases))

    assert gate.SEVERITY.index(more.exit_code) <= gate.SEVERITY.index(before.exit_code)
    assert less.exit_code != ExitCode.PASS


def judged(base, trials, cases=None, **fields):
    """Return the verdict on these trials compared with a base, when so many cases should have run: by default all that did."""
    suite = provenance(len({one.case for one in trials}) if cases is None else cases, **fields)
    candidate = standings(*trials).model_copy(update={"provenance": suite})
    return gate.judge_candidate(Baseline(experiment="e", standings=base), candidate, Tally(trials))


@given(TRIALS)
@settings(max_examples=40)
def test_identical_sides_pass_where_the_gate_does(side):
    """Compared with itself, a suite gets the verdict of its own gate; where no case passed or failed, nothing is compared."""
    trials = [trial(case, outcome, repeat=number) for case, one in side.cases.items() for number, outcome in enumerate(each(one), 1)]

    verdict = judged(side, trials)

    if any({"pass", "fail"} & {*one.outcomes} for one in side.cases.values()):
        assert verdict.verdict == gate.judge(provenance(len(side.cases)), Tally(trials)).verdict
    else:
        assert verdict.exit_code != ExitCode.PASS


def each(standing):
    """Return the outcomes of a case's trials."""
    return [outcome for outcome, number in standing.outcomes.items() for _ in range(number)]


def test_a_drop_that_is_no_chance_fails_whatever_the_bounds_allow():
    """Eight of 40 cases that no longer pass fail a comparison, although the gate's bound would let three in four do."""
    bounds = {"route.accuracy": Bound(min=0.25), "route.pass_rate": Bound(min=0.25), "pass.rate": Bound(min=0.25)}
    base = standings(*(trial(f"c{number}") for number in range(40)))
    worse = [trial(f"c{number}", "fail" if number < 8 else "pass", to="y") for number in range(40)]
    slightly = [trial(f"c{number}", "fail" if number < 3 else "pass", to="y") for number in range(40)]

    assert judged(base, slightly, gate=bounds).verdict == "pass"
    verdict = judged(base, worse, gate=bounds)
    assert (verdict.verdict, verdict.exit_code) == ("fail", ExitCode.GATE_FAILED)
    assert verdict.reasons[0].startswith(
        "the candidate passes fewer cases: 0 better, 8 worse of 40 cases, which chance alone seldom does (p = 0.008): c0,"
    )


def test_a_relative_bound_decides_instead():
    """A suite that says which drop it bears is held to that."""
    bounds = {"route.accuracy": Bound(max_drop=0.3), "route.pass_rate": Bound(min=0.25)}
    base = standings(*(trial(f"c{number}") for number in range(40)))
    worse = [trial(f"c{number}", "fail" if number < 8 else "pass", to="y") for number in range(40)]

    assert judged(base, worse, gate=bounds).verdict == "pass"


def test_a_base_that_was_not_measured_shows_nothing():
    """A candidate that passes is not better than stale cases: nothing was compared, and that is no pass."""
    base = standings(*(trial(f"c{number}", "stale") for number in range(30)))
    candidate = [trial(f"c{number}") for number in range(30)]

    comparison = compare(base, standings(*candidate))

    assert (comparison.shown, comparison.measured) == ("nothing", 0)
    assert judged(base, candidate).exit_code == ExitCode.STALE


def test_a_stale_case_of_the_base_is_no_base():
    """A candidate is not held to a base of which a case is stale: that is said with what mends it, and is no pass."""
    base = standings(*(trial(f"c{number}", "stale" if number == 3 else "pass") for number in range(30)))

    verdict = judged(base, [trial(f"c{number}") for number in range(30)])

    assert (verdict.verdict, verdict.exit_code) == ("stale", ExitCode.STALE)
    assert verdict.reasons == ("1 case of the base is stale, so not compared; record with `harness record s`, and run the base again: c3",)


@pytest.mark.parametrize("count", [30, 10], ids=["all", "some"])
def test_a_stale_candidate_is_not_worse(count):
    """A miss is no evidence: no reason says that the candidate passes fewer cases, or that a share fell."""
    within = {"pass.rate": Bound(non_inferiority=NonInferiority(margin=0.3), max_drop=0.1)}
    base = standings(*(trial(f"c{number}") for number in range(30)))
    candidate = [trial(f"c{number}", "stale" if number < count else "pass") for number in range(30)]

    for bounds in ({}, within):
        verdict = judged(base, candidate, gate=bounds)
        assert verdict.exit_code == ExitCode.STALE
        assert not any("of pass.rate" in note or "in the baseline too" in note for note in (*verdict.notes, *verdict.reasons))
        assert not [reason for reason in verdict.reasons if "worse" in reason or "fell" in reason or "fewer" in reason]


def test_what_is_unscored_counts_as_no_pass_and_is_not_called_worse():
    """Where it is unscored cases that may be fewer passes, the sentence says so, and claims no test."""
    tolerant = {"unscored.rate": Bound(max=1.0), "pass.rate": Bound(min=0.0)}
    base = standings(*(trial(f"c{number}") for number in range(30)))
    candidate = [trial(f"c{number}", "unscored" if number < 9 else "fail" if number < 11 else "pass") for number in range(30)]

    verdict = judged(base, candidate, gate=tolerant)

    assert verdict.exit_code == ExitCode.GATE_FAILED
    assert verdict.reasons[0].startswith(
        "the candidate may pass fewer cases: 0 better, 2 worse, 9 unscored of 30 cases, and what is unscored counts as no pass: c0, c1,"
    )


def test_a_stale_side_shows_no_drift():
    """What a stale case would have done is not known: neither its path nor its state is called another one."""
    steps = (NodeStep(place=Place(node="a")),)

    (pair,) = compare(standings(trial(steps=steps, state={"k": 1})), standings(trial(outcome="stale"))).pairs

    assert (pair.movement, pair.drift, pair.flips) == ("stale", (), {})


def test_what_a_missed_call_would_have_spent_is_unknown():
    """A request that is not on the cassette has no tokens and no cost: not none of them."""
    miss = WireCall(place=Place(node="a"), kind="chat", source="none", url="u")
    roll = Roll()
    roll.add(trial(outcome="stale", calls=(miss,)))

    assert (roll.nodes()["a"].calls, roll.nodes()["a"].tokens, roll.nodes()["a"].cost_usd) == (1, None, None)


@given(TRIALS)
@settings(max_examples=40)
def test_identical_experiments_are_all_same(side):
    """Nothing moved, nothing flipped or drifted, no difference, no p-value under 1."""
    comparison = compare(side, side)

    assert {pair.movement for pair in comparison.pairs} <= {"same"}
    assert not any(pair.flips or pair.drift for pair in comparison.pairs)
    assert {change.difference for change in comparison.metrics} <= {0.0, None}
    assert {change.p_value for change in comparison.metrics} <= {1.0, None}
    assert comparison.unlike == ()


@given(TRIALS, TRIALS)
@settings(max_examples=40)
def test_no_case_is_lost(base, candidate):
    """Every case of either side is in the comparison once, and in one movement."""
    comparison = compare(base, candidate)

    assert sorted(pair.case for pair in comparison.pairs) == sorted({*base.cases, *candidate.cases})
    assert tuple(comparison.counts) == MOVEMENTS
    assert sum(comparison.counts.values()) == len(comparison.pairs)


@pytest.mark.parametrize(
    ("before", "after", "movement"),
    [
        (["pass"], ["pass"], "same"),
        (["fail"], ["pass"], "better"),
        (["pass"], ["fail"], "worse"),
        (["pass", "pass"], ["pass", "fail"], "worse"),
        (["pass"], ["error"], "crashed"),
        (["error"], ["pass"], "crashed"),
        (["error"], ["error"], "same"),
        (["pass"], ["stale"], "stale"),
        (["pass", "stale"], ["error", "pass"], "crashed"),
        (["stale"], ["unscored"], "stale"),
        (["unscored"], ["pass"], "unscored"),
        (["fail"], [], "only in base"),
        ([], ["fail"], "only in candidate"),
    ],
)
def test_movement(before, after, movement):
    """A case moves by the share of its trials that pass; what crashed or could not be measured is said, not guessed."""
    base = standings(*(trial("a", outcome, repeat=number) for number, outcome in enumerate(before, 1)))
    candidate = standings(*(trial("a", outcome, repeat=number) for number, outcome in enumerate(after, 1)))

    assert compare(base, candidate).cases(movement) == ("a",)


def test_route_flips():
    """A router that decides otherwise is shown with before and after, and counted in its matrix."""
    base = standings(trial("a"), trial("b", "fail", to="y"), trial("c"))
    candidate = standings(trial("a", "fail", to="z"), trial("b", "fail", to="y"), trial("c"))

    comparison = compare(base, candidate)

    assert [pair.flips for pair in comparison.pairs] == [{"r": ("x", "z")}, {}, {}]
    assert comparison.routers == ("r",)
    assert comparison.flips("r") == {("x", "x"): 1, ("x", "z"): 1, ("y", "y"): 1}
    assert comparison.pairs[0].drift == ("routing",)


@pytest.mark.parametrize(
    ("trace", "drift"),
    [
        ({"steps": (NodeStep(place=Place(node="n", step=1)),)}, ("routing",)),
        ({"tools": (ToolCall(place=Place(), name="t", args={"id": 1}),)}, ("arguments",)),
        ({"text": "bye"}, ("content",)),
        ({"state": {"kind": "x"}}, ("content",)),
        ({"ends": "limit"}, ("content",)),
    ],
)
def test_drift(trace, drift):
    """What changed in a case that passes on both sides is told by class."""
    comparison = compare(standings(trial()), standings(trial(**trace)))

    assert comparison.pairs[0].movement == "same"
    assert comparison.pairs[0].drift == drift


def test_repeats_are_one_sample():
    """Ten repeats of one case that fell are one case that fell, not ten."""
    base = standings(*(trial("a", "pass", repeat=number) for number in range(1, 11)))
    candidate = standings(*(trial("a", "fail", repeat=number) for number in range(1, 11)))

    (change,) = (change for change in compare(base, candidate).metrics if change.name == "pass.rate")

    assert (change.cases, change.rose, change.fell, change.p_value) == (1, 0, 1, 1.0)


def test_amounts_have_a_bootstrap_interval():
    """Tokens are compared case by case; a case of which they are unknown is left out and not taken for zero."""
    base = standings(*(trial(f"c{number}", tokens=100) for number in range(20)), trial("silent", tokens=None))
    candidate = standings(*(trial(f"c{number}", tokens=100 + number) for number in range(20)), trial("silent", tokens=50))

    (change,) = (change for change in compare(base, candidate).metrics if change.name == "tokens.mean")

    assert (change.cases, change.rose, change.fell, change.difference) == (20, 19, 0, 9.5)
    assert change.interval[0] < 9.5 < change.interval[1]
    assert change.p_value is None
    assert len(paired(base, candidate)["tokens.mean"]) == 20


def test_p_values_are_adjusted_for_being_several():
    """The least p-value of the shares is multiplied by their number; that of the pass rate, which is asked for, stands by itself."""
    base = standings(*(trial(f"c{number}") for number in range(30)))
    candidate = standings(*(trial(f"c{number}", "fail" if number < 8 else "pass", to="y") for number in range(30)))

    changes = {change.name: change.p_value for change in compare(base, candidate).metrics if change.p_value is not None}

    assert changes["pass.rate"] == pytest.approx(2 / 2**8)
    assert changes["route.accuracy"] == pytest.approx(2 / 2**8 * (len(changes) - 1))
    assert all(is_share(name) for name in changes)


def test_unlike_sides_are_told():
    """Other datasets, checks and price tables are named."""
    comparison = compare(
        standings(trial()),
        standings(trial(), dataset_digest="e", checks=("route", "cost"), faults=("rate_limit@1",)),
        price_tables=("2026-01", "2026-02"),
    )

    assert [sentence.split(":")[0] for sentence in comparison.unlike] == [
        "the datasets differ",
        "the faults of every case differ",
        "the checks differ",
        "the price tables differ",
    ]


def test_amounts_that_all_rose_alike():
    """Five seconds more in every case is a difference of 5, whatever the last bits of the sums are."""
    before, after = (standings(*(trial(f"c{number}", duration_s=number / 7 + more) for number in range(100))) for more in (0.0, 5.0))

    change = compare(before, after).change("duration_s.p50")

    assert change is not None
    assert (change.rose, change.difference, change.interval) == (100, 5.0, (5.0, 5.0))
