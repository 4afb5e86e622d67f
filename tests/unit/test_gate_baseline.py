"""The gate against a baseline, as a truth table; every way to pass because nothing was compared; quarantine; the preset."""

import datetime as dt
from pathlib import Path

import pytest
from trials import against, bad, compared, crashed, good, limited, many, paid, stale, suite, trial, verdict

from harness.baseline import Baseline
from harness.errors import ExitCode, ExperimentUnreadable
from harness.experiment import OVER_BUDGET, Experiment, LiveAttempt
from harness.gate import judge, judge_experiment, judge_trials, left_to_bounds
from harness.metric import Tally
from harness.score import failed, passed
from harness.terms import PRESETS, Bound, Gate, NonInferiority, Quarantine
from harness.trace import Place, ToolCall, Trace

PASS, FAIL, CRASHED, STALE, NOTHING = ExitCode.PASS, ExitCode.GATE_FAILED, ExitCode.CRASHED, ExitCode.STALE, ExitCode.NOTHING_RAN
UNCLEAR = ExitCode.INCONCLUSIVE
GOOD, HALF, NONE = many(200), many(100, 100), many(0, 200)
WITHIN = {"pass.rate": Bound(non_inferiority=NonInferiority(margin=0.05))}
TOLERANT = {"error.rate": Bound(max=1.0), "unscored.rate": Bound(max=1.0)}


def drop(by):
    """Return a gate in which the pass rate may fall by so much."""
    return {"pass.rate": Bound(max_drop=by)}


def unscored(case="u"):
    """Return a trial that no check could measure."""
    return trial(case, "unscored")


def others(trials):
    """Return the same trials of cases of other names."""
    return [one.model_copy(update={"case": f"other-{one.case}"}) for one in trials]


def costing(*dollars):
    """Return a case for each of these costs."""
    return [paid(f"c{number}", each) for number, each in enumerate(dollars)]


