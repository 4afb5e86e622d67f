"""Seeded regressions: an edit of a reference suite in a copy of the project, and what the harness has to say of it."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import once
from processes import forked, fresh

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Regression:
    """An edit of one file; the run of the suite has to end with one of `codes` and to say every one of `texts`."""

    what: str
    file: str
    edits: tuple[tuple[str, str], ...]
    codes: frozenset[int]
    texts: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    """What the run is narrowed to, as on the command line."""

    def __str__(self):
        """Return the test's id."""
        return self.what


def copy_of(suite, folder):
    """Return a copy of one reference suite in this folder, with its baseline, to be edited."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "graphs", folder / "graphs", ignore=shutil.ignore_patterns("__pycache__"))
    if (ROOT / "cassettes" / suite).is_dir():  # a suite with a script may have none
        shutil.copytree(ROOT / "cassettes" / suite, folder / "cassettes" / suite)
    (folder / "datasets").mkdir()
    shutil.copy(ROOT / "datasets" / f"{suite}.jsonl", folder / "datasets")
    shutil.copy(ROOT / "harness.toml", folder)
    baseline = ROOT / "reports" / "baselines" / f"{suite}.json"
    if baseline.is_file():
        (folder / "reports" / "baselines").mkdir(parents=True)
        shutil.copy(baseline, folder / "reports" / "baselines")
    return folder


def harness(root, *arguments, start=forked):
    """Run the command in a process of its own, without the variables that a developer's shell may have."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "LANGSMITH", "LANGCHAIN"))}
    return start(root, *arguments, environment=environment)


def run(root, *arguments, start=forked):
    """Run suites and return the document, whose exit code is that of the process."""
    answer = harness(root, "run", "--json", *arguments, start=start)
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


def assert_caught(suite, regression, folder):
    """Apply the regression to a copy of the suite; the run must end as it says, for the reasons that it says."""
    root = copy_of(suite, folder)
    edit(root, regression.file, *regression.edits)

    document = run(root, suite, *regression.arguments)

    assert document["exit_code"] in regression.codes, document["suites"]
    told = json.dumps(
        [
            [found["reasons"] for found in document["suites"].values()],
            [[trial.get("scores"), trial.get("misses"), trial.get("trace", {}).get("crash")] for trial in trials(root, document)],
        ],
        ensure_ascii=False,
    )
    unsaid = [text for text in regression.texts if text not in told]
    shown = harness(root, "gate").stdout if unsaid else ""
    assert not [text for text in unsaid if text not in shown], shown


def edges_taken(suite):
    """Return the pairs of nodes that follow each other in a trial of the suite, `sub/inner` for those of subgraphs; `end` ends a turn."""
    taken = set()
    for trial in unchanged(suite)[1]:
        last = {}
        for step in trial["trace"].get("steps", ()):
            place = step["place"]
            scope = ("/".join(place.get("namespace", ())), place.get("turn", 1))
            name = "/".join((*place.get("namespace", ()), place["node"]))
            taken.add((last.get(scope, "start"), name))
            last[scope] = name
        taken |= {(name, "end") for name in last.values()}
    return taken


@cache
def everything():
    """Return what a fresh process says of all suites as they are, its document and its trials, from one run for all tests."""
    return once.made("everything", lambda: _as_they_are("-j", "2"))


@cache
def unchanged(suite):
    """Return the document and the trials of a suite as it is, for a test to compare with: from a fresh process, whose hash seed is another.

    It is part of the run of all suites where the test of that run is among the tests; else the suite is run alone, once for all tests.
    """
    if once.among("test_reference_suites.py"):
        ran = everything()
        return ran["document"], [trial for trial in ran["trials"] if trial["suite"] == suite]
    ran = once.made(f"unchanged-{suite}", lambda: _as_they_are(suite))
    return ran["document"], ran["trials"]


def _as_they_are(*arguments):
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "document.json"
        answer = harness(ROOT, "run", *arguments, "-o", str(document), start=fresh)
        assert document.exists(), answer.stderr
        found = json.loads(document.read_text("utf-8"))
    assert found["exit_code"] == answer.returncode
    return {"document": found, "trials": trials(ROOT, found), "said": answer.stdout}


def assert_no_op(suite, file, folder, *pairs):
    """Apply an edit that changes nothing; the trials have to keep every byte."""
    _, before = unchanged(suite)
    root = copy_of(suite, folder)
    edit(root, file, *pairs)

    document = run(root, suite)

    assert document["exit_code"] == 0, document["suites"]
    assert trials(root, document) == before
