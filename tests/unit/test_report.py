"""Reports: rendered files, and hostile text in them.

The files in tests/golden/ are what `python tests/unit/test_report.py` writes; look at the difference before you commit one.
"""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.cassette.miss import Miss
from harness.compare import MetricChange, compare
from harness.coverage import Edge, Shape
from harness.errors import ExitCode
from harness.experiment import Bound, Experiment, Outcome, SuiteProvenance, Trial
from harness.gate import Summary, judge_experiment
from harness.metric import Tally
from harness.report import document, figure, junit, markdown, table, terminal, text
from harness.report import trial as report_trial
from harness.score import Score, failed, passed, unscored
from harness.standing import Roll, Standings
from harness.trace import Crash, Interrupt, NodeStep, Place, ToolCall, Trace, Usage, WireCall

GOLDEN = Path(__file__).parents[1] / "golden"
HOSTILE = "a]]><b> & \"q\" 'p' | `c` \x1b[31mred\x00\x07\r\n=1+1 \u202eevil [l](http://x) ![i](//x) <script>\ud800\ufffe"


def provenance(suite: str = "support_triage", **fields: Any) -> SuiteProvenance:
    """Return what was run for one suite."""
    known: dict[str, Any] = {
        "variant": "default",
        "cases": 1,
        "dataset": "datasets/support_triage.jsonl",
        "match": "semantic",
        "build": "trial",
    }
    known |= {"dataset_digest": "0123456789abcdef", "cassettes_digest": "fedcba9876543210", "graph_fingerprint": "00ff00ff00ff00ff"}
    known |= {"graph": "graphs.support_triage:build", "mode": "invoke", "checks": ("route", "cost", "ends")}
    return SuiteProvenance(suite=suite, **{**known, **fields})


def experiment(*suites: SuiteProvenance) -> Experiment:
    """Return a finished experiment."""
    return Experiment(
        id="20261121-090000-abcd",
        status="done",
        started_at="2026-11-21T09:00:00Z",
        finished_at="2026-11-21T09:00:07Z",
        commit="2ef5ff6a1b2c3d4e",
        packages={"langgraph": "1.2.0", "langchain-core": "1.8.0"},
        price_table="2026-11-01",
        suites=suites,
    )


def place(node: str, step: int) -> Place:
    """Return the first visit of a node."""
    return Place(node=node, step=step, visit=1)


def trace(*, cost_usd: float | None = 0.000123, **fields: Any) -> Trace:
    """Return a trace of one router, one answer and one tool."""
    usage = Usage(input_tokens=90, output_tokens=12)
    chat: dict[str, Any] = {"kind": "chat", "source": "replay", "url": "https://api.openai.com/v1/chat/completions", "model": "gpt-4o-mini"}
    limited = WireCall(place=place("classify", 1), status=429, error="rate limited", latency_s=0.25, **chat)
    answered = WireCall(place=place("classify", 1), status=200, usage=usage, cost_usd=cost_usd, finish_reason="stop", latency_s=0.5, **chat)
    tool = ToolCall(place=place("billing", 2), name="lookup", args={"id": 7}, output="two charges of $10")
    steps = (NodeStep(place=place("classify", 1), chosen=("billing",)), NodeStep(place=place("billing", 2), attempts=2))
    known = {"steps": steps, "calls": (limited, answered), "tools": (tool,), "text": "You get your money back."}
    return Trace(**{**known, **fields})


def trial(case: str, outcome: Outcome = "pass", *scores: Score, suite: str = "support_triage", **fields: Any) -> Trial:
    """Return a trial of one suite."""
    known = {"trace": trace(), "played": 2, "variant": "default"}
    return Trial(suite=suite, case=case, outcome=outcome, scores=scores, **{**known, **fields})


def route(expected: str, actual: str, **detail: Any) -> Score:
    """Return the score of one decision."""
    detail |= {"router": "classify", "expected": expected, "actual": actual}
    if expected == actual:
        return passed("route", "route.classify", **detail)
    return failed("route", "route.classify", f"expected {expected!r}, got {actual!r}", **detail)


