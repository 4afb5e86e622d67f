"""What a struck agent goes on to ask can be recorded: the next sweep knows the cell, and plain trials are none the wiser."""

import json

import pytest
import yaml
from openai_server import serving
from tool_agent import AGENT, RULES

from harness.script import parse

CASE = {"id": "one", "inputs": {"messages": [{"role": "user", "content": "look"}]}}
DONE = "- {when: {}, reply: {text: 'done'}}"


@pytest.fixture
def recorded(world):
    """Return a project whose plain trial is recorded, and whose sweep asks for more."""

    def make():
        world.write("agent.py", AGENT)
        world.suite("recursion_limit = 12", tables="[suites.agent.sweep]\nfaults = ['rate_limit', 'wrong_schema', 'unknown_tool']")
        world.cases(CASE)
        assert world.record(RULES).code == 0

    world.prepare(make)
    return world


def sweep(world, monkeypatch, *arguments, rules=DONE, busy=()):
    """Sweep with a real server to ask, and return the answer of the command and what the server was asked."""
    with serving(parse(rules, path="rules"), busy=busy) as server, monkeypatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", server.base_url)
        patch.setenv("OPENAI_API_KEY", "a-key-of-the-tests")
        return world.harness("sweep", *arguments), server.asked


def outcomes(answer):
    """Return how the cells of a sweep ended, by call and fault."""
    (swept,) = json.loads(answer.out)
    return {(cell["at"]["model_call"], cell["fault"]): cell["outcome"] for cell in swept["cells"] if cell["at"]["model_call"]}


def cassette(world):
    """Return the exchanges of the case's cassette."""
    return yaml.safe_load((world.root / "cassettes/agent/one.yaml").read_text())["interactions"]


def test_what_is_not_known_says_what_recording_it_takes(recorded):
    """A sweep names the cells that are not known, the command that records them, and at least how much it asks."""
    answer = recorded.harness("sweep")

    assert answer.code == 6
    assert "record it with `harness sweep agent --record`: at least 2 requests, about " in " ".join(answer.out.split())


def test_a_sweep_records_what_it_lacks(recorded, monkeypatch):
    """The continuations are asked once, kept on the cassette under a mark of their own, and known from then on."""
    plain = cassette(recorded)

    answer, asked = sweep(recorded, monkeypatch, "--record", "--json")
    again, asked_again = sweep(recorded, monkeypatch, "--record", "--json")

    assert (answer.code, again.code) == (0, 0), answer.out
    assert outcomes(answer)[1, "wrong_schema"] == outcomes(again)[1, "wrong_schema"] == "answered"
    assert (len(asked), len(asked_again)) == (3, 0)
    assert answer.err.splitlines()[-1].startswith("recorded 3 exchanges: 3 create in 1 case; ")
    assert [one["harness"]["variants"] for one in cassette(recorded)[len(plain) :]] == [["sweep:default"]] * 3
    assert cassette(recorded)[: len(plain)] == plain


def test_a_plain_trial_is_not_disturbed(recorded, monkeypatch):
    """What a sweep recorded is neither used nor counted as unused by the plain trial, and pruning leaves it."""
    recorded.harness("run")
    before = recorded.trial()
    sweep(recorded, monkeypatch, "--record")
    exchanges = cassette(recorded)

    recorded.harness("run")
    pruned = recorded.harness("cassettes", "prune", "--yes")
    checked = recorded.harness("cassettes", "check")

    assert recorded.trial().to_json() == before.to_json()
    assert "nothing to remove" in pruned.out + pruned.err
    assert checked.code == 0
    assert cassette(recorded) == exchanges


def test_a_sweep_takes_away_what_it_needs_no_more(recorded, monkeypatch):
    """Once the agent goes on otherwise, a sweep that records replaces its own continuations, and no others."""
    plain = cassette(recorded)
    sweep(recorded, monkeypatch, "--record")
    recorded.edit("agent.py", "handle_tool_errors=True", "handle_tool_errors='Try another.'")

    answer, asked = sweep(recorded, monkeypatch, "--record", "--json")

    assert answer.code == 0
    assert len(asked) == 1
    continuations = cassette(recorded)[len(plain) :]
    assert sum("Try another." in json.dumps(one) for one in continuations) == 1
    assert len(continuations) == 3
    assert cassette(recorded)[: len(plain)] == plain


def test_a_server_that_turns_a_sweep_down(recorded, monkeypatch):
    """What the server does not answer stays unknown, is said, and nothing is written."""
    plain = cassette(recorded)

    answer, _ = sweep(recorded, monkeypatch, "--record", busy=[(401, {})] * 9)

    assert answer.code == 6
    assert "agent/one: HTTP 401 from 127.0.0.1: the key is missing or wrong; not recorded" in answer.err
    assert cassette(recorded) == plain


def test_a_budget_stops_a_sweep(recorded, monkeypatch):
    """Before a call that may go over the bound nothing more is asked."""
    answer, asked = sweep(recorded, monkeypatch, "--record", "--max-cost", "0.0000001")

    assert (answer.code, asked) == (7, [])
    assert "stopped before a call that might go over --max-cost 1e-07" in answer.err


def test_where_recording_is_refused(recorded, monkeypatch):
    """A sweep records nothing in CI, and a bound in dollars without --record is a mistake."""
    bound = recorded.harness("sweep", "--max-cost", "1")
    monkeypatch.setenv("CI", "true")
    answer, asked = sweep(recorded, monkeypatch, "--record")

    assert (answer.code, answer.err.count("\n"), asked) == (2, 1, [])
    assert "refused where the variable CI is set" in answer.err
    assert (bound.code, bound.err.count("\n")) == (2, 1)


def test_suites_that_share_cassettes(recorded, monkeypatch):
    """A sweep of a suite that replays the cassettes of another one leaves the continuations of that one where they are."""
    path = recorded.root / "harness.toml"
    own = path.read_text()
    twin = own.replace("suites.agent", "suites.twin").replace("[suites.twin]", '[suites.twin]\ncassettes = "agent"', 1)
    path.write_text(f"{own}\n{twin}")
    sweep(recorded, monkeypatch, "agent", "--record")
    recorded.edit("agent.py", "handle_tool_errors=True", "handle_tool_errors='Try another.'")

    sweep(recorded, monkeypatch, "twin", "--record")

    marks = [one["harness"]["variants"] for one in cassette(recorded)]
    assert sum("sweep:default" in names for names in marks) == 3
    assert ["sweep:twin@default"] in marks
