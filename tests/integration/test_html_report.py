"""The HTML report on the command line: what it gathers from disk, and that nothing else gets in."""

import re
import shutil
import subprocess

import pytest
import reported

AGENT = """
from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    text: str
    team: str


def build(*, prompts):
    def classify(state):
        return {"team": state["text"] if "exact" in prompts["triage"] else "billing"}

    graph = StateGraph(State)
    graph.add_node("classify", classify)
    graph.add_edge(START, "classify")
    return graph.compile()
"""
KEY = "sk-proj-" + "Ab3dEf6hIj9kLm2nOp5q" * 2
EXACT, VAGUE = f"Sort the ticket.\nBe exact. {KEY}\n", "Sort the ticket.\nGuess.\n"


@pytest.fixture
def desk(world):
    """Return a project whose agent follows a prompt; its first experiment is blessed and committed."""

    def make():
        world.write("agent.py", AGENT)
        world.write("prompts/triage/v1.md", EXACT)
        world.suite('routes.classify = "team"')
        world.cases(
            *({"id": team, "inputs": {"text": team}, "expected": {"route": {"classify": team}}} for team in ("billing", "technical"))
        )
        assert world.harness("run").code == 0
        assert world.harness("bless").code == 0

    world.prepare(make)
    return world


def commit(world):
    """Commit all files of a project."""
    for arguments in (("init", "-q"), ("add", "."), ("-c", "user.name=A", "-c", "user.email=a@b.example", "commit", "-qm", "all")):
        subprocess.run(["git", *arguments], cwd=world.root, check=True)


def head_of(path):
    """Return the data of a report."""
    return reported.unpacked(re.search(r'id="data">([^<]+)<', path.read_text("utf-8"))[1])


def experiments(world):
    """Return the folders of the experiments, the oldest first."""
    return sorted((world.root / "reports/experiments").iterdir())


def test_a_run_leaves_its_report_and_it_stays_the_same(desk):
    """The report of a run is beside the others, and `report` makes the same bytes of it again."""
    desk.harness("run")
    folder = experiments(desk)[-1]

    assert desk.harness("report", "-o", "again.html", "-o", "once_more.html").code == 0
    assert len({path.read_bytes() for path in (folder / "report.html", desk.root / "again.html", desk.root / "once_more.html")}) == 1


def test_a_prompt_edited_in_place_is_told_with_its_old_text(desk):
    """The text that the baseline had comes from git; secrets in prompts are redacted, there too."""
    commit(desk)
    desk.write("prompts/triage/v1.md", VAGUE)

    assert desk.harness("run", "-o", "report.html").code == 1

    comparison = head_of(desk.root / "report.html")["suites"][0]["comparison"]
    (prompt,) = [change for change in comparison["changed"] if change["what"] == "prompt"]
    assert (prompt["name"], prompt["lines"][0], prompt["lines"][-1]) == ("triage", [" ", "Sort the ticket."], ["+", "Guess."])
    assert prompt["lines"][1][1].startswith("Be exact. ")
    assert KEY not in str(prompt)
    (moved,) = comparison["moved"]
    assert (moved["case"], moved["movement"], moved["flips"]) == ("technical", "worse", [["classify", "technical", "billing"]])


def test_without_the_old_text_no_difference_is_shown(desk):
    """Where neither the folder nor git has the baseline's prompt, only its digest is told."""
    desk.write("prompts/triage/v1.md", VAGUE)
    desk.harness("run", "-o", "report.html")

    (prompt,) = [one for one in head_of(desk.root / "report.html")["suites"][0]["comparison"]["changed"] if one["what"] == "prompt"]
    assert prompt["lines"] is None
    assert prompt["before"] != prompt["after"]


def test_the_baseline_stands_beside_only_where_its_experiment_is_there(desk):
    """With the blessed experiment in the folder the trials are side by side; without it, the report says there is none."""
    desk.write("prompts/triage/v1.md", VAGUE)
    desk.harness("run", "-o", "with.html")
    shutil.rmtree(experiments(desk)[0])
    assert desk.harness("report", "-o", "without.html").code == 0

    sides = [head_of(desk.root / name)["suites"][0]["comparison"] for name in ("with.html", "without.html")]
    assert [side["transcripts"] for side in sides] == [True, False]
    assert [side["moved"][0]["step"] for side in sides] == [0, 0]


def test_history_comes_from_the_experiments_before(desk):
    """Earlier experiments of all cases are the history of the metrics; selected ones and unreadable ones are not in it."""
    desk.harness("run", "--limit", "1")
    desk.harness("run")
    (experiments(desk)[2] / "report.json").write_text("{}", "utf-8")
    desk.harness("run", "-o", "report.html")
    first = experiments(desk)[0]

    suite = head_of(desk.root / "report.html")["suites"][0]
    (rate,) = [metric for metric in suite["metrics"] if metric["name"] == "pass.rate"]
    assert [one["experiment"] for one in suite["past"]] == [first.name]
    assert rate["past"] == [1.0]


def test_a_very_large_run_leaves_the_report_to_be_asked_for(desk, monkeypatch):
    """Above so many trials a run writes no HTML, which takes memory for each; `report` does."""
    monkeypatch.setattr("harness.cli.output._PAGE_TRIALS", 1)
    desk.harness("run")

    assert not (experiments(desk)[-1] / "report.html").exists()
    assert desk.harness("report", "-o", "report.html").code == 0


def test_an_experiment_that_was_moved_is_reported_without_a_config(desk, tmp_path_factory, monkeypatch):
    """A downloaded experiment needs no project around it."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.move(experiments(desk)[0], elsewhere / "artifact")
    monkeypatch.chdir(elsewhere)

    assert desk.harness("report", "artifact", "-o", "report.html").code == 0
    assert head_of(elsewhere / "report.html")["suites"][0]["comparison"] is None
