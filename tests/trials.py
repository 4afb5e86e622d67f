"""Trials made by hand, suites of them, and what a gate says of them."""

import datetime as dt
from typing import Any

from harness.baseline import Baseline
from harness.cassette.miss import Miss
from harness.experiment import Outcome, SuiteProvenance, Trial
from harness.gate import Against, SuiteVerdict, judge
from harness.metric import Tally
from harness.score import Score, failed, passed, unscored
from harness.standing import Roll, Standings
from harness.terms import Bound
from harness.trace import Place, Trace, Usage, WireCall


def suite(cases: int = 1, *, gate: dict[str, Bound] | None = None, **fields: Any) -> SuiteProvenance:
    """Return the provenance of a suite of so many cases."""
    known: dict[str, Any] = {"suite": "s", "variant": "default", "dataset": "d.jsonl", "graph": "g:build", "match": "semantic"}
    known |= {
        "dataset_digest": "d",
        "cassettes_digest": "c",
        "graph_fingerprint": "f",
        "mode": "invoke",
        "build": "trial",
        "checks": ("route",),
    }
    return SuiteProvenance(**{**known, "cases": cases, "gate": gate or {}, **fields})


def trial(case: str, outcome: Outcome = "pass", *scores: Score, **fields: Any) -> Trial:
    """Return a trial with the scores given, or with an `ends` score that fits."""
    usual: dict[Outcome, Score] = {"fail": failed("ends", "ends", "wanted answer"), "error": failed("ends", "ends", "crashed")}
    usual |= {"unscored": unscored("judge", "judge", "no reference")}
    found = scores or (usual.get(outcome, passed("ends", "ends")),)
    return Trial(suite="s", variant="default", case=case, outcome=outcome, **{"trace": Trace(), "scores": found, **fields})


def good(case: str = "a") -> Trial:
    """Return a trial whose route is right."""
    return trial(case, "pass", passed("ends", "ends"), passed("route", "route.r", router="r", expected="x", actual="x"))


def bad(case: str = "b", check: str = "route") -> Trial:
    """Return a trial in which one check failed."""
    return trial(
        case,
        "fail",
        passed("ends", "ends"),
        failed(check, "route.r" if check == "route" else check, "wrong", router="r", expected="x", actual="y"),
    )


def limited(case: str = "l") -> Trial:
    """Return a trial that reached the recursion limit."""
    return trial(case, "fail", failed("ends", "ends", "wanted answer, got limit"), trace=Trace(ends="limit"))


def crashed(case: str = "e") -> Trial:
    """Return a trial that crashed; its route counts as wrong."""
    return trial(case, "error", failed("route", "route.r", "never ran", router="r", expected="x", actual=None))


def stale(case: str = "z", cause: str = "the model changed", tokens: int | None = 100) -> Trial:
    """Return a trial that missed its cassette."""
    return trial(case, "stale", misses=(Miss(place=Place(node="n"), request="POST /", cause=cause, tokens=tokens),))


def paid(case: str, cost_usd: float | None) -> Trial:
    """Return a passing trial of a known or unknown cost."""
    call = WireCall(place=Place(), kind="chat", source="replay", url="u", model="m", status=200, usage=Usage(), cost_usd=cost_usd)
    return trial(case, "pass", passed("ends", "ends"), trace=Trace(calls=(call,)))


def verdict(trials: list[Trial], gate: dict[str, Bound] | None = None, **fields: Any) -> SuiteVerdict:
    """Judge trials of a suite with as many cases."""
    return judge(suite(**{"cases": len({one.case for one in trials}), "gate": gate, **fields}), Tally(trials))


def against(before: list[Trial], metrics: dict[str, float | None] | None = None, after: list[Trial] | None = None) -> Against:
    """Return a baseline of these trials, with other figures if they are given, beside what the candidate's trials came to."""
    base, candidate, tally = Roll(), Roll(), Tally(before if after is None else after)
    for one in before:
        base.add(one)
    for one in before if after is None else after:
        candidate.add(one)
    figures = Tally(before).figures()
    standings = Standings(provenance=suite(len(before)), metrics=figures if metrics is None else metrics, cases=base.cases())
    return Against(Baseline(experiment="b", commit="0123456789abcdef", standings=standings), candidate.cases(), tally.figures())


def compared(
    before: list[Trial], after: list[Trial], gate: dict[str, Bound], *, today: dt.date | None = None, repeats: int = 1, **fields: Any
) -> SuiteVerdict:
    """Return the verdict of trials against a baseline of other trials."""
    asked = suite(**{"cases": len({one.case for one in after}), "gate": gate, **fields})
    tally = Tally(after, quarantined=asked.quarantined(today))
    return judge(asked, tally, against=against(before, after=after), today=today, repeats=repeats)


def many(passing: int, failing: int = 0, *, of: str = "c") -> list[Trial]:
    """Return so many passing trials and then so many failing ones, each of a case of its own."""
    return [good(f"{of}{number}") for number in range(passing)] + [bad(f"{of}{number}") for number in range(passing, passing + failing)]
