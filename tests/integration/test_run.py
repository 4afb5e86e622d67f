"""The runner: the same bytes however it runs, nothing lost when it is killed, one clear line for every bad input."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from letters import AGENT, RULES, case
from processes import forked


@pytest.fixture
def recorded(world):
    """Return a project with a recorded suite of twenty cases."""

    def make():
        world.write("agent.py", AGENT)
        world.suite('routes.classify = "kind"')
        world.cases(*[case(number) if number % 2 else case(number, "seven", "number") for number in range(20)])
        assert world.record(RULES).code == 0

    world.prepare(make)
    return world


def command(world, *arguments, **environment):
    """Run the command as a process of its own, a fresh one where a hash seed is given."""
    return forked(world.root, *arguments, environment={**os.environ, **environment})


def trials_bytes(world, experiment):
    """Return the bytes of an experiment's trials."""
    return (world.root / "reports" / "experiments" / experiment / "trials.jsonl").read_bytes()


def test_bytes_do_not_depend_on_workers_or_hash_seed(recorded):
    """One worker or two, one hash seed or another: trials.jsonl is the same to the byte, in dataset order."""
    documents = []
    for jobs, seed in (("1", "0"), ("2", "1"), ("2", "4242")):
        answer = command(recorded, "run", "--json", "-j", jobs, PYTHONHASHSEED=seed)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        documents.append(json.loads(answer.stdout))

    first, *others = [trials_bytes(recorded, document["experiment"]) for document in documents]
    assert all(other == first for other in others)
    assert [json.loads(line)["case"] for line in first.splitlines()] == [f"case-{number:03d}" for number in range(20)]
    assert documents[0]["suites"] == documents[1]["suites"]


def test_the_json_document_is_all_there_is(recorded):
    """--json prints the documented document and nothing else on standard output."""
    answer = recorded.harness("run", "--json")

    document = answer.json
    assert set(document) == {"verdict", "exit_code", "experiment", "suites"}
    suite = document["suites"]["agent"]
    assert (document["verdict"], document["exit_code"], suite["trials"], suite["passed"]) == ("pass", 0, 20, 20)
    assert suite["metrics"]["route.accuracy"] == 1.0
    assert suite["metrics"]["duration_s.p50"] > 0
    assert suite["metrics"]["ttft_s.p50"] is None


