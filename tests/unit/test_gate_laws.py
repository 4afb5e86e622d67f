"""The laws of the gate: what is worse never gets a better verdict, what is better never a worse one, and order does not matter.

The bounds are put just where they hold or break, and all else is tolerated, so that a law that does not hold shows.
"""

import datetime as dt
import math

from hypothesis import given, settings
from hypothesis import strategies as st
from trials import against, bad, crashed, good, limited, many, stale, suite, trial

from harness.gate import SEVERITY, judge
from harness.metric import Tally
from harness.score import failed, passed, unscored
from harness.terms import PRESETS, Bound, NonInferiority, Quarantine
from harness.trace import Place, ToolCall, Trace, Usage, WireCall

SHARES = ("pass.rate", "route.accuracy", "route.r.accuracy", "route.pass_rate", "ends.pass_rate")
MEANS = ("cost_usd.mean", "cost_usd.p95", "cost_usd.per_hour", "tokens.mean", "model_calls.mean", "tool_calls.mean")
MEANS += ("steps.mean", "steps.max", "duration_s.p50", "duration_s.p95", "duration_s.p99")
RATES = ("limit_hit.rate", "fallback.rate", "tool_failure.rate", "rate_limited.rate", "error.rate", "unscored.rate")
HIGH_IS_BAD = (*MEANS, *RATES, "cost_usd.total", "tokens.total", "route.r.ece")
TOLERANT = {"error.rate": Bound(max=1.0), "unscored.rate": Bound(max=1.0), "pass.rate": Bound(min=0.0)}
BASE = many(7, 3)
DAY = dt.date(2026, 12, 31)
FLAKY = {"c3": Quarantine(owner="ada", reason="flaky", until=DAY)}


def call(cost_usd, status=200):
    """Return a call of this cost that was answered, or one that was refused."""
    usage = Usage(input_tokens=5, output_tokens=5) if status == 200 else None
    return WireCall(place=Place(), kind="chat", source="replay", url="u", model="m", status=status, usage=usage, cost_usd=cost_usd)


NUMBERS = st.integers(0, 9)
TOOLS = st.lists(st.sampled_from([None, "timed out"]), max_size=3).map(
    lambda errors: tuple(ToolCall(place=Place(), name="search", args={}, error=error) for error in errors)
)
CALLS = st.lists(st.one_of(st.builds(call, NUMBERS.map(float)), st.just(call(None, 429))), max_size=3).map(tuple)
TRACES = st.builds(Trace, calls=CALLS, tools=TOOLS, duration_s=NUMBERS.map(lambda number: number + 1.0))
SURE = passed("route", "route.r", router="r", expected="x", actual="x", confidence=0.9)
ASTRAY = failed("route", "route.r", "wrong", router="r", expected="x", actual="y", confidence=0.1)
ENDS = passed("ends", "ends")


def ended(outcome, *scores, **trace):
    """Return a strategy of trials that ended so."""
    return st.builds(lambda found: trial("t", outcome, *scores, trace=found.model_copy(update=trace)), TRACES)


WHOLE = st.one_of(
    ended("pass", ENDS, SURE), ended("fail", ENDS, ASTRAY), ended("fail", failed("ends", "ends", "wanted answer, got limit"), ends="limit")
)
CRASHED = st.one_of(
    ended("error", failed("ends", "ends", "crashed"), SURE, ends="error"),
    ended("error", failed("ends", "ends", "crashed"), ASTRAY, ends="error"),
)
UNSCORED = ended("unscored", ENDS, SURE, unscored("judge", "judge", "no reference"))
TOLERABLE = st.one_of(WHOLE, WHOLE, CRASHED, UNSCORED)
WORTHLESS = st.one_of(CRASHED, UNSCORED, st.just(stale()))


def named(trials):
    """Return trials of a case each."""
    return [one.model_copy(update={"case": f"c{number}"}) for number, one in enumerate(trials)]


TRIALS = st.lists(TOLERABLE, min_size=1, max_size=6).map(named)
FULL = st.lists(TOLERABLE, min_size=10, max_size=10).map(named)
PLACES = st.integers(0, 9)


