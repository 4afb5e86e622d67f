"""The HTML report without a browser: its bytes, its data, and what it keeps of transcripts."""

import base64
import hashlib
import re
from typing import Any

import pytest
import reported

from harness.cassette.cause import Cause
from harness.cassette.miss import Miss
from harness.cell import Cell
from harness.coverage import Shape
from harness.dataset import FaultPlace
from harness.experiment import Bound
from harness.report.html import Past, html, transcripts
from harness.report.html.comparing import changed, lines_of
from harness.report.html.document import document
from harness.report.html.pointer import divergence, suspect
from harness.sweep import Sweep
from harness.trace import Crash, NodeStep, Place, ToolCall, Trace


def test_the_same_evidence_gives_the_same_bytes() -> None:
    """Two reports of one experiment are equal, and the time of making is not in them."""
    assert reported.page(before=reported.GOOD) == reported.page(before=reported.GOOD)


def test_the_file_forbids_every_request() -> None:
    """The policy allows the script and the style that are in the file, by their digests, and nothing else."""
    text = reported.page()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    (script,) = re.findall(r"<script>(.*)</script>", text, re.DOTALL)
    (style,) = re.findall(r"<style>(.*)</style>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (script, style)]

    assert policy.startswith("default-src 'none';")
    assert [f"-src 'sha256-{digest}'" in policy for digest in digests] == [True, True]
    assert re.findall(r'(?:src|href|action)="(?!data:,)', text) == []


def test_no_text_of_an_agent_stands_in_the_file_as_it_is() -> None:
    """Hostile texts are only in packed data; a suite's name and an experiment's never close a tag."""
    text = html(reported.hostile())

    assert "owned" not in text
    assert text.count("</script>") == text.count("<script")


def test_a_page_says_what_to_do_without_scripts() -> None:
    """Where scripts are off, the verdict is there and a line says what is missing."""
    assert re.search(r"<h1>fail: .*</h1><noscript><p>[^<]+scripts are off", reported.page())


def test_failing_transcripts_are_whole_and_passing_ones_cut() -> None:
    """A long text of a passing trial is cut, and how much of it is said; a failing one is there to the last character."""
    long = "x" * 5000
    kept = transcripts.Transcripts()
    slots = [kept.add(reported.trial("a", taken, text=long)) for taken in ("billing", "technical")]
    kept.close()
    texts = [reported.unpacked(kept.blocks[slot.block])[slot.place]["trace"]["text"] for slot in slots if slot]

    assert texts == [f"{'x' * 2000}… [3,000 more characters]", long]
    assert kept.left_out == {"passing": 0, "others": 0, "sides": 0, "talks": 0}


def test_a_passing_transcript_that_is_too_long_is_left_out_and_counted() -> None:
    """What is over the limit of one transcript even when cut is not in the report."""
    steps = tuple(NodeStep(place=Place(node="n", step=step), update={"text": "y" * 1900}) for step in range(60))
    kept = transcripts.Transcripts()

    assert kept.add(reported.trial("a", steps=steps)) is None
    assert kept.left_out["passing"] == 1


def test_passing_transcripts_give_way_to_failing_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the limit of all transcripts, blocks of passing trials are dropped first."""
    monkeypatch.setattr(transcripts, "TOTAL_LIMIT", 600)
    kept = transcripts.Transcripts()
    slots = [kept.add(reported.trial(f"case-{number}", team)) for number, team in enumerate(("billing", "technical", "billing"))]
    kept.close()

    assert [bool(kept.blocks[slot.block]) for slot in slots if slot] == [False, True, False]
    assert kept.left_out == {"passing": 2, "others": 0, "sides": 0, "talks": 0}


STEP = NodeStep(place=Place(node="a", step=1), chosen=("b",), update={"x": 1, "y": 1}, update_digest="1")
OTHER = NodeStep(place=Place(node="b", step=2), update_digest="2")


@pytest.mark.parametrize(
    ("after", "tools", "expected"),
    [
        ((STEP, OTHER), (), None),
        ((STEP, OTHER.model_copy(update={"place": Place(node="c", step=2)})), (), (1, "node c instead of b")),
        ((STEP.model_copy(update={"chosen": ("c",)}), OTHER), (), (0, "it chose c instead of b")),
        ((STEP.model_copy(update={"update": {"x": 2, "y": 1}, "update_digest": "3"}), OTHER), (), (0, "it wrote another x")),
        ((STEP.model_copy(update={"error": "KeyError"}), OTHER), (), (0, "error KeyError instead of none")),
        ((STEP, OTHER), (ToolCall(place=STEP.place, name="look_up"),), (0, "other tool calls")),
        ((STEP,), (), (1, "it stops where the other does not: b")),
        ((STEP, OTHER, STEP), (), (2, "it goes on where the other does not: a")),
    ],
    ids=["nowhere", "node", "choice", "update", "error", "tools", "shorter", "longer"],
)
def test_the_first_divergence(after: tuple[NodeStep, ...], tools: tuple[ToolCall, ...], expected: tuple[int, str] | None) -> None:
    """Two traces part where a step first differs, and it is said in what."""
    found = divergence(Trace(steps=(STEP, OTHER)), Trace(steps=after, tools=tools))

    assert (found and (found.step, found.what)) == expected


WRONG = reported.trial("a", "technical")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 0),
        ({"scores": (), "misses": (Miss(place=WRONG.trace.steps[1].place, request="POST"),)}, 1),
        (
            {
                "scores": (),
                "outcome": "error",
                "trace": WRONG.trace.model_copy(update={"crash": Crash(type="E", message="", node="technical")}),
            },
            1,
        ),
        ({"scores": ()}, None),
        ({"outcome": "pass"}, None),
    ],
    ids=["router", "miss", "crash", "unknown", "passed"],
)
def test_the_step_to_look_at(fields: dict[str, Any], expected: int | None) -> None:
    """The step of a wrong decision, a miss or a crash is pointed out; where none is named, none is."""
    assert suspect(WRONG.model_copy(update=fields)) == expected


def test_what_got_worse_comes_with_its_step_and_the_changed_prompt() -> None:
    """A baseline alone tells the case, the router that decided otherwise, and the prompt with its difference."""
    found = reported.head(before=reported.GOOD)["suites"][0]["comparison"]

    (one, *_) = found["moved"]
    assert (one["case"], one["movement"], one["flips"], one["step"]) == ("case-1", "worse", [["classify", "technical", "billing"]], 0)
    assert not found["transcripts"]
    assert "base" not in one
    (prompt,) = [change for change in found["changed"] if change["what"] == "prompt"]
    assert (prompt["name"], prompt["before"], prompt["after"]) == ("triage", *reported.TEXTS)
    assert prompt["lines"] == [[" ", "Sort the ticket."], ["-", "Be exact."], ["+", "Guess."]]


def test_a_bound_that_was_loosened_is_a_change() -> None:
    """What is asked of the suite, and how it was run, is told where it is not as it was, entry by entry."""
    before = reported.provenance(gate={"route.accuracy": Bound(min=0.9)}, parameters={"examples": 6}, match="strict")
    after = reported.provenance(gate={"route.accuracy": Bound(min=0.5)}, parameters={"examples": 6, "output": "text"})
    found = [(one["what"], one["name"], one["before"], one["after"]) for one in changed(before, after, reported.Prompts())]

    assert found == [
        ("bound of", "route.accuracy", "min 0.9", "min 0.5"),
        ("match", "", "strict", "semantic"),
        ("parameter", "output", None, "text"),
    ]


def test_a_baseline_whose_experiment_is_there_is_shown_side_by_side() -> None:
    """The baseline's transcript is in the report, with the first divergence and every difference."""
    found = document(reported.evidence(before=reported.GOOD, stored=reported.GOOD))
    one = found.head["suites"][0]["comparison"]["moved"][0]
    block, place = one["base"]

    assert reported.unpacked(found.blocks[block])[place]["trace"]["text"] == "Hello from technical."
    assert one["parted"] == {"step": 0, "base_step": 0, "what": "it chose billing instead of technical"}
    assert {difference["kind"] for difference in one["differences"]} == {"path", "text", "state"}


def test_a_text_that_is_not_to_be_had_is_no_difference() -> None:
    """Where one of two prompts is gone, no lines are made up."""
    assert lines_of(None, "Sort") is None
    assert lines_of("", "Sort") == [["+", "Sort"]]


def test_metrics_come_with_interval_bound_and_history() -> None:
    """A share has Wilson's interval, a bound says whether it holds, earlier values are there, and what is unknown says why."""
    past = (Past("20261101", None, None, "pass", {"route.accuracy": 1.0}),)
    metrics = {one["name"]: one for one in reported.head(past=past)["suites"][0]["metrics"]}

    accuracy, first_token = metrics["route.accuracy"], metrics["ttft_s.p50"]
    assert (accuracy["shown"], accuracy["interval"], accuracy["method"]) == ("50.0 %", ["15.0 %", "85.0 %"], "Wilson")
    assert accuracy["bound"] == {"asked": "min 90.0 %", "broken": ["route.accuracy is 0.5, below min 0.9: case-1, case-3"], "open": []}
    assert accuracy["past"] == [1.0]
    assert (first_token["value"], first_token["interval"]) == (None, None)
    assert first_token["why"] == "the recordings do not say when the first token came"


def test_the_graph_says_how_many_trials_took_each_edge() -> None:
    """Every declared edge is drawn, those that no trial took too; a stale trial took none."""
    stale = reported.trial("stale").model_copy(update={"outcome": "stale", "misses": (Miss(place=Place(), request="POST"),)})
    graph = reported.head((*reported.GOOD, stale))["suites"][0]["graph"]

    assert {edge["name"]: edge["trials"] for edge in graph["edges"]} == {
        "START → classify": 4,
        "classify → billing": 2,
        "classify → technical": 2,
        "classify → legal": 0,
        "billing → END": 2,
        "technical → END": 2,
        "legal → END": 0,
    }


def test_a_graph_that_declares_no_edges_is_drawn_from_what_was_seen() -> None:
    """Where edges are not known, the ways that trials went are drawn, and why is said."""
    suite = reported.provenance(shape=Shape(unknown="no StateGraph"))
    graph = reported.head(suites=(suite,))["suites"][0]["graph"]

    assert (graph["declared"], graph["unknown"]) == (False, "no StateGraph")
    assert [(edge["name"], edge["trials"]) for edge in graph["edges"]] == [("START → classify", 4), ("classify → billing", 4)]


def test_a_stale_request_names_the_prompt_that_was_edited() -> None:
    """What stale requests differ in is told with the texts that are to be had."""
    cause = Cause(kind="prompt", text="prompt triage v1 -> v2", name="triage", before="v1@aaaaaaaaaaaa", after="v2@bbbbbbbbbbbb")
    stale = reported.trial("stale").model_copy(
        update={"outcome": "stale", "misses": (Miss(place=Place(), request="POST", causes=(cause,)),)}
    )
    (edited,) = reported.head((stale,))["suites"][0]["edited"]

    assert edited["name"] == "triage"
    assert ["-", "Be exact."] in edited["lines"]


def test_the_last_sweep_is_a_map_of_faults_by_call() -> None:
    """Each fault at each call has its cases, their outcomes, and what broke."""
    at = FaultPlace(model_call=1)
    cells = [
        Cell(case=case, at=at, place="classify", fault=fault, outcome=outcome, broken=broken)
        for case, fault, outcome, broken in (
            ("a", "timeout", "answered", ()),
            ("b", "timeout", "crash", ("it crashed",)),
            ("a", "empty", "degraded", ()),
        )
    ]
    sweep = reported.head(sweep=Sweep(suite="desk", variant="default", cells=tuple(cells)))["suites"][0]["sweep"]

    assert (sweep["broken"], sweep["total"]) == (1, 3)
    assert [(one["fault"], one["place"], len(one["cells"])) for one in sweep["cells"]] == [
        ("empty", "classify", 1),
        ("timeout", "classify", 2),
    ]


def test_the_table_holds_what_repeats_once() -> None:
    """A column of words is a list of words and a number a row, and unknown amounts are null, not 0."""
    rows = reported.head((*reported.GOOD, reported.trial("odd", calls=(), duration_s=None)))["rows"]

    assert rows["coded"]["outcome"] == {"words": ["pass"], "numbers": [0] * 5}
    assert rows["plain"]["duration_s"] == [0.5] * 4 + [None]
    assert rows["plain"]["case"] == [f"case-{number}" for number in range(4)] + ["odd"]
