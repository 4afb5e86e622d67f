"""What a push makes of datasets and their examples, and of the baseline; against a strict double of LangSmith, in memory."""

from collections import Counter

import pytest
from langsmith_double import Workspace
from pushes import an_experiment, push, three

from harness.cassette.redact import BUILT_IN
from harness.mirror import Collection, Mirror, Redactions


def test_an_edited_case_becomes_a_new_version_of_its_example():
    """The example keeps its id, so that figures over time stay together; its version tells which one was run."""
    workspace, trials = Workspace(), three()
    push(workspace, trials).run()
    (old,) = {one["modified_at"] for one in workspace.examples.values()}
    mirror = an_experiment(trials, id="20261121-130000-01")
    edited = mirror.collection.dataset.cases[0].model_copy(update={"inputs": {"q": "edited"}})
    dataset = mirror.collection.dataset.model_copy(update={"cases": (edited, *mirror.collection.dataset.cases[1:])})
    mirror = Mirror(mirror.head, mirror.suite, Collection(mirror.collection.id, dataset, Redactions(BUILT_IN)), mirror.survey, "pass")

    assert push(workspace, trials, mirror=mirror).run().is_complete

    versions = Counter(one["modified_at"] for one in workspace.examples.values())
    assert versions[old] == 2
    (example,) = [one for one in workspace.examples.values() if one["modified_at"] != old]
    assert example["inputs"] == {"q": "edited"}
    run = max(
        (run for run in workspace.runs.values() if run.get("reference_example_id") == example["id"]),
        key=lambda run: run["session_id"] == mirror.id,
    )
    assert run["extra"]["metadata"]["example_version"] == example["modified_at"]


@pytest.mark.parametrize("told", ["beside", "not"])
def test_splits_are_compared_as_far_as_they_are_told(told):
    """A server may tell the splits of an example beside its metadata, or not at all: what was sent is not sent again."""
    workspace, trials = Workspace(), three()
    reading = workspace._get_examples

    def elsewhere(**asked):
        status, examples = reading(**asked)
        metadata = [{name: value for name, value in one["metadata"].items() if name != "dataset_split"} for one in examples]
        beside = [{"split": one["metadata"]["dataset_split"]} if told == "beside" else {} for one in examples]
        return status, [{**one, "metadata": own} | split for one, own, split in zip(examples, metadata, beside, strict=True)]

    workspace._get_examples = elsewhere

    arrivals = [push(workspace, trials).run() for _ in range(2)]

    assert [(arrival.is_complete, arrival.changes > 0) for arrival in arrivals] == [(True, True), (True, False)]


def test_examples_that_do_not_become_what_was_sent_are_named():
    """A change is made once, however long it is looked for; the line says which case, and in what."""
    workspace, trials = Workspace(), three()
    storing = workspace._store_examples

    def store(dataset, found):
        return storing(dataset, {name: {**one, "outputs": {"rounded": 1}} for name, one in found.items()})

    workspace._store_examples = store

    arrival = push(workspace, trials).run()

    assert arrival.problem == "memory://langsmith: the examples of 'd' do not become what was sent: case 'c0' has other outputs"
    assert [method for method, target in workspace.log if target.endswith("/examples")] == ["POST", "PATCH"]


def test_an_experiment_becomes_the_baseline_once_it_is_whole():
    """What is not there in full is no baseline; a second push finds it to be so and changes nothing."""
    workspace, trials = Workspace(), three()
    taking = workspace._take_traces
    workspace._take_traces = lambda parts: (413, {"detail": "too large"})
    for take in (workspace._take_traces, taking, taking):
        workspace._take_traces = take
        changes = workspace.changes
        pushed = push(workspace, trials, is_baseline=True)
        arrival = pushed.run()
        (dataset,) = workspace.datasets.values()
        assert dataset.get("baseline_experiment_id") == (pushed.mirror.id if arrival.is_complete else None)
    assert workspace.changes == changes


def test_a_dataset_that_somebody_made_before_keeps_its_id():
    """The name decides; examples and experiment go to the dataset that is there."""
    workspace, trials = Workspace(), three()
    theirs = {"id": "11111111-2222-4333-8444-555555555555", "name": "d", "tenant_id": "t", "created_at": "", "modified_at": ""}
    workspace.datasets[theirs["id"]] = theirs

    assert push(workspace, trials).run().is_complete

    assert list(workspace.datasets) == [theirs["id"]]
    assert {one["dataset_id"] for one in workspace.examples.values()} == {theirs["id"]}
