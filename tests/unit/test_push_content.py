"""What a push brings: run trees, times, tokens, dollars, and nothing secret; against a strict double of LangSmith, in memory."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

from langsmith_double import Workspace
from pushes import a_trial, an_experiment, push, three

from harness.dataset import Case, Dataset
from harness.ledger import ledger_of
from harness.mirror import runs_in
from harness.mirror.feedback import Said
from harness.score import failed
from harness.trace import Crash, NodeStep, Place, Trace


def test_every_trial_arrives_whole():
    """A trace a trial, with all its runs and a feedback for the outcome and every score; the verdict is the experiment's own feedback."""
    workspace, trials = Workspace(), three()

    arrival = push(workspace, trials).run()

    assert (arrival.is_complete, arrival.there, arrival.sent) == (True, 3, 3)
    assert Counter(run["trace_id"] for run in workspace.runs.values()).most_common() == [
        (trace, runs_in(trials[0])) for trace in dict.fromkeys(run["trace_id"] for run in workspace.runs.values())
    ]
    assert len(workspace.feedback) == 3 * 4 + 1
    (verdict,) = [one for one in workspace.feedback.values() if one["run_id"] is None]
    assert (verdict["key"], verdict["score"], verdict["value"]) == ("verdict", 0, "fail")


def test_calls_stand_in_the_nodes_that_made_them():
    """A subgraph's node is within the node of the subgraph, a call within its node; what a router said is nobody's."""
    workspace = Workspace()
    push(workspace, three()[:1]).run()
    runs = list(workspace.runs.values())
    names = {run["id"]: run["name"] for run in runs}

    found = {(run["name"], names.get(run.get("parent_run_id"))) for run in runs}

    assert found == {
        ("s", None),
        ("answer", "s"),
        ("draft", "answer"),
        ("openai/gpt-4o-mini", "draft"),
        ("e", "answer"),
        ("lookup", "answer"),
        ("docs", "answer"),
    }


def a_step(node, *, start_s, duration_s=0.0, **place):
    """Return a step."""
    return NodeStep(place=Place(node=node, **place), start_s=start_s, duration_s=duration_s)


def test_a_step_of_a_subgraph_stands_in_the_visit_that_it_is_of():
    """Where one visit begins at the moment when the one before it ends, in another turn even, the order of the steps tells them apart."""
    inner = {"namespace": ("team",)}
    steps = (
        a_step("team", start_s=0.0, duration_s=1.0, visit=1, step=1),
        a_step("ask", start_s=0.0, visit=1, step=1, **inner),
        a_step("team", start_s=1.0, duration_s=1.0, visit=2, step=2),
        a_step("ask", start_s=1.0, visit=2, step=1, **inner),
        a_step("team", start_s=2.0, duration_s=1.0, visit=3, step=3, turn=2),
        a_step("ask", start_s=2.0, visit=3, step=1, turn=2, **inner),
    )
    workspace, trial = Workspace(), a_trial(0)
    push(workspace, [trial.model_copy(update={"trace": Trace(steps=steps, duration_s=3.0)})]).run()
    runs = workspace.runs

    found = {
        run["extra"]["metadata"]["visit"]: runs[run["parent_run_id"]]["extra"]["metadata"]["visit"]
        for run in runs.values()
        if run["name"] == "ask"
    }

    assert found == {1: 1, 2: 2, 3: 3}


def test_runs_that_begin_at_one_moment_stay_in_their_order():
    """LangSmith orders runs by their time and then by their id: nodes without a call take no time, and still follow one another."""
    names = [f"node {number}" for number in range(40)]
    steps = tuple(a_step(name, start_s=0.0, visit=1, step=number) for number, name in enumerate(names, start=1))
    workspace, trial = Workspace(), a_trial(0)
    push(workspace, [trial.model_copy(update={"trace": Trace(steps=steps, duration_s=0.0)})]).run()

    in_order = sorted(workspace.runs.values(), key=lambda run: run["dotted_order"])

    assert [run["name"] for run in in_order] == ["s", *names]


