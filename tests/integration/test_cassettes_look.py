"""`harness cassettes diff` and `show`: what changed in cassettes, and what they hold."""

import subprocess

import pytest
from exchanges import said, tape

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"  # noqa: S105, made up


@pytest.fixture
def project(world):
    """Return a project of one suite with two cassettes; its graph is never loaded."""
    world.suite(graph="no_module:build")
    world.cases({"id": "one", "inputs": {}}, {"id": "a b", "inputs": {}}, {"id": "silent", "inputs": {}})
    tape(world, "one", said("one?", "Uno.", place="ask#1:x", system="Answer in Spanish."), said("more?", "No.", place="more#2:x"))
    tape(world, "a b", said("two?", "Two."))
    return world


@pytest.fixture
def repository(project):
    """Return the project, committed to git."""
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "cassettes"]):
        subprocess.run(["git", *command], cwd=project.root, check=True)
    return project


def test_nothing_changed_is_said(repository):
    """Cassettes as they were committed differ in nothing."""
    answer = repository.harness("cassettes", "diff")

    assert (answer.code, answer.out) == (0, "nothing changed\n")


def test_a_change_since_the_last_commit_names_its_parts(repository):
    """What was asked and answered otherwise is named, part by part, with both sides; the rest is not told."""
    tape(repository, "one", said("one?", "Eins.", place="ask#1:x", system="Answer in German."), said("more?", "No.", place="more#2:x"))

    answer = repository.harness("cassettes", "diff")

    assert answer.code == 0
    assert answer.out.splitlines() == [
        "cassettes/agent/one.yaml",
        "  changed #1 ask#1:x POST https://api.openai.com/v1/chat/completions",
        "    request system: '[\"Answer in Spanish.\"]' -> '[\"Answer in German.\"]'",
        "    answer text: 'Uno.' -> 'Eins.'",
        "1 changed",
    ]


def test_files_that_came_and_went_are_told(repository):
    """A new file is all added, a file that is gone all removed."""
    tape(repository, "silent", said("three?", "Three."))
    (repository.root / "cassettes/agent/a%20b.yaml").unlink()

    answer = repository.harness("cassettes", "diff", "--json", "HEAD")

    assert (answer.json["base"], answer.json["added"], answer.json["removed"], answer.json["changed"]) == ("HEAD", 1, 1, 0)
    assert [file["path"] for file in answer.json["files"]] == ["cassettes/agent/a%20b.yaml", "cassettes/agent/silent.yaml"]


def test_a_suite_limits_the_comparison(repository):
    """Named suites alone are compared, with HEAD where no revision is named."""
    tape(repository, "one", said("one?", "Eins."), suite="other")

    assert repository.harness("cassettes", "diff").out.endswith("1 added\n")
    assert repository.harness("cassettes", "diff", "agent").out == "nothing changed\n"
    assert repository.harness("cassettes", "diff", "HEAD", "agent").out == "nothing changed\n"


def test_a_revision_is_compared_from_a_folder_below(repository, monkeypatch):
    """The project may be a folder of the repository, and the command may stand anywhere in it."""
    tape(repository, "one", said("one?", "Eins."))
    monkeypatch.chdir(repository.root / "datasets")

    assert "changed" in repository.harness("cassettes", "diff").out


@pytest.mark.parametrize("named", ["no-such-branch", "HEAD~9", "--output=x", "HEAD:cassettes"])
def test_a_revision_that_is_not_there_is_refused(repository, named):
    """What git does not know as a commit ends with 2 and a line."""
    answer = repository.harness("cassettes", "diff", "--", named)

    assert answer.code == 2
    assert f"git knows no revision '{named}'" in answer.err
    assert answer.err.count("\n") == 1


def test_without_git_two_files_are_wanted(project):
    """Outside a repository there is no revision; that is said with what to do."""
    answer = project.harness("cassettes", "diff")

    assert answer.code == 2
    assert "not in a git repository" in answer.err


def test_two_files_or_folders_are_compared(project):
    """Any two cassettes, or folders of them, can be compared; no config is needed."""
    tape(project, "one", said("one?", "Eins."), suite="other")
    (project.root / "harness.toml").unlink()
    old, new = "cassettes/agent", "cassettes/other"

    files = project.harness("cassettes", "diff", f"{old}/a%20b.yaml", f"{new}/one.yaml")
    folders = project.harness("cassettes", "diff", old, new)

    assert files.out.splitlines()[0] == "the cassette"
    assert files.out.endswith("1 changed\n")
    assert [line for line in folders.out.splitlines() if not line.startswith(" ")] == ["a%20b.yaml", "one.yaml", "2 removed, 1 changed"]


