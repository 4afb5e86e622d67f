"""The figures of a suite."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import metric
from harness.cassette.miss import Miss
from harness.checks.fallback import fell_back
from harness.experiment import Outcome, Trial
from harness.metric import Metric, Tally, names
from harness.score import Score, failed, passed, unscored
from harness.tally import Failing
from harness.trace import Crash, NodeStep, Place, ToolCall, Trace, Usage, WireCall

GOOD = passed("ends", "ends")


def call(model: str = "small", status: int | None = 200, **fields: Any) -> WireCall:
    """Return a chat call that cost something, unless the fields say otherwise."""
    known = {"usage": Usage(input_tokens=80, output_tokens=20), "cost_usd": 0.001} if status == 200 else {}
    return WireCall(
        place=Place(node="n", step=1), kind="chat", source="replay", url="https://x/v1", model=model, status=status, **(known | fields)
    )


def trial(
    case: str = "a", outcome: Outcome = "pass", *, trace: Trace | None = None, scores: tuple[Score, ...] | None = None, **fields: Any
) -> Trial:
    """Return a trial whose scores fit its outcome, unless they are given."""
    usual: dict[Outcome, tuple[Score, ...]] = {
        "fail": (failed("ends", "ends", "wanted answer"),),
        "error": (failed("ends", "ends", "crashed"),),
    }
    usual |= {"unscored": (unscored("judge", "judge", "no reference"),), "stale": ()}
    found = usual.get(outcome, (GOOD,)) if scores is None else scores
    return Trial(suite="s", variant="default", case=case, outcome=outcome, trace=trace or Trace(), scores=found, **fields)


def route(expected: str, actual: str | None, router: str = "classify") -> Score:
    """Return the score of one routing decision."""
    make = passed if expected == actual else failed
    return make("route", f"route.{router}", reason=f"expected {expected}", router=router, expected=expected, actual=actual)


def tool(error: str | None = None) -> ToolCall:
    """Return one execution of a tool."""
    return ToolCall(place=Place(), name="search", args={}, error=error)


def value(tally: Tally, name: str) -> float | None:
    """Return one figure."""
    return tally.metric(name).value


def test_route_accuracy_counts_decisions_not_trials() -> None:
    """Each router's decisions count on their own and together."""
    tally = Tally(
        [
            trial("a", scores=(route("x", "x"), route("p", "q", "second"))),
            trial("b", scores=(route("x", "y"),)),
            trial("c", scores=(route("x", "x"),)),
        ]
    )
    assert value(tally, "route.accuracy") == 0.5
    assert value(tally, "route.classify.accuracy") == 0.666666666667
    assert value(tally, "route.second.accuracy") == 0.0
    assert tally.routing.routers == ("classify", "second")


def test_confusion_names_a_decision_that_was_not_made() -> None:
    """A router that never decided is `(none)`, not left out."""
    tally = Tally([trial("a", "error", scores=(route("x", None),)), trial("b", scores=(route("x", "x"),))])
    assert tally.routing.confusion("classify").counts == ((("x", "(none)"), 1), (("x", "x"), 1))
    assert tally.routing.confusion("unknown").counts == ()


def test_crashed_trials_stay_in_the_denominator() -> None:
    """A crash counts as wrong in the accuracy, through its own failing score."""
    tally = Tally([trial("a", "error", scores=(route("x", None),)), trial("b", scores=(route("x", "x"),))])
    assert value(tally, "route.accuracy") == 0.5
    assert value(tally, "route.pass_rate") == 0.5
    assert value(tally, "error.rate") == 0.5
    assert value(tally, "pass.rate") == 0.5


def test_pass_rate_of_a_check_counts_trials() -> None:
    """A check passes a trial if one of its scores passed and none failed; an unscored one is no evidence."""
    good, bad, silent = passed("tone", "tone"), failed("tone", "tone", "rude"), unscored("tone", "tone", "no text")
    tally = Tally([trial("a", scores=(good, good)), trial("b", "fail", scores=(good, bad)), trial("c", scores=(GOOD, silent))])
    assert value(tally, "tone.pass_rate") == 0.5
    assert tally.unscored_checks == {"tone": (("c",), "no text")}


