"""`harness prompts`: versions, the active one, and its way back."""

import json
import subprocess

import pytest

AGENT = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    said: str


def build(*, prompts):
    graph = StateGraph(State)
    graph.add_node("say", lambda state: {"said": prompts["greet"].strip()})
    graph.add_edge(START, "say")
    graph.add_edge("say", END)
    return graph.compile()
"""


@pytest.fixture
def project(world):
    """Return a project with a prompt of three versions and an agent that says it."""
    for version, text in (("v1", "Hello\n"), ("v2", "Good day\n"), ("v10", "Hi\n")):
        world.write(f"prompts/greet/{version}.md", text)
    world.write("agent.py", AGENT)
    world.suite(tables='[suites.agent.variants.old]\nprompts = { greet = "v1" }')
    world.cases({"id": "a", "inputs": {}})
    return world


def said(world, *arguments):
    """Return what the agent says."""
    assert world.harness("run", *arguments).code == 0
    (trial,) = world.trials()
    return trial.trace.state["said"]


def git(world, *arguments):
    """Run git in the project as somebody."""
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=world.root, check=True, capture_output=True)


def test_list(project):
    """Every version is listed with its digest; the newest is active where none was activated."""
    answer = project.harness("prompts", "list")

    assert [line.split()[1] for line in answer.out.splitlines()[1:]] == ["v1", "v10", "v2"]
    assert [line.split()[1] for line in answer.out.splitlines()[1:] if "*" in line] == ["v10"]


def test_the_active_version_is_what_a_variant_takes(project):
    """Activation decides for a variant that names no version, not for one that does; the provenance says which it was."""
    assert said(project) == "Hi"

    answer = project.harness("prompts", "activate", "greet", "v2")

    assert answer.code == 0
    assert "is now v2" in answer.out
    assert "it was v10" in answer.out
    assert said(project) == "Good day"
    assert said(project, "--variant", "old") == "Hello"
    assert json.loads((project.root / "prompts/active.json").read_text()) == {"greet": ["v2"]}


def test_rollback_goes_back_step_by_step(project):
    """Each rollback undoes one activation; then there is nothing to go back to, and nothing changes."""
    for version in ("v1", "v2", "v2"):
        project.harness("prompts", "activate", "greet", version)

    assert "is now v1" in project.harness("prompts", "rollback", "greet").out
    assert "is now v10" in project.harness("prompts", "rollback", "greet").out
    refused = project.harness("prompts", "rollback", "greet")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "no activation of prompt 'greet' is left to take back" in refused.err
    assert said(project) == "Hi"


def test_show_and_diff(project):
    """A version is printed as it stands, the active one without a name; a diff names both versions."""
    assert project.harness("prompts", "show", "greet@v1").out == "Hello\n"
    assert project.harness("prompts", "show", "greet").out == "Hi\n"
    assert project.harness("prompts", "diff", "greet", "v1", "v2").out.splitlines()[2:] == ["@@ -1 +1 @@", "-Hello", "+Good day"]
    assert "+Hi" in project.harness("prompts", "diff", "greet", "v1").out


def test_log(project):
    """The log tells from git who added, changed and activated what."""
    git(project, "init", "-q")
    git(project, "add", "prompts")
    git(project, "commit", "-qm", "Greet")
    project.harness("prompts", "activate", "greet", "v2")
    project.write("prompts/greet/v2.md", "Good evening\n")
    git(project, "add", "prompts")
    git(project, "commit", "-qm", "Politer")

    lines = project.harness("prompts", "log", "greet").out.splitlines()

    assert [line.partition(" ")[2].partition(" ")[2] for line in lines if not line.startswith(" ")] == ["Ann: Politer", "Ann: Greet"]
    assert [line.strip() for line in lines if line.startswith(" ")] == [
        "active: greet v2",
        "greet@v2 changed",
        "greet@v1 added",
        "greet@v10 added",
        "greet@v2 added",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "great"), "there is no prompt 'great'; did you mean 'greet'?"),
        (("show", "greet@v3"), "prompt 'greet' has no version 'v3'"),
        (("activate", "greet", "v3"), "prompt 'greet' has no version 'v3'"),
        (("activate", "great", "v1"), "there is no prompt 'great'"),
        (("rollback", "great"), "there is no prompt 'great'"),
        (("diff", "greet", "v1", "v4"), "prompt 'greet' has no version 'v4'"),
        (("log",), "the log comes from git"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_is_not_there(project, arguments, message):
    """What is not there is named in one line, with the nearest known name; the exit code is 2 and nothing is written."""
    answer = project.harness("prompts", *arguments)

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert message in answer.err
    assert not (project.root / "prompts/active.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"greet": "v1"}', "active.json: greet: input should be a valid array"),
        ('{"greet": []}', "active.json: 'greet' has no version"),
        ('{"greet": ["v1", "v7"]}', "active.json: prompt 'greet' has no version 'v7'"),
        ('{"great": ["v1"]}', "active.json: there is no prompt 'great'; did you mean 'greet'?"),
        ("{", "active.json: value: invalid json"),
    ],
    ids=["no list", "empty", "no version", "no prompt", "no JSON"],
)
def test_a_file_of_active_versions_that_cannot_be(project, text, message):
    """It is refused in one line by every command that needs it, and left as it is."""
    project.write("prompts/active.json", text)

    for arguments in (("run",), ("prompts", "list"), ("prompts", "activate", "greet", "v1")):
        answer = project.harness(*arguments)
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert message in answer.err
    assert (project.root / "prompts/active.json").read_text() == text


def test_no_prompts_at_all(world):
    """A project without prompts is told where they would be."""
    world.suite()

    answer = world.harness("prompts", "list")

    assert answer.code == 2
    assert "prompts/<name>/<version>.md" in answer.err
