"""`harness cassettes check` and `prune`: what no trial needs is found, and goes without touching the rest."""

import difflib
import os
import pty
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml
from exchanges import said, tape

from harness.cassette import vcr_yaml

AGENT = """
    from typing import TypedDict

    from langchain_openai import ChatOpenAI
    from langgraph.graph import StateGraph


    class State(TypedDict):
        question: str
        answer: str


    def build(model="gpt-4o-mini"):
        def ask(state):
            print("a graph may print")
            return {"answer": ChatOpenAI(model=model).invoke(state["question"]).text}

        return StateGraph(State).add_node(ask).set_entry_point("ask").set_finish_point("ask").compile()
"""
JUDGE = """
    from langchain_openai import ChatOpenAI


    def tone(inputs, outputs, reference_outputs):
        return ChatOpenAI(model="gpt-4o-mini").invoke("is it kind?").text == "yes"
"""
OLD = {"latency_s": 0.1, "recorded_at": "2026-11-21T09:45:12+00:00"}


@pytest.fixture
def project(world):
    """Return a project of three cases; the cassette of each holds what its trial asks."""
    world.write("agent.py", AGENT)
    world.suite()
    world.cases(*({"id": name, "inputs": {"question": f"{name}?"}} for name in ("one", "two", "three")))
    for name in ("one", "two", "three"):
        tape(world, name, said(f"{name}?", name, **OLD))
    return world


def path_of(world, case):
    """Return the path of a cassette."""
    return world.root / "cassettes/agent" / f"{case}.yaml"


def found(world, *arguments):
    """Return exit code, and kind, path and exchanges of each finding."""
    answer = world.harness("cassettes", "check", "--json", *arguments)
    assert answer.json["exit_code"] == answer.code
    return answer.code, [(each["kind"], each["path"].removeprefix("cassettes/"), each["exchanges"]) for each in answer.json["findings"]]


def test_clean_cassettes_have_no_findings(project):
    """What every trial plays is in order: exit 0, a table and the sizes."""
    answer = project.harness("cassettes", "check")

    assert answer.code == 0
    assert [line.split()[:4] for line in answer.out.splitlines()[:2]] == [
        ["suite", "files", "exchanges", "unused"],
        ["agent", "3", "3", "0"],
    ]
    assert "largest: cassettes/agent/three.yaml (" in answer.out
    assert answer.out.splitlines()[-1].endswith("nothing to mend, 0 warnings")
    assert found(project) == (0, [])


def test_an_exchange_that_no_variant_plays_is_unused(project):
    """It is named with the line it stands on; what only another variant plays is used."""
    project.suite(tables="[suites.agent.variants.big]\nmodel = 'gpt-4o'")
    kept = (said("one?", "one", **OLD), said("older?", "x", **OLD), said("one?", "one", model="gpt-4o", variants=("big",), **OLD))
    path = tape(project, "one", *kept)
    for name in ("two", "three"):
        tape(project, name, said(f"{name}?", name, **OLD), said(f"{name}?", name, model="gpt-4o", variants=("big",), **OLD))

    answer = project.harness("cassettes", "check")

    line = vcr_yaml.loads(path.read_text("utf-8"), path="one")[1].line
    assert answer.code == 1
    assert f"unused: cassettes/agent/one.yaml:{line}: exchange 2 is played under no variant" in answer.out
    assert found(project) == (1, [("unused", "agent/one.yaml", [2])])


def test_an_exchange_that_a_judge_plays_is_used(project):
    """The requests of a check are requests of the trial."""
    project.write("judge.py", JUDGE)
    project.suite('checks = ["judge:tone"]')
    for name in ("one", "two", "three"):
        tape(project, name, said(f"{name}?", name, **OLD), said("is it kind?", "yes", **OLD))

    assert found(project) == (0, [])


def test_an_exchange_that_a_fault_damages_is_used(project):
    """Without it the fault would have nothing to damage: pruning leaves it, and the suite goes on passing."""
    project.cases({"id": "one", "inputs": {"question": "one?"}, "faults": [{"at": {"model_call": 1}, "fault": "empty"}]})
    for name in ("two", "three"):
        path_of(project, name).unlink()

    assert found(project) == (0, [])
    assert project.harness("cassettes", "prune", "--yes").out.endswith("nothing to remove\n")
    assert project.harness("run").code == 0


