"""The reference suite semantic_router: red for every seeded regression with the right reason, green for a no-op edit."""

import pytest
from regressions import ROOT, Regression, assert_caught, assert_no_op, run, trials

ROUTER = "graphs/semantic_router.py"
SUBJECTS = "graphs/semantic_router_subjects.py"
SOME = ("--filter", "physics-001 or math-001 or chemistry-001 or none-001")

SEEDED = [
    Regression(
        "a threshold that is too high",
        ROUTER,
        (("threshold: float = 0.06", "threshold: float = 0.9"),),
        frozenset({1}),
        ("route.accuracy", "no_route"),
        SOME,
    ),
    Regression(
        "an edge led astray",
        ROUTER,
        (('    return state["subject"]', '    return "no_route" if state["subject"] == "math" else state["subject"]'),),
        frozenset({1}),
        ("path.pass_rate", "no_route"),
        SOME,
    ),
    Regression(
        "a model asked for the route",
        ROUTER,
        (("        match = load()", "        chat.invoke(question)\n        match = load()"),),
        frozenset({4}),
        ('"node": "route"',),
        SOME,
    ),
    Regression(
        "one word of a prompt",
        "graphs/prompts/physics/v1.md",
        (("a physics teacher", "a physicist"),),
        frozenset({4}),
        ("prompt physics (v1) edited",),
        SOME,
    ),
    Regression(
        "the farthest subject instead of the nearest",
        SUBJECTS,
        (("reverse=True", "reverse=False"),),
        frozenset({1, 4}),
        ("no_route",),
        SOME,
    ),
    Regression(
        "an answer by a model without a subject",
        ROUTER,
        (('graph.add_node("no_route", no_route)', 'graph.add_node("no_route", answer_by(chat, "Answer."))'),),
        frozenset({4}),
        ('"node": "no_route"',),
        SOME,
    ),
]


@pytest.mark.parametrize("regression", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, regression):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    assert_caught("semantic_router", regression, tmp_path)


def test_no_op_edits_pass(tmp_path):
    """A renamed local variable changes nothing, embeddings included: the trials keep every byte."""
    assert_no_op(
        "semantic_router",
        SUBJECTS,
        tmp_path,
        ("seen = difference(embedding, self.mean)", "offset = difference(embedding, self.mean)"),
        ("cosine(seen, direction)", "cosine(offset, direction)"),
    )


def test_the_route_is_the_same_every_time():
    """Five runs of a case embed it anew and find the same subject, similarity and margin."""
    found = trials(ROOT, run(ROOT, "semantic_router", "--repeat", "5", "--filter", "ambiguous"))

    kept = {(trial["case"], *(str(trial["trace"]["state"][key]) for key in ("subject", "similarity", "margin"))) for trial in found}
    assert len(found) == 30
    assert len(kept) == 6


def test_stored_vectors_are_those_of_the_examples(monkeypatch):
    """The file of vectors is what its examples give with the embedding model; a few digits are left to other machines."""
    monkeypatch.syspath_prepend(str(ROOT))
    import json

    from graphs.semantic_router_subjects import FILE, computed

    stored = json.loads(FILE.read_text("utf-8"))
    fresh = computed(stored["examples"], outside="other")

    assert fresh["mean"] == pytest.approx(stored["mean"], abs=1e-3)
    assert {subject: pytest.approx(vector, abs=1e-3) for subject, vector in fresh["directions"].items()} == stored["directions"]
