"""The pytest plugin: inert until it is asked, then one test a case and one a gate, with reasons in the failure text."""

import os
import subprocess
import sys

import pytest
from letters import AGENT, RULES, case

NUMBERS = range(6)


@pytest.fixture
def recorded(world):
    """Return a project with six recorded cases, one of which expects what the model does not say."""

    def make():
        world.write("agent.py", AGENT)
        world.suite('routes.classify = "kind"')
        world.cases(*[case(number) for number in NUMBERS[:-1]], case(5, "alpha", "number"))
        assert world.record(RULES).code == 0

    world.prepare(make)
    return world


LEAN = ("--assert=plain", "-p", "no:langsmith_plugin")
"""What spares pytest half of its start: rewriting the assertions of every plugin that is installed, and importing the largest."""


def pytest_in(world, *arguments):
    """Run pytest in the project as a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "OPENAI"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *arguments],
        cwd=world.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_cases_and_gate_are_tests(recorded):
    """--harness adds a test a case and one for the gate; a failure tells the reasons and shows none of our stack."""
    answer = pytest_in(recorded, "--harness")

    assert "5 passed" in answer.stdout
    assert "2 failed" in answer.stdout
    assert "harness.toml::agent::case-000" in answer.stdout
    assert "fail: case 'case-005' of suite 'agent'" in answer.stdout
    assert "letter" in answer.stdout
    assert "fail: the gate of suite 'agent'" in answer.stdout
    assert "pytest_plugin.py" not in answer.stdout


def test_what_a_bound_decides_is_an_expected_failure(recorded):
    """A case that fails a check which the gate bounds is xfailed; the gate's own test decides."""
    recorded.suite('routes.classify = "kind"', tables='[suites.agent.gate]\n"route.accuracy" = { min = 0.8 }')

    answer = pytest_in(recorded, *LEAN, "--harness")

    assert answer.returncode == 0, answer.stdout
    assert "6 passed, 1 xfailed" in answer.stdout


def test_a_case_in_quarantine_is_an_expected_failure(recorded):
    """A case in quarantine is xfailed with its owner and the last day; the gate passes without it."""
    quarantine = '[suites.agent.quarantine."case-005"]\nowner = "ada"\nreason = "letters differ"\nuntil = 2999-12-31\n'
    recorded.suite('routes.classify = "kind"', tables=quarantine)

    answer = pytest_in(recorded, *LEAN, "--harness")

    assert answer.returncode == 0, answer.stdout
    assert "6 passed, 1 xfailed" in answer.stdout
    assert "in quarantine until 2999-12-31 (owner ada: letters differ)" in answer.stdout


def test_selection_and_xdist(recorded):
    """-k selects cases, and xdist spreads them; each gate still judges the whole suite."""
    assert "2 passed" in pytest_in(recorded, *LEAN, "--harness", "-k", "case-001 or case-002").stdout
    spread = pytest_in(recorded, *LEAN, "--harness", "-n", "2")
    assert "5 passed" in spread.stdout
    assert "2 failed" in spread.stdout


def test_it_lives_beside_other_tests_and_pytest_recording(recorded):
    """Other tests, those of pytest-recording among them, run as before, with the network and the environment as they were."""
    recorded.write(
        "tests/test_other.py",
        """
        import os
        import socket

        import httpx
        import pytest


        def test_plain():
            assert "OPENAI_API_KEY" not in os.environ
            with socket.socket() as server:
                server.bind(("127.0.0.1", 0))
                server.listen()
                socket.create_connection(server.getsockname()).close()


        @pytest.mark.vcr
        @pytest.mark.default_cassette("mine.yaml")
        def test_recorded():
            assert httpx.get("https://example.com/").text == "mine"
        """,
    )
    recorded.write(
        "tests/cassettes/test_other/mine.yaml",
        """
        version: 1
        interactions:
        - request: {method: GET, uri: "https://example.com/", body: null, headers: {}}
          response: {status: {code: 200, message: OK}, headers: {}, body: {string: mine}}
        """,
    )

    answer = pytest_in(recorded, "--harness", "tests", "harness.toml")

    assert "7 passed" in answer.stdout, answer.stdout
    assert "2 failed" in answer.stdout


def test_stale_cases_say_so(recorded):
    """A stale case fails with what differs and the command that renews it."""
    recorded.edit("datasets/agent.jsonl", "2: alpha", "2: beta")

    answer = pytest_in(recorded, *LEAN, "--harness")

    assert "stale: case 'case-002'" in answer.stdout
    assert "alpha" in answer.stdout
    assert "harness record agent" in answer.stdout


def test_a_bad_config_is_one_line(recorded):
    """A config that cannot be used fails the collection with one clear line."""
    recorded.write("harness.toml", "[suites.agent]\ngraph = 1\n")

    answer = pytest_in(recorded, *LEAN, "--harness")

    assert answer.returncode != 0
    assert "harness.toml:2: suites.agent.graph: input should be a valid string (got 1)" in answer.stdout
    assert "Traceback" not in answer.stdout


def test_it_costs_nothing_until_it_is_used(recorded):
    """A pytest run without --harness imports nothing of ours but the plugin's own file."""
    recorded.write(
        "tests/test_modules.py",
        """
        import sys


        def test_modules():
            ours = {name for name in sys.modules if name.startswith("harness")}
            assert ours == {"harness", "harness.pytest_plugin"}
        """,
    )

    assert pytest_in(recorded, "tests").returncode == 0
