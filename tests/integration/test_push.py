"""`harness push`, the real command: what of an experiment is then in LangSmith, and that it is there once.

Tests that take `service` run against the double and, where there is a key, against LangSmith itself.
"""

import datetime as dt
import json
import re
import subprocess

import pytest
from langsmith_service import play, push
from letters import AGENT, RULES, case


def test_a_push_says_where_it_is_and_a_second_has_nothing_to_send(served, service):
    """The line names the traces and the page; the second push says that nothing had to be sent."""
    first = served.harness("push")
    second = served.harness("push")

    (experiment,) = service.experiments()
    where = rf"/datasets/{experiment.reference_dataset_id}/compare\?selectedSessions={experiment.id}\n"
    assert (first.code, second.code, first.err, second.err) == (0, 0, "", "")
    assert re.fullmatch(rf"agent: 6 of 6 traces are in LangSmith \(6 sent now\): https?://[^ ]+{where}", first.out)
    assert re.fullmatch(rf"agent: 6 of 6 traces are in LangSmith \(nothing had to be sent\): https?://[^ ]+{where}", second.out)


def test_a_second_push_writes_nothing(ran, hub):
    """It asks, and neither sends nor changes anything."""
    push(ran)
    changes, writes = hub.workspace.changes, len(hub.workspace.writes)

    push(ran)

    assert (hub.workspace.changes, len(hub.workspace.writes)) == (changes, writes)


def test_failing_trials_can_be_pushed_by_themselves(served, service):
    """They are an experiment of their own, which is never taken for the whole one."""
    answer = served.harness("push", "--failing")

    assert answer.out.startswith("agent: 2 of 2 traces are in LangSmith (2 sent now)")
    (part,) = service.experiments()
    assert " (failing) " in part.name
    assert part.metadata["langgraph_harness"]["selected"] == "failing"
    assert sorted(service.roots(part.id, 2)) == ["case-004", "case-005"]
    (whole,) = push(served)
    assert whole != str(part.id)
    assert len(service.roots(whole, 6)) == 6


def test_cases_with_a_tag_can_be_pushed_by_themselves(served, service):
    """Only their trials go."""
    (session,) = push(served, "--tag", "odd")

    assert sorted(service.roots(session, 2)) == ["case-001", "case-003"]


def test_a_whole_experiment_becomes_the_baseline(served, service):
    """With --baseline the dataset names it."""
    (session,) = push(served, "--baseline")

    assert service.dataset()["baseline_experiment_id"] == session


def test_variants_are_experiments_of_one_dataset(served, service):
    """Each variant is an experiment of its own, the first one the baseline; a second push has nothing to send."""
    with (served.root / "harness.toml").open("a", encoding="utf-8") as config:
        config.write("\n[suites.agent.variants.other]\nmodel = 'gpt-4o-mini'\n")
    served.edit("agent.py", "def build():", "def build(model=None):")
    assert served.harness("run", "--variant", "default", "--variant", "other").code in {1, 4}
    first = served.harness("push", "--baseline")

    second = served.harness("push", "--baseline")

    assert (first.code, second.code) == (0, 0)
    assert [line.partition(":")[0] for line in first.out.splitlines()] == ["agent", "agent@other"]
    assert second.out.count("(nothing had to be sent)") == 2
    names = {str(one.id): one.metadata["langgraph_harness"]["variant"] for one in service.experiments()}
    assert sorted(names.values()) == ["default", "other"]
    assert names[service.dataset()["baseline_experiment_id"]] == "default"


def test_what_the_gate_says_is_feedback_on_the_experiment(served, service):
    """It fails, and the feedback says so with the reasons, on no run."""
    (session,) = push(served)

    (said,) = service.feedback(1, session=[session], level="session")
    assert (said.key, said.score, said.value, said.run_id) == ("verdict", 0, "fail", None)
    assert "route" in said.comment


def test_the_version_of_the_dataset_has_the_tag_of_the_commit(world, service):
    """The experiment names the version, the version the commit on which it was run."""
    for arguments in (("init", "-q"), ("-c", "user.name=n", "-c", "user.email=e@x", "commit", "-q", "--allow-empty", "-m", "m")):
        subprocess.run(["git", *arguments], cwd=world.root, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=world.root, check=True, capture_output=True, text=True).stdout.strip()
    play(world, service.path, cases=2)

    (session,) = push(world)

    version = service.client.read_dataset_version(dataset_name=service.name, tag=f"git:commit:{commit}")
    project = service.project(session)
    assert version.as_of == max(example.modified_at for example in service.examples().values())
    assert (project.metadata["git"]["commit"], project.metadata["dataset_splits"]) == (commit, ["even", "odd"])
    assert dt.datetime.fromisoformat(project.metadata["dataset_version"]) == version.as_of


def test_without_a_commit_no_version_is_tagged(ran, hub):
    """An experiment that was run outside of a repository has none."""
    push(ran)

    assert not hub.workspace.tags


@pytest.mark.parametrize("edited", [False, True], ids=["as-pulled", "edited"])
def test_a_prompt_of_the_hub_is_named_by_its_commit(world, service, edited):
    """The experiment names `owner/name:commit` where the text is that of the commit, else the version here."""
    world.write("agent.py", AGENT.replace("def build():", "def build(prompts):"))
    world.suite('routes.classify = "kind"')
    world.edit("harness.toml", "datasets/agent.jsonl", service.path)
    world.cases(case(1), name=service.path)
    world.write("prompts/triage/hub-01234567.md", "Sort." if edited else "Say a letter.")
    world.write("prompts/triage/hub-01234567.json", '{"hub": "acme/triage", "commit": "0123456789abcdef"}')
    world.record(RULES)
    world.harness("run")
    if edited:
        world.write("prompts/triage/hub-01234567.md", "Say a letter.")

    (session,) = push(world)

    (named,) = service.project(session).metadata["prompts"]
    assert named.startswith("triage:hub-01234567@") if edited else named == "acme/triage:01234567"


def _in_reports(world):
    """Return summary.md and report.html beside the experiment."""
    (found,) = (world.root / "reports" / "experiments").iterdir()
    return [(found / name).read_text("utf-8") for name in ("summary.md", "report.html")]


def test_reports_lead_to_the_experiment_once_it_is_there(served, service):
    """summary.md and report.html are written again with the address, which the ledger keeps; a second push leaves them as they are."""
    before = _in_reports(served)
    where = served.harness("push").out.strip().partition(": ")[2].partition(": ")[2]

    summary, page = _in_reports(served)
    assert str(service.experiments()[0].id) in where
    assert not [text for text in before if "In LangSmith" in text]
    assert f"\n\nIn LangSmith: [agent](<{where}>)\n" in summary
    assert f'"{where}" rel="noreferrer">agent</a>.</footer>' in page
    (ledger,) = (served.root / "reports" / "experiments").glob("*/push/ledger.jsonl")
    assert where in ledger.read_text("utf-8")
    push(served)
    assert _in_reports(served) == [summary, page]
    assert served.harness("report", "-o", "again.md").code == 0
    assert (served.root / "again.md").read_text("utf-8") == summary


def test_a_dry_run_prints_the_runs_that_are_then_there(served, service):
    """Nothing is made; the runs that were printed are those that a push brings."""
    printed = [json.loads(line) for line in served.harness("push", "--dry-run").out.splitlines()]
    assert not service.client.has_dataset(dataset_name=service.name)

    (session,) = push(served)

    runs = {part["name"].split(".")[1] for one in printed for part in one.get("parts", ()) if part["name"].startswith("post.")}
    assert {str(run.id) for run in service.runs(session, len(runs))} == runs
