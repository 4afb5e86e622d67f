"""The ticket desk against its committed baseline and its first version: what a comparison says of changes that were recorded."""

import json

import pytest
from regressions import copy_of, edit, harness, run

SUITE = "support_triage"


BEFORE = 'prompts_dir = "graphs/prompts"\n'
WORSE_PROMPT = BEFORE + (
    '\n[suites.support_triage.variants.default]\nprompts = { triage = "v1" }\nparameters = { examples = 0, output = "text" }\n'
)
CAUGHT = [
    (
        "a worse prompt",
        "harness.toml",
        ((BEFORE, WORSE_PROMPT),),
        ("route.accuracy", "non_inferiority"),
    ),
    (
        "a wait that no bound of its own forbids",
        "graphs/support_triage.py",
        (('    priority = state["priority"]\n', '    import time\n\n    time.sleep(5)\n    priority = state["priority"]\n'),),
        ("duration_s.p50", "max_rise_pct"),
    ),
]


@pytest.mark.parametrize(("file", "edits", "said"), [row[1:] for row in CAUGHT], ids=[row[0] for row in CAUGHT])
def test_a_regression_is_caught_by_the_baseline(tmp_path, file, edits, said):
    """The gate fails for what the baseline shows, and says which bound."""
    root = copy_of(SUITE, tmp_path)
    edit(root, file, *edits)

    document = run(root, SUITE)

    assert document["exit_code"] == 1
    reasons = document["suites"][SUITE]["reasons"]
    assert [reason for reason in reasons if all(word in reason for word in said)], reasons


def test_a_no_op_edit_passes_against_the_baseline(tmp_path):
    """Another order of definitions changes no figure: the bounds are evaluated, and hold."""
    root = copy_of(SUITE, tmp_path)
    edit(root, "graphs/support_triage.py", ('    priority = state["priority"]\n', '    priority = {**state}["priority"]\n'))

    document = run(root, SUITE)

    assert document["exit_code"] == 0
    notes = document["suites"][SUITE]["notes"]
    assert not [note for note in notes if "skipped" in note]
    assert [note for note in notes if note.startswith("compared with the baseline of experiment ")]


def test_the_second_version_beats_the_first(tmp_path):
    """v1 against v2 on the recordings: 52 tickets better, 5 worse, no chance, and the verdict is that v2 may ship."""
    answer = harness(copy_of(SUITE, tmp_path), "compare", "support_triage@v1", "support_triage@v2", "--json")

    document = json.loads(answer.stdout)
    (suite,) = document["suites"]
    assert (answer.returncode, document["verdict"], suite["shown"]) == (0, "pass", "better")
    assert (suite["counts"]["better"], suite["counts"]["worse"], suite["counts"]["same"]) == (52, 5, 45)
    assert suite["metrics"]["pass.rate"]["p_value"] < 1e-9
    assert suite["nodes"]["classify"]["candidate"]["cost_usd"] > suite["nodes"]["classify"]["base"]["cost_usd"]


def test_the_first_version_does_not_replace_the_second(tmp_path):
    """Turned round, the comparison fails and names the tickets."""
    answer = harness(copy_of(SUITE, tmp_path), "compare", "support_triage@v2", "support_triage@v1")

    assert answer.returncode == 1
    assert answer.stdout.startswith("verdict: fail\n")
    assert "the candidate is worse: 5 better, 52 worse, 45 same (p < 0.001)" in answer.stdout
