"""The reference suites: green from their cassettes, red for every seeded regression with the right reason, green for a no-op edit."""

import json
import tomllib
from functools import cache

import pytest
from regressions import ROOT, Regression, assert_caught, assert_no_op, copy_of, edit, run, trials, unchanged


@cache
def everything():
    """Return the document of all suites as they are."""
    return run(ROOT)


def test_all_suites_pass_offline():
    """`harness run` over all reference suites passes, with nothing but the cassettes."""
    document = everything()

    assert document["verdict"] == "pass"
    named = tomllib.loads((ROOT / "harness.toml").read_text("utf-8"))["suites"]
    assert {name: suite["verdict"] for name, suite in document["suites"].items()} == dict.fromkeys(named, "pass")
    routers = ("support_triage", "docs_router", "semantic_router")
    assert all(document["suites"][name]["trials"] >= 100 for name in routers)
    assert document["suites"]["intent_workflow"]["trials"] >= 40
    assert document["suites"]["research_loop"]["trials"] >= 20
    assert document["suites"]["resilient_chain"]["trials"] >= 40
    assert document["suites"]["safe_agent"]["trials"] >= 40
    assert document["suites"]["support_triage"]["metrics"]["cost_usd.total"] > 0
    assert all(trial.get("live", []) == [] and trial.get("recorded", 0) == 0 for trial in trials(ROOT, document))


def test_every_edge_interrupt_and_fallback_is_taken():
    """Nothing that a reference graph declares is left out by its cases."""
    suites = everything()["suites"]

    missing = {name: [suite["coverage"][kind]["missing"] for kind in suite["coverage"]] for name, suite in suites.items()}
    assert missing == {name: [[], [], []] for name in suites}


@pytest.mark.parametrize("suite", ["support_triage", "docs_router", "semantic_router", "intent_workflow"])
def test_every_case_of_a_router_says_what_it_is_for(suite):
    """Each case has a reason of its own to be there."""
    cases = [json.loads(line) for line in (ROOT / "datasets" / f"{suite}.jsonl").read_text("utf-8").splitlines()]

    assert [case["id"] for case in cases if not case["metadata"].get("why")] == []


def test_all_variants_replay():
    """Every variant of support_triage replays from the shared cassettes, with its own, poorer, accuracy."""
    document = run(ROOT, "support_triage", "--variant", "default", "--variant", "v1", "--variant", "v2_zero_shot")

    accuracy = {name: suite["metrics"]["route.accuracy"] for name, suite in document["suites"].items()}
    assert set(accuracy) == {"support_triage", "support_triage@v1", "support_triage@v2_zero_shot"}
    assert all(suite["stale"] == 0 for suite in document["suites"].values())
    assert accuracy["support_triage"] > accuracy["support_triage@v1"]
    assert accuracy["support_triage"] > accuracy["support_triage@v2_zero_shot"]


SEEDED = [
    (
        "support_triage",
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
            ("path",),
        ),
    ),
    (
        "research_loop",
        Regression(
            "the iteration limit raised",
            "graphs/research_loop.py",
            (("max_iterations: int = 3", "max_iterations: int = 5"),),
            frozenset({1, 4}),
            ("'research'", "visit 4"),
        ),
    ),
    (
        "research_loop",
        Regression(
            "enough results lowered",
            "graphs/research_loop.py",
            (("enough_results: int = 5", "enough_results: int = 2"),),
            frozenset({1, 4}),
            ("analyze",),
        ),
    ),
    (
        "support_triage",
        Regression(
            "one word of a prompt",
            "graphs/prompts/triage/v2.md",
            (("refunds", "repayments"),),
            frozenset({4}),
            ("prompt triage (v2) edited",),
        ),
    ),
    (
        "support_triage",
        Regression(
            "the model swapped",
            "graphs/support_triage.py",
            (('model: str = "smollm2-135m-instruct"', 'model: str = "smollm3-instruct"'),),
            frozenset({4}),
            ("model smollm2-135m-instruct -> smollm3-instruct",),
        ),
    ),
    (
        "support_triage",
        Regression(
            "a node that raises",
            "graphs/support_triage.py",
            (('    return confirm(state, queue="billing")', '    raise LookupError("no such queue")'),),
            frozenset({3}),
            ("LookupError", "billing_team"),
        ),
    ),
    (
        "support_triage",
        Regression(
            "a label renamed",
            "graphs/support_triage.py",
            (('"category": cast("Category", category) if category in get_args(Category) else "general"', '"category": "general"'),),
            frozenset({1}),
            ("route.accuracy",),
        ),
    ),
]


@pytest.mark.parametrize(("suite", "regression"), SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, suite, regression):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    assert_caught(suite, regression, tmp_path)


def test_no_op_edits_pass(tmp_path):
    """Imports in another order and a renamed local variable change nothing."""
    assert_no_op(
        "support_triage",
        "graphs/support_triage.py",
        tmp_path,
        ("import json\nfrom collections.abc import Mapping, Sequence\n", "from collections.abc import Mapping, Sequence\nimport json\n"),
        (
            'raw = ask(ticket_text(state["messages"]))\n        label = read_label(raw)',
            'answer = raw = ask(ticket_text(state["messages"]))\n        label = read_label(answer)',
        ),
    )


@pytest.mark.parametrize("suite", ["support_triage", "research_loop", "resilient_chain", "safe_agent"])
def test_async_replays_the_same(tmp_path, suite):
    """Recorded through invoke, a suite replays through ainvoke with the same outcomes."""
    root = copy_of(suite, tmp_path)
    edit(root, "harness.toml", (f"[suites.{suite}]\n", f'[suites.{suite}]\nmode = "ainvoke"\n'))

    found = run(root, suite)["suites"][suite]
    plain = unchanged(suite)[0]["suites"][suite]

    assert found == plain