def test_a_file_that_cannot_be_read_is_told_beside_the_others(repository):
    """A damaged file is named, the others are compared, and the command ends with 2."""
    (repository.root / "cassettes/agent/a%20b.yaml").write_text("- broken", "utf-8")
    tape(repository, "one", said("one?", "Eins.", place="ask#1:x"))

    answer = repository.harness("cassettes", "diff")

    assert answer.code == 2
    assert "  cannot be compared: cassettes/agent/a%20b.yaml:1: not a cassette" in answer.out
    assert "changed #1 ask#1:x" in answer.out


@pytest.mark.parametrize("named", [["cassettes/agent/one.yaml"], ["agent", "one"]], ids=["file", "case"])
def test_a_cassette_is_shown_as_a_conversation(project, named):
    """Each exchange is shown with its place, what was asked and what was answered."""
    answer = project.harness("cassettes", "show", *named)

    assert answer.code == 0
    assert answer.out.splitlines() == [
        "cassettes/agent/one.yaml: 2 exchanges",
        "",
        "1  ask#1:x  POST /v1/chat/completions  gpt-4o-mini",
        "   noted     variants default",
        "   system    Answer in Spanish.",
        "   user      one?",
        "   answer    200 gpt-4o-mini, stop, 5 + 1 tokens",
        "   text      Uno.",
        "",
        "2  more#2:x  POST /v1/chat/completions  gpt-4o-mini",
        "   noted     variants default",
        "   user      more?",
        "   answer    200 gpt-4o-mini, stop, 5 + 0 tokens",
        "   text      No.",
    ]


def test_the_cassette_of_another_tool_is_shown_as_that_of_its_case(project):
    """A case that is replayed from a file with another ending is shown from that file."""
    found = tape(project, "silent", said("three?", "Three."))
    found.rename(found.with_suffix(".yml"))

    answer = project.harness("cassettes", "show", "agent", "silent")

    assert answer.code == 0
    assert answer.out.startswith("cassettes/agent/silent.yml: 1 exchange\n")


def test_digests_are_shown_on_request(project):
    """`--digests` adds the digest of each part of the key."""
    assert "digests" not in project.harness("cassettes", "show", "agent", "a b").out
    assert "digests   endpoint " in project.harness("cassettes", "show", "agent", "a b", "--digests").out


def test_what_is_shown_is_harmless(project):
    """Control characters are written as escapes, and a secret that another tool recorded is not shown."""
    path = tape(project, "one", said(f"my key is {SECRET}", "red \x1b[31m text\nof two lines"))

    answer = project.harness("cassettes", "show", str(path))

    assert SECRET not in answer.out
    assert "\x1b" not in answer.out
    assert "text      red \\x1b[31m text\n             of two lines\n" in answer.out


@pytest.mark.parametrize("command", [["show", "agent", "one"], ["diff"], ["diff", "--json"]], ids=["show", "diff", "json"])
def test_what_the_config_calls_a_secret_is_not_shown_either(repository, command):
    """The expressions of `[redact]` hold for files that another tool recorded, before and after."""
    repository.suite(graph="no_module:build", tables='[redact.patterns]\ncard = "CARD-[0-9]{4}"')
    tape(repository, "one", said("my card is CARD-1234", "CARD-5678 is a card too"))

    answer = repository.harness("cassettes", *command)

    assert answer.code == 0
    assert "CARD-" not in answer.out
    assert "<card-" in answer.out


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (["missing.yaml"], "there is no such file"),
        (["agent", "onne"], "has no case 'onne'; did you mean 'one'?"),
        (["agent", "silent"], "case 'silent' has no cassette"),
        (["agnet", "one"], "there is no suite 'agnet'; did you mean 'agent'?"),
        (["agent", "one", "two"], "name one cassette file, or a suite and a case"),
        (["harness.toml"], "harness.toml"),
    ],
    ids=["file", "case", "silent", "suite", "three", "no-cassette"],
)
def test_what_cannot_be_shown_is_told(project, named, told):
    """A file, a suite or a case that there is not ends with 2 and the nearest name."""
    answer = project.harness("cassettes", "show", *named)

    assert answer.code == 2
    assert told in answer.err
    assert answer.err.count("\n") == 1