def world() -> tuple[Experiment, list[Trial]]:
    """Return an experiment in which a case ended in every way, and a suite that passed."""
    ends = passed("ends", "ends")
    crash = Trace(ends="error", crash=Crash(type="KeyError", message="'category'", node="classify"))
    miss = Miss(
        place=place("classify", 1),
        request="POST https://api.openai.com/v1",
        cause="prompt triage v1 -> v2",
        tokens=102,
    )
    triage = [
        trial("refund-001", "pass", ends, route("billing", "billing", confidence=0.75)),
        trial(
            "refund-002",
            "fail",
            ends,
            route("billing", "technical", confidence=0.9),
            failed("output", "output.text", "does not contain 'refund'"),
        ),
        trial("login|003", "pass", ends, route("technical", "technical"), repeat=2, trace=trace(text=None)),
        trial("crash-004", "error", failed("ends", "ends", "expected 'answer', got 'error'"), trace=crash),
        trial("stale-005", "stale", misses=(miss,)),
        trial("stale-006", "stale", misses=(miss,)),
        trial("quiet-007", "unscored", unscored("judge", "judge", "no reference")),
    ]
    faq = [trial("hours", "pass", ends, suite="faq"), trial("returns", "pass", ends, suite="faq")]
    edges = (
        Edge(source="__start__", target="classify"),
        Edge(source="classify", target="billing", labels=("billing",)),
        Edge(source="classify", target="technical", labels=("technical",)),
    )
    shape = Shape(edges=edges, interrupts=("billing",), fallbacks=("classify",))
    suites = (
        provenance(cases=7, shape=shape, gate={"route.accuracy": Bound(min=0.9, max_drop=0.02)}, must_pass=("refund-002",)),
        provenance("faq", cases=2, dataset="datasets/faq.jsonl", prompts={"answer": "v2"}, model="gpt-4o-mini"),
    )
    found = [one.model_copy(update={"repeat": 1}) for one in triage]
    return experiment(*suites), [*found, *faq]


def judged() -> tuple[Summary, ...]:
    """Return the summaries of the world."""
    return judge_experiment(*world())


def hostile() -> tuple[Experiment, list[Trial]]:
    """Return an experiment in which every foreign text is hostile."""
    bad = failed("route", HOSTILE, HOSTILE, router=HOSTILE, expected=HOSTILE, actual="x|y")
    crash = Trace(ends="error", crash=Crash(type=HOSTILE, message=HOSTILE, node=HOSTILE), text=HOSTILE)
    steps = (NodeStep(place=place(HOSTILE, 1), error=HOSTILE),)
    tools = (ToolCall(place=place(HOSTILE, 1), name=HOSTILE, args={HOSTILE[:60]: HOSTILE[:60]}, output=HOSTILE),)
    trials = [
        trial(HOSTILE, "fail", bad, trace=Trace(text=HOSTILE, steps=steps, tools=tools)),
        trial("b" + HOSTILE, "error", bad, trace=crash),
        trial("c" + HOSTILE, "stale", misses=(Miss(place=place(HOSTILE, 1), request="", cause=HOSTILE, diff=HOSTILE),)),
        trial("d" + HOSTILE, "unscored", unscored("judge", HOSTILE, HOSTILE)),
    ]
    return experiment(provenance(cases=4, prompts={HOSTILE: HOSTILE}, must_pass=(HOSTILE,))), trials


RENDERED: dict[str, Callable[[], str]] = {
    "summary.md": lambda: markdown.markdown(world()[0].id, judged()),
    "junit.xml": lambda: junit.junit(world()[0].id, judged(), world()[1]),
    "trials.csv": lambda: table.table(world()[1]),
    "document.json": lambda: document.render(world()[0].id, judged()),
    "verdicts.txt": lambda: terminal.verdicts(judged()),
    "experiment.txt": lambda: terminal.show_experiment(world()[0], judged()),
    "trial.txt": lambda: report_trial.show_trial(world()[1][1]),
    "list.txt": lambda: terminal.show_list([world()[0]]),
}


@pytest.mark.parametrize("name", RENDERED)
def test_golden(name: str) -> None:
    """The same experiment gives the same bytes."""
    assert RENDERED[name]() == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in RENDERED if name.endswith(".txt")])