def judged(trials, gates, *, before=None, today=None, **fields):
    """Return the verdict of each gate on the same trials, against the baseline of those before where there are any."""
    asked = suite(**{"cases": len(trials), **fields})
    tally = Tally(trials, quarantined=asked.quarantined(today))
    beside = None if before is None else against(before, after=trials)
    return [judge(asked.model_copy(update={"gate": gate}), tally, against=beside, today=today) for gate in gates]


def severities(trials, gates, **fields):
    """Return how severe the verdict of each gate is: 0 is the worst."""
    return [SEVERITY.index(found.exit_code) for found in judged(trials, gates, **fields)]


def improved(gates, before, after):
    """Return the gates whose verdict became less severe."""
    return [gate for gate, first, then in zip(gates, before, after, strict=True) if then > first]


def at_the_edge(trials, *, broken):
    """Return gates of one bound each that the figures of these trials just break, or just meet."""
    figures = {name: value for name, value in Tally(trials).figures().items() if value is not None}
    by = 1e-6 if broken else 0.0
    yield from (TOLERANT | {name: Bound(min=figures[name] + by)} for name in SHARES if name in figures)
    yield from (TOLERANT | {name: Bound(max=figures[name] - by)} for name in HIGH_IS_BAD if name in figures)
    if broken:
        yield from (TOLERANT | {name: Bound(min=figures[name] + by)} for name in MEANS if name in figures)


def relative_at_the_edge(trials, *, broken):
    """Return gates of one bound each that these trials just break, or just meet, against the baseline."""
    by, beside = 1e-6 if broken else 0.0, against(BASE, after=trials)
    tolerant = {name: bound for name, bound in TOLERANT.items() if name != "pass.rate"} | {"pass.rate": Bound(min=0.0)}
    for name in SHARES:
        before, after = beside.before(name), beside.after(name)
        if before is not None and after is not None and before - after - by >= 0:
            yield tolerant | {name: Bound(max_drop=before - after - by, min=0.0)}
        yield from (tolerant | {name: Bound(non_inferiority=NonInferiority(margin=margin), min=0.0)} for margin in (0.05, 0.6))


@given(TRIALS, WORTHLESS)
@settings(max_examples=80)
def test_a_worthless_trial_never_improves_the_verdict(trials, new):
    """A case more that crashed, is stale or unscored mends no broken bound, whatever went well in it and is tolerated."""
    added, gates = [*trials, new.model_copy(update={"case": "new"})], list(at_the_edge(trials, broken=True))

    assert improved(gates, severities(trials, gates), severities(added, gates)) == []


@given(TRIALS, WORTHLESS, st.booleans())
@settings(max_examples=40)
def test_a_worthless_trial_never_improves_the_presets_verdict(trials, new, broken):
    """The same with bounds that only a preset asks for, which are not held where there is nothing to hold."""
    added, unasked = [*trials, new.model_copy(update={"case": "new"})], tuple(sorted(PRESETS["production"]))
    gates = [gate for gate in at_the_edge(trials, broken=broken) if gate.keys() & {*unasked}]

    assert improved(gates, severities(trials, gates, unasked=unasked), severities(added, gates, unasked=unasked)) == []


@given(FULL, WORTHLESS)
@settings(max_examples=30)
def test_a_worthless_trial_never_helps_against_a_baseline(trials, new):
    """The same for bounds that compare with a baseline, which has no such case."""
    added, gates = [*trials, new.model_copy(update={"case": "new"})], list(relative_at_the_edge(trials, broken=True))

    assert improved(gates, severities(trials, gates, before=BASE), severities(added, gates, before=BASE)) == []


@given(TRIALS)
@settings(max_examples=30)
def test_a_missing_trial_never_improves_the_verdict(trials):
    """A case that should have run and did not makes no verdict less severe, with or without a baseline that has it."""
    gates = list(at_the_edge(trials, broken=False))

    assert improved(gates, severities(trials, gates), severities(trials, gates, cases=len(trials) + 1)) == []
    lacking = severities(trials, gates, before=[*trials, good("gone")])
    assert improved(gates, severities(trials, gates, before=trials), lacking) == []


