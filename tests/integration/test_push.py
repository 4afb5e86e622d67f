"""`harness push` and `harness dataset`: the real command, over real HTTP, to a strict double; LangSmith's own client reads it back."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from decimal import Decimal
from pathlib import Path

import pytest
from langsmith import Client
from langsmith_double import Fault
from langsmith_server import KEY, langsmith
from letters import AGENT, RULES, case

from harness.dataset import parse
from harness.ledger import ledger_of

ROOT = Path(__file__).parents[2]
NO_KEY = {name: value for name, value in os.environ.items() if not name.startswith("LANG")} | {"PYTHONPATH": str(ROOT)}
DATASET = "11111111-2222-4333-8444-555555555555"
EXAMPLE = "66666666-2222-4333-8444-555555555555"


@pytest.fixture
def hub(monkeypatch):
    """Return a LangSmith, whose key and address are in the environment."""
    for name in ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "LANGCHAIN_ENDPOINT", "LANGSMITH_WORKSPACE_ID", "LANGSMITH_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with langsmith() as server:
        monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
        monkeypatch.setenv("LANGSMITH_ENDPOINT", server.address)
        yield server


@pytest.fixture
def ran(world):
    """Return a project whose suite of six cases, two of them wrong, was run on its cassettes."""
    world.write("agent.py", AGENT)
    world.suite('routes.classify = "kind"')
    cases = [{**case(number), "tags": ["odd"] if number % 2 else ["even"]} for number in range(4)]
    wrong = [{**case(number), "expected": {"route": {"classify": "nothing"}}} for number in (4, 5)]
    world.cases(*cases, *wrong)
    world.record(RULES)
    assert world.harness("run").code == 1
    return world


@pytest.fixture
def client(hub):
    """Return LangSmith's own client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Client(api_url=hub.address, api_key=KEY, auto_batch_tracing=False, info={})


def folder(world):
    """Return the folder of the only experiment."""
    (found,) = (world.root / "reports" / "experiments").iterdir()
    return found


def test_a_push_says_where_it_is_and_a_second_changes_nothing(ran, hub):
    """The line names the traces and the page; the second push says that nothing had to be sent, and that is so."""
    first = ran.harness("push")
    changes, writes = hub.workspace.changes, len(hub.workspace.writes)
    second = ran.harness("push")

    (session,) = hub.workspace.sessions
    (dataset,) = hub.workspace.datasets
    where = f"/datasets/{dataset}/compare?selectedSessions={session}"
    assert (first.code, second.code, first.err, second.err) == (0, 0, "", "")
    assert first.out.startswith("agent: 6 of 6 traces are in LangSmith (6 sent now): http://127.0.0.1:")
    assert first.out.endswith(f"{where}\n")
    assert second.out.startswith("agent: 6 of 6 traces are in LangSmith (nothing had to be sent): ")
    assert (hub.workspace.changes, len(hub.workspace.writes)) == (changes, writes)
    assert hub.workspace.invalid == []


def test_the_sdk_reads_back_what_was_pushed(ran, hub, client):
    """Experiment, examples, runs and feedback as LangSmith's own client reads them are those of the trials."""
    assert ran.harness("push").code == 0
    trials = {trial.case: trial for trial in ran.trials()}
    spent = ledger_of(trials.values()).by_model.values()
    (session,) = hub.workspace.sessions

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        project = client.read_project(project_id=session, include_stats=True)
        examples = {example.metadata["langgraph_harness"]["case"]: example for example in client.list_examples(dataset_name="agent")}
        runs = list(client.list_runs(project_id=session))
        roots = {run.extra["metadata"]["case"]: run for run in runs if run.parent_run_id is None}
        feedback = list(client.list_feedback(run_ids=[run.id for run in roots.values()]))
        read = client.read_run(roots["case-000"].id)

    assert project.run_count == len(trials)
    assert project.total_tokens == sum(one.tokens for one in spent)
    assert project.total_cost == sum((Decimal(str(one.cost_usd)) for one in spent), Decimal(0))
    assert project.metadata["langgraph_harness"]["trials"] == len(trials)
    assert {name: example.inputs for name, example in examples.items()} == {number["id"]: number["inputs"] for number in _cases(ran)}
    assert roots.keys() == trials.keys()
    for name, trial in trials.items():
        assert roots[name].outputs == {"text": trial.trace.text, "state": trial.trace.state}
        assert roots[name].reference_example_id == examples[name].id
        assert roots[name].latency == trial.trace.duration_s
        said = {one.key: one for one in feedback if one.run_id == roots[name].id}
        assert {key: (one.score, one.value) for key, one in said.items() if key != "outcome"} == {
            score.name: (score.value, score.status) for score in trial.scores
        }
    assert read.inputs == examples["case-000"].inputs


