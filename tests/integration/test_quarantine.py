"""Quarantine and the preset from the config to every report, with the real command and a graph that asks no model."""

import json
import xml.etree.ElementTree as ET

import pytest

AGENT = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    text: str

def answer(state):
    if state["text"] == "crash":
        raise ValueError("flaky")
    return {"text": state["text"].upper()}

def build():
    graph = StateGraph(State)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph.compile()
"""
QUARANTINE = """
[suites.agent.quarantine."flaky-1"]
owner = "ada"
reason = "the clock of the source jumps"
until = {until}
"""
ACTIVE, OVER = QUARANTINE.format(until="2999-12-31"), QUARANTINE.format(until="2020-01-31")
WHO = "(owner ada: the clock of the source jumps)"


@pytest.fixture
def agent(world):
    """Return a project of three cases, of which one gives a wrong answer."""
    world.write("agent.py", AGENT)
    wrong = {"id": "flaky-1", "inputs": {"text": "a"}, "expected": {"output": {"state.text": "Z"}}}
    right = ({"id": f"steady-{text}", "inputs": {"text": text}, "expected": {"output": {"state.text": text.upper()}}} for text in "bc")
    world.cases(wrong, *right)
    return world


def test_it_is_told_everywhere(agent):
    """Until its day the case does not decide, and every report says so, whose it is and why."""
    agent.suite(tables=ACTIVE)
    note = f"case 'flaky-1' is in quarantine until 2999-12-31 {WHO}: it failed; that decides nothing"

    ran = agent.harness("run", "--json", "-o", "all.md", "-o", "all.xml")

    assert ran.code == 0
    told = ran.json["suites"]["agent"]
    assert (told["verdict"], told["failed"], told["quarantine"], told["reasons"]) == ("pass", 1, {"flaky-1": {"fail": 1}}, [])
    assert note in told["notes"]
    assert note in agent.harness("gate").out.replace("\n    ", " ")
    assert "in quarantine until 2999-12-31" in (agent.root / "all.md").read_text("utf-8")
    (suite,) = ET.parse(agent.root / "all.xml").getroot()  # noqa: S314, our own file
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    (skipped,) = suite.iter("skipped")
    assert skipped.get("message").startswith(f"in quarantine until 2999-12-31 {WHO}; fail: output")


def test_it_expires(agent):
    """After its day the case decides again, and the verdict says whose quarantine it was; the others are not touched."""
    agent.suite(tables=OVER)

    ran = agent.harness("run", "--json", "-o", "all.xml")

    assert ran.code == 1
    assert "the quarantine of case 'flaky-1' expired on 2020-01-31" in (agent.root / "all.xml").read_text("utf-8")
    assert ran.json["suites"]["agent"]["reasons"] == ["check 'output' failed in 1 case: flaky-1"]
    (note,) = ran.json["suites"]["agent"]["notes"]
    assert note.startswith(f"the quarantine of case 'flaky-1' expired on 2020-01-31 {WHO}")


def test_a_crash_is_taken_and_a_bound_counts_the_others(agent):
    """A crash in quarantine neither crashes the suite nor spoils a share; the figures that are shown are of all cases."""
    agent.edit("datasets/agent.jsonl", '"text": "a"', '"text": "crash"')
    agent.suite(tables=ACTIVE + '[suites.agent.gate]\n"output.pass_rate" = { min = 1.0 }\n')

    ran = agent.harness("run", "--json")

    assert ran.code == 0
    assert ran.json["suites"]["agent"]["metrics"]["output.pass_rate"] == pytest.approx(2 / 3)
    assert "it crashed; that decides nothing" in ran.json["suites"]["agent"]["notes"][0]


def test_a_baseline_is_blessed_and_compared_without_it(agent):
    """A suite with a case in quarantine can be blessed, and the case is not compared."""
    agent.suite(tables=ACTIVE + '[suites.agent.gate]\n"pass.rate" = { max_drop = 0.0 }\n')
    agent.harness("run")
    agent.edit("datasets/agent.jsonl", '"Z"', '"A"')
    agent.harness("run")
    assert agent.harness("bless").code == 0
    agent.edit("datasets/agent.jsonl", '"A"', '"Z"')

    ran = agent.harness("run", "--json")

    assert (ran.code, ran.json["suites"]["agent"]["reasons"]) == (0, [])
    assert "the dataset has changed since the baseline" in ran.json["suites"]["agent"]["notes"]


def test_the_baseline_of_another_suite_is_an_error(agent):
    """A baseline file that was copied or renamed is no baseline of this suite."""
    agent.suite(tables=ACTIVE)
    agent.harness("run")
    agent.harness("bless")
    path = agent.root / "reports" / "baselines" / "agent.json"
    document = json.loads(path.read_text("utf-8"))
    document["standings"]["provenance"]["suite"] = "other"
    path.write_text(json.dumps(document), "utf-8")

    ran = agent.harness("run")

    assert ran.code == 2
    assert "the baseline of suite 'agent' is one of 'other'; bless an experiment of 'agent'" in ran.err


def test_the_preset_is_in_force(agent):
    """The preset's bounds decide where they can be measured, and are noted where they cannot."""
    agent.suite(tables=ACTIVE + '[suites.agent.gate]\npreset = "production"\n"limit_hit.rate" = { max = 0.5 }\n')

    told = agent.harness("run", "--json").json["suites"]["agent"]

    assert told["verdict"] == "pass"
    assert "the preset's bound of tool_failure.rate is not evaluated: no trial called one of its tools" in told["notes"]