def test_stale_trials_have_no_scores() -> None:
    """What a stale trial scored or spent is no evidence: the figure is null, with the reason."""
    tally = Tally([trial("a", "stale", scores=(route("x", "y"),), trace=Trace(calls=(call(),)))])
    assert value(tally, "stale.rate") == 1.0
    assert value(tally, "pass.rate") == 0.0
    others = {name for name, found in tally.metrics().items() if found.value is not None}
    assert others == {"stale.rate", "pass.rate"}
    assert tally.metric("route.accuracy") == Metric(reason="every trial is stale")
    assert tally.metric("cost_usd.mean") == Metric(reason="every trial is stale")


def test_unscored_trials_are_no_evidence_but_were_paid_for() -> None:
    """An unscored trial is in the totals and in no mean."""
    tally = Tally([trial("a", trace=Trace(calls=(call(), call()))), trial("b", "unscored", trace=Trace(calls=(call(),)))])
    assert value(tally, "tokens.mean") == 200.0
    assert value(tally, "tokens.total") == 300.0
    assert value(tally, "model_calls.mean") == 2.0
    assert value(tally, "unscored.rate") == 0.5


def test_a_crash_makes_no_figure_look_better() -> None:
    """What went well before a crash is in no mean and no share; what it spent is in the totals."""
    bad = trial("a", "fail", scores=(route("x", "y"),), trace=Trace(calls=(call(), call()), duration_s=9.0, ends="limit"))
    other = [trial("b", trace=Trace(tools=(tool("broken"),), duration_s=9.0)), trial("c", "unscored")]
    smooth = Trace(calls=(call(),), tools=(tool(), tool()), duration_s=1.0, ends="error")
    before, after = Tally([bad, *other]), Tally([bad, *other, trial("d", "error", scores=(route("x", "x"),), trace=smooth)])

    changed = {name for name, value in after.figures().items() if value != before.figures()[name]}
    assert changed == {"error.rate", "pass.rate", "cost_usd.total", "tokens.total"}
    assert value(after, "tokens.total") == 300.0


def test_what_went_wrong_in_a_crash_counts() -> None:
    """Failed checks and tools, refused requests and a fallback of a crashed trial are evidence, each once more."""
    refused = Trace(calls=(call(status=429), call("other")), tools=(tool(), tool("broken")), ends="error")
    fine = trial("a", scores=(route("x", "x"),), trace=Trace(calls=(call(),), tools=(tool(),)))
    tally = Tally([fine, trial("b", "error", scores=(route("x", None),), trace=refused)])

    rates = ("route.accuracy", "tool_failure.rate", "rate_limited.rate", "fallback.rate")
    assert [value(tally, name) for name in rates] == [0.5, 0.5, 0.5, 0.5]
    assert value(tally, "limit_hit.rate") == 0.0


def test_what_passed_in_an_unscored_trial_is_no_evidence() -> None:
    """A right decision of a trial that could not be measured in full does not raise the accuracy."""
    half = trial("b", "unscored", scores=(route("x", "x"), unscored("judge", "judge", "no reference")))
    tally = Tally([trial("a", "fail", scores=(route("x", "y"),)), half])

    assert value(tally, "route.accuracy") == 0.0
    assert tally.unscored_checks == {"judge": (("b",), "no reference")}


def test_a_crash_does_not_hide_unscored_trials() -> None:
    """The share of unscored trials is that of the trials that neither crashed nor are stale."""
    tally = Tally([trial("a"), trial("b", "unscored"), trial("c", "error"), trial("d", "stale")])
    assert value(tally, "unscored.rate") == 0.5
    assert value(Tally([trial("c", "error")]), "unscored.rate") == 0.0


def test_no_trial_gives_no_figure() -> None:
    """Every figure of nothing is null with a reason."""
    found = Tally().metrics()
    assert all(one.value is None and one.reason for one in found.values())
    assert set(metric.NAMES) <= set(found)


def test_durations_are_quantiles_over_trials() -> None:
    """The quantiles are those of the virtual durations."""
    tally = Tally(trial(f"case-{seconds}", trace=Trace(duration_s=float(seconds))) for seconds in range(101))
    assert [value(tally, name) for name in ("duration_s.p50", "duration_s.p95", "duration_s.p99")] == [50.0, 95.0, 99.0]


def test_a_trial_in_real_time_makes_durations_null() -> None:
    """Durations say what they lack."""
    tally = Tally([trial("a", trace=Trace(duration_s=1.0)), trial("b")])
    assert tally.metric("duration_s.p95") == Metric(reason="1 trial ran in real time, whose durations are no figures")
    assert tally.metric("ttft_s.p50") == Metric(reason="the recordings do not say when the first token came")