def _cases(world):
    return [json.loads(line) for line in (world.root / "datasets" / "agent.jsonl").read_text().splitlines()]


def test_what_models_were_asked_and_said_is_in_their_runs(ran, hub):
    """Runs of models hold the request and the answer of the cassette, and the tokens."""
    assert ran.harness("push").code == 0

    calls = [run for run in hub.workspace.runs.values() if run["run_type"] == "llm"]

    assert all(run["inputs"]["messages"] and run["outputs"]["choices"] for run in calls)


def test_a_push_that_cannot_arrive_exits_with_8_and_keeps_what_did_not_go(ran, hub):
    """The line says how much is there, why, and how to go on; the spool holds the requests, and the experiment stays as it was."""
    before = (folder(ran) / "experiment.json").read_bytes()
    hub.workspace.plan = lambda number: Fault(403)

    answer = ran.harness("push")

    assert answer.code == 8
    name = folder(ran).name
    assert answer.err == (
        f"harness: push incomplete: 0 of 6 traces are there: {hub.address}: the key may not do this (403); look at its workspace and its "
        f"rights; 11 requests wait in reports/experiments/{name}/push/spool.jsonl; go on with `harness push {name}`\n"
    )
    assert len((folder(ran) / "push" / "spool.jsonl").read_text().splitlines()) == 11
    assert (folder(ran) / "experiment.json").read_bytes() == before
    assert ran.harness("gate").code == 1


def test_a_push_goes_on_where_it_was_cut_off(ran, hub):
    """With --resume what was acknowledged is not sent again, and the spool goes when everything is there."""
    hub.workspace.plan = lambda number: Fault(401) if len(hub.workspace.sessions) else None
    assert ran.harness("push").code == 8
    hub.workspace.plan = lambda number: None

    answer = ran.harness("push", "--resume")

    assert (answer.code, answer.err) == (0, "")
    assert len([run for run in hub.workspace.runs.values() if "parent_run_id" not in run]) == 6
    assert not (folder(ran) / "push" / "spool.jsonl").exists()


def test_a_push_that_is_killed_goes_on(ran, hub):
    """Kill -9 in the middle of the traces: what was acknowledged is in the ledger, and --resume brings the rest, nothing twice."""
    started = threading.Event()
    process = None

    def kill(_number):
        if len([path for _, path in hub.workspace.log if path == "/runs/multipart"]) == 2:
            started.wait()
            process.kill()
            process.wait()
            hub.workspace.plan = lambda number: None

    hub.workspace.plan = kill
    process = subprocess.Popen([sys.executable, "-m", "harness.cli", "push"], cwd=ran.root, env={**os.environ, "PYTHONPATH": str(ROOT)})
    started.set()
    process.wait()

    answer = ran.harness("push", "--resume")

    assert process.returncode == -signal.SIGKILL
    assert (answer.code, answer.err) == (0, "")
    assert len([run for run in hub.workspace.runs.values() if "parent_run_id" not in run]) == 6
    assert hub.workspace.invalid == []


def test_resume_without_a_push_is_refused(ran, hub):
    """There is nothing to go on with."""
    answer = ran.harness("push", "--resume")

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "push it without --resume" in answer.err
    assert hub.asked == []