def test_a_copy_that_no_trial_plays_is_a_duplicate(project):
    """The same question and answer once more than any trial asks is told as a copy."""
    tape(project, "one", said("one?", "one", **OLD), said("one?", "one", **OLD))

    assert found(project) == (1, [("duplicate", "agent/one.yaml", [2])])


def test_what_a_stale_trial_does_not_play_is_unknown(project):
    """A trial that missed, or that crashed, says nothing of what is used: a warning, and no finding."""
    tape(project, "one", said("something else?", "one", **OLD))

    answer = project.harness("cassettes", "check")

    assert answer.code == 0
    assert "warning: unknown: cassettes/agent/one.yaml" in answer.out
    assert "under variant 'default' is stale" in answer.out
    assert found(project) == (0, [("unknown", "agent/one.yaml", [])])


def test_files_of_no_case_and_of_no_suite_are_orphans(project):
    """A file is an orphan if its case is not in the dataset, or if there is no such suite; the nearest names are told."""
    tape(project, "onne", said("a?", "a", **OLD))
    tape(project, "one", said("a?", "a", **OLD), suite="agnet")
    project.write("cassettes/README.md", "no cassette")

    answer = project.harness("cassettes", "check")

    assert answer.code == 1
    assert "orphan: cassettes/agent/onne.yaml: datasets/agent.jsonl has no case 'onne'; did you mean 'one'?" in answer.out
    assert "orphan: cassettes/agnet/one.yaml: there is no suite 'agnet'; did you mean 'agent'?" in answer.out
    assert found(project, "agent") == (1, [("orphan", "agent/onne.yaml", [])])


def test_a_file_that_cannot_be_read_is_named_with_its_line(project):
    """One damaged file ends the check with 2; the others are checked all the same."""
    path_of(project, "one").write_text("version: 1\ninteractions: [", "utf-8")
    tape(project, "two", said("two?", "two", **OLD), said("older?", "x", **OLD))

    answer = project.harness("cassettes", "check")

    assert answer.code == 2
    assert "unreadable: cassettes/agent/one.yaml:3: cannot be read" in answer.out
    assert found(project) == (2, [("unreadable", "agent/one.yaml", []), ("unused", "agent/two.yaml", [2])])


def test_files_with_the_same_requests_are_told(project):
    """Two cases that ask the same are a warning."""
    project.cases(*({"id": name, "inputs": {"question": "one?"}} for name in ("one", "two", "three")))
    tape(project, "two", said("one?", "two", **OLD))
    tape(project, "three", said("one?", "three", **OLD), said("one?", "three again", **OLD))

    code, kinds = found(project)

    assert code == 1
    assert kinds == [("unused", "agent/three.yaml", [2]), ("alike", "agent/one.yaml", [])]


def test_a_suite_that_is_not_there_is_refused(project):
    """A suite is named as in every command."""
    answer = project.harness("cassettes", "check", "agnet")

    assert answer.code == 2
    assert "there is no suite 'agnet'; did you mean 'agent'?" in answer.err


def untidy(world):
    """Leave one exchange of three unused, one file orphaned, one all unused, one stale; return the texts of all files."""
    world.cases(*({"id": name, "inputs": {"question": f"{name}?"}} for name in ("one", "two", "three", "four")))
    tape(world, "one", said("older?", "🙂\n", **OLD), said("one?", "one", **OLD), said("one?", "one", **OLD))
    tape(world, "two", said("something else?", "two", **OLD))
    tape(world, "gone", said("gone?", "gone", **OLD))
    tape(world, "foreign", replace(said("gone?", "gone"), variants=()))
    path_of(world, "four").write_text("- broken", "utf-8")
    return texts(world)


def texts(world):
    """Return the text of every cassette file by its name."""
    return {path.stem: path.read_text("utf-8") for path in sorted((world.root / "cassettes/agent").iterdir())}


