"""The gate as a truth table."""

import pytest
from trials import against, bad, compared, crashed, good, limited, many, paid, stale, suite, trial, verdict

from harness.errors import ExitCode, ExperimentUnreadable
from harness.experiment import Experiment, Trial
from harness.gate import SEVERITY, judge, judge_experiment, most_severe, overall, overall_verdict
from harness.metric import Tally, names
from harness.terms import Bound, NonInferiority

WITHIN = NonInferiority(margin=0.1)
PASS, FAIL, CRASHED, STALE, NOTHING = ExitCode.PASS, ExitCode.GATE_FAILED, ExitCode.CRASHED, ExitCode.STALE, ExitCode.NOTHING_RAN


TABLE = [
    # what happened, the gate, the verdict, the exit code
    ("a pass passes", [good()], {}, "pass", PASS),
    ("a failed check fails", [good(), bad()], {}, "fail", FAIL),
    ("a crash is an error", [good(), crashed()], {}, "error", CRASHED),
    ("a stale case is stale", [good(), stale()], {}, "stale", STALE),
    ("nothing scored is no pass", [trial("u", "unscored")], {}, "fail", NOTHING),
    ("one unscored beside a pass fails", [good(), trial("u", "unscored")], {}, "fail", FAIL),
    ("a bound may allow unscored ones", [good(), trial("u", "unscored")], {"unscored.rate": Bound(max=0.5)}, "pass", PASS),
    ("nothing at all is no pass", [], {}, "fail", NOTHING),
    ("a crash outranks stale", [stale(), crashed()], {}, "error", CRASHED),
    ("stale outranks a failure", [stale(), bad()], {}, "stale", STALE),
    ("a crash outranks a failure", [crashed(), bad()], {}, "error", CRASHED),
    ("all crashed within the bound is no pass", [crashed()], {"error.rate": Bound(max=1.0)}, "fail", NOTHING),
    ("a crash within the bound passes", [good(), crashed()], {"error.rate": Bound(max=0.5)}, "pass", PASS),
    (
        "a crash within the bound is still a wrong route",
        [good(), crashed()],
        {"error.rate": Bound(max=0.5), "route.accuracy": Bound(min=0.9)},
        "fail",
        FAIL,
    ),
    ("a crash beyond the bound is an error", [good(), good("c"), crashed()], {"error.rate": Bound(max=0.3)}, "error", CRASHED),
    ("a stale bound does not make stale pass", [good(), stale()], {"stale.rate": Bound(max=1.0)}, "stale", STALE),
    ("a bound on the route decides", [good(), bad()], {"route.accuracy": Bound(min=0.5)}, "pass", PASS),
    ("a bound on the route fails", [good(), bad()], {"route.accuracy": Bound(min=0.51)}, "fail", FAIL),
    ("a bound on one router covers its failures", [good(), bad()], {"route.r.accuracy": Bound(min=0.5)}, "pass", PASS),
    ("a bound on one router covers no other", [good(), bad()], {"route.other.accuracy": Bound(min=0.0)}, "fail", FAIL),
    ("a bound on the route's pass rate covers it", [good(), bad()], {"route.pass_rate": Bound(min=0.5)}, "pass", PASS),
    ("a bound on the route covers no other check", [good(), bad(check="tone")], {"route.accuracy": Bound(min=0.5)}, "fail", FAIL),
    ("a bound on a check covers it", [good(), bad(check="tone")], {"tone.pass_rate": Bound(min=0.0)}, "pass", PASS),
    ("a bound on a check covers no other", [good(), bad()], {"tone.pass_rate": Bound(min=0.0)}, "fail", FAIL),
    ("a bound on pass.rate covers all", [good(), bad(), limited()], {"pass.rate": Bound(min=0.3)}, "pass", PASS),
    ("a bound on pass.rate fails", [good(), bad(), limited()], {"pass.rate": Bound(min=0.34)}, "fail", FAIL),
    ("a bound on pass.rate does not cover a crash", [good(), crashed()], {"pass.rate": Bound(min=0.5)}, "error", CRASHED),
    ("a limit fails", [good(), limited()], {}, "fail", FAIL),
    ("a bound on limits covers a limit", [good(), limited()], {"limit_hit.rate": Bound(max=0.5)}, "pass", PASS),
    ("a bound on limits fails", [good(), limited()], {"limit_hit.rate": Bound(max=0.4)}, "fail", FAIL),
    ("a bound on limits covers no other end", [good(), bad(check="ends")], {"limit_hit.rate": Bound(max=1.0)}, "fail", FAIL),
    ("a bound on cost covers no check", [good(), bad()], {"cost_usd.mean": Bound(max=1.0)}, "fail", FAIL),
    ("a bound just met passes", [paid("a", 0.1), paid("b", 0.2)], {"cost_usd.total": Bound(max=0.3)}, "pass", PASS),
    ("a bound passed fails", [paid("a", 0.1)], {"cost_usd.mean": Bound(max=0.09)}, "fail", FAIL),
    ("an unknown cost fails its bound", [paid("a", None)], {"cost_usd.mean": Bound(max=9.0)}, "fail", FAIL),
    ("an unknown cost without a bound passes", [paid("a", None)], {}, "pass", PASS),
    ("a check nobody ran fails its bound", [good()], {"tone.pass_rate": Bound(min=0.0)}, "fail", FAIL),
    ("a duration fails its bound", [good()], {"duration_s.p95": Bound(max=9.0)}, "fail", FAIL),
    ("a relative bound without a baseline is skipped", [good()], {"route.accuracy": Bound(max_drop=0.0)}, "pass", PASS),
    ("a skipped bound covers nothing", [good(), bad()], {"route.accuracy": Bound(max_drop=0.0)}, "fail", FAIL),
    ("an error bound without max keeps its default", [good(), crashed()], {"error.rate": Bound(max_rise_pct=50.0)}, "error", CRASHED),
    (
        "non-inferiority without a baseline is skipped",
        [good()],
        {"route.accuracy": Bound(non_inferiority=WITHIN)},
        "pass",
        PASS,
    ),
]