def test_a_ledger_that_is_damaged_is_named(ran, hub):
    """The line says which file to remove, and that nothing is sent twice."""
    (folder(ran) / "push").mkdir()
    (folder(ran) / "push" / "ledger.jsonl").write_text("no line of a ledger\n")

    answer = ran.harness("push", "--resume")

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "push/ledger.jsonl:1: not a line of a ledger; remove the file and push again, nothing is sent twice" in answer.err


def test_a_dry_run_prints_the_requests_that_a_push_sends(ran, hub):
    """Nothing is asked; every request is there, with the ids and the parts that are then sent."""
    printed = [json.loads(line) for line in ran.harness("push", "--dry-run").out.splitlines()]
    assert hub.asked == []
    assert ran.harness("push").code == 0

    asked = [(one["method"], one["path"]) for one in printed]
    sent = [(method, path) for method, path in hub.workspace.writes if not path.endswith("/tags")]
    runs = {part["name"].split(".")[1] for one in printed for part in one.get("parts", ()) if part["name"].startswith("post.")}
    assert sorted(asked) == sorted(sent)
    assert runs == set(hub.workspace.runs)


def test_failing_trials_can_be_pushed_by_themselves(ran, hub):
    """They are an experiment of their own, which is never taken for the whole one."""
    answer = ran.harness("push", "--failing")

    (session,) = hub.workspace.sessions.values()
    assert answer.out.startswith("agent: 2 of 2 traces are in LangSmith (2 sent now)")
    assert (session["num_examples"], session["extra"]["metadata"]["langgraph_harness"]["selected"]) == (2, "failing")
    assert ran.harness("push").code == 0
    assert len(hub.workspace.sessions) == 2


def test_cases_with_a_tag_can_be_pushed_by_themselves(ran, hub):
    """Only their trials go."""
    assert ran.harness("push", "--tag", "odd").out.startswith("agent: 2 of 2 traces are in LangSmith")


def test_a_whole_experiment_becomes_the_baseline(ran, hub):
    """With --baseline the dataset names it; a part of one is refused."""
    assert ran.harness("push", "--baseline").code == 0
    answer = ran.harness("push", "--baseline", "--failing")

    (session,) = hub.workspace.sessions
    (dataset,) = hub.workspace.datasets.values()
    assert dataset["baseline_experiment_id"] == session
    assert (answer.code, answer.err) == (2, "harness: --baseline is for whole experiments, not for --failing or --tag\n")


def test_variants_are_experiments_of_one_dataset(ran, hub):
    """Each variant is an experiment of its own, the first one the baseline; a second push changes nothing."""
    ran.suite('routes.classify = "kind"', tables="[suites.agent.variants.other]\nmodel = 'gpt-4o-mini'")
    ran.edit("agent.py", "def build():", "def build(model=None):")
    assert ran.harness("run", "--variant", "default", "--variant", "other").code in {1, 4}
    first = ran.harness("push", "--baseline")
    changes = hub.workspace.changes

    second = ran.harness("push", "--baseline")

    (dataset,) = hub.workspace.datasets.values()
    names = {session["id"]: session["extra"]["metadata"]["langgraph_harness"]["variant"] for session in hub.workspace.sessions.values()}
    assert (first.code, second.code) == (0, 0)
    assert [line.partition(":")[0] for line in first.out.splitlines()] == ["agent", "agent@other"]
    assert sorted(names.values()) == ["default", "other"]
    assert names[dataset["baseline_experiment_id"]] == "default"
    assert hub.workspace.changes == changes


def test_datasets_of_one_name_are_refused(ran, hub):
    """In LangSmith they would be one, and each push would change what the other sent."""
    ran.suite(
        'routes.classify = "kind"', tables='[suites.more]\ngraph = "agent.py:build"\ndataset = "other/agent.jsonl"\ncassettes = "agent"'
    )
    ran.cases(case(0), name="other/agent.jsonl")
    ran.harness("run")

    answer = ran.harness("push")

    assert (answer.code, answer.err.count("\n"), hub.asked) == (2, 1, [])
    assert "datasets/agent.jsonl and other/agent.jsonl have one name" in answer.err


