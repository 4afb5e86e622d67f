"""Suites whose graph is a URL: the agent runs in a process of its own, its models are replayed, what cannot be seen is unscored."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from exchanges import said, tape

AGENT = Path(__file__).parents[1] / "plain_agent.py"


def case(name="one", question="capital?", *, resume=(), **expected):
    """Return a case of the agent."""
    return {"id": name, "inputs": {"question": question}, "expected": expected, "resume": list(resume)}


@pytest.fixture
def project(world):
    """Return a project whose agent the harness starts; `habits` say how it behaves."""
    shutil.copy(AGENT, world.root / "service.py")

    def suite(*habits, extra=""):
        command = " ".join(["python service.py {port}", *habits])
        world.suite(f'start = "{command}"\n{extra}', graph="http://127.0.0.1:{port}")

    world.served = suite
    suite()
    world.cases(case(path={"nodes": ["ask", "say"]}, output={"text": "Paris.", "state.answer": "Paris."}))
    tape(world, "one", said("capital?", "Paris."))
    return world


def running(root):
    """Return the processes of agents that were started in a project."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (path / "cwd").resolve() == root.resolve() and b"service.py" in (path / "cmdline").read_bytes().split(b"\0"):
                found.append(int(path.name))
    return found


def test_an_agent_is_started_replayed_and_ended(project):
    """The visits come from its stream, the requests from the wire, the answer from its snapshot; afterwards it is gone."""
    answer = project.harness("run", "--json")

    assert answer.code == 0, answer.json["suites"]["agent"]["reasons"]
    trial = project.trial()
    assert [(step.place.node, step.place.namespace, step.place.step) for step in trial.trace.steps] == [
        ("ask", (), 1),
        ("inner", ("ask",), 1),
        ("say", (), 2),
    ]
    assert (trial.played, len(trial.trace.model_calls), trial.trace.supersteps) == (1, 1, 2)
    assert trial.trace.state["messages"] == [{"type": "ai", "content": "Paris."}]
    assert running(project.root) == []


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_trials_are_the_same_for_any_number_of_workers(project, jobs):
    """Each worker has an agent of its own; what is stored does not depend on how many there are, nor on random ids."""
    names = [f"case-{number}" for number in range(6)]
    project.cases(*(case(name, f"capital of {name}?") for name in names))
    for name in names:
        tape(project, name, said(f"capital of {name}?", f"City of {name}."))

    assert project.harness("run").code == 0
    before = [trial.to_json() for trial in project.trials()]
    assert project.harness("run", "-j", jobs).code == 0

    assert [trial.to_json() for trial in project.trials()] == before
    assert [trial.trace.text for trial in project.trials()] == [f"City of {name}." for name in names]
    assert running(project.root) == []


def test_what_cannot_be_seen_is_unscored_and_has_no_figure(project):
    """Tools, states and the places of calls are unscored with the reason, and their metrics have no value: never 0."""
    project.cases(
        case(
            tools={"mode": "strict", "calls": []},
            fallback={"attempts": 1, "node": "ask"},
            limits={"tool_calls": 3, "repeated_states": 0},
        )
    )

    answer = project.harness("run", "--json", "-o", "out.csv")

    assert answer.code == 5
    scores = {score.name: score for score in project.trial().scores}
    assert {name: scores[name].status for name in ("tools", "fallback", "loops")} == dict.fromkeys(
        ("tools", "fallback", "loops"), "unscored"
    )
    assert "tools that an agent behind a URL executes cannot be seen" in scores["tools"].reason
    assert "limits.repeated_states cannot be checked" in scores["loops"].reason
    assert "limits.tool_calls cannot be checked" in scores["loops"].reason
    suite = answer.json["suites"]["agent"]
    assert suite["metrics"]["tool_calls.mean"] is None
    assert suite["metrics"]["tool_failure.rate"] is None
    assert suite["metric_reasons"]["tool_failure.rate"]
    assert "unscored,answer,2,1,," in (project.root / "out.csv").read_text("utf-8")


def test_an_agent_that_only_executes_shows_no_visits(project):
    """Without /start and /stream only the answer is known: a path is unscored, and the answer is checked all the same."""
    project.served("whole")

    answer = project.harness("run", "--json")

    assert answer.code == 5
    scores = {score.name: score for score in project.trial().scores}
    assert (scores["path"].status, scores["output.text"].status) == ("unscored", "pass")
    assert "/start and /stream" in scores["path"].reason
    assert answer.json["suites"]["agent"]["metrics"]["steps.mean"] is None