def test_pruning_only_removes(project):
    """What no variant plays goes, and orphans; what stays is the same to the byte, and replays; then nothing is left to remove."""
    before = untidy(project)

    answer = project.harness("cassettes", "prune", "--yes")

    after = texts(project)
    assert answer.code == 0
    assert answer.out.endswith("removed 3 exchange(s), 1 whole file(s)\n")
    assert before.keys() - after.keys() == {"gone"}
    assert {name for name in after if before[name] != after[name]} == {"one"}
    assert not [row for row in difflib.ndiff(before["one"].splitlines(), after["one"].splitlines()) if row.startswith("+")]
    assert len(vcr_yaml.loads(after["one"], path="one")) == 1
    assert project.harness("cassettes", "prune", "--yes").out.endswith("nothing to remove\n")
    assert project.harness("run", "--filter", "one").code == 0


def test_pruning_says_what_it_leaves_alone_and_why(project):
    """A stale case, an unreadable file and an orphan that someone else recorded stay, and are named."""
    untidy(project)

    out = project.harness("cassettes", "prune", "--dry-run").out

    assert "cassettes/agent/one.yaml: exchange 1, 3 (played under no variant)" in out
    assert "cassettes/agent/gone.yaml: the whole file (datasets/agent.jsonl has no case 'gone'" in out
    assert "kept: cassettes/agent/two.yaml: left as it is: its trial under variant 'default' is stale" in out
    assert "kept: cassettes/agent/four.yaml:1: not a cassette" in out
    assert "kept: cassettes/agent/foreign.yaml: left as it is" in out
    assert out.endswith("would remove 3 exchange(s), 1 whole file(s)\n")


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--dry-run"], 0), (["--dry-run", "--yes"], 0), ([], 2)], ids=["dry", "dry-yes", "no-one-to-ask"]
)
def test_nothing_is_removed_unasked(project, arguments, code):
    """A dry run removes nothing, and without a terminal to ask on `--yes` has to be said."""
    before = untidy(project)

    answer = project.harness("cassettes", "prune", *arguments)

    assert answer.code == code
    assert ("say --yes" in answer.err) == (code == 2)
    assert texts(project) == before


@pytest.mark.parametrize(("said_back", "told"), [("y", "removed 3 exchange(s)"), ("n", "nothing was removed")], ids=["yes", "no"])
def test_at_a_terminal_the_user_is_asked(project, said_back, told):
    """The plan is shown, and only a yes removes."""
    before = untidy(project)
    ours, theirs = pty.openpty()
    os.write(ours, f"{said_back}\n".encode())

    answer = subprocess.run(
        [sys.executable, "-m", "harness.cli", "cassettes", "prune"],
        cwd=project.root,
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
    )

    os.close(ours)
    os.close(theirs)
    assert (answer.returncode, told in answer.stdout) == (0, True)
    assert "remove 3 exchange(s), 1 whole file(s)? [y/N]" in answer.stderr
    assert (texts(project) == before) == (said_back == "n")


def test_a_cassette_of_which_nothing_is_used_goes(project):
    """A file whose last exchange is unused goes whole: no file is an empty cassette."""
    project.write("agent.py", AGENT.replace('ChatOpenAI(model=model).invoke(state["question"]).text', '"no model"'))

    answer = project.harness("cassettes", "prune", "--yes")

    assert answer.out.endswith("removed 3 exchange(s), 3 whole file(s)\n")
    assert not (project.root / "cassettes/agent").exists()


def test_a_file_that_cannot_be_cut_to_the_byte_stays(project):
    """Exchanges that share a line are not rewritten: the file stays, the others are pruned, and the command ends with 2."""
    kept = (said("one?", "one", **OLD), said("older?", "x", **OLD))
    path = tape(project, "one", *kept)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text("utf-8")), default_flow_style=True), "utf-8")
    tape(project, "two", *(said(question, "two", **OLD) for question in ("two?", "older?")))
    before = texts(project)

    answer = project.harness("cassettes", "prune", "--yes")

    assert answer.code == 2
    assert "cassettes/agent/one.yaml: its exchanges do not stand in lines of their own" in answer.err
    assert answer.out.endswith("1 file(s) of 2 stay as they were\n")
    assert {name for name, text in texts(project).items() if text != before[name]} == {"two"}