TABLE = [
    # what happened, the baseline's trials, the candidate's, the gate, the verdict, the exit code
    ("the same passes without a bound", GOOD, GOOD, {}, "pass", PASS),
    ("a failure fails without a bound, whatever the baseline", HALF, HALF, {}, "fail", FAIL),
    ("the same passes within a drop", HALF, HALF, drop(0.0), "pass", PASS),
    ("a rise is no drop", HALF, GOOD, drop(0.0), "pass", PASS),
    ("a small drop passes", GOOD, many(198, 2), drop(0.02), "pass", PASS),
    ("a drop of just as much passes", GOOD, many(196, 4), drop(0.02), "pass", PASS),
    ("a larger drop fails", GOOD, many(195, 5), drop(0.02), "fail", FAIL),
    ("a drop to nothing fails", GOOD, NONE, drop(0.5), "fail", FAIL),
    ("min holds beside a drop", HALF, HALF, {"pass.rate": Bound(min=0.6, max_drop=0.5)}, "fail", FAIL),
    ("a bound on one check covers no other", many(1), [bad("c0", "tone")], {"route.accuracy": Bound(max_drop=1.0)}, "fail", FAIL),
    ("a cost that rose within the bound passes", costing(1.0), costing(1.05), {"cost_usd.mean": Bound(max_rise_pct=10)}, "pass", PASS),
    ("a cost that rose beyond it fails", costing(1.0), costing(1.2), {"cost_usd.mean": Bound(max_rise_pct=10)}, "fail", FAIL),
    ("a cost that is no longer known fails", costing(1.0), costing(None), {"cost_usd.mean": Bound(max_rise_pct=10)}, "fail", FAIL),
    ("a cost that was not known is skipped", costing(None), costing(9.0), {"cost_usd.mean": Bound(max_rise_pct=10)}, "pass", PASS),
    (
        "a crash does not make a rise go away",
        costing(1.0, 1.0),
        [paid("c0", 2.0), crashed("c1")],
        TOLERANT | {"pass.rate": Bound(min=0.0), "cost_usd.mean": Bound(max_rise_pct=10)},
        "fail",
        FAIL,
    ),
    ("what the baseline lacks covers nothing", many(1), [bad("c0", "tone")], {"tone.pass_rate": Bound(max_drop=1)}, "fail", FAIL),
    ("no worse, and cases enough to show it", GOOD, GOOD, WITHIN, "pass", PASS),
    ("no worse, and too few cases", many(20), many(20), WITHIN, "inconclusive", UNCLEAR),
    ("perhaps worse", GOOD, many(193, 7), WITHIN, "inconclusive", UNCLEAR),
    ("certainly worse", GOOD, many(150, 50), WITHIN, "fail", FAIL),
    ("better", HALF, many(160, 40), WITHIN, "pass", PASS),
    ("a crash is an error, whatever is shown", GOOD, [*GOOD[1:], crashed("c0")], WITHIN, "error", CRASHED),
    ("crashes count as not passed", GOOD, [*GOOD[50:], *(crashed(f"c{n}") for n in range(50))], TOLERANT | WITHIN, "fail", FAIL),
    ("what is unscored counts as not passed", GOOD, [*GOOD[50:], *(unscored(f"c{n}") for n in range(50))], TOLERANT | WITHIN, "fail", FAIL),
    ("stale is stale, whatever is shown", GOOD, [*GOOD[1:], stale("c0")], WITHIN, "stale", STALE),
    ("a stale case is stale within a drop", GOOD, [*GOOD[1:], stale("c0")], drop(1.0), "stale", STALE),
    ("a missing case fails", GOOD, GOOD[1:], WITHIN, "fail", FAIL),
    ("a new case does not count against the baseline", GOOD, [*GOOD, good("new")], drop(0.0), "pass", PASS),
    ("a new case that fails is within the bound", GOOD, [*GOOD, bad("new")], drop(0.0), "pass", PASS),
    (
        "a rate that no single case has is compared though there is a new case",
        [limited("c0"), *many(9)[1:]],
        [limited("c0"), limited("c1"), *many(9)[2:], good("new")],
        {"ends.pass_rate": Bound(min=0.0), "limit_hit.rate": Bound(max_rise_pct=0)},
        "fail",
        FAIL,
    ),
    ("a new case that fails breaks min", GOOD, [*GOOD, bad("new")], {"pass.rate": Bound(min=1.0, max_drop=0.0)}, "fail", FAIL),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "gate", "word", "code"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_truth_table(before, after, gate, word, code):
    """Each row is one rule of the gate against a baseline."""
    found = compared(before, after, gate)

    assert (found.verdict, found.exit_code) == (word, code)
    assert word == "pass" or found.reasons


EMPTY_WAYS = [
    ("no trial ran", many(3), []),
    ("every case has another name", many(3), others(many(3))),
    ("the baseline has no case", [], many(3)),
    ("nothing could be scored", many(3), [unscored(f"c{n}") for n in range(3)]),
    ("everything is stale", many(3), [stale(f"c{n}") for n in range(3)]),
    ("everything crashed", many(3), [crashed(f"c{n}") for n in range(3)]),
    ("a case of the baseline is missing", many(3), many(2)),
]
GATES = {
    "no bound": {},
    "tolerant bounds": TOLERANT | {"pass.rate": Bound(min=0.0), "stale.rate": Bound(max=1.0)},
    "relative bounds": TOLERANT | {"pass.rate": Bound(max_drop=1.0), "cost_usd.mean": Bound(max_rise_pct=1000)},
    "non-inferiority": TOLERANT | {"pass.rate": Bound(non_inferiority=NonInferiority(margin=0.99))},
}


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
@pytest.mark.parametrize(("before", "after"), [row[1:] for row in EMPTY_WAYS], ids=[row[0] for row in EMPTY_WAYS])
def test_nothing_passes_because_nothing_was_compared(before, after, gate):
    """However much the bounds allow, a suite without evidence does not exit with 0, even where inconclusive is forgiven."""
    asked, tally = suite(len({one.case for one in after}), gate=gate), Tally(after)

    for forgiving in (False, True):
        found = judge(asked, tally, against=against(before, after=after), forgiving=forgiving)
        assert found.exit_code is not PASS
        assert found.reasons


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_a_selection_without_a_shared_case_is_no_comparison(gate):
    """Under a selection a missing case is no matter, but some case has to be in the baseline too."""
    assert compared(many(3), others(many(1)), gate, selected=True).exit_code is NOTHING
    assert compared(many(3), many(1), {}, selected=True).exit_code is PASS


def test_a_share_that_the_baseline_measured_in_no_shared_case():
    """A non-inferiority that has a figure but no pair of cases is no pass, whatever is forgiven."""
    found = judge(
        suite(1, gate={"tone.pass_rate": Bound(non_inferiority=NonInferiority(margin=0.9))}),
        Tally([good("c0")]),
        against=against(many(1), {"tone.pass_rate": 1.0}, many(1)),
        forgiving=True,
    )

    assert found.exit_code is not PASS


def baseline_of(name):
    """Return a baseline of one passing case, of a suite of this name."""
    made = against(many(1)).baseline
    provenance = made.standings.provenance.model_copy(update={"suite": name})
    return made.model_copy(update={"standings": made.standings.model_copy(update={"provenance": provenance})})


def test_the_baseline_of_another_suite_is_refused():
    """A baseline that was made of another suite is an error with both names, not a comparison."""
    head = Experiment(id="x", started_at="t", suites=(suite(1),))

    with pytest.raises(ExperimentUnreadable, match="the baseline of suite 's' is one of 'other'; bless an experiment of 's'"):
        judge_experiment(head, many(1), baselines={"s": baseline_of("other")})
    with pytest.raises(ExperimentUnreadable, match="one of 'other'"):
        judge_trials(suite(1), many(1), baseline_of("other"))
    assert judge_trials(suite(1), many(1), baseline_of("s")).exit_code is PASS


def test_routers_with_several_decisions_are_compared_by_case():
    """A selected part of a suite that did just the same has not dropped, though its cases make unequally many decisions."""
    right = passed("route", "route.r", router="r", expected="x", actual="x")
    wrong = failed("route", "route.r", "wrong", router="r", expected="x", actual="y")
    trials = [trial("a", "fail", right, right, right, wrong), trial("b", "fail", wrong), good("c")]
    gate = {"route.accuracy": Bound(max_drop=0.0)}

    assert compared(trials, trials[:2], gate, selected=True).verdict == "pass"
    assert compared(trials, [*trials, good("d")], gate).verdict == "pass"


def test_a_repeat_that_is_not_scored_counts_as_not_passed():
    """Of two repeats one that could not be scored halves the share of its case, whatever the check said where it could."""
    twice = [good("c0"), good("c0").model_copy(update={"repeat": 2})]
    once = [good("c0"), unscored("c0").model_copy(update={"repeat": 2})]
    gate = TOLERANT | {"route.accuracy": Bound(max_drop=0.4)}

    assert compared(twice, once, gate, repeats=2).reasons[0].startswith("route.accuracy fell from 1 to 0.5, more than max_drop 0.4")
    assert compared(twice, twice, gate, repeats=2).verdict == "pass"


def test_an_old_baseline_is_noted():
    """After 30 days the verdict says how old the baseline is; it decides nothing."""
    beside = against(many(1))
    beside.baseline = Baseline(**{**dict(beside.baseline), "finished_at": "2026-10-01T12:00:00+00:00"})

    fresh, old = (judge(suite(1), Tally(many(1)), against=beside, today=dt.date(2026, *day)) for day in ((10, 31), (11, 1)))

    assert not any("days old" in note for note in fresh.notes)
    assert "the baseline is 31 days old; `harness bless EXPERIMENT` makes a newer experiment the baseline" in old.notes
    assert (fresh.verdict, old.verdict) == ("pass", "pass")


def test_an_old_experiment_is_noted():
    """So is the age of a stored experiment that is judged again."""
    head = Experiment(id="x", started_at="t", finished_at="2026-10-01T12:00:00+00:00", suites=(suite(1),))

    fresh, old = (judge_experiment(head, many(1), today=dt.date(2026, *day))[0].verdict for day in ((10, 31), (11, 1)))

    assert (fresh.notes, old.notes) == ((), ("the experiment is 31 days old; run the suite again to judge what there is now",))


def test_a_failure_may_be_left_to_a_bound_that_needs_a_baseline():
    """With a baseline that has the metric, a relative bound covers a failed case; without one it does not."""
    asked, baseline = suite(1, gate=drop(0.1)), against(many(1)).baseline

    assert left_to_bounds(asked, bad("c0"), baseline)
    assert not left_to_bounds(asked, bad("c0"))


def test_a_changed_dataset_is_noted():
    """Cases and checks that are not those of the baseline are noted."""
    notes = compared(many(1), many(1), {}, dataset_digest="other", checks=("route", "tone")).notes

    assert {"the dataset has changed since the baseline", "the checks have changed since the baseline"} <= set(notes)


WORSE = (
    "pass.rate fell by 25 points, more than the 5 points that non_inferiority allows: of 200 cases 0 got better and 50 worse, so the "
    "true change is between -30.3 and -20.3 points (90 % interval); worse: c150, c151, c152, c153, c154 and 45 more"
)
NOT_CLEAR = (
    "pass.rate fell by 3.5 points; whether it truly fell by more than the 5 points that non_inferiority allows is not clear yet: "
    "of 200 cases 0 got better and 7 worse, so the true change is between -6.3 and -1.9 points (90 % interval). 200 cases can show a true "
    "fall of 9.3 points or more; about 1,171 cases like these would settle it; worse: c193, c194, c195, c196, c197 and 2 more"
)


@pytest.mark.parametrize(("after", "sentence"), [(many(150, 50), WORSE), (many(193, 7), NOT_CLEAR)], ids=["worse", "not clear"])
def test_what_non_inferiority_says(after, sentence):
    """The sentence says what was seen, what it means, in which cases, how sure that is, and what would settle it."""
    found = compared(GOOD, after, WITHIN)

    assert found.reasons == (sentence,)
    assert found.cases == tuple(f"c{number}" for number in range(len(GOOD)) if after[number].outcome == "fail")


def test_the_documented_sentence():
    """The document on gates shows what the gate says."""
    text = (Path(__file__).parents[2] / "docs" / "gates.md").read_text("utf-8")

    assert NOT_CLEAR in " ".join(text.split())


def test_what_non_inferiority_says_of_a_pass():
    """What was shown is noted; with next to no case the gate says that it can show nothing."""
    assert compared(GOOD, GOOD, WITHIN).notes[0] == (
        "pass.rate did not change, and did not fall by more than the 5 points that non_inferiority allows: of 200 cases 0 got better and 0 "
        "worse, so the true change is between -1.3 and +1.3 points (90 % interval)"
    )
    assert "1 case cannot show any fall; about 52 cases like these would settle it" in compared(many(1), many(1), WITHIN).reasons[0]


DAY = dt.date(2026, 12, 31)
FLAKY = {"c0": Quarantine(owner="ada", reason="the judge contradicts itself", until=DAY)}


def in_quarantine(first, gate=None, *, today=DAY, rest=2, quarantine=FLAKY):
    """Return the verdict of a suite whose first case is in quarantine."""
    trials = [first, *many(rest + 1)[1:]]
    asked = suite(len(trials), gate=gate or {}, quarantine=quarantine)
    return judge(asked, Tally(trials, quarantined=asked.quarantined(today)), today=today)


@pytest.mark.parametrize(
    ("first", "came_to"),
    [(bad("c0"), "it failed"), (crashed("c0"), "it crashed"), (limited("c0"), "it failed"), (good("c0"), "it passed")],
    ids=["failed", "crashed", "limit", "passed"],
)
def test_a_quarantined_case_does_not_decide(first, came_to):
    """Until its day the case neither fails the gate nor goes unmentioned."""
    found = in_quarantine(first, {"route.accuracy": Bound(min=1.0), "limit_hit.rate": Bound(max=0.0)})

    assert (found.verdict, found.reasons) == ("pass", ())
    assert found.notes == (
        f"case 'c0' is in quarantine until 2026-12-31 (owner ada: the judge contradicts itself): {came_to}; that decides nothing",
    )


def test_a_quarantine_expires():
    """The day after, the case decides again, and the verdict says whose it is."""
    found = in_quarantine(bad("c0"), today=dt.date(2027, 1, 1))

    assert (found.verdict, found.reasons) == ("fail", ("check 'route' failed in 1 case: c0",))
    assert found.notes == (
        (
            "the quarantine of case 'c0' expired on 2026-12-31 (owner ada: the judge contradicts itself): "
            "it decides again; mend it, or renew it"
        ),
    )
    assert in_quarantine(good("c0"), today=dt.date(2027, 1, 1)).verdict == "pass"


def test_without_a_day_no_quarantine_counts():
    """Where nobody says what day it is, nothing is forgiven."""
    assert in_quarantine(bad("c0"), today=None).verdict == "fail"


NEVER = {
    "stale": (stale("c0"), STALE),
    "unscored": (unscored("c0"), FAIL),
    "over its budget": (trial("c0", "fail", failed(OVER_BUDGET, OVER_BUDGET, "stopped")), ExitCode.BUDGET),
    "a connection": (crashed("c0").model_copy(update={"live": (LiveAttempt(place=Place(), address="h:1"),)}), CRASHED),
}


@pytest.mark.parametrize(("first", "code"), NEVER.values(), ids=NEVER)
def test_what_a_quarantine_never_forgives(first, code):
    """A stale or unscored trial, one over its budget and one that tried to connect decide as ever."""
    assert in_quarantine(first).exit_code is code


def test_a_missing_quarantined_case_is_missing():
    """A case in quarantine has to run, too."""
    asked = suite(2, quarantine=FLAKY)

    assert judge(asked, Tally([good("c1")], quarantined=asked.quarantined(DAY)), today=DAY).reasons == ("1 of 2 trials did not run",)


def test_a_suite_all_in_quarantine_does_not_pass():
    """Whether they passed or not, somebody else has to be there to decide."""
    for first in (bad("c0"), good("c0")):
        found = in_quarantine(first, {"pass.rate": Bound(min=0.0)}, rest=0)
        assert found.exit_code is NOTHING
        assert found.reasons == ("no trial passed or failed but for cases in quarantine, so the suite cannot pass",)


def test_repeats_of_a_quarantined_case_are_counted():
    """The note counts how its repeats ended."""
    repeats = [make("c0").model_copy(update={"repeat": number + 1}) for number, make in enumerate((good, bad, bad, crashed))]
    asked = suite(1, quarantine=FLAKY)

    notes = judge(asked, Tally(repeats, quarantined=asked.quarantined(DAY)), repeats=4, today=DAY).notes

    assert "of 4 trials 2 failed, 1 crashed, 1 passed; that decides nothing" in notes[0]


def test_a_quarantined_case_is_not_compared():
    """Neither a point bound nor non-inferiority counts what the case did on either side."""
    after = [bad("c0"), *GOOD[1:]]

    for gate in (drop(0.0), {"route.accuracy": Bound(max_drop=0.0)}, WITHIN):
        assert compared(GOOD, after, gate, today=DAY, quarantine=FLAKY).verdict == "pass"
    assert compared(many(1), [bad("c0")], drop(0.0), today=DAY, quarantine=FLAKY).exit_code is NOTHING


PRODUCTION = Gate(preset="production")


def timed(case, seconds, dollars):
    """Return a passing trial that took so long and cost so much."""
    found = paid(case, dollars)
    return found.model_copy(update={"trace": found.trace.model_copy(update={"duration_s": seconds})})


def produced(trials, gate=PRODUCTION):
    """Return the verdict of a suite with the preset."""
    return verdict(trials, gate.bounds, unasked=gate.unasked)


def tool(error=None):
    """Return one execution of a tool."""
    return ToolCall(place=Place(), name="search", args={}, error=error)


def using(*tools):
    """Return a passing trial that executed these tools."""
    return trial("t", "pass", passed("ends", "ends"), trace=Trace(tools=tools, duration_s=1.0))


ALERTS = {
    "slow": ([timed("a", 31.0, 0.0)], "duration_s.p99 is 31, above max 30"),
    "crashes": ([*many(18), crashed()], "error.rate is 0.0526316, above max 0.05: 1 of 19 measured trials crashed: e"),
    "dear": ([timed("a", 3.0, 0.05)], "cost_usd.per_hour is 60, above max 50"),
    "tools": ([using(*[tool()] * 7, tool("timed out"))], "tool_failure.rate is 0.125, above max 0.1: t"),
    "limits": ([*many(90), limited()], "limit_hit.rate is 0.010989, above max 0.01: l"),
}


@pytest.mark.parametrize(("trials", "reason"), ALERTS.values(), ids=ALERTS)
def test_the_preset_alerts(trials, reason):
    """Each figure of the preset stops a deploy that is beyond it."""
    assert produced(trials).reasons == (reason,)


def test_within_the_preset():
    """What stays within the figures passes, though a trial crashed and one reached its limit."""
    assert produced([*many(120), crashed(), limited()]).verdict == "pass"


def test_what_a_preset_cannot_measure_is_a_note():
    """A bound that only the preset asks for and that has nothing to hold is a note; the user's own fails."""
    found = produced([timed("a", 1.0, None)])
    assert found.verdict == "pass"
    assert found.notes == (
        "the preset's bound of cost_usd.per_hour is not evaluated: cost unknown in 1 of 1 trial: 'm'",
        "the preset's bound of tool_failure.rate is not evaluated: no trial called one of its tools",
    )

    own = Gate.model_validate({"preset": "production", "tool_failure.rate": {"max": 0.2}})
    assert produced([timed("a", 1.0, 0.0)], own).reasons == (
        "tool_failure.rate has no value, so its bound cannot hold: no trial called one of its tools",
    )


def test_a_bound_overrides_the_presets_part_by_part():
    """A part that is written down counts, another stays; metrics that the preset does not know are added."""
    gate = Gate.model_validate(
        {"preset": "production", "error.rate": {"max": 0.0}, "duration_s.p99": {"max_rise_pct": 5.0}, "pass.rate": {"min": 1}}
    )

    assert gate.bounds["error.rate"] == Bound(max=0.0)
    assert gate.bounds["duration_s.p99"] == Bound(max=30.0, max_rise_pct=5.0)
    assert gate.bounds.keys() == PRESETS["production"].keys() | {"pass.rate"}
    assert gate.unasked == ("cost_usd.per_hour", "limit_hit.rate", "tool_failure.rate")
    assert Gate().bounds == {}


def test_cost_per_hour():
    """It is the cost of trials that run one after another; without a known cost or duration it has no value, and says why."""
    tally = Tally([timed("a", 10.0, 0.1), timed("b", 30.0, 0.2), crashed()])
    assert tally.metric("cost_usd.per_hour").value == pytest.approx(0.3 / 40 * 3600)

    reasons = {
        "the trials took no time: the recordings do not say how long a call took": [timed("a", 0.0, 0.1)],
        "1 trial ran in real time, whose durations are no figures": [paid("a", 0.1)],
        "cost unknown in 1 of 1 trial: 'm'": [timed("a", 1.0, None)],
        "no trial is scored": [unscored()],
        "every trial that was measured crashed": [crashed()],
    }
    for reason, trials in reasons.items():
        assert Tally(trials).metric("cost_usd.per_hour").reason == reason