def test_terminal_keeps_to_80_columns(name: str) -> None:
    """No line is longer than the screen, and none has colour unless asked."""
    rows = RENDERED[name]().splitlines()
    assert max(map(len, rows)) <= 80
    assert not any("\x1b" in row for row in rows)


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither COLUMNS nor FORCE_COLOR nor TERM changes what is rendered."""
    before = terminal.verdicts(judged())
    for name, value in (("COLUMNS", "40"), ("FORCE_COLOR", "1"), ("TERM", "dumb"), ("JUPYTER_COLUMNS", "30")):
        monkeypatch.setenv(name, value)
    assert terminal.verdicts(judged()) == before


def test_colour_is_only_added() -> None:
    """With colour the words are the same."""
    coloured = terminal.verdicts(judged(), colour=True)
    assert "\x1b[31m" in coloured or "\x1b[1;31m" in coloured
    assert len(coloured) > len(terminal.verdicts(judged()))


def test_the_document_has_the_shape_of_the_contract() -> None:
    """Verdict, exit code, experiment, suites; a null figure has a reason."""
    found = json.loads(document.render("x", judged()))
    assert list(found) == ["verdict", "exit_code", "experiment", "suites"]
    assert (found["verdict"], found["exit_code"], found["experiment"]) == ("error", 3, "x")
    triage = found["suites"]["support_triage"]
    counts = {key: triage[key] for key in ("verdict", "trials", "passed", "failed", "errors", "stale", "unscored")}
    assert counts == {"verdict": "error", "trials": 7, "passed": 2, "failed": 1, "errors": 1, "stale": 2, "unscored": 1}
    nulls = {name for name, value in triage["metrics"].items() if value is None}
    assert nulls == set(triage["metric_reasons"])
    assert triage["reasons"]


def test_the_command_may_know_a_better_exit_code() -> None:
    """A budget stop is the command's to say."""
    assert document.document("x", judged(), exit_code=ExitCode.BUDGET)["exit_code"] == 7


def test_junit_counts_what_it_lists() -> None:
    """The counts of a testsuite are those of its testcases; its gate is one of them."""
    for suite in ET.fromstring(RENDERED["junit.xml"]().encode()):  # noqa: S314, our own file
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        for key, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(key, "")) == sum(case.find(element) is not None for case in cases)


def test_junit_of_nothing_is_red() -> None:
    """A suite of which no trial ran has a failing gate."""
    head = experiment(provenance())
    root = ET.fromstring(junit.junit("x", judge_experiment(head, []), []).encode())  # noqa: S314, our own file
    failure = root.find("testsuite/testcase[@name='(gate)']/failure")
    assert failure is not None
    assert failure.get("message") == "no trial ran, 1 case should have"


def test_junit_times_are_recorded_ones() -> None:
    """The time is the recorded seconds on the wire, left out where one is unknown."""
    known, calls = trial("a"), trace().calls
    unknown = trial("b", trace=trace(calls=(calls[0], calls[1].model_copy(update={"latency_s": None}))))
    head = experiment(provenance(cases=2))
    root = ET.fromstring(junit.junit("x", judge_experiment(head, [known, unknown]), [known, unknown]).encode())  # noqa: S314
    assert [case.get("time") for case in root.iter("testcase")] == ["0.750000", None, None]


PROPERTIES = ("properties", "property")


@pytest.mark.parametrize("of", [world, hostile, lambda: (experiment(provenance()), [])], ids=["usual", "hostile", "empty"])
def test_junit_is_what_jenkins_takes(of: Callable[[], tuple[Experiment, list[Trial]]]) -> None:
    """The file holds to the schema of Jenkins' xUnit plugin, whatever is in it; its totals are those of its suites."""
    head, trials = of()
    xml = junit.junit(head.id, judge_experiment(head, trials), trials)
    xmlschema.XMLSchema(Path(__file__).parents[1] / "junit.xsd").validate(xml)
    root = ET.fromstring(xml.encode())  # noqa: S314, our own file
    for name in ("tests", "failures", "errors"):
        assert int(root.get(name, "")) == sum(int(suite.get(name, "")) for suite in root)


def test_junit_says_what_was_run_and_how_to_look_closer() -> None:
    """A suite has its verdict and digests as properties; a case that did not pass says the command that shows it."""
    root = ET.fromstring(RENDERED["junit.xml"]().encode())  # noqa: S314, our own file
    found = {one.get("name"): one.get("value") for one in root.findall("testsuite[@name='faq']/properties/property")}
    assert (found["verdict"], found["prompt.answer"], found["model"]) == ("pass", "v2", "gpt-4o-mini")
    assert "look closer: harness show 20261121-090000-abcd refund-002" in str(root.findtext(".//testcase[@name='refund-002']/failure"))


def test_junit_times_are_virtual_ones() -> None:
    """A trial that ran in virtual time took that long; one in real time is known by its recorded latencies only."""
    timed = [trial("a", trace=trace(duration_s=2.5)), trial("b", trace=trace(duration_s=0.1, real_time=True))]
    head = experiment(provenance(cases=2))
    root = ET.fromstring(junit.junit("x", judge_experiment(head, timed), timed).encode())  # noqa: S314, our own file
    assert [case.get("time") for case in root.iter("testcase")] == ["2.500000", "0.750000", None]
    assert [root.get("time"), root[0].get("time")] == ["3.250000", "3.250000"]


