"""The reference suites: green from their cassettes, red for every seeded regression with the right reason, green for a no-op edit."""

import json
import re
import tomllib

import pytest
from regressions import ROOT, Regression, assert_caught, assert_no_op, copy_of, edit, everything, run, unchanged


def configured():
    """Return the keys of every reference suite."""
    return tomllib.loads((ROOT / "harness.toml").read_text("utf-8"))["suites"]


SUITES = tuple(configured())
FEWER = {"approval_agent_review"}
"""Suites of fewer than 40 cases: this one adds to those of `approval_agent`."""


def cases_of(dataset):
    """Return the cases of a dataset."""
    return [json.loads(line) for line in (ROOT / dataset).read_text("utf-8").splitlines()]


def cassettes_of(suite, keys):
    """Return what the table says of a suite's cassettes."""
    files = list((ROOT / "cassettes" / suite).glob("*.yaml"))
    if not files:
        return f"those of `{keys['cassettes']}`" if "cassettes" in keys else "none: a script answers"
    return f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


def test_all_suites_pass_offline():
    """`harness run` over all reference suites passes, with nothing but the cassettes."""
    document = everything()["document"]

    assert document["verdict"] == "pass"
    assert {name: suite["verdict"] for name, suite in document["suites"].items()} == dict.fromkeys(SUITES, "pass")
    routers = ("support_triage", "docs_router", "semantic_router")
    assert all(document["suites"][name]["trials"] >= 100 for name in routers)
    assert all(suite["trials"] >= 40 for name, suite in document["suites"].items() if name not in FEWER)
    assert document["suites"]["support_triage"]["metrics"]["cost_usd.total"] > 0
    assert all(trial.get("live", []) == [] and trial.get("recorded", 0) == 0 for trial in everything()["trials"])


def test_every_edge_interrupt_and_fallback_is_taken():
    """Nothing that a reference graph declares is left out by the cases of its suites; a service does not tell its edges."""
    graphs = {name: suite["graph"] for name, suite in configured().items() if not suite["graph"].startswith("http")}
    missing = {}
    for name, graph in graphs.items():
        found = {
            (kind, str(one)) for kind, covered in everything()["document"]["suites"][name]["coverage"].items() for one in covered["missing"]
        }
        missing[graph] = missing.get(graph, found) & found

    assert missing == {graph: set() for graph in graphs.values()}


@pytest.mark.parametrize("suite", SUITES)
def test_every_case_says_what_it_is_for(suite):
    """Each case has a reason of its own to be there."""
    assert [case["id"] for case in cases_of(configured()[suite]["dataset"]) if not case["metadata"].get("why")] == []


def test_the_table_of_suites_is_true():
    """The documented numbers of cases and of cassettes, and the size of the cassettes, are those of the files."""
    row = r"^\| `(\w+)` \| .* \| (\d+) \| (\d+ files, .*|those of .*|none: .*) \|$"
    rows = re.findall(row, (ROOT / "docs/reference-suites.md").read_text("utf-8"), re.MULTILINE)

    told = {suite: (int(cases), cassettes) for suite, cases, cassettes in rows}

    assert told == {suite: (len(cases_of(keys["dataset"])), cassettes_of(suite, keys)) for suite, keys in configured().items()}


def test_recording_names_every_suite_and_variant():
    """`make record` records anew what is replayed: every suite that has cassettes of its own, under every variant."""
    lines = re.findall(r"^harness record --all (\w+)(.*)$", (ROOT / "graphs/record.sh").read_text("utf-8"), re.MULTILINE)

    named = {suite: set(re.findall(r"--variant (\w+)", variants)) or {"default"} for suite, variants in lines}

    kept = {suite: keys for suite, keys in configured().items() if (ROOT / "cassettes" / suite).is_dir()}
    assert named == {suite: {"default", *keys.get("variants", ())} for suite, keys in kept.items()}


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
            ("--filter", "billing-001 or technical-001"),
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
            ("--filter", "billing-001"),
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
            ("--filter", "billing-001"),
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
            ("--filter", "billing-001"),
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
            ("--filter", "billing or technical"),
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


@pytest.mark.parametrize(
    "suite", ["support_triage", "research_loop", "resilient_chain", "safe_agent", "supervisor_team", "handoff_swarm", "tool_controller"]
)
def test_async_replays_the_same(tmp_path, suite):
    """Recorded through invoke, a suite replays through ainvoke with the same outcomes."""
    root = copy_of(suite, tmp_path)
    edit(root, "harness.toml", (f"[suites.{suite}]\n", f'[suites.{suite}]\nmode = "ainvoke"\n'))

    found = run(root, suite)["suites"][suite]
    plain = unchanged(suite)[0]["suites"][suite]

    assert found == plain