ERRORS = {
    "no owner": (
        '[suites.agent.quarantine."flaky-1"]\nreason = "r"\nuntil = 2999-01-01\n',
        r"suites.agent.quarantine.flaky-1.owner: field",
    ),
    "an empty reason": (
        '[suites.agent.quarantine."flaky-1"]\nowner = "o"\nreason = " "\nuntil = 2999-01-01\n',
        "suites.agent.quarantine.flaky-1.reason: string should have at least 1 character",
    ),
    "no day": ('[suites.agent.quarantine."flaky-1"]\nowner = "o"\nreason = "r"\n', "suites.agent.quarantine.flaky-1.until: field required"),
    "another key": (ACTIVE + 'ownr = "x"\n', "unknown key 'suites.agent.quarantine.flaky-1.ownr'; did you mean 'owner'?"),
    "no such case": (ACTIVE.replace("flaky-1", "flakey-1"), "has no case 'flakey-1'; did you mean 'flaky-1'?"),
    "a case that must pass": ('must_pass = ["flaky-1"]\n' + ACTIVE, "case 'flaky-1' is in must_pass, too"),
    "no such preset": ('[suites.agent.gate]\npreset = "prod"\n', "suites.agent.gate.preset: input should be 'production' (got 'prod')"),
    "non-inferiority of an amount": (
        '[suites.agent.gate]\n"cost_usd.mean" = { non_inferiority = { margin = 0.1 } }\n',
        "non_inferiority of 'cost_usd.mean': it is for shares that each case passes or not",
    ),
    "non-inferiority of crashes": (
        '[suites.agent.gate]\n"error.rate" = { non_inferiority = { margin = 0.1 } }\n',
        "non_inferiority of 'error.rate': it is for shares",
    ),
}


@pytest.mark.parametrize(("tables", "message"), ERRORS.values(), ids=ERRORS)
def test_mistakes_are_one_line(agent, tables, message):
    """What cannot be meant ends the command with the place and the remedy, before anything runs."""
    agent.suite(tables=tables)

    ran = agent.harness("run")

    assert ran.code == 2
    assert message in ran.err
    assert "harness.toml" in ran.err
    assert len(ran.err.strip().splitlines()) == 1