def test_a_miss_is_stale_though_the_agent_swallows_it(project):
    """A request that is not recorded makes the case stale, whatever the agent answers then."""
    project.cases(case(question="population?", output={"text": "sorry"}))

    answer = project.harness("run")

    assert answer.code == 4
    assert project.trial().outcome == "stale"
    assert "population" in answer.out


@pytest.mark.parametrize("habits", [("approval",), ("approval", "whole")], ids=["streamed", "whole"])
def test_an_interrupt_is_shown_and_resumed(project, habits):
    """The payload is checked, and the case's answer goes on with the thread; without one the trial ends there."""
    project.served(*habits)
    project.cases(
        case(resume=[{"approved": True}], interrupts=[{"action": "pay"}], output={"text": "Paris.", "state.approved": {"approved": True}}),
        case("two", interrupts=[{"action": "pay"}], ends="interrupt"),
    )

    answer = project.harness("run", "--json")

    assert answer.code == 0, answer.json["suites"]["agent"]["reasons"]
    assert [trial.trace.ends for trial in project.trials()] == ["answer", "interrupt"]


def test_a_recursion_limit_is_a_limit_and_no_crash(project):
    """An agent that ran into its recursion limit ends as `limit`."""
    project.served("loops")
    project.cases(case(ends="limit"))

    assert project.harness("run").code == 0


@pytest.mark.parametrize(
    ("habit", "text"),
    [
        ("breaks", "/start was answered 500: "),
        ("babbles", "/stream/"),
        ("hangs-up", "the stream broke off before its event `end`"),
        ("fails", "LookupError: http://127.0.0.1:"),
        ("shortcut", "asked its models nothing over the wire, though exchanges are recorded: its base URL has to be http://127.0.0.1:"),
    ],
)
def test_an_agent_that_fails_is_an_error_that_names_its_address(project, habit, text):
    """A 500, an answer that is not of the protocol, a failed run, and an agent that goes past the wire are errors of the case."""
    project.served(habit)

    answer = project.harness("run")

    assert answer.code == 3
    assert text in " ".join(answer.out.split())
    assert "http://127.0.0.1:" in answer.out


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("python service.py {port} quits", "ended with exit code 1 before it was ready; the last it said: no such model"),
        ("no-such-program {port}", "ended with exit code 127 before it was ready; the last it said: no-such-program: No such file"),
        ("python 'service.py {port}", "cannot be read as a command"),
    ],
    ids=["quits", "not-there", "unreadable"],
)
def test_an_agent_that_cannot_be_started_says_why(project, command, text):
    """A command that does not work ends the run with one line: where it stands, what happened, what it said."""
    project.suite(f'start = "{command}"', graph="http://127.0.0.1:{port}")

    answer = project.harness("run")

    assert (answer.code, answer.out) == (2, "")
    assert answer.err.splitlines()[-1].startswith("harness: suites.agent.start: ")
    assert text in answer.err
    assert running(project.root) == []


def test_an_agent_that_runs_already_asks_the_wire_of_the_config(project):
    """A service that the user started with its base URL is asked one trial at a time, under -j too; it is left running."""
    port, wire = free_port(), free_port()
    project.suite(f'wire = "127.0.0.1:{wire}"', graph=f"http://127.0.0.1:{port}")
    environment = {**os.environ, "OPENAI_BASE_URL": f"http://127.0.0.1:{wire}/v1"}
    with subprocess.Popen([sys.executable, "service.py", str(port)], cwd=project.root, env=environment) as process:
        try:
            wait_for(port)
            answer = project.harness("run", "-j", "2", "--repeat", "3")
            assert process.poll() is None
        finally:
            process.terminate()

    assert answer.code == 0, answer.out
    assert [trial.played for trial in project.trials()] == [1, 1, 1]


def test_an_agent_that_is_not_there_is_named_with_the_remedy(project):
    """Nobody answers at the URL: one line with the address and what to do, exit code 2."""
    project.suite('wire = "127.0.0.1:0"', graph=f"http://127.0.0.1:{free_port()}")

    answer = project.harness("run")

    assert (answer.code, answer.out) == (2, "")
    assert "suites.agent.graph: GET http://127.0.0.1:" in answer.err
    assert "start the agent with OPENAI_BASE_URL=http://127.0.0.1:" in answer.err


