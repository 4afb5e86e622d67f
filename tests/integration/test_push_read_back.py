"""What was pushed, as LangSmith's own SDK reads it: experiment, examples, run trees and feedback are those of the trials.

Every test runs against the double and, where there is a key, against LangSmith itself, which counts in its own time and rounds scores.
"""

import datetime as dt
import json
from decimal import Decimal

import pytest
from langsmith_service import of_utc, push
from tool_agent import AGENT, RULES

from harness import store
from harness.ledger import ledger_of

ROUNDED = 1e-4
"""LangSmith keeps four digits of a score."""

MOMENT_S = 0.001
"""Times are at least so exact."""


@pytest.fixture
def looked(world, service):
    """Return a project with an experiment of two cases: one calls a tool, one crashes in a node."""
    world.write("agent.py", AGENT)
    world.edit("agent.py", "def ask(state):\n", "def ask(state):\n    if 'broken' in state['messages'][-1].content:\n        1 / 0\n")
    world.suite()
    world.edit("harness.toml", "datasets/agent.jsonl", service.path)
    asked = {"looks": "Look 7 up.", "breaks": "I am broken."}
    cases = [{"id": name, "inputs": {"messages": [{"role": "user", "content": text}]}} for name, text in asked.items()]
    world.cases(*cases, name=service.path)
    world.record(RULES)
    assert world.harness("run").code == 3
    return world


def _trials(world):
    return {trial.case: trial for trial in world.trials()}


def _spent(trials):
    lines = ledger_of(trials).by_model.values()
    return sum(one.tokens for one in lines), sum((Decimal(str(one.cost_usd)) for one in lines), Decimal(0))


def test_tokens_and_dollars_are_those_of_the_experiment(served, service):
    """LangSmith adds them up to what the harness says was spent, over as many traces as there are trials."""
    (session,) = push(served)
    tokens, dollars = _spent(served.trials())

    project = service.project(session, tokens)

    assert tokens > 0
    assert (project.run_count, project.total_tokens) == (6, tokens)
    assert abs(project.total_cost - dollars) <= service.dollars_apart
    assert project.metadata["langgraph_harness"]["trials"] == 6
    assert project.metadata["models"] == ["gpt-4o-mini"]


def test_examples_are_the_cases(served, service):
    """Inputs, what is expected, and tags as splits."""
    push(served)
    cases = [json.loads(line) for line in (served.root / service.path).read_text("utf-8").splitlines()]

    examples = service.examples()

    found = {name: (one.inputs, one.outputs, one.metadata["dataset_split"]) for name, one in examples.items()}
    assert found == {case["id"]: (case["inputs"], case["expected"], case["tags"]) for case in cases}


def test_a_root_run_is_a_trial_of_its_example(looked, service):
    """It has the inputs of the case, the state and text of the trial, its error, its recorded time, and the version of the example."""
    (session,) = push(looked)
    trials, examples = _trials(looked), service.examples()
    started = dt.datetime.fromisoformat(store.open_experiment(looked.root, "latest").head().started_at)

    roots = service.roots(session, 2)

    assert roots.keys() == trials.keys()
    for name, run in roots.items():
        trace = trials[name].trace
        assert (run.run_type, run.reference_example_id) == ("chain", examples[name].id)
        assert (run.inputs, run.outputs) == (examples[name].inputs, {"text": trace.text, "state": trace.state})
        assert dt.datetime.fromisoformat(run.extra["metadata"]["example_version"]) == examples[name].modified_at
        assert abs((of_utc(run.start_time) - started).total_seconds()) < MOMENT_S
        assert run.latency == pytest.approx(trace.duration_s, abs=MOMENT_S)
    assert roots["looks"].error is None
    assert roots["breaks"].error.startswith("ZeroDivisionError: division by zero\nagent.py:")


