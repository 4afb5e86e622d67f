"""The same against the double and against LangSmith itself: what is pushed is there, and comes back as cases.

The tests of the mark `live` ask the service at LANGSMITH_ENDPOINT where LANGSMITH_API_KEY is set, under names of their own, and remove what
they made; they skip otherwise.
"""

import os
import time
import uuid
import warnings
from decimal import Decimal
from typing import NamedTuple

import pytest
from langsmith import Client
from langsmith_server import KEY, langsmith
from letters import AGENT, RULES, case

from harness.dataset import parse
from harness.ledger import ledger_of

LOOKS = 60
HOSTED = pytest.param(
    "hosted",
    marks=[pytest.mark.live, pytest.mark.skipif(not os.environ.get("LANGSMITH_API_KEY"), reason="LANGSMITH_API_KEY is not set")],
)
OLDER = "git:commit:older"


class Service(NamedTuple):
    """A LangSmith: its client, and the name of the dataset that a test may make there."""

    client: Client
    name: str


@pytest.fixture(params=["double", HOSTED])
def service(request, monkeypatch):
    """Return a LangSmith, whose key and address are in the environment."""
    name = f"langgraph-harness-{uuid.uuid4()}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if request.param == "hosted":
            client = Client(auto_batch_tracing=False, info={})
            yield Service(client, name)
            _remove(client, name)
            return
        for variable in ("LANGCHAIN_API_KEY", "LANGCHAIN_ENDPOINT", "LANGSMITH_WORKSPACE_ID", "LANGSMITH_PROFILE"):
            monkeypatch.delenv(variable, raising=False)
        with langsmith() as server:
            monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
            monkeypatch.setenv("LANGSMITH_ENDPOINT", server.address)
            yield Service(Client(api_url=server.address, api_key=KEY, auto_batch_tracing=False, info={}), name)
            assert server.workspace.invalid == []


def _remove(client, name):
    """Remove the dataset of a test, and the experiments over it."""
    if not client.has_dataset(dataset_name=name):
        return
    dataset = client.read_dataset(dataset_name=name)
    for project in client.list_projects(reference_dataset_id=dataset.id):
        client.delete_project(project_id=str(project.id))
    client.delete_dataset(dataset_id=dataset.id)


@pytest.fixture
def ran(world, service):
    """Return a project with an experiment of three cases, over a dataset of the name that the service may have."""
    world.write("agent.py", AGENT)
    world.suite('routes.classify = "kind"')
    world.edit("harness.toml", "datasets/agent.jsonl", f"datasets/{service.name}.jsonl")
    world.cases(*map(case, range(3)), name=f"datasets/{service.name}.jsonl")
    world.record(RULES)
    assert world.harness("run").code == 0
    return world


def pushed(world, *arguments):
    """Push the latest experiment whole, and return the id of its experiment there."""
    answer = world.harness("push", *arguments)
    assert (answer.code, answer.err) == (0, "")
    return answer.out.partition("selectedSessions=")[2].strip()[:36]


def counted(client, session, tokens):
    """Return an experiment once the service has counted its tokens, which it does after it has taken the runs."""
    for _ in range(LOOKS):
        project = client.read_project(project_id=session, include_stats=True)
        if project.total_tokens == tokens:
            return project
        time.sleep(1)
    return project


def test_what_is_pushed_is_there_whole_and_once(ran, service):
    """The SDK reads the trials, tokens, dollars and outcomes of the experiment, and a second push has nothing to send."""
    session = pushed(ran)
    again = ran.harness("push")

    spent = ledger_of(ran.trials()).by_model.values()
    project = counted(service.client, session, sum(one.tokens for one in spent))
    roots = list(service.client.list_runs(project_id=session, is_root=True))
    said = list(service.client.list_feedback(run_ids=[run.id for run in roots], feedback_key=["outcome"]))
    assert "(nothing had to be sent)" in again.out
    assert (project.run_count, project.total_tokens) == (3, sum(one.tokens for one in spent))
    assert project.total_cost == sum((Decimal(str(one.cost_usd)) for one in spent), Decimal(0))
    assert sorted(run.extra["metadata"]["case"] for run in roots) == ["case-000", "case-001", "case-002"]
    assert sorted(one.score for one in said if one.key == "outcome") == [1, 1, 1]


def test_a_dataset_comes_back_as_it_was_and_as_it_is(ran, service):
    """Cases that were pushed and edited are pulled in both versions."""
    path = f"datasets/{service.name}.jsonl"
    first = parse((ran.root / path).read_text("utf-8"), name="d", path=path)
    assert ran.harness("dataset", "push", path).code == 0
    as_of = max(example.modified_at for example in service.client.list_examples(dataset_name=service.name))
    service.client.update_dataset_tag(dataset_name=service.name, as_of=as_of, tag=OLDER)
    ran.edit(path, "0: alpha", "0: beta")
    second = parse((ran.root / path).read_text("utf-8"), name="d", path=path)
    assert ran.harness("dataset", "push", path).code == 0

    assert ran.harness("dataset", "pull", service.name, "-o", "now.jsonl").code == 0
    assert ran.harness("dataset", "pull", service.name, "-o", "then.jsonl", "--as-of", OLDER).code == 0

    pulled = [parse((ran.root / name).read_text("utf-8"), name="d", path=name) for name in ("then.jsonl", "now.jsonl")]
    assert pulled == [first, second]


def test_two_experiments_are_compared(ran, service):
    """The comparison is there, and a second push of it has nothing to send."""
    base = pushed(ran)
    (first,) = (found.name for found in (ran.root / "reports" / "experiments").iterdir())
    ran.edit("agent.py", "def letter(state):", "def letter(state, config):")
    assert ran.harness("run").code == 0

    answer = ran.harness("push", "--compare-with", first)
    again = ran.harness("push", "--compare-with", first)

    assert (answer.code, again.code, answer.err) == (0, 0, "")
    assert f"%2C{base}&comparativeExperiment=" in answer.out
    assert "(nothing had to be sent)" in again.out


def test_a_trace_there_becomes_a_case_that_passes(ran, service):
    """A run tree that is fetched again is played by the graph."""
    session = pushed(ran)
    root = str(next(iter(service.client.list_runs(project_id=session, is_root=True))).id)

    answer = ran.harness("import", "langsmith", f"https://langsmith/o/t/projects/p/{session}/r/{root}", "--suite", "agent")

    assert (answer.code, answer.err) == (0, "")
    assert ran.harness("run", "--filter", root).code == 0
    assert (ran.trial().played, ran.trial().unused) == (1, 0)
