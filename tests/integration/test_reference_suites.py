"""The reference suites: green from their cassettes, red for every seeded regression with the right reason, green for a no-op edit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the reference suites, to be edited."""
    for name in ("graphs", "datasets", "cassettes"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "harness.toml", tmp_path)
    return tmp_path


def run(root, *arguments):
    """Run the suites in a process of its own and return the document, with the exit code the process had."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "LANGSMITH", "LANGCHAIN"))}
    command = [sys.executable, "-m", "harness.cli", "run", "--json", *arguments]
    answer = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert answer.stdout, answer.stderr
    document = json.loads(answer.stdout)
    assert document["exit_code"] == answer.returncode
    return document


def edit(root, name, *pairs):
    """Replace pieces of a file, each of which has to be there."""
    path = root / name
    text = path.read_text("utf-8")
    for old, new in pairs:
        assert old in text, f"{old!r} is not in {name}"
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def trials(root, document):
    """Return the trials of an experiment as plain JSON."""
    path = root / "reports" / "experiments" / document["experiment"] / "trials.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_all_suites_pass_offline():
    """`harness run` over all reference suites passes, with nothing but the cassettes."""
    document = run(ROOT)

    assert document["verdict"] == "pass"
    assert {name: suite["verdict"] for name, suite in document["suites"].items()} == {
        "support_triage": "pass",
        "research_loop": "pass",
        "resilient_chain": "pass",
    }
    assert document["suites"]["support_triage"]["trials"] >= 60
    assert document["suites"]["research_loop"]["trials"] >= 20
    assert document["suites"]["resilient_chain"]["trials"] >= 20
    assert document["suites"]["support_triage"]["metrics"]["cost_usd.total"] > 0
    assert all(trial.get("live", []) == [] and trial.get("recorded", 0) == 0 for trial in trials(ROOT, document))


def test_all_variants_replay():
    """Every variant of support_triage replays from the shared cassettes, with its own, poorer, accuracy."""
    document = run(ROOT, "support_triage", "--variant", "default", "--variant", "v1", "--variant", "v2_zero_shot")

    accuracy = {name: suite["metrics"]["route.accuracy"] for name, suite in document["suites"].items()}
    assert set(accuracy) == {"support_triage", "support_triage@v1", "support_triage@v2_zero_shot"}
    assert all(suite["stale"] == 0 for suite in document["suites"].values())
    assert accuracy["support_triage"] > accuracy["support_triage@v1"]
    assert accuracy["support_triage"] > accuracy["support_triage@v2_zero_shot"]


SEEDED = {
    "two edges swapped": (
        "support_triage",
        "graphs/support_triage.py",
        [
            (
                """return cast("Team", f"{state['category']}_team")""",
                """swapped = {"billing": "technical", "technical": "billing", "general": "general"}
    return cast("Team", f"{swapped[state['category']]}_team")""",
            )
        ],
        {1},
        ["path"],
    ),
    "the iteration limit raised": (
        "research_loop",
        "graphs/research_loop.py",
        [("max_iterations: int = 3", "max_iterations: int = 5")],
        {1, 4},
        ["'research'", "visit 4"],
    ),
    "enough results lowered": (
        "research_loop",
        "graphs/research_loop.py",
        [("enough_results: int = 5", "enough_results: int = 2")],
        {1, 4},
        ["analyze"],
    ),
    "the fallback dropped": (
        "resilient_chain",
        "graphs/resilient_chain.py",
        [("primary.with_fallbacks([reply_from(fallback_model)])", "primary")],
        {1, 3},
        ["smollm2-135m-instruct-backup"],
    ),
    "a retry dropped": ("resilient_chain", "graphs/resilient_chain.py", [("attempts: int = 3", "attempts: int = 2")], {1, 4}, ["attempts"]),
    "one word of a prompt": (
        "support_triage",
        "graphs/prompts/triage/v2.md",
        [("refunds", "repayments")],
        {4},
        ["prompt triage (v2) edited"],
    ),
    "the model swapped": (
        "support_triage",
        "graphs/support_triage.py",
        [('model: str = "smollm2-135m-instruct"', 'model: str = "smollm3-instruct"')],
        {4},
        ["model smollm2-135m-instruct -> smollm3-instruct"],
    ),
    "a node that raises": (
        "support_triage",
        "graphs/support_triage.py",
        [('    return confirm(state, queue="billing")', '    raise LookupError("no such queue")')],
        {3},
        ["LookupError", "billing_team"],
    ),
    "a label renamed": (
        "support_triage",
        "graphs/support_triage.py",
        [('"category": cast("Category", category) if category in get_args(Category) else "general"', '"category": "general"')],
        {1},
        ["route.accuracy"],
    ),
}


@pytest.mark.parametrize(("suite", "file", "edits", "codes", "texts"), SEEDED.values(), ids=SEEDED)
def test_a_seeded_regression_is_caught_with_its_reason(copy, suite, file, edits, codes, texts):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    edit(copy, file, *edits)

    document = run(copy, suite)

    assert document["exit_code"] in codes, document["suites"]
    found = trials(copy, document)
    told = json.dumps(
        [
            document["suites"][suite]["reasons"],
            [[trial.get("scores"), trial.get("misses"), trial.get("trace", {}).get("crash")] for trial in found],
        ]
    )
    shown = subprocess.run([sys.executable, "-m", "harness.cli", "gate"], cwd=copy, capture_output=True, text=True, check=False).stdout
    for text in texts:
        assert text in told or text in shown, shown


def test_no_op_edits_pass(copy):
    """Imports in another order and a renamed local variable change nothing."""
    edit(
        copy,
        "graphs/support_triage.py",
        ("import json\nfrom collections.abc import Mapping, Sequence\n", "from collections.abc import Mapping, Sequence\nimport json\n"),
        (
            'raw = ask(ticket_text(state["messages"]))\n        label = read_label(raw)',
            'answer = raw = ask(ticket_text(state["messages"]))\n        label = read_label(answer)',
        ),
    )
    before = run(ROOT, "support_triage")

    document = run(copy, "support_triage")

    assert document["exit_code"] == 0
    assert trials(copy, document) == trials(ROOT, before)


@pytest.mark.parametrize("suite", ["support_triage", "research_loop", "resilient_chain"])
def test_async_replays_the_same(copy, suite):
    """Recorded through invoke, a suite replays through ainvoke with the same outcomes."""
    edit(copy, "harness.toml", (f"[suites.{suite}]\n", f'[suites.{suite}]\nmode = "ainvoke"\n'))

    found = run(copy, suite)["suites"][suite]
    plain = run(ROOT, suite)["suites"][suite]

    assert found == plain