@pytest.mark.parametrize(("trials", "gate", "word", "code"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_truth_table(trials: list[Trial], gate: dict[str, Bound], word: str, code: ExitCode) -> None:
    """Each row is one rule of the gate."""
    found = verdict(trials, gate)
    assert (found.verdict, found.exit_code) == (word, code)
    assert word == "pass" or found.reasons


def test_skipped_bounds_are_said() -> None:
    """A relative bound without a baseline is a note for each of its parts."""
    found = verdict(
        [good()],
        {"route.accuracy": Bound(max_drop=0.1, non_inferiority=WITHIN), "cost_usd.mean": Bound(max_rise_pct=5)},
    )
    assert found.notes == (
        "max_rise_pct of cost_usd.mean skipped: no baseline",
        "max_drop of route.accuracy skipped: no baseline",
        "non_inferiority of route.accuracy skipped: no baseline",
    )


def test_forgiving_means_inconclusive_only() -> None:
    """A forgiving gate that is inconclusive exits 0 and keeps its word; a failure stays one."""
    gate = {"pass.rate": Bound(min=0.0, non_inferiority=WITHIN)}
    found = judge(suite(1, gate=gate), Tally([good()]), against=against([good()], {"pass.rate": 1.0}), forgiving=True)
    assert (found.verdict, found.exit_code) == ("inconclusive", PASS)
    for one, code in ((stale(), STALE), (crashed(), CRASHED), (bad(), FAIL), (trial("u", "unscored"), NOTHING)):
        assert judge(suite(), Tally([one]), forgiving=True).exit_code == code


def test_missing_cases_fail() -> None:
    """Fewer trials than cases is a failure that counts what is missing."""
    found = verdict([good("a")], cases=3)
    assert (found.verdict, found.exit_code, found.reasons) == ("fail", FAIL, ("2 of 3 trials did not run",))


def test_missing_repeats_are_named() -> None:
    """A case that lacks a repeat is named."""
    found = judge(suite(2), Tally([good("a"), good("b"), good("b").model_copy(update={"repeat": 2})]), repeats=2)
    assert found.reasons == ("1 of 4 trials (2 cases, 2 times each) did not run: a",)
    assert found.cases == ("a",)


def test_a_case_that_stands_twice_does_not_hide_a_missing_one() -> None:
    """Trials are counted by case."""
    assert verdict([good("a"), good("a")], cases=2).exit_code == FAIL


@pytest.mark.parametrize("one", [bad("m"), crashed("m"), stale("m"), trial("m", "unscored")])
def test_a_must_pass_case_has_to_pass(one: Trial) -> None:
    """No bound covers a must-pass case."""
    gate = {"pass.rate": Bound(min=0.0), "error.rate": Bound(max=1.0)}
    found = verdict([good(), one], gate, must_pass=("m",))
    assert "1 must-pass case did not pass: m" in found.reasons
    assert found.exit_code in {FAIL, STALE}


def test_a_must_pass_case_has_to_pass_every_time() -> None:
    """One failing repeat is enough."""
    found = verdict([good("m"), bad("m").model_copy(update={"repeat": 2})], {"pass.rate": Bound(min=0.0)}, must_pass=("m",))
    assert found.reasons == ("1 must-pass case did not pass: m",)


def test_an_unknown_must_pass_case_fails_unless_cases_were_selected() -> None:
    """A filter may leave a must-pass case out; otherwise its absence fails."""
    assert verdict([good()], must_pass=("gone",)).reasons == ("1 must-pass case did not run: gone",)
    assert verdict([good()], must_pass=("gone",), selected=True).verdict == "pass"


def test_reasons_say_what_was_measured() -> None:
    """A broken bound names figure, bound and the deciding cases, five at most."""
    trials = [good(), *(bad(f"b{number}") for number in range(7))]
    found = verdict(trials, {"route.accuracy": Bound(min=0.9)})
    assert found.reasons == ("route.accuracy is 0.125, below min 0.9: b0, b1, b2, b3, b4 and 2 more",)
    assert len(found.cases) == 7


def test_a_figure_next_to_its_bound_is_told_apart() -> None:
    """Rounding never shows a broken bound as met."""
    found = verdict([paid("a", 0.10000001)], {"cost_usd.mean": Bound(max=0.1)})
    assert found.reasons == ("cost_usd.mean is 0.10000001, above max 0.1",)


def test_crashes_name_their_cases() -> None:
    """An error says how many of how many."""
    assert verdict([good(), crashed()]).reasons == ("error.rate is 0.5, above max 0: 1 of 2 measured trials crashed: e",)


def test_stale_cases_are_grouped_by_cause() -> None:
    """One sentence a cause, then what mends it and what that costs."""
    trials = [*(stale(f"z{number}") for number in range(7)), stale("y", "the cassette is empty", None)]
    found = verdict(trials, {"route.accuracy": Bound(min=0.9)}, variant="v2")
    assert found.reasons[:3] == (
        "7 cases are stale, the model changed: z0, z1, z2, z3, z4 and 2 more",
        "1 case is stale, the cassette is empty: y",
        (
            "record what is missing with `harness record s --variant v2`, at about 700 tokens and an unknown number for 1 request, "
            "price unknown"
        ),
    )
    assert "bounds not evaluated: no trial was measured" in found.notes


def test_many_causes_are_cut() -> None:
    """Ten causes are named, the others counted."""
    found = verdict([stale(f"z{number:02}", f"cause {number:02}") for number in range(12)])
    assert found.reasons[10].startswith("2 more causes of stale cases: z10, z11")


def test_reasons_of_both_are_listed_the_most_severe_first() -> None:
    """A crash decides, and what is stale is said too."""
    found = verdict([bad(), stale(), crashed(), good()])
    assert [reason.split()[0] for reason in found.reasons] == ["error.rate", "1", "record", "check"]
    assert found.cases == ("b", "e", "z")


def test_unscored_trials_are_said() -> None:
    """They fail the suite, and are named."""
    found = verdict([good(), trial("u", "unscored")])
    assert found.reasons == ("1 of 2 trials could not be scored: u",)
    assert found.cases == ("u",)
    assert found.notes == ("check 'judge' could not measure 1 case (no reference): u",)


def test_the_most_severe_suite_decides() -> None:
    """2, 3, 4, 1, 7, 5, 6, 0."""
    order = (ExitCode.USAGE, CRASHED, STALE, FAIL, ExitCode.BUDGET, NOTHING, ExitCode.INCONCLUSIVE, PASS)
    assert tuple(code for code in SEVERITY if code in order) == order
    assert most_severe([PASS, NOTHING, FAIL]) == FAIL
    verdicts = [verdict([good()]), verdict([stale()]), verdict([bad()])]
    assert (overall(verdicts), overall_verdict(verdicts)) == (STALE, "stale")


def test_no_suite_is_no_pass() -> None:
    """Nothing ran, so nothing passes."""
    assert (overall([]), overall_verdict([])) == (NOTHING, "fail")


def test_every_exit_code_has_a_rank() -> None:
    """No code is forgotten in the order of severity."""
    assert set(SEVERITY) == set(ExitCode)


def test_known_metrics() -> None:
    """A gate may bound what a suite can measure."""
    assert "route.classify.accuracy" in names(["classify"], [])
    assert "tone.pass_rate" in names([], ["tone"])
    assert "route.other.accuracy" not in names(["classify"], [])
    assert "cost.mean" not in names([], ["cost"])


def test_an_experiment_is_judged_suite_by_suite() -> None:
    """Trials go to their own suite and variant; a suite without one did not run."""
    other = suite(variant="v2")
    experiment = Experiment(id="x", started_at="t", suites=(suite(), other))
    one, two = judge_experiment(experiment, [good()])
    assert (one.verdict.verdict, two.verdict.exit_code) == ("pass", NOTHING)
    with pytest.raises(ExperimentUnreadable, match="'s@v3', which it does not name"):
        judge_experiment(experiment, [good().model_copy(update={"variant": "v3"})])


NI = {"pass.rate": Bound(non_inferiority=NonInferiority(margin=0.05))}


@pytest.mark.parametrize(
    ("before", "after", "word", "code"),
    [
        (many(200), many(200), "pass", PASS),
        (many(20), many(20), "inconclusive", ExitCode.INCONCLUSIVE),
        (many(200), many(150, 50), "fail", FAIL),
        (many(200), many(193, 7), "inconclusive", ExitCode.INCONCLUSIVE),
        (many(100, 100), many(160, 40), "pass", PASS),
    ],
    ids=["same, enough cases", "same, too few cases", "clearly worse", "perhaps worse", "better"],
)
def test_non_inferiority(before: list[Trial], after: list[Trial], word: str, code: ExitCode) -> None:
    """Enough cases show that nothing got worse or that it did; with too few the gate says how many would settle it."""
    found = compared(before, after, NI)

    assert (found.verdict, found.exit_code) == (word, code)
    assert ("would settle it" in " ".join(found.reasons)) == (word == "inconclusive")


def test_a_missing_case_of_the_baseline_fails() -> None:
    """A case that the baseline has and the candidate lacks is named; under a selection it does not count; a new one is a note."""
    found = compared(many(3), many(2), {})
    assert (found.verdict, found.reasons) == ("fail", ("1 case of the baseline did not run: c2",))

    assert compared(many(3), many(2), {}, selected=True).verdict == "pass"
    assert "1 case not in the baseline: c2" in compared(many(2), many(3), {}).notes


def test_no_shared_case_is_no_comparison() -> None:
    """Where every case has another name nothing was compared, so nothing passes."""
    found = compared(many(3), many(3, of="d"), {}, selected=True)

    assert found.exit_code == NOTHING
    assert "no case is in the baseline too" in found.reasons[0]


def test_what_the_baseline_is_is_said() -> None:
    """The notes name the baseline's experiment and commit, and that it was forced."""
    forced = against(many(1))
    forced.baseline = forced.baseline.model_copy(update={"forced": True})

    notes = judge(suite(1), Tally(many(1)), against=forced).notes

    assert "compared with the baseline of experiment b at commit 0123456789" in notes
    assert "the baseline was blessed by force: its gate had not passed" in notes