def test_a_reason_of_a_megabyte_is_cut_in_junit() -> None:
    """CI systems refuse huge files: one long reason does not make one."""
    long = trial("a", "fail", failed("output", "output.text", "x" * 1_000_000))
    head = experiment(provenance())
    assert len(junit.junit("x", judge_experiment(head, [long]), [long])) < 50_000


def test_a_summary_is_found_again_by_its_first_line() -> None:
    """The hidden first line is the same for the same suites, whatever came of them, and another one for others."""
    fine = judge_experiment(world()[0], [trial("refund-001", "pass", passed("ends", "ends"))])
    first, second = (markdown.markdown(name, summaries).splitlines()[0] for name, summaries in (("x", judged()), ("y", fine)))
    assert first == second == "<!-- harness summary: support_triage, faq -->"
    assert markdown.markdown("x", fine[:1]).splitlines()[0] != first
    bad = markdown.marker(judge_experiment(experiment(provenance("a --> <b>\n")), []))
    assert bad.count("-->") == 1
    assert bad.count("\n") == 0


def test_nobody_is_mentioned_by_a_summary() -> None:
    """GitHub neither notifies people nor links issues because of what a model said."""
    said = failed("output", "output.text", "thanks @octocat, see #12, GH-7 and owner/name#3")
    shown = markdown.markdown("x", judge_experiment(experiment(provenance()), [trial("@team", "fail", said)]))
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(shown)
    assert not re.search(r"[@#]\w|GH-\d", re.sub(r"<pre>.*?</pre>", "", html, flags=re.DOTALL))
    assert "@<!-- -->octocat" in html


def test_a_summary_fits_in_a_comment() -> None:
    """However many suites, cases and words there are, GitHub takes the summary; what is left out is counted."""
    wordy = [failed("output", f"output.{number}", "~" * 100_000) for number in range(5)]
    suites = [f"suite-{number}" for number in range(40)]
    trials = [trial(f"case-{number}", "fail", *wordy, suite=suite) for suite in suites for number in range(30)]
    head = experiment(*(provenance(suite, cases=30) for suite in suites))
    shown = markdown.markdown("x", judge_experiment(head, trials))
    assert len(shown) <= markdown.LIMIT
    assert re.search(r"\n\d+ sections did not fit in here", shown)
    assert all(f"| {suite} | **fail** |" in shown for suite in suites)


def test_the_same_reason_is_told_once() -> None:
    """Cases that fail alike stand together, the first by name and the others counted; what decided the verdict comes first."""
    alike = [trial(f"a{number}", "fail", failed("output", "output.text", "no refund")) for number in range(8)]
    own = trial("z", "fail", failed("output", "output.text", "too long"))
    head = experiment(provenance(cases=9, gate={"output.pass_rate": Bound(min=0.0)}, must_pass=("z",)))
    summaries = judge_experiment(head, [*alike, own])
    for shown in (terminal.verdicts(summaries), markdown.markdown("x", summaries)):
        assert shown.count("output.text: no refund") == 1
        assert "a0, a1, a2, a3, a4, and 3 more" in shown
        assert shown.index("too long") < shown.index("no refund")


def test_a_summary_says_how_to_look_closer() -> None:
    """The commands show the case from this experiment, or replay it at one's desk under its variant, unless its name is no filter."""
    for case, variant, told in (
        ("refund-2", "v2", "harness run triage --variant v2 --filter refund-2; harness show latest refund-2"),
        ("refund-2", "default", "harness run triage --filter refund-2; harness show latest refund-2"),
        ("it's 'not'", "default", None),
        ("not", "default", None),
    ):
        one = trial(case, "fail", failed("output", "output.text", "wrong"), suite="triage", variant=variant)
        shown = markdown.markdown("x", judge_experiment(experiment(provenance("triage", variant=variant)), [one]))
        block = shown.partition("```sh\n")[2].partition("\n```")[0].splitlines()
        assert block[0] == f"harness show x {text.shell_word(case)}"
        assert block[2:] == ([told] if told else [])