def test_a_killed_run_resumes(recorded):
    """Kill -9 in the middle of 200 trials, then --resume: every trial once, the bytes of a run that was not interrupted."""
    recorded.edit("agent.py", "def classify(state):\n", "def classify(state):\n    import time\n    time.sleep(0.01)\n")
    whole = command(recorded, "run", "--repeat", "10", "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "run", "--repeat", "10", "-j", "2"],
        cwd=recorded.root,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    folder = recorded.root / "reports" / "experiments"
    before = {path.name for path in folder.iterdir()}
    _wait_for(lambda: any(_lines(path) >= 40 for path in folder.iterdir() if path.name not in before))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (killed,) = {path.name for path in folder.iterdir()} - before
    assert 40 <= _lines(folder / killed) < 200
    with (folder / killed / "trials.jsonl").open("ab") as file:
        file.write(b'{"suite":"agent","varia')  # what a write in flight leaves

    refused = command(recorded, "gate", killed)
    resumed = command(recorded, "run", "--resume", killed, "--json")

    assert refused.returncode == 2
    assert "not finished" in refused.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert trials_bytes(recorded, killed) == trials_bytes(recorded, json.loads(whole.stdout)["experiment"])


def _lines(folder):
    path = folder / "trials.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_resuming_something_else_is_refused(recorded):
    """An experiment whose dataset has changed since is not gone on with."""
    experiment = recorded.harness("run", "--json").json["experiment"]
    recorded.cases(case(1))

    answer = recorded.harness("run", "--resume", experiment)

    assert answer.code == 2
    assert "dataset_digest" in answer.err


def test_a_worker_that_dies_costs_one_trial(recorded):
    """A node that kills its process makes an error of its own trial; the others run."""
    recorded.edit(
        "agent.py",
        "def letter(state):\n",
        'def letter(state):\n    if "13" in state["question"]:\n        import os\n        os._exit(9)\n',
    )

    answer = recorded.harness("run", "-j", "2")

    assert answer.code == 3
    outcomes = {trial.case: trial.outcome for trial in recorded.trials()}
    assert len(outcomes) == 20
    assert [name for name, outcome in outcomes.items() if outcome != "pass"] == ["case-013"]
    assert "exit code 9" in answer.out


def test_selection(recorded):
    """--filter, --tag, --limit and --failing select cases; gate judges what was selected."""
    assert recorded.harness("run", "--filter", "case-00 and not case-003", "--json").json["suites"]["agent"]["trials"] == 9
    assert recorded.harness("run", "--tag", "number", "--json").json["suites"]["agent"]["trials"] == 10
    assert recorded.harness("run", "--limit", "3", "--json").json["suites"]["agent"]["trials"] == 3
    (recorded.root / "cassettes" / "agent" / "case-005.yaml").unlink()
    stale = recorded.harness("run", "--json")
    assert (stale.code, stale.json["suites"]["agent"]["stale"]) == (4, 1)
    assert recorded.harness("run", "--failing", "latest", "--json").json["suites"]["agent"]["trials"] == 1


def test_stored_experiments_are_listed_shown_judged_and_reported(recorded):
    """list, show, gate and report work on what a run left, without the graph."""
    recorded.harness("run")
    (recorded.root / "agent.py").unlink()

    assert "agent" in recorded.harness("list").out
    assert "pass" in recorded.harness("show").out
    shown = recorded.harness("show", "latest", "case-004")
    assert "classify" in shown.out
    assert "gpt-4o-mini" in shown.out
    assert recorded.harness("gate").code == 0
    assert recorded.harness("report", "latest", "-o", "out/a.md", "-o", "out/b.xml", "-o", "out/c.csv", "-o", "out/d.json").code == 0
    assert len((recorded.root / "out" / "c.csv").read_text().splitlines()) == 21
    assert "has no case 'case-04'; did you mean 'case-0" in recorded.harness("show", "latest", "case-04").err


def test_the_gate_needs_no_langgraph(recorded):
    """help, gate and show start without importing LangChain, LangGraph or pandas."""
    recorded.harness("run")
    code = """
import sys
from harness.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(sorted({"langchain_core", "langgraph", "pandas", "vcr", "scipy"} & set(sys.modules)))
"""
    for arguments in (["--help"], ["gate"], ["show"]):
        answer = subprocess.run([sys.executable, "-c", code, *arguments], cwd=recorded.root, capture_output=True, text=True, check=True)
        assert answer.stdout.splitlines()[-1] == "[]"


BAD_INPUTS = {
    "empty dataset": (lambda world: world.write("datasets/agent.jsonl", ""), 5, "nothing ran: datasets/agent.jsonl has no cases"),
    "duplicate id": (lambda world: world.cases(case(1), case(1)), 2, "datasets/agent.jsonl:2: case id 'case-001' stands twice"),
    "unparsable line": (
        lambda world: world.write("datasets/agent.jsonl", '{"id": "a", "inputs": {}}\n{"id": '),
        2,
        "datasets/agent.jsonl:2: not JSON",
    ),
    "not an object": (lambda world: world.write("datasets/agent.jsonl", "[1]\n"), 2, "datasets/agent.jsonl:1: a case is an object"),
    "no id": (lambda world: world.write("datasets/agent.jsonl", '{"inputs": {}}\n'), 2, "datasets/agent.jsonl:1: id: field required"),
    "unknown key in a case": (
        lambda world: world.cases({**case(1), "expcted": {}}),
        2,
        "datasets/agent.jsonl:1: unknown key 'expcted'; did you mean 'expected'?",
    ),
    "unknown key in an expectation": (
        lambda world: world.cases({"id": "a", "inputs": {}, "expected": {"path": {"node": ["x"], "nodes": ["x"]}}}),
        2,
        "datasets/agent.jsonl:1: unknown key 'expected.path.node'; did you mean 'nodes'?",
    ),
    "no dataset": (lambda world: (world.root / "datasets/agent.jsonl").unlink(), 2, "datasets/agent.jsonl: there is no such file"),
    "unknown key in the config": (
        lambda world: world.suite('route.classify = "kind"'),
        2,
        "harness.toml:4: unknown key 'suites.agent.route'; did you mean 'routes'?",
    ),
    "unknown metric": (
        lambda world: world.suite(tables='[suites.agent.gate]\n"route.acuracy" = { min = 1 }'),
        2,
        "did you mean 'route.accuracy'?",
    ),
    "not TOML": (lambda world: world.write("harness.toml", "[suites.agent\n"), 2, "harness.toml: not TOML"),
    "no config": (lambda world: (world.root / "harness.toml").unlink(), 2, "no config:"),
    "unknown check": (lambda world: world.suite('checks = ["rout"]'), 2, "unknown check 'rout'; did you mean 'route'?"),
    "graph that does not import": (
        lambda world: world.write("agent.py", "import nothing_of_this_name\n"),
        2,
        "No module named 'nothing_of_this_name' (agent.py:1)",
    ),
    "graph with a syntax error": (lambda world: world.write("agent.py", "def build(:\n"), 2, "SyntaxError"),
    "no such factory": (lambda world: world.suite(graph="agent.py:biuld"), 2, "has no 'biuld'; did you mean 'build'?"),
    "factory that raises": (
        lambda world: world.write("agent.py", "def build():\n    return 1 / 0\n"),
        2,
        "the factory raised ZeroDivisionError",
    ),
    "factory that returns something else": (
        lambda world: world.write("agent.py", "def build():\n    return 1\n"),
        2,
        "returned int, not a compiled graph",
    ),
    "parameter that the factory lacks": (
        lambda world: world.suite(tables="[suites.agent.variants.default]\nparameters = { retries = 1 }"),
        2,
        "takes no 'retries'",
    ),
    "unreadable cassette": (
        lambda world: world.write("cassettes/agent/case-003.yaml", "version: 1\ninteractions:\n- request: [\n"),
        2,
        "cassettes/agent/case-003.yaml:",
    ),
    "cassette that builds objects": (
        lambda world: world.write(
            "cassettes/agent/case-003.yaml", "version: 1\ninteractions: !!python/object/apply:os.system [touch hacked]\n"
        ),
        2,
        "python/object/apply:os.system",
    ),
    "cassette of a newer format": (
        lambda world: world.write("cassettes/agent/case-003.yaml", "version: 2\ninteractions: []\n"),
        2,
        "cassettes/agent/case-003.yaml: cassette format version 2 is newer",
    ),
    "must_pass without a case": (lambda world: world.suite('must_pass = ["case-01"]'), 2, "has no case 'case-01'"),
}


def _files(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "reports" not in path.parts and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(("spoil", "code", "text"), BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_bad_input_is_one_clear_line(recorded, spoil, code, text, jobs):
    """Bad input ends with one line that says where and what, the right exit code, no traceback, and no file changed."""
    spoil(recorded)
    before = _files(recorded.root)

    answer = recorded.harness("run", "-j", jobs)

    assert (answer.code, answer.out) == (code, "")
    assert text in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert "Traceback" not in answer.err
    assert _files(recorded.root) == before


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["run", "--filter", "nothing_like_it"], 5, "matches none of 20 cases"),
        (["run", "--filter", "and or"], 2, "--filter"),
        (["run", "agnet"], 2, "there is no suite 'agnet'; did you mean 'agent'?"),
        (["run", "--variant", "v9"], 2, "no selected suite has a variant 'v9'"),
        (["run", "-o", "report.pdf"], 2, "-o report.pdf"),
        (["run", "--config", "elsewhere.toml"], 2, "elsewhere.toml: there is no such config file"),
        (["run", "--resume", "20200101-000000-01"], 2, "there is no experiment '20200101-000000-01'"),
        (["gate"], 2, "there is no experiment"),
        (["show", "latest", "x"], 2, "there is no experiment"),
        (["frob"], 2, "No such command 'frob'"),
    ],
)
def test_bad_arguments_are_one_clear_line(recorded, arguments, code, text):
    """A flag or argument that cannot be used says so in one line."""
    answer = recorded.harness(*arguments)

    assert (answer.code, answer.out) == (code, "")
    assert text in answer.err
    assert len(answer.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("head", "text"),
    [("{", "not an experiment"), ('{"format": 99}', "format 99 is newer than 1"), ('{"format": 0}', "format 0 is no longer read")],
)
def test_experiments_that_cannot_be_read_say_why(recorded, head, text):
    """Unreadable, too new and too old are three different errors."""
    recorded.harness("run")
    (folder,) = (recorded.root / "reports" / "experiments").iterdir()
    (folder / "experiment.json").write_text(head)

    answer = recorded.harness("gate")

    assert answer.code == 2
    assert text in answer.err


def test_tracing_is_off_and_said_once(recorded, monkeypatch):
    """LangSmith tracing is switched off while trials run, and that is said."""
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "x")

    answer = recorded.harness("run")

    assert answer.code == 0
    assert answer.err.count("tracing is switched off") == 1