def test_an_imported_experiment_is_refused(world, hub):
    """Its inputs are not known."""
    world.write("runs.jsonl", '{"case": "a", "score": 1.0}')
    world.harness("import", "json", "runs.jsonl", "--suite", "desk")

    answer = world.harness("push")

    assert (answer.code, answer.err.count("\n"), hub.asked) == (2, 1, [])
    assert "was imported: its inputs are not known, so it cannot be pushed" in answer.err


def test_a_tag_that_no_case_has_is_refused(ran, hub):
    """Nothing is sent, and the line says what was looked for."""
    answer = ran.harness("push", "--tag", "none")

    assert (answer.code, answer.err.count("\n"), hub.asked) == (2, 1, [])
    assert "has no trial to push (tag none)" in answer.err


def test_a_dataset_that_has_changed_since_is_refused(ran, hub):
    """What would be pushed as the input of a trial would not be what it had."""
    ran.edit("datasets/agent.jsonl", "case-005", "case-006")

    answer = ran.harness("push")

    assert (answer.code, answer.err.count("\n"), hub.asked) == (2, 1, [])
    assert "datasets/agent.jsonl: it has changed since experiment" in answer.err


def test_a_push_without_a_key_is_refused(ran, monkeypatch):
    """The line names the variable."""
    for name in ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    answer = ran.harness("push")

    assert (answer.code, answer.err) == (
        2,
        "harness: LangSmith needs a key: set LANGSMITH_API_KEY; it is read from the environment alone\n",
    )


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "plain"])
def test_traces_are_compressed_where_the_server_takes_it(ran, hub, zstd):
    """The server says so; what arrives is the same."""
    hub.workspace.instance_flags["zstd_compression_enabled"] = zstd

    assert ran.harness("push").code == 0

    bodies = [body for (_, path), body in zip(hub.workspace.log, hub.workspace.bodies, strict=True) if path == "/runs/multipart"]
    assert {body.startswith(b"\x28\xb5\x2f\xfd") for body in bodies} == {zstd}


def test_connections_that_are_cut_are_made_good(ran, hub):
    """Cut before and after it took effect, over real sockets: everything is there once."""
    hub.workspace.plan = lambda number: Fault(None, taken=number % 6 == 0) if number % 3 == 0 else None

    assert ran.harness("push").code == 0

    assert len([run for run in hub.workspace.runs.values() if "parent_run_id" not in run]) == 6


def test_the_key_stands_in_no_file_and_no_line(ran, hub):
    """Neither what is printed nor what is kept tells the key."""
    hub.workspace.plan = lambda number: Fault(401) if number > 4 else None
    answer = ran.harness("push")
    printed = ran.harness("push", "--dry-run").out

    kept = [path.read_text() for path in (folder(ran) / "push").iterdir()]
    assert KEY not in answer.out + answer.err + printed + "".join(kept)


def test_looking_at_a_push_loads_no_graph(ran):
    """Neither LangGraph nor LangSmith's SDK is loaded to print what would be sent."""
    code = """
        import sys
        from click.testing import CliRunner
        from harness.cli import main
        answer = CliRunner().invoke(main, ["push", "--dry-run"])
        print(answer.exit_code, {"langgraph", "langchain_core", "langsmith", "vcr"} & set(sys.modules))
    """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ran.root, env=NO_KEY, capture_output=True, text=True, check=True
    )

    assert answer.stdout == "0 set()\n"


