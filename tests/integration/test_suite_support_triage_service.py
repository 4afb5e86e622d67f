"""The ticket desk as a service: evaluated over HTTP as in process, caught when it regresses, unchanged by a no-op edit."""

import json

import pytest
from regressions import Regression, copy_of, edit, harness, run, trials

SUITE = "support_triage_service"
SAMPLE = ("--filter", "billing-001 or technical-001 or general-001 or billing-003")


def service_copy(folder):
    """Return a copy of the project with what the suite replays."""
    return copy_of("support_triage", folder)


def told(trial):
    """Return what both ways of running a case have in common: how it went, and why."""
    trace = trial["trace"]
    return {
        "outcome": trial["outcome"],
        "scores": [(score["name"], score["status"], score.get("value"), score.get("reason")) for score in trial["scores"]],
        "visits": [(step["place"]["node"], step["place"]["step"], step.get("update_digest")) for step in trace["steps"]],
        "state": trace["state"],
        "text": trace["text"],
        "exchanges": [call["exchange"] for call in trace["calls"]],
        "cost": [call["cost_usd"] for call in trace["calls"]],
    }


def test_the_service_gives_the_same_routes_and_answers_as_the_graph(tmp_path):
    """Every ticket takes the same route to the same answer, over the same exchanges, for the same money, over HTTP as in process."""
    root = service_copy(tmp_path)

    document = run(root, SUITE, "support_triage")

    assert document["exit_code"] == 0
    by_suite = {name: [told(trial) for trial in trials(root, document) if trial["suite"] == name] for name in (SUITE, "support_triage")}
    assert len(by_suite[SUITE]) == 102
    without_cost = [[{**each, "scores": [s for s in each["scores"] if s[0] != "cost"]} for each in found] for found in by_suite.values()]
    assert without_cost[0] == without_cost[1]
    first, second = (document["suites"][name]["metrics"] for name in by_suite)
    seen = {name for name, value in first.items() if value is not None}
    assert {name: first[name] for name in seen} == {name: second[name] for name in seen}
    assert {"route.accuracy", "path.pass_rate", "cost_usd.total", "tokens.total", "model_calls.mean", "steps.max"} <= seen
    assert (first["tool_calls.mean"], second["tool_calls.mean"]) == (None, 0.0)


SEEDED = [
    Regression(
        "two edges swapped",
        "graphs/support_triage.py",
        (
            (
                'return cast("Team", f"{state[\'category\']}_team")',
                (
                    'swapped = {"billing": "technical", "technical": "billing", "general": "general"}\n    '
                    'return cast("Team", f"{swapped[state[\'category\']]}_team")'
                ),
            ),
        ),
        frozenset({1}),
        ("billing_team",),
    ),
    Regression(
        "one word of a prompt", "graphs/prompts/triage/v2.md", (("refunds", "repayments"),), frozenset({4}), ("prompt triage (v2) edited",)
    ),
    Regression(
        "a node that raises",
        "graphs/support_triage.py",
        (('    return confirm(state, queue="billing")', '    raise LookupError("no such queue")'),),
        frozenset({3}),
        ("LookupError",),
    ),
    Regression(
        "the model swapped",
        "graphs/support_triage.py",
        (('model: str = "smollm2-135m-instruct"', 'model: str = "smollm3-instruct"'),),
        frozenset({4}),
        ("model smollm2-135m-instruct -> smollm3-instruct",),
    ),
    Regression(
        "the stream without its visits",
        "graphs/service/sessions.py",
        (('if chunk["type"] != "task_result" or', 'if chunk["type"] != "no such" or'),),
        frozenset({1}),
        ("'classify' never ran",),
    ),
]


@pytest.mark.parametrize("regression", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, regression):
    """Each edit of the service's code ends with the right exit code, and the reasons name what is to blame."""
    root = service_copy(tmp_path)
    edit(root, regression.file, *regression.edits)

    document = run(root, SUITE, *SAMPLE)

    assert document["exit_code"] in regression.codes, document["suites"]
    why = json.dumps([document["suites"][SUITE]["reasons"], trials(root, document)], ensure_ascii=False)
    assert not [text for text in regression.texts if text not in why], harness(root, "gate").stdout


def test_a_no_op_edit_changes_no_byte(tmp_path):
    """A renamed local variable of the service changes nothing that is stored."""
    root = service_copy(tmp_path)
    before = trials(root, run(root, SUITE, *SAMPLE))
    edit(
        root,
        "graphs/service/sessions.py",
        ("for event in fresh:\n                yield event", "for each in fresh:\n                yield each"),
    )

    assert trials(root, run(root, SUITE, *SAMPLE)) == before
