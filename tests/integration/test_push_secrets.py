"""No secret leaves with a push: neither those of the cases and trials, nor the key itself."""

import json

from langsmith_double import Fault
from langsmith_server import KEY
from langsmith_service import push
from letters import AGENT, RULES, case

SECRET = "sk-proj-" + "aB3dE6gH9jK2" * 4


def test_a_planted_secret_is_nowhere_in_the_service(world, service):
    """It stands in inputs, metadata, expectations, an error and a state; experiment, examples, runs and feedback are without it."""
    world.write("agent.py", AGENT)
    world.edit("agent.py", 'return {"answers": ["a letter"]}', f'raise ValueError("no letter for {SECRET}")')
    world.suite('routes.classify = "kind"')
    world.edit("harness.toml", "datasets/agent.jsonl", service.path)
    planted = {"metadata": {"why": SECRET}, "expected": {"route": {"classify": SECRET}, "reference": {"answer": SECRET}}}
    world.cases({**case(1, word=SECRET), **planted}, {**case(2, word="seven"), **planted}, name=service.path)
    world.record(RULES)
    assert world.harness("run").code in {1, 3}

    (session,) = push(world, "--baseline")

    runs = service.runs(session, 1 + 2 + 1 + 1 + 2 + 1)
    held = [service.dataset(), service.project(session).model_dump(mode="json"), *(run.model_dump(mode="json") for run in runs)]
    held += [example.model_dump(mode="json") for example in service.examples().values()]
    said = service.feedback(sum(len(trial.scores) + 1 for trial in world.trials()) + 1, session=[session])
    held += [one.model_dump(mode="json") for one in said]
    text = json.dumps(held)
    assert text.count("no letter for ") >= 1
    assert SECRET not in text
    (manifest,) = (world.root / "reports" / "experiments").glob("*/push/redacted.json")
    assert "openai-key" in manifest.read_text("utf-8")


def test_the_key_stands_in_no_file_and_no_line(ran, hub):
    """Neither what is printed nor what is kept tells the key."""
    hub.workspace.plan = lambda number: Fault(401) if number > 4 else None
    answer = ran.harness("push")
    printed = ran.harness("push", "--dry-run").out

    (folder,) = (ran.root / "reports" / "experiments").glob("*/push")
    kept = [path.read_text() for path in folder.iterdir()]
    assert KEY not in answer.out + answer.err + printed + "".join(kept)