@given(FULL, PLACES, st.sampled_from([crashed, stale, lambda case: trial(case, "unscored")]))
@settings(max_examples=30)
def test_a_trial_that_becomes_worthless_never_helps(trials, place, make):
    """Turning any trial that was measured into a crash, a stale or an unscored one mends nothing against a baseline."""
    becomes, gates = [*trials[:place], make(f"c{place}"), *trials[place + 1 :]], list(relative_at_the_edge(trials, broken=True))

    if trials[place].outcome in {"pass", "fail"}:
        assert improved(gates, severities(trials, gates, before=BASE), severities(becomes, gates, before=BASE)) == []


@given(FULL, PLACES, TRACES)
@settings(max_examples=30)
def test_an_improvement_never_harms(trials, place, trace):
    """A failed check that passes, all else the same, breaks no bound that held."""
    worse, better = (trial(f"c{place}", *how, trace=trace) for how in (("fail", ENDS, ASTRAY), ("pass", ENDS, SURE)))
    first, then = ([*trials[:place], one, *trials[place + 1 :]] for one in (worse, better))
    gates = [*at_the_edge(first, broken=False), *relative_at_the_edge(first, broken=False)]
    gates = [gate for gate in gates if "route.r.ece" not in gate]  # being right when unsure is a worse calibration

    assert improved(gates, severities(then, gates, before=BASE), severities(first, gates, before=BASE)) == []


def lenient(bound, by):
    """Return a bound whose parts all ask for less."""
    within = bound.non_inferiority
    return Bound(
        min=None if bound.min is None else bound.min - by,
        max=None if bound.max is None else bound.max + by,
        max_drop=None if bound.max_drop is None else bound.max_drop + by,
        non_inferiority=within and NonInferiority(margin=min(0.99, within.margin + by)),
    )


@given(FULL, st.booleans(), st.sampled_from([1e-6, 0.01, 0.1, 0.5, 5.0]))
@settings(max_examples=30)
def test_a_stricter_bound_never_helps(trials, broken, by):
    """A higher min, a lower max, a smaller drop or margin makes no verdict less severe."""
    gates = [*at_the_edge(trials, broken=broken), *relative_at_the_edge(trials, broken=broken)]
    loose = [{name: lenient(bound, by) for name, bound in gate.items()} for gate in gates]

    assert improved(gates, severities(trials, loose, before=BASE), severities(trials, gates, before=BASE)) == []


@given(FULL, st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_order_of_trials_does_not_show(trials, order):
    """Any permutation gives the same verdict, word for word, with a baseline and a quarantine too."""
    gates = [*at_the_edge(trials, broken=True), *relative_at_the_edge(trials, broken=True)]
    shuffled = order.sample(trials, len(trials))

    found = [judged(some, gates, before=BASE, today=DAY, quarantine=FLAKY) for some in (trials, shuffled)]
    assert found[0] == found[1]


@given(FULL, st.sampled_from([bad, crashed, limited]))
@settings(max_examples=20)
def test_what_a_quarantined_case_did_does_not_decide(trials, make):
    """Whether it passed, or failed, crashed or reached its limit, the verdict and its reasons are the same."""
    rest = [each for each in trials if each.case != "c3"]
    gates = [*at_the_edge(rest, broken=False), *relative_at_the_edge(rest, broken=True)]

    found = [judged([*rest, one("c3")], gates, before=BASE, today=DAY, quarantine=FLAKY) for one in (good, make)]
    assert [(one.exit_code, one.reasons) for one in found[0]] == [(one.exit_code, one.reasons) for one in found[1]]


def test_the_bounds_of_these_laws_break_and_hold():
    """Just beyond a figure a bound breaks, and at the figure it holds: the laws have something to say."""
    trials = named([*many(3, 1), trial("t", "pass", ENDS, SURE, trace=Trace(calls=(call(2.0),), duration_s=math.pi))])

    assert "pass" not in {one.verdict for one in judged(trials, at_the_edge(trials, broken=True))}
    assert {one.verdict for one in judged(trials, at_the_edge(trials, broken=False))} == {"pass"}