def test_a_summary_says_what_got_worse() -> None:
    """Against a baseline, the cases that got worse are named with what they did before and do now; what shares became comes first."""
    before = {"a": "billing", "b": "billing", "c": "technical"}
    sides = []
    for now in ({}, {"b": "technical"}):
        trials = [
            trial(case, "pass" if case not in now else "fail", route(wanted, now.get(case, wanted))) for case, wanted in before.items()
        ]
        tally, roll = Tally(trials), Roll()
        for one in trials:
            roll.add(one)
        metrics = {name: metric.value for name, metric in tally.metrics().items()}
        sides.append((trials, Standings(provenance=provenance(cases=3), metrics=metrics, nodes=roll.nodes(), cases=roll.cases())))
    head = experiment(provenance(cases=3))
    compared = compare(sides[0][1], sides[1][1])
    amounts = tuple(MetricChange(name=f"node.n{number:02d}.duration_s.p50", base=1.0, candidate=2.0) for number in range(30))
    compared = compared.model_copy(update={"metrics": (*amounts, *compared.metrics)})
    shown = markdown.markdown("x", judge_experiment(head, sides[1][0]), {"support_triage": compared})
    assert "0 better, 1 worse, 2 same" in shown
    assert "| b | worse | pass; classify: billing | fail; classify: technical |" in shown
    assert shown.index("| pass.rate | 100.0 % | 66.7 % |") < shown.index("| route.accuracy | 100.0 % | 66.7 % |")


def test_hostile_text_stays_text_in_junit() -> None:
    """The file parses, and holds only the elements we wrote."""
    head, trials = hostile()
    xml = junit.junit(HOSTILE, judge_experiment(head, trials), trials)
    root = ET.fromstring(xml.encode())  # noqa: S314, our own file
    assert {element.tag for element in root.iter()} == {
        "testsuites",
        "testsuite",
        "testcase",
        "failure",
        "error",
        "skipped",
        "system-out",
        *PROPERTIES,
    }
    assert "\\x1b[31mred\\x00\\x07\\x0d" in str(root.findall(".//failure")[0].text)


def test_hostile_text_stays_text_on_the_terminal() -> None:
    """No escape, control or direction character reaches the screen."""
    head, trials = hostile()
    summaries = judge_experiment(head, trials)
    shown = [
        terminal.verdicts(summaries),
        terminal.show_experiment(head, summaries),
        terminal.show_list([head]),
        *map(report_trial.show_trial, trials),
    ]
    for one in shown:
        assert all(character == "\n" or character.isprintable() for character in one)
        assert max(map(len, one.splitlines())) <= 80


def test_hostile_text_stays_text_in_markdown() -> None:
    """Rendered, the summary has no link, image, HTML, code or table that we did not write."""
    head, trials = hostile()
    shown = markdown.markdown(HOSTILE, judge_experiment(head, trials))
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(shown)
    assert not any(f"<{tag}" in html for tag in ("a ", "a>", "img", "script", "b>", "em"))
    assert html.count("<h1>") == 1
    rows = [row.count("<td") for row in html.replace("<tr>", "\n<tr>").split("</tr>") if "<td" in row]
    assert set(rows) == {11, 2, 3, 5, 6, len(["expected", HOSTILE, "x|y"])}


TEXTS = st.text(st.characters(codec=None), max_size=30) | st.text("|`*_[]()<>&#-+=1.\\!~\n\r\t ", max_size=20)


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_one_cell_in_markdown(foreign: str) -> None:
    """Whatever it holds, it stays one cell and reads as it was."""
    html = MarkdownIt("commonmark").enable("table").render(f"| a | b |\n| --- | --- |\n| {markdown.escaped(foreign)} | z |\n")
    root = ET.fromstring(f"<r>{html}</r>")  # noqa: S314, our own text
    cells = list(root.iter("td"))
    assert [len(cell) for cell in cells] == [0, 0]
    assert (cells[0].text or "").strip() == text.line(foreign).strip()


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_one_item_in_markdown(foreign: str) -> None:
    """A reason starts no list, heading, quote or code of its own."""
    root = ET.fromstring(MarkdownIt("commonmark").render(f"- x\n- {markdown.escaped(foreign)}\n"))  # noqa: S314, our own text
    assert {element.tag for element in root.iter()} <= {"ul", "li"}


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_one_attribute_and_one_text_in_xml(foreign: str) -> None:
    """XML forbids some characters even escaped; they are shown by their code."""
    one = trial(foreign, "fail", failed("c", "c", foreign))
    xml = junit.junit(foreign, judge_experiment(experiment(provenance()), [one]), [one])
    assert ET.fromstring(xml.encode()).get("name") == text.line(foreign)  # noqa: S314, our own file


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_one_cell_in_csv(foreign: str) -> None:
    """A cell is one line, is no formula, and reads as it was."""
    rows = list(csv.reader(io.StringIO(table.table([trial(foreign or "x", "pass", trace=Trace(text=foreign))]))))
    assert len(rows) == 2
    assert rows[1][-1].removeprefix("'") == text.line(foreign).removeprefix("'")
    assert not rows[1][-1].lstrip().startswith(("=", "+", "-", "@"))