def test_unknown_cost_makes_every_cost_null() -> None:
    """One trial of unknown cost hides the figure and names the model."""
    tally = Tally([trial("a", trace=Trace(calls=(call(),))), trial("b", trace=Trace(calls=(call("exotic", cost_usd=None),)))])
    for name in ("cost_usd.mean", "cost_usd.total", "cost_usd.p95"):
        assert tally.metric(name) == Metric(reason="cost unknown in 1 of 2 trials: 'exotic'")
    assert value(tally, "tokens.total") == 200.0


def test_unknown_tokens_make_tokens_null() -> None:
    """One call without usage hides the tokens and names the model."""
    tally = Tally([trial(trace=Trace(calls=(call(usage=None), call("b", usage=None))))])
    assert tally.metric("tokens.mean") == Metric(reason="tokens unknown in 1 of 1 trial: 'b', 'small'")


def test_amounts() -> None:
    """Means, totals, the 95th percentile and the largest."""
    steps = tuple(NodeStep(place=Place(node="n", step=step)) for step in (1, 2, 3))
    busy = Trace(
        calls=(call(), call(status=429), call()),
        tools=(ToolCall(place=Place(), name="t"), ToolCall(place=Place(), name="t", error="x")),
        steps=steps,
    )
    tally = Tally([trial("a", trace=busy), trial("b")])
    expected = {
        "cost_usd.mean": 0.001,
        "cost_usd.total": 0.002,
        "cost_usd.p95": 0.0019,
        "tokens.mean": 100.0,
        "tokens.total": 200.0,
        "model_calls.mean": 1.5,
        "tool_calls.mean": 1.0,
        "steps.mean": 1.5,
        "steps.max": 3.0,
        "tool_failure.rate": 0.5,
        "rate_limited.rate": 0.333333333333,
        "limit_hit.rate": 0.0,
    }
    assert {name: value(tally, name) for name in expected} == expected


def test_rates_over_calls_need_calls() -> None:
    """No call is no evidence about calls."""
    tally = Tally([trial()])
    assert tally.metric("tool_failure.rate").reason == "no trial called one of its tools"
    assert tally.metric("rate_limited.rate").reason == "no trial called one of its models"


def test_a_reached_limit_counts_in_its_rate() -> None:
    """A trial that reached the recursion limit is no crash."""
    tally = Tally([trial("a", "fail", trace=Trace(ends="limit")), trial("b")])
    assert value(tally, "limit_hit.rate") == 0.5
    assert value(tally, "error.rate") == 0.0
    assert tally.deciding("limit_hit.rate") == ("a",)
    assert tally.failing == {Failing("ends", "limit"): ("a",)}


@pytest.mark.parametrize(
    ("calls", "ends", "expected"),
    [
        ((), "answer", False),
        ((call("a"),), "answer", False),
        ((call("a"), call("b")), "answer", False),
        ((call("a", 429), call("a")), "answer", False),
        ((call("a", 429), call("a"), call("b")), "answer", False),
        ((call("a", 500), call("b")), "answer", True),
        ((call("a"), call("b", 500), call("a")), "answer", True),
        ((call("a", None, error="time-out"), call("a", None, error="time-out")), "answer", True),
        ((call("a"), call("b", 500)), "answer", True),
        ((call("a", 500),), "error", False),
        ((call("a", 500), call("b"), call("b", 500)), "error", True),
        ((call("a", 200, error="stream was cut"), call("b")), "answer", True),
    ],
)
def test_what_counts_as_a_fallback(calls: tuple[WireCall, ...], ends: Any, *, expected: bool) -> None:
    """Going on without the model that was asked is a fallback; a retry that it answers and a second model are not."""
    assert fell_back(calls, crashed=ends == "error") is expected


def test_a_metric_nobody_measured_says_so() -> None:
    """A check or router without a score is null; a name that is no metric is told apart."""
    tally = Tally([trial()])
    assert tally.metric("tone.pass_rate").reason == "no trial has a score of check 'tone'"
    assert tally.metric("route.x.accuracy").reason == "no trial has a score of check 'route' for router 'x'"
    assert tally.metric("speed").reason == "there is no metric 'speed'"