def test_a_dataset_comes_back_as_it_was_pushed(ran, hub):
    """Inputs, expectations, answers, faults, tags and metadata: all cases are equal to what they were."""
    whole = {**case(9), "resume": ["yes"], "metadata": {"why": "one"}, "faults": [{"at": {"model_call": 1}, "fault": "rate_limit"}]}
    plain = {"id": "plain", "inputs": "no object", "variants": ["default"]}
    ran.cases(whole, plain, name="datasets/more.jsonl")

    pushed = ran.harness("dataset", "push", "datasets/more.jsonl")
    pulled = ran.harness("dataset", "pull", "more", "-o", "datasets/back.jsonl")

    assert (pushed.code, pushed.err) == (0, "")
    assert pushed.out == f"dataset 'more': 2 cases are in {hub.address} (changed now)\n"
    assert (pulled.code, pulled.err) == (0, "")
    first, second = (parse((ran.root / name).read_text(), name="d", path=name) for name in ("datasets/more.jsonl", "datasets/back.jsonl"))
    assert first == second


def test_a_dataset_that_is_there_already_is_not_changed(ran, hub):
    """The second push says so, and sends nothing."""
    ran.harness("dataset", "push", "datasets/agent.jsonl")
    changes = hub.workspace.changes

    answer = ran.harness("dataset", "push", "datasets/agent.jsonl")

    assert (answer.code, answer.out) == (0, f"dataset 'agent': 6 cases are in {hub.address} (as they were)\n")
    assert hub.workspace.changes == changes


def test_examples_that_were_made_elsewhere_are_pulled_too(ran, hub):
    """Their ids name the cases, their outputs are what evaluators get as reference, their splits are tags."""
    hub.workspace.datasets[DATASET] = {"id": DATASET, "name": "theirs", "tenant_id": DATASET, "created_at": "2026-01-01T00:00:00Z"}
    hub.workspace.examples[EXAMPLE] = {
        "id": EXAMPLE,
        "dataset_id": DATASET,
        "inputs": {"q": "?"},
        "outputs": {"answer": "!"},
        "metadata": {"dataset_split": ["test"], "by": "hand"},
    }

    assert ran.harness("dataset", "pull", "theirs").code == 0

    (found,) = parse((ran.root / "datasets/theirs.jsonl").read_text(), name="d", path="d.jsonl").cases
    assert (found.id, found.inputs, found.expected.reference) == (EXAMPLE, {"q": "?"}, {"answer": "!"})
    assert (found.tags, found.metadata) == (("test",), {"by": "hand"})


def test_a_pull_overwrites_nothing(ran, hub):
    """A file with other cases stays, and the line says how to get both; one with the same cases is fine."""
    ran.harness("dataset", "push", "datasets/agent.jsonl")
    same = ran.harness("dataset", "pull", "agent")
    ran.edit("datasets/agent.jsonl", "case-005", "case-006")
    before = (ran.root / "datasets" / "agent.jsonl").read_bytes()

    other = ran.harness("dataset", "pull", "agent")

    assert (same.code, same.out) == (0, "datasets/agent.jsonl: 6 cases, as they are in LangSmith\n")
    assert (other.code, other.err) == (
        2,
        "harness: datasets/agent.jsonl: it is there with other cases, and is not overwritten; name another file with -o\n",
    )
    assert (ran.root / "datasets" / "agent.jsonl").read_bytes() == before


def _tagged_and_edited(world, hub):
    """Push a dataset of three cases, tag it, edit one of them and push it again."""
    cases = [{"id": f"c{number}", "inputs": {"n": number}, "tags": ["odd" if number % 2 else "even"]} for number in range(3)]
    world.cases(*cases, name="datasets/more.jsonl")
    assert world.harness("dataset", "push", "datasets/more.jsonl").code == 0
    (dataset,) = hub.workspace.datasets
    as_of = max(one["modified_at"] for one in hub.workspace.examples.values())
    hub.workspace.tags[dataset, "git:commit:0123"] = as_of
    world.cases({**cases[0], "inputs": {"n": 100}}, *cases[1:], name="datasets/more.jsonl")
    assert world.harness("dataset", "push", "datasets/more.jsonl").code == 0
    return as_of


