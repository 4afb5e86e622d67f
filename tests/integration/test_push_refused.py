"""What is not pushed or pulled is refused in one line, before anything is asked of LangSmith."""

import pytest
from letters import case


@pytest.mark.parametrize("part", ["--failing", "--tag=odd"])
def test_a_part_of_an_experiment_is_no_baseline(ran, hub, part):
    """Only whole experiments are."""
    answer = ran.harness("push", "--baseline", part)

    assert (answer.code, answer.err) == (2, "harness: --baseline is for whole experiments, not for --failing or --tag\n")
    assert hub.asked == []


def test_datasets_of_one_name_are_refused(ran, hub):
    """In LangSmith they would be one, and each push would change what the other sent."""
    ran.suite(
        'routes.classify = "kind"', tables='[suites.more]\ngraph = "agent.py:build"\ndataset = "other/agent.jsonl"\ncassettes = "agent"'
    )
    ran.cases(case(0), name="other/agent.jsonl")
    ran.harness("run")

    answer = ran.harness("push")

    assert (answer.code, answer.err.count("\n"), hub.asked) == (2, 1, [])
    assert "datasets/agent.jsonl and other/agent.jsonl have one name" in answer.err


def test_an_imported_experiment_is_refused(world, hub):
    """Its inputs are not known."""
    world.write("runs.jsonl", '{"case": "a", "score": 1.0}')
    world.harness("import", "json", "runs.jsonl", "--suite", "desk")

    answer = world.harness("push")

    assert (answer.code, answer.err.count("\n"), hub.asked) == (2, 1, [])
    assert "was imported: its inputs are not known, so it cannot be pushed" in answer.err


def test_a_tag_that_no_case_has_is_refused(ran, hub):
    """Nothing is sent, and the line says what was looked for."""
    answer = ran.harness("push", "--tag", "none")

    assert (answer.code, answer.err.count("\n"), hub.asked) == (2, 1, [])
    assert "has no trial to push (tag none)" in answer.err


def test_a_dataset_that_has_changed_since_is_refused(ran, hub):
    """What would be pushed as the input of a trial would not be what it had."""
    ran.edit("datasets/agent.jsonl", "case-005", "case-006")

    answer = ran.harness("push")

    assert (answer.code, answer.err.count("\n"), hub.asked) == (2, 1, [])
    assert "datasets/agent.jsonl: it has changed since experiment" in answer.err


def test_a_push_without_a_key_is_refused(ran, monkeypatch):
    """The line names the variable."""
    for name in ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    answer = ran.harness("push")

    assert (answer.code, answer.err) == (
        2,
        "harness: LangSmith needs a key: set LANGSMITH_API_KEY; it is read from the environment alone\n",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("push", "datasets/none.jsonl"), "datasets/none.jsonl: there is no such file"),
        (("pull", "none"), "there is no dataset 'none', or the key may not see it"),
        (("pull", "a/b"), "-o FILE: say where to write it; 'a/b' cannot be the name of a file"),
        (("pull", "agent", "-o", "x.csv"), "x.csv: a pulled dataset is a .jsonl file"),
    ],
    ids=["no-file", "no-dataset", "no-name", "no-jsonl"],
)
def test_what_cannot_be_pushed_or_pulled_is_one_line(world, hub, arguments, said):
    """Each ends with a line that names it, and 2."""
    world.suite()

    answer = world.harness("dataset", *arguments)

    assert (answer.code, answer.err.count("\n"), hub.workspace.writes) == (2, 1, [])
    assert said in answer.err
