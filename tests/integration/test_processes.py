"""The processes that tests run the command in: a forked one does what a fresh one does."""

import os

import pytest
from processes import ENVIRONMENT, forked, fresh, parent
from regressions import copy_of, run, trials

GRAPH = """
import os
import sys
from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    told: list


def tell(state):
    main = sys.modules["__main__"].__spec__.name
    return {"told": ["before", main, os.getcwd(), sys.path[0], sys.argv[1:], os.environ["OPENAI_API_KEY"], os.getppid()]}


def build():
    return StateGraph(State).add_node("tell", tell).add_edge(START, "tell").compile()
"""


@pytest.fixture
def agent(world):
    """Return a project whose agent tells what process it is in."""
    world.write("agent.py", GRAPH)
    world.suite()
    world.cases({"id": "one", "inputs": {"told": []}})
    return world


def told(world, start, **environment):
    """Run the command in a process, and return what its agent tells."""
    answer = start(world.root, "run", environment={**ENVIRONMENT, "OPENAI_API_KEY": "a key", **environment})
    assert answer.returncode == 0, answer.stderr
    return world.trial().trace.state["told"]


def test_a_forked_process_is_like_a_fresh_one(agent):
    """Program, folder, path, arguments and environment are those of the command; but for its parent, nothing is told from a fresh one."""
    one, other = told(agent, forked), told(agent, fresh)

    assert one[:-1] == other[:-1]
    assert one[:-1] == ["before", "harness.cli.__main__", str(agent.root), str(agent.root), ["run"], "a key"]
    assert (one[-1], other[-1]) == (parent().pid, os.getpid())


def test_nothing_of_one_process_is_left_for_the_next(agent):
    """An edited graph is imported anew."""
    told(agent, forked)
    agent.edit("agent.py", '"before"', '"after"')

    assert told(agent, forked)[0] == "after"


def test_what_imports_may_read_has_a_fresh_process(agent):
    """A variable that could change an import is there before it."""
    assert told(agent, forked, PYTHONHASHSEED="1")[-1] == os.getpid()
    assert told(agent, forked, LANGSMITH_PROJECT="mine")[-1] == os.getpid()


def test_a_forked_process_can_be_killed(agent):
    """It ends alone, with the exit code that `subprocess` gives for a signal."""
    agent.edit("agent.py", "    main =", "    os.kill(os.getpid(), 9)\n    main =")

    assert forked(agent.root, "run").returncode == -9
    assert forked(agent.root, "--version").stdout == fresh(agent.root, "--version").stdout


@pytest.mark.parametrize("arguments", [("run", "nothing"), ("--version",), ("run", "--no-such")], ids=" ".join)
def test_output_and_exit_code_are_the_same(agent, arguments):
    """What is said on standard output and error, and how it ends, is the same to the byte."""
    one, other = forked(agent.root, *arguments), fresh(agent.root, *arguments)

    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)


def test_a_suite_leaves_the_same_bytes(tmp_path):
    """Trials and figures of cases of a reference suite are the same, whichever way the process started."""
    root = copy_of("supervisor_team", tmp_path)

    documents = [run(root, "supervisor_team", "--limit", "12", start=start) for start in (forked, fresh)]

    one, other = [(root / "reports/experiments" / document["experiment"] / "trials.jsonl").read_bytes() for document in documents]
    assert one == other
    assert len(trials(root, documents[0])) == 12
    assert documents[0]["suites"] == documents[1]["suites"]