def test_calibration_is_measured_where_decisions_have_a_confidence() -> None:
    """The error counts the decisions that say how sure they are; without any it has no value, and says what to write."""
    sure, unsure = (
        passed("route", "route.x", router="x", expected="a", confidence=0.9),
        failed("route", "route.x", "wrong", router="x", expected="a", confidence=0.3),
    )
    tally = Tally([trial("a", scores=(sure,)), trial("b", "fail", scores=(unsure,)), trial("c", scores=(route("p", "p", "y"),))])
    assert value(tally, "route.x.ece") == pytest.approx(0.2)
    assert tally.routing.calibration("x").decisions == 2
    assert tally.deciding("route.x.ece") == ()
    assert tally.metric("route.y.ece").value is None
    assert "`confidence` in the config" in tally.metric("route.y.ece").reason


def test_failures_are_bounded_and_do_not_depend_on_order() -> None:
    """The first 200 by case are kept, whatever came first; all cases stay counted."""
    trials = [trial(f"c{number:04}", "fail") for number in range(500)]
    shuffled = trials[::-2] + trials[::2]
    assert Tally(shuffled).failures == Tally(trials).failures
    assert len(Tally(trials).failures) == 200
    assert Tally(trials).failures[0].case == "c0000"
    assert len(Tally(trials).cases("fail")) == 500


def test_failures_say_why() -> None:
    """A crash, a miss and a failed check each give their reason."""
    crash = Trace(ends="error", crash=Crash(type="KeyError", message="'x'", node="n"))
    miss = Miss(place=Place(node="n", step=1), request="POST /", cause="the model changed")
    tally = Tally([trial("a", "error", trace=crash), trial("b", "stale", misses=(miss,)), trial("c", "fail")])
    assert [failure.reason for failure in tally.failures] == [
        "KeyError in node 'n': 'x'",
        "node 'n' (step 1) asked for something that is not on the cassette: the model changed",
        "ends: wanted answer",
    ]


def test_missing_counts_cases_and_repeats() -> None:
    """Absent cases are counted, cases without all repeats are named, a duplicate hides neither."""
    tally = Tally([trial("a"), trial("a", repeat=2), trial("b"), trial("c"), trial("c", repeat=2), trial("c", repeat=2)])
    assert tally.missing(4, 2) == (3, ("b",))
    assert tally.repeats == 2


def test_names_hold_routers_and_checks() -> None:
    """A suite's metric names are the fixed ones and those of its routers and checks; `ends` is always one."""
    found = names(["classify"], ["tone"])
    assert {"route.classify.accuracy", "route.classify.ece", "tone.pass_rate", "ends.pass_rate", "pass.rate"} <= set(found)
    assert set(Tally([trial()]).metrics()) <= set(names([], []))


@st.composite
def trials(draw: st.DrawFn) -> list[Trial]:
    """Return trials of every outcome with awkward amounts."""
    outcomes = draw(st.lists(st.sampled_from(["pass", "fail", "error", "stale", "unscored"]), max_size=12))
    return [_drawn(draw, number, outcome) for number, outcome in enumerate(outcomes)]


def _drawn(draw: st.DrawFn, number: int, outcome: Any) -> Trial:
    costs = draw(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=3))
    calls = tuple(call(draw(st.sampled_from("ab")), draw(st.sampled_from([200, 429])), cost_usd=cost) for cost in costs)
    scores = {"pass": (route("x", "x"),), "fail": (route("x", draw(st.sampled_from("yz"))),)}.get(outcome)
    return trial(f"c{number % 5}", outcome, trace=Trace(calls=calls, text="x" * number), scores=scores)


@settings(deadline=None)
@given(trials(), st.randoms(use_true_random=False))
def test_the_order_of_trials_changes_nothing(found: list[Trial], order: random.Random) -> None:
    """Any permutation gives the same figures, reasons and failing cases."""
    shuffled = order.sample(found, len(found))
    one, other = Tally(found), Tally(shuffled)
    assert one.metrics() == other.metrics()
    assert one.failures == other.failures
    assert one.failing == other.failing
    assert one.unscored_checks == other.unscored_checks
    assert one.routing.confusion("classify") == other.routing.confusion("classify")


@settings(deadline=None)
@given(trials())
def test_every_null_has_a_reason_and_every_share_is_one(found: list[Trial]) -> None:
    """A figure is a number or has a reason; shares lie in 0..1."""
    for name, one in Tally(found).metrics().items():
        assert (one.value is None) == bool(one.reason)
        if one.value is not None and name.endswith(("rate", "accuracy")):
            assert 0 <= one.value <= 1
