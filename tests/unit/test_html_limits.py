"""What the HTML report says where there is too much, too little or no evidence: budgets, stale sides, bounds that were not decided."""

import hashlib

import pytest
import reported

from harness.compare import compare
from harness.experiment import Bound
from harness.report import markdown
from harness.report.html import transcripts
from harness.terms import NonInferiority


def noise(seed: int, characters: int) -> str:
    """Return a text that hardly packs."""
    return "".join(hashlib.sha256(f"{seed} {place}".encode()).hexdigest() for place in range(characters // 64))


def test_failing_transcripts_that_burst_the_limit_are_left_out_from_the_last_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much failing trials said, a report stays within its limit; the first ones are whole, the others counted."""
    monkeypatch.setattr(transcripts, "TOTAL_LIMIT", 1_000_000)
    kept = transcripts.Transcripts()
    slots = [kept.add(reported.trial(f"case-{number}", "technical", text=noise(number, 200_000))) for number in range(20)]
    kept.close()

    there = [slot is not None and bool(kept.blocks[slot.block]) for slot in slots]
    assert there == sorted(there, reverse=True)
    assert 0 < sum(there) < 20
    assert sum(map(len, kept.blocks)) <= 1_000_000
    assert kept.left_out["others"] == 20 - sum(there)


def test_a_long_head_takes_from_the_room_of_transcripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is packed is within one limit as a whole, whatever the rows take of it."""
    monkeypatch.setattr("harness.report.html.document.PACKED_LIMIT", 1)

    assert reported.head(reported.WORSE)["limits"]["left_out"] == {"passing": 2, "others": 2, "sides": 0, "talks": 0}


def test_a_baseline_beside_a_stale_trial_is_no_divergence() -> None:
    """A trial that found no answer on its cassette chose nothing: that is not a decision that differs, nor a worse one."""
    stale = tuple(one.model_copy(update={"outcome": "stale", "scores": ()}) for one in reported.WORSE)
    section = reported.head(stale, before=reported.GOOD, stored=reported.GOOD)["suites"][0]["comparison"]

    assert {one["movement"] for one in section["moved"]} == {"stale"}
    assert {one["parted"] for one in section["moved"]} == {None}


def test_the_summary_names_what_got_worse_before_what_is_stale() -> None:
    """However many cases are stale, those that got worse come first, and figures of other cases are said to be such."""
    stale = reported.GOOD[0].model_copy(update={"outcome": "stale", "scores": ()})
    given = reported.evidence((stale, *reported.WORSE[1:]), before=reported.GOOD)
    now = reported.baseline(stale, *reported.WORSE[1:]).standings
    lines = markdown.markdown(given.head.id, given.summaries, {"desk": compare(given.baselines["desk"].standings, now)}).splitlines()

    told = [line for line in lines if line.startswith("| case-")]
    assert told[:3] == ["| case-1 | worse | pass; classify: technical | fail; classify: billing |", *told[1:3]]
    assert [line.split(" | ")[1] for line in told[:3]] == ["worse", "worse", "stale"]
    assert "These figures are of each side's own cases: 3 of 4 cases could be compared." in lines


def test_every_case_that_moved_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison tells of the first cases, and knows the movement of all."""
    monkeypatch.setattr("harness.report.html.comparing.LISTED", 1)
    section = reported.head(reported.WORSE, before=reported.GOOD)["suites"][0]["comparison"]

    assert [one["case"] for one in section["moved"]] == ["case-1"]
    assert section["movements"]["worse"] == ["case-1", "case-3"]


@pytest.mark.parametrize(
    ("metric", "bound", "before", "asked", "broken", "unclear"),
    [
        ("route.accuracy", Bound(min=0.9), False, "min 90.0 %", True, False),
        ("route.accuracy", Bound(max_drop=0.01), True, "max_drop 1.0 %", True, False),
        ("route.accuracy", Bound(max_drop=0.01), False, "max_drop 1.0 %", False, True),
        (
            "route.accuracy",
            Bound(non_inferiority=NonInferiority(margin=0.05)),
            True,
            "non_inferiority: margin 5.0 %, alpha 0.05",
            False,
            True,
        ),
        ("cost_usd.mean", Bound(max=0.00003), False, "max $0.000030", True, False),
        ("error.rate", Bound(max=0.1), False, "max 10.0 %", True, False),
    ],
    ids=["min", "drop", "no-baseline", "not-clear", "dollars", "errors"],
)
def test_a_bound_says_what_the_verdict_says(metric: str, bound: Bound, *, before: bool, asked: str, broken: bool, unclear: bool) -> None:
    """A bound is told in the unit of its metric, and is kept, broken or undecided as the gate decided."""
    crashed = reported.trial("case-4").model_copy(update={"outcome": "error", "scores": ()})
    head = reported.head(
        (*reported.WORSE, crashed),
        suites=(reported.provenance(cases=5, gate={metric: bound}),),
        before=(*reported.GOOD, reported.trial("case-4")) if before else (),
    )
    (found,) = [one["bound"] for one in head["suites"][0]["metrics"] if one["bound"]]

    assert (found["asked"], bool(found["broken"]), bool(found["open"])) == (asked, broken, unclear)