def _tree(trial):
    """Return the runs below the root of a trial: name, type and what is around each, with its begin, duration, and error."""
    trace = trial.trace
    steps = [(step.place.node, "chain", "agent", step.start_s, step.duration_s, step.error) for step in trace.steps]
    calls = [(call.model, "llm", call.place.node, call.start_s, call.duration_s, call.error) for call in trace.calls]
    tools = [(tool.name, "tool", tool.place.node, tool.start_s, tool.duration_s, tool.error) for tool in trace.tools]
    return sorted([*steps, *calls, *tools], key=lambda one: (one[0], one[3]))


def _tree_there(runs, case):
    roots = {run.extra["metadata"].get("case"): run for run in runs if run.parent_run_id is None}
    own = {run.id: run for run in runs if run.trace_id == roots[case].id}
    begin = roots[case].start_time
    found = [
        (run.name, run.run_type, own[run.parent_run_id].name, (run.start_time - begin).total_seconds(), run.latency, run.error)
        for run in own.values()
        if run.parent_run_id is not None
    ]
    return sorted(found, key=lambda one: (one[0], one[3]))


@pytest.mark.parametrize("case", ["looks", "breaks"])
def test_nodes_calls_and_tools_stand_where_and_when_they_were(looked, service, case):
    """Each run has its type, its node around it, its error, and the recorded begin and duration."""
    (session,) = push(looked)
    trial = _trials(looked)[case]

    there = _tree_there(service.runs(session, 1 + 1 + 1 + 3 + 2 + 1), case)

    wanted = _tree(trial)
    assert [one[:3] for one in there] == [one[:3] for one in wanted]
    assert [one[5] for one in there] == [one[5] for one in wanted]
    assert [one[3:5] for one in there] == [pytest.approx(one[3:5], abs=MOMENT_S) for one in wanted]


def test_a_call_of_a_model_has_what_was_asked_and_said_and_its_tokens(looked, service):
    """Request and answer are those of the cassette, tokens and dollars those of the trial."""
    (session,) = push(looked)
    (tokens, _), trial = _spent(looked.trials()), _trials(looked)["looks"]
    service.project(session, tokens)

    calls = sorted((run for run in service.runs(session, 9) if run.run_type == "llm"), key=lambda run: run.start_time)

    assert [run.inputs["messages"][0]["content"] for run in calls] == ["Look 7 up."] * 2
    assert calls[0].outputs["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "look"
    assert calls[1].outputs["choices"][0]["message"]["content"] == trial.trace.text == "done"
    assert [run.total_tokens for run in calls] == [call.usage.total_tokens for call in trial.trace.calls]
    assert [float(run.total_cost) for run in calls] == pytest.approx([call.cost_usd for call in trial.trace.calls])


def test_a_call_of_a_tool_has_its_arguments_and_its_answer(looked, service):
    """They are inputs and outputs of its run."""
    (session,) = push(looked)

    (run,) = (run for run in service.runs(session, 9) if run.run_type == "tool")

    assert (run.name, run.inputs) == ("look", {"number": 7})
    assert "found 7" in str(run.outputs["output"])


@pytest.mark.parametrize("project", ["served", "looked"], ids=["scores", "crash"])
def test_every_score_and_outcome_is_feedback(request, service, project):
    """Under its name: the value, the word for it, and the reason; the outcome with all reasons."""
    world = request.getfixturevalue(project)
    (session,) = push(world)
    trials = _trials(world)
    roots = {run.id: name for name, run in service.roots(session, len(trials)).items()}

    feedback = service.feedback(sum(len(trial.scores) + 1 for trial in trials.values()), run_ids=list(roots))

    there = {(roots[one.run_id], one.key): (one.score, one.value, one.comment or "") for one in feedback}
    scores = {(name, one.name): (one.value, one.status, one.reason) for name, trial in trials.items() for one in trial.scores}
    reached = {"pass": 1, "fail": 0, "error": 0}
    outcomes = {(name, "outcome"): (reached[trial.outcome], trial.outcome, "\n".join(trial.reasons)) for name, trial in trials.items()}
    assert there.keys() == scores.keys() | outcomes.keys()
    for key, (score, value, comment) in (scores | outcomes).items():
        assert there[key] == (score if score is None else pytest.approx(score, abs=ROUNDED), value, comment)