def test_csv_leaves_unknown_cells_empty() -> None:
    """An unknown cost is no zero."""
    head, row = csv.reader(io.StringIO(table.table([trial("a", trace=trace(cost_usd=None))])))
    found = dict(zip(head, row, strict=True))
    assert tuple(head) == table.COLUMNS
    assert (found["cost_usd"], found["tokens"]) == ("", "102")


def test_csv_names_each_check_once() -> None:
    """One failing score fails its check, whatever its other scores are."""
    both = trial("a", "fail", passed("c", "c.1"), failed("c", "c.2", "no"), passed("d", "d"), unscored("e", "e", "?"))
    head, row = csv.reader(io.StringIO(table.table([both])))
    found = dict(zip(head, row, strict=True))
    assert (found["passed_checks"], found["failed_checks"], found["unscored_checks"]) == ("d", "c", "e")


def test_repeats_are_counted_as_trials() -> None:
    """The column that counts every repeat says so; without repeats a trial is a case."""
    first = trial("a", "pass", passed("ends", "ends"))
    again = first.model_copy(update={"repeat": 2})

    heads = [terminal.verdicts(judge_experiment(experiment(provenance(cases=1)), found)).split()[1] for found in ((first,), (first, again))]

    assert heads == ["cases", "trials"]


def test_an_interrupt_and_a_repeat_are_shown() -> None:
    """A trial that stopped for a human shows what it asked."""
    one = trial(
        "a", "pass", passed("ends", "ends"), repeat=3, trace=Trace(ends="interrupt", interrupts=(Interrupt(node="ask", payload={"ok": 1}),))
    )
    shown = report_trial.show_trial(one)
    assert "case 'a', repeat 3: pass (ended as interrupt)" in shown
    assert "stopped for a human before node 'ask'" in shown
    assert """asks      {"ok":1}""" in shown


def test_reports_of_nothing() -> None:
    """No suite and no experiment are said, not a crash."""
    assert terminal.show_list([]) == "no experiments; `harness run` makes one\n"
    assert terminal.verdicts([]).endswith("verdict: fail\n")
    assert "\n# fail: experiment x\n" in markdown.markdown("x", [])


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("route.accuracy", 0.9999, "99.9 %"),
        ("route.accuracy", 1.0, "100.0 %"),
        ("error.rate", 0.0001, "0.1 %"),
        ("ends.pass_rate", 0.5, "50.0 %"),
        ("cost_usd.mean", 0.0000123, "$0.000012"),
        ("cost_usd.mean", 1e-9, "<$0.000001"),
        ("cost_usd.total", 1234.5, "$1,234.50"),
        ("tokens.total", 1234.0, "1,234"),
        ("steps.mean", 2.5, "2.50"),
        ("duration_s.p95", 1.5, "1.500 s"),
        ("route.classify.ece", 0.25, "0.250"),
        ("edges.coverage", 0.5, "50.0 %"),
        ("tokens.mean", None, figure.UNKNOWN),
    ],
)
def test_figures(name: str, value: float | None, shown: str) -> None:
    """A figure is shown in its unit; rounding never makes some into all or none."""
    assert figure.figure(name, value) == shown


@pytest.mark.parametrize(("word", "shown"), [("refund-001", "refund-001"), ("a b", "'a b'"), ("it's", "'it'\"'\"'s'"), ("$(x)", "'$(x)'")])
def test_a_case_is_one_word_of_a_command(word: str, shown: str) -> None:
    """The command to look at a case can be pasted."""
    assert text.shell_word(word) == shown


def test_many_routes_are_left_out() -> None:
    """A matrix too wide to read is left out, and that is said."""
    trials = [trial(f"c{number}", "pass", route(f"r{number}", f"r{number}")) for number in range(25)]
    shown = markdown.markdown("x", judge_experiment(experiment(provenance(cases=25)), trials))
    assert "25 routes: the matrix is left out." in shown
    assert Tally(trials).routing.confusion("classify").accuracy == 1.0


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, render in RENDERED.items():
        (GOLDEN / name).write_text(render(), encoding="utf-8")