@pytest.mark.parametrize("by", ["time", "tag"])
def test_an_older_version_of_a_dataset_is_pulled(ran, hub, by):
    """By its time or its tag the cases come back as they were then; without, as they are now."""
    as_of = _tagged_and_edited(ran, hub)

    answer = ran.harness("dataset", "pull", "more", "-o", "then.jsonl", "--as-of", as_of if by == "time" else "git:commit:0123")

    assert (answer.code, answer.err) == (0, "")
    ran.harness("dataset", "pull", "more", "-o", "now.jsonl")
    then, now = (json.loads((ran.root / name).read_text("utf-8").splitlines()[0]) for name in ("then.jsonl", "now.jsonl"))
    assert (then["inputs"], now["inputs"]) == ({"n": 0}, {"n": 100})


def test_one_split_of_a_dataset_is_pulled(ran, hub):
    """Only the cases of the splits that are named come."""
    _tagged_and_edited(ran, hub)

    answer = ran.harness("dataset", "pull", "more", "-o", "even.jsonl", "--split", "even")

    assert (answer.code, answer.out) == (0, "even.jsonl: 2 cases\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--as-of", "git:commit:9"), "dataset 'more' has no version 'git:commit:9'; --as-of takes a time or a tag"),
        (("--split", "none"), "dataset 'more' has no example in none;"),
        (("--as-of", "2001-01-01T00:00:00Z"), "dataset 'more' has no example as of then;"),
    ],
    ids=["tag", "split", "time"],
)
def test_a_version_or_split_that_is_not_there_is_one_line(ran, hub, arguments, said):
    """Nothing is written, and the line says what there is none of."""
    _tagged_and_edited(ran, hub)

    answer = ran.harness("dataset", "pull", "more", "-o", "none.jsonl", *arguments)

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert said in answer.err
    assert not (ran.root / "none.jsonl").exists()


@pytest.mark.parametrize("edited", [False, True], ids=["as-pulled", "edited"])
def test_a_prompt_of_the_hub_is_named_by_its_commit(world, hub, edited):
    """The experiment names `owner/name:commit` where the text is that of the commit, else the version here."""
    world.write("agent.py", AGENT.replace("def build():", "def build(prompts):"))
    world.suite('routes.classify = "kind"')
    world.cases(case(1))
    world.write("prompts/triage/hub-01234567.md", "Sort." if edited else "Say a letter.")
    world.write("prompts/triage/hub-01234567.json", '{"hub": "acme/triage", "commit": "0123456789abcdef"}')
    world.record(RULES)
    world.harness("run")
    if edited:
        world.write("prompts/triage/hub-01234567.md", "Say a letter.")

    answer = world.harness("push")

    (session,) = hub.workspace.sessions.values()
    (named,) = session["extra"]["metadata"]["prompts"]
    assert answer.code == 0
    assert named.startswith("triage:hub-01234567@") if edited else named == "acme/triage:01234567"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("push", "datasets/none.jsonl"), "datasets/none.jsonl: there is no such file"),
        (("pull", "none"), "there is no dataset 'none', or the key may not see it"),
        (("pull", "a/b"), "-o FILE: say where to write it; 'a/b' cannot be the name of a file"),
        (("pull", "agent", "-o", "x.csv"), "x.csv: a pulled dataset is a .jsonl file"),
    ],
    ids=["no-file", "no-dataset", "no-name", "no-jsonl"],
)
def test_what_cannot_be_pushed_or_pulled_is_one_line(ran, hub, arguments, said):
    """Each ends with a line that names it, and 2."""
    answer = ran.harness("dataset", *arguments)

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert said in answer.err


