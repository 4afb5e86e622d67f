"""Reports that other programs read: the summary of a GitHub step, Parquet, a table for pandas."""

import importlib.util
import os

import pandas as pd
import pytest
from letters import AGENT, RULES, case

import harness
from harness.errors import ExperimentMissing


@pytest.fixture
def recorded(world):
    """Return a project with a recorded suite of three cases."""
    world.write("agent.py", AGENT)
    world.suite('routes.classify = "kind"')
    world.cases(*map(case, range(3)))
    assert world.record(RULES).code == 0
    return world


def worse(world):
    """Expect of the last case what it does not do."""
    world.cases(*map(case, range(2)), {**case(2), "expected": {"route": {"classify": "number"}}})


def test_the_summary_of_a_step_is_added_to(recorded, monkeypatch):
    """-o takes the file that GITHUB_STEP_SUMMARY names, which has no suffix: Markdown, behind what other commands wrote."""
    path = recorded.write("_runner/step_summary_4711", "what the step wrote before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))

    assert recorded.harness("run", "-o", str(path)).code == 0
    assert recorded.harness("report", "-o", str(path)).code == 0
    text = path.read_text()
    assert text.startswith("what the step wrote before\n<!-- harness summary: agent -->\n# pass: experiment ")
    assert text.count("# pass: experiment ") == 2


def test_a_full_summary_changes_no_verdict(recorded, monkeypatch):
    """GitHub takes 1 MiB of a step; what would go over is left out, and that is said."""
    path = recorded.write("summary", "x" * (2**20 - 100))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))

    answer = recorded.harness("run", "-o", str(path))
    assert answer.code == 0
    assert "the summary of this step is full" in answer.err
    assert path.stat().st_size == 2**20 - 100


def test_no_other_file_without_a_suffix_is_written(recorded, monkeypatch):
    """Only the file that the variable names may lack a suffix; nothing runs before that is said."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    answer = recorded.harness("run", "-o", "summary")
    assert answer.code == 2
    assert "a report is a .html, .md, .xml, .csv, .json" in answer.err
    assert recorded.harness("list").out.startswith("no experiments")


def test_the_summary_says_what_got_worse(recorded):
    """With a baseline, the summary starts with what moved; the experiment's own summary.md says it, too."""
    recorded.harness("run")
    recorded.harness("bless")
    worse(recorded)

    assert recorded.harness("run", "-o", "out/summary.md").code == 1
    text = (recorded.root / "out/summary.md").read_text()
    assert "0 better, 1 worse, 2 same" in text
    assert "| case-002 | worse | pass | fail |" in text
    assert text.index("### Against the baseline") < text.index("### Cases that did not pass")
    assert max(recorded.root.glob("reports/experiments/*/summary.md")).read_text() == text


def test_parquet_is_written(recorded):
    """-o trials.parquet holds a row for each trial."""
    assert recorded.harness("run", "-o", "out/trials.parquet").code == 0

    table = pd.read_parquet(recorded.root / "out/trials.parquet")
    assert list(table["case"]) == ["case-000", "case-001", "case-002"]
    assert (table["tokens"] > 0).all()


def test_parquet_without_pyarrow_is_one_line(recorded, monkeypatch):
    """Without pyarrow, nothing runs; the line says what to install."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyarrow" else found(name))

    answer = recorded.harness("run", "-o", "trials.parquet")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "langgraph-harness[analytics]" in answer.err


def test_an_experiment_is_a_table(recorded):
    """load_experiment takes an id, a path or `latest`, and gives the trials as a table."""
    identifier = recorded.harness("run", "--json").json["experiment"]

    for name in (
        "latest",
        identifier,
        recorded.root / "reports/experiments" / identifier,
        os.path.relpath(f"reports/experiments/{identifier}"),
    ):
        table = harness.load_experiment(name).trials_frame()
        assert list(table["outcome"]) == ["pass", "pass", "pass"]
        assert list(table["route.classify"]) == ["letter", "letter", "letter"]
    with pytest.raises(ExperimentMissing):
        harness.load_experiment("nothing")