def test_times_are_the_recorded_ones():
    """A call's run begins and ends when it did in the trial, counted from the experiment's begin; every row lies within the experiment."""
    workspace = Workspace()
    push(workspace, three()[:1]).run()
    (call,) = [run for run in workspace.runs.values() if run["name"].endswith("mini") and run["error"] is None]
    (session,) = workspace.sessions.values()

    assert (call["start_time"], call["end_time"]) == ("2026-11-21T12:00:00.250000+00:00", "2026-11-21T12:00:01.750000+00:00")
    assert call["events"] == [{"name": "new_token", "time": "2026-11-21T12:00:00.750000+00:00"}]
    assert session["end_time"] == "2026-11-21T12:00:02.000000+00:00"
    assert all(session["start_time"] <= run["start_time"] <= run["end_time"] <= session["end_time"] for run in workspace.runs.values())


def test_tokens_and_dollars_are_the_experiments_to_the_last_digit():
    """What LangSmith counts, on runs of the type llm alone, is what the ledger says: embeddings too, refused calls not."""
    workspace, trials = Workspace(), [a_trial(number) for number in range(37)]
    push(workspace, trials).run()
    spent = ledger_of(trials).by_model.values()

    counted = workspace.counted([run["id"] for run in workspace.runs.values() if "parent_run_id" not in run])

    assert counted["total_tokens"] == sum(one.tokens for one in spent)
    assert Decimal(counted["total_cost"]) == sum(Decimal(str(one.cost_usd)) for one in spent)


def test_an_unknown_price_is_not_looked_up_there():
    """A call without a price names no model that LangSmith could price, and says that its cost is unknown."""
    workspace, trial = Workspace(), a_trial(0)
    unpriced = tuple(call.model_copy(update={"cost_usd": None}) for call in trial.trace.calls)
    push(workspace, [trial.model_copy(update={"trace": trial.trace.model_copy(update={"calls": unpriced})})]).run()

    found = [run["extra"]["metadata"] for run in workspace.runs.values() if "usage_metadata" in run["extra"]["metadata"]]

    assert [("ls_model_name" in one, one["cost"]) for one in found] == [(False, "unknown")] * 2


def test_nothing_secret_leaves():
    """Errors, comments, details and inputs are redacted, and the manifest says where."""
    key, workspace = "sk-proj-" + "aB3dE6gH9jK2" * 4, Workspace()
    crash = Crash(type="ValueError", message=f"key {key}", traceback=f"at {key}")
    trial = a_trial(0, outcome="error", scores=(failed("ends", "ends", f"crashed with {key}", token_seen=key),))
    trial = trial.model_copy(update={"trace": trial.trace.model_copy(update={"crash": crash, "state": {"k": key}})})
    pushed = push(workspace, [trial])

    assert pushed.run().is_complete

    assert not any(key.encode() in body for body in workspace.bodies)
    assert {one.kind for one in pushed.mirror.collection.redactions.found} >= {"openai-key"}


def test_no_secret_leaves_by_the_name_of_a_field():
    """Only the heads of what is sent keep their ids and times: a field of the user's that is called so is content, and so are tags."""
    key, workspace, trial = "sk-proj-" + "aB3dE6gH9jK2" * 4, Workspace(), a_trial(0)
    fields = dict.fromkeys(("id", "session_id", "run_id", "start_time", "created_at"), key)
    dataset = Dataset(name="d", cases=(Case(id="c0", inputs=fields, metadata=fields, tags=(key, "t")),))
    mirror = an_experiment([trial])
    collection = replace(mirror.collection, dataset=dataset)
    trial = trial.model_copy(update={"trace": trial.trace.model_copy(update={"state": fields})})

    assert push(workspace, [trial], mirror=replace(mirror, collection=collection)).run().is_complete

    assert not any(key.encode() in body for body in workspace.bodies)
    assert workspace.invalid == []


def test_figures_of_all_trials_are_not_said_of_some():
    """What the gate goes by is of the whole experiment; one of only some trials has the verdict alone."""
    said = Said("route.accuracy", 0.5, None, "the gate asks", {})
    whole = replace(an_experiment(three()), figures=(said,))

    assert [len(list(one.verdict_calls())) for one in (whole, replace(whole, selected="failing"))] == [2, 1]