@pytest.mark.parametrize("told", [True, False], ids=["told", "found-out"])
def test_a_server_with_the_newer_route_alone_is_asked_by_that(ran, hub, told):
    """Where `/runs/query` is gone, everything is verified by the newer route, and a second push changes nothing."""
    hub.workspace.instance_flags["ch_query_enabled"] = False
    if told:
        hub.workspace.instance_flags["sdb_query_enabled"] = True

    first = ran.harness("push")
    changes = hub.workspace.changes
    second = ran.harness("push")

    assert (first.code, second.code, hub.workspace.invalid) == (0, 0, [])
    assert second.out.startswith("agent: 6 of 6 traces are in LangSmith (nothing had to be sent): ")
    assert hub.workspace.changes == changes
    asked = {target for _, target in hub.workspace.log if target.endswith("/runs/query")}
    assert asked == ({"/api/v2/runs/query"} if told else {"/runs/query", "/api/v2/runs/query"})


def _in_reports(world, experiment):
    """Return summary.md and report.html beside an experiment."""
    return [(world.root / "reports" / "experiments" / experiment / name).read_text("utf-8") for name in ("summary.md", "report.html")]


def test_reports_lead_to_the_experiment_once_it_is_there(ran, hub):
    """summary.md and report.html are written again with the address, which the ledger keeps; a second push leaves them as they are."""
    before = _in_reports(ran, folder(ran).name)
    ran.harness("push")
    (session,) = hub.workspace.sessions
    where = f"/compare?selectedSessions={session}"

    summary, page = _in_reports(ran, folder(ran).name)
    assert not [text for text in before if "In LangSmith" in text]
    assert f"\n\nIn LangSmith: [agent](<{hub.address}/o/" in summary
    assert f"{where}>)\n" in summary
    assert f'{where}" rel="noreferrer">agent</a>.</footer>' in page
    assert where in (folder(ran) / "push" / "ledger.jsonl").read_text("utf-8")
    assert ran.harness("push").code == 0
    assert _in_reports(ran, folder(ran).name) == [summary, page]
    assert ran.harness("report", "-o", "again.md").code == 0
    assert (ran.root / "again.md").read_text("utf-8") == summary


def test_two_experiments_are_compared_there(ran, hub, client):
    """A comparison of both stands in LangSmith, a pair of outcomes for each trial; the page shows it, and a second push changes nothing."""
    first = folder(ran).name
    ran.harness("push")
    (base,) = hub.workspace.sessions
    ran.edit("agent.py", '"kind": ChatOpenAI(model="gpt-4o-mini").invoke(state["question"]).content', '"kind": "number"')
    assert ran.harness("run").code == 1

    answer = ran.harness("push", "--compare-with", first)

    changes = hub.workspace.changes
    (comparison,) = hub.workspace.comparisons.values()
    own = next(session for session in hub.workspace.sessions if session != base)
    assert (answer.code, answer.err, hub.workspace.invalid) == (0, "", [])
    assert answer.out.endswith(f"?selectedSessions={own}%2C{base}&comparativeExperiment={comparison['id']}\n")
    assert comparison["experiment_ids"] == [own, base]
    pairs = {}
    for one in hub.workspace.feedback.values():
        if one.get("comparative_experiment_id") == comparison["id"]:
            case = hub.workspace.runs[one["run_id"]]["extra"]["metadata"]["case"]
            pairs.setdefault((one["feedback_group_id"], case), {})[one["session_id"]] = one["score"]
    assert sorted((case, scores[own], scores[base]) for (_, case), scores in pairs.items()) == [
        *((f"case-{number:03d}", 0, 1) for number in range(4)),
        *((f"case-{number:03d}", 0, 0) for number in (4, 5)),
    ]
    assert ran.harness("push", "--compare-with", first).code == 0
    assert hub.workspace.changes == changes


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "has no suite 'agent' in LangSmith; push another first, whole"),
        (("--failing",), "--compare-with is for whole experiments"),
    ],
    ids=["not-pushed", "failing"],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_sent(ran, hub, arguments, line):
    """The other experiment has to be there, and both whole."""
    first = folder(ran).name
    assert ran.harness("run").code == 1

    answer = ran.harness("push", "--compare-with", first, *arguments)

    assert (answer.code, answer.out) == (2, "")
    assert line in answer.err
    assert hub.workspace.writes == []