def test_an_agent_ends_when_the_harness_is_killed(project):
    """Even a harness that is killed leaves no agent behind."""
    project.cases(*(case(f"case-{number}") for number in range(2000)))
    for number in range(2000):
        shutil.copy(project.root / "cassettes/agent/one.yaml", project.root / f"cassettes/agent/case-{number}.yaml")
    with subprocess.Popen([sys.executable, "-m", "harness.cli", "run"], cwd=project.root, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: running(project.root))
        process.send_signal(signal.SIGKILL)

    wait_until(lambda: not running(project.root))


def test_no_real_key_reaches_a_started_agent(project, monkeypatch):
    """An agent that is started for a replay gets placeholders: past the wire it could not pay."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-this-is-a-real-one")
    project.edit("service.py", 'answer = "Paris" if', 'question += os.environ["OPENAI_API_KEY"]\n        answer = "Paris" if')
    tape(project, "one", said("capital?replayed-no-key-needed", "Paris."))

    assert project.harness("run").code == 0


CONFIGS = {
    "neither": ("", "http://127.0.0.1:8000", "say `start`, the command that starts the agent, or `wire`"),
    "start of a graph": ('start = "x"', "agent.py:build", "`start` and `wire` are for an agent behind a URL"),
    "port without start": ('wire = "127.0.0.1:1"', "http://127.0.0.1:{port}", "{port} is for an agent that `start` starts"),
    "wire elsewhere": ('wire = "0.0.0.0:1"', "http://127.0.0.1:8000", "'0.0.0.0:1' is not like"),
    "latencies": ('start = "x"\nlatencies = { look = 1 }', "http://127.0.0.1:8000", "out of reach"),
    "freeze": ('start = "x"\nfreeze = { uuid = true }', "http://127.0.0.1:8000", "nothing can be frozen"),
    "cassettes of nobody": ('cassettes = "other"', "agent.py:build", "'other' is no suite with cassettes of its own"),
    "cassettes of its own": ('cassettes = "agent"', "agent.py:build", "'agent' is no suite with cassettes of its own"),
    "a variant": (
        'start = "x"\nvariants.default = { model = "m" }',
        "http://127.0.0.1:8000",
        "an agent behind a URL takes no prompts, model or parameters",
    ),
}


@pytest.mark.parametrize(("extra", "graph", "text"), CONFIGS.values(), ids=CONFIGS)
def test_a_config_that_does_not_fit_is_refused(project, extra, graph, text):
    """What does not go together with a URL, or with none, is one line with the key."""
    project.suite(extra, graph=graph)

    answer = project.harness("run")

    assert (answer.code, answer.out) == (2, "")
    assert text in answer.err


def test_a_fault_at_a_node_is_refused(project):
    """A fault that has no place in another process is an error, and not a silent nothing."""
    project.cases({**case(), "faults": [{"at": {"node": "ask"}, "fault": "timeout"}]})

    answer = project.harness("run")

    assert answer.code == 2
    assert "cannot strike an agent behind a URL; use at.model_call" in answer.err


def test_an_agent_in_another_process_is_not_swept(project):
    """Faults such as time-outs would be waited for in real time there: the command says so."""
    answer = project.harness("sweep", "agent")

    assert answer.code == 2
    assert "waits for real, so it is not swept" in answer.err


@pytest.mark.parametrize(("extra", "text"), [("", "harness serve --record agent"), ('cassettes = "other"', "record that suite")])
def test_what_cannot_be_recorded_says_how_it_is(project, extra, text):
    """An agent in another process, and one that replays another suite's cassettes, are not recorded by `record`."""
    project.served(extra=extra)
    with (project.root / "harness.toml").open("a") as file:
        file.write('\n[suites.other]\ngraph = "agent.py:build"\ndataset = "datasets/agent.jsonl"\n')

    answer = project.harness("record", "agent")

    assert answer.code == 2
    assert text in answer.err


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    """Wait until somebody listens on a port."""

    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens)


def wait_until(so):
    """Wait until something is so; a machine may be very slow."""
    deadline, pause = time.monotonic() + 120, threading.Event()
    while not so():
        assert time.monotonic() < deadline
        pause.wait(0.05)
