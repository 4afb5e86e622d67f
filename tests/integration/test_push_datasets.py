"""`harness dataset push` and `pull`: cases go to LangSmith and come back, in every version and split.

Tests that take `service` run against the double and, where there is a key, against LangSmith itself.
"""

import datetime as dt
import json

import pytest
from langsmith_double import Fault
from langsmith_service import push
from letters import case

from harness.dataset import parse

DATASET = "11111111-2222-4333-8444-555555555555"
EXAMPLE = "66666666-2222-4333-8444-555555555555"
OLDER = "git:commit:0123"


def _cases(world, path):
    return parse((world.root / path).read_text("utf-8"), name="d", path=str(path))


def test_a_dataset_comes_back_as_it_was_pushed(world, service):
    """Inputs, expectations, answers, faults, tags and metadata: all cases are equal to what they were."""
    whole = {**case(9), "resume": ["yes"], "metadata": {"why": "one"}, "faults": [{"at": {"model_call": 1}, "fault": "rate_limit"}]}
    plain = {"id": "plain", "inputs": "no object", "variants": ["default"]}
    world.cases(whole, plain, name=service.path)

    pushed = world.harness("dataset", "push", service.path)
    pulled = world.harness("dataset", "pull", service.name, "-o", "datasets/back.jsonl")

    assert (pushed.code, pushed.err) == (0, "")
    assert pushed.out == f"dataset '{service.name}': 2 cases are in {service.client.api_url} (changed now)\n"
    assert (pulled.code, pulled.err) == (0, "")
    assert _cases(world, service.path) == _cases(world, "datasets/back.jsonl")


def test_a_dataset_that_is_there_already_is_not_changed(world, service):
    """The second push says so, and no example gets a new version."""
    world.cases(*map(case, range(3)), name=service.path)
    world.harness("dataset", "push", service.path)
    before = {name: one.modified_at for name, one in service.examples().items()}

    answer = world.harness("dataset", "push", service.path)

    assert (answer.code, answer.out) == (0, f"dataset '{service.name}': 3 cases are in {service.client.api_url} (as they were)\n")
    assert {name: one.modified_at for name, one in service.examples().items()} == before


def _theirs(hub, **example):
    """Make a dataset with one example, as somebody makes it by hand in LangSmith."""
    hub.workspace.datasets[DATASET] = {"id": DATASET, "name": "theirs", "tenant_id": DATASET, "created_at": "2026-01-01T00:00:00Z"}
    hub.workspace.examples[EXAMPLE] = {
        "id": EXAMPLE,
        "dataset_id": DATASET,
        "inputs": {"q": "?"},
        "outputs": {"answer": "!"},
        "metadata": {"dataset_split": ["test"], "by": "hand"},
        "modified_at": "2026-01-01T00:00:00.000000+00:00",
    } | example
    hub.workspace.versions.append(hub.workspace.examples[EXAMPLE])


def test_examples_that_were_made_elsewhere_are_pulled_too(world, hub):
    """Their ids name the cases, their outputs are what evaluators get as reference, their splits are tags."""
    _theirs(hub)
    world.suite()

    assert world.harness("dataset", "pull", "theirs").code == 0

    (found,) = _cases(world, "datasets/theirs.jsonl").cases
    assert (found.id, found.inputs, found.expected.reference) == (EXAMPLE, {"q": "?"}, {"answer": "!"})
    assert (found.tags, found.metadata) == (("test",), {"by": "hand"})


@pytest.mark.parametrize(
    "example",
    [
        {},
        {"outputs": {"route": {"classify": "letter"}}},
        {"outputs": None, "metadata": None},
        {"inputs": {"q": "write to jane.doe@private-mail.com"}},
    ],
    ids=["reference", "expectation", "empty", "secret"],
)
def test_a_dataset_that_was_pulled_is_the_one_that_is_pushed(world, hub, example):
    """A case that was pulled is the example that it came from: nothing is added, and nothing changed, not by what a pull redacts either."""
    _theirs(hub, **example)
    world.suite()
    world.edit("harness.toml", "[suites", '[redact.patterns]\nmail = "[a-z.]+@[a-z.-]+"\n\n[suites')
    before = dict(hub.workspace.examples)
    assert world.harness("dataset", "pull", "theirs").code == 0

    answer = world.harness("dataset", "push", "datasets/theirs.jsonl")

    assert (answer.code, answer.out.endswith("(as they were)\n")) == (0, True)
    assert hub.workspace.examples == before


def test_a_pulled_case_that_was_edited_changes_its_example(world, hub):
    """The example keeps its id, and its form as far as that can hold the case."""
    _theirs(hub)
    world.suite()
    world.harness("dataset", "pull", "theirs")
    for old, new in (('"!"', '"?!"'), ('"reference":', '"ends": "limit", "reference":')):
        world.edit("datasets/theirs.jsonl", old, new)
        assert world.harness("dataset", "push", "datasets/theirs.jsonl").out.endswith("(changed now)\n")
        (found,) = hub.workspace.examples.values()
        assert (found["id"], "langgraph_harness" in found["metadata"]) == (EXAMPLE, "ends" in new)
    cases = _cases(world, "datasets/theirs.jsonl")
    world.harness("dataset", "pull", "theirs", "-o", "datasets/again.jsonl")

    assert _cases(world, "datasets/again.jsonl") == cases


def test_an_experiment_over_a_pulled_dataset_hangs_on_its_examples(ran, hub):
    """Its rows refer to the examples that somebody made, which stay the only ones."""
    inputs = json.loads((ran.root / "datasets" / "agent.jsonl").read_text("utf-8").splitlines()[0])["inputs"]
    _theirs(hub, inputs=inputs, outputs={})
    assert ran.harness("dataset", "pull", "theirs").code == 0
    (ran.root / "cassettes" / "agent" / "case-000.yaml").rename(ran.root / "cassettes" / "agent" / f"{EXAMPLE}.yaml")
    ran.edit("harness.toml", "datasets/agent.jsonl", "datasets/theirs.jsonl")
    assert ran.harness("run").code in {0, 1}

    assert ran.harness("push").code == 0

    rows = {run["reference_example_id"] for run in hub.workspace.runs.values() if "reference_example_id" in run}
    assert (rows, set(hub.workspace.examples)) == ({EXAMPLE}, {EXAMPLE})


def test_metadata_that_langsmith_has_names_for_comes_back(world, service):
    """What a case calls as LangSmith or a push call their own is kept aside, and is there again after a pull."""
    world.cases({**case(0), "metadata": {"dataset_split": "mine", "langgraph_harness": {"x": 1}, "why": "names"}}, name=service.path)

    assert world.harness("dataset", "push", service.path).code == 0
    assert world.harness("dataset", "pull", service.name, "-o", "datasets/back.jsonl").code == 0

    assert _cases(world, "datasets/back.jsonl") == _cases(world, service.path)


def test_a_dataset_that_does_not_get_through_is_a_push_that_is_incomplete(world, hub):
    """The exit code and the line are those of a push; the next one brings it."""
    world.cases(case(0), name="datasets/more.jsonl")
    world.suite()
    hub.workspace.plan = lambda _: Fault(403)

    answer = world.harness("dataset", "push", "datasets/more.jsonl")

    assert (answer.code, answer.out, answer.err.count("\n")) == (8, "", 1)
    assert answer.err.startswith(f"harness: push incomplete: {hub.address}: the key may not do this (403)")
    hub.workspace.plan = lambda _: None
    assert world.harness("dataset", "push", "datasets/more.jsonl").code == 0


def test_a_pull_overwrites_nothing(world, service):
    """A file with other cases stays, and the line says how to get both; one with the same cases is fine."""
    world.cases(*map(case, range(3)), name=service.path)
    world.harness("dataset", "push", service.path)
    same = world.harness("dataset", "pull", service.name)
    world.edit(service.path, "case-002", "case-006")
    before = (world.root / service.path).read_bytes()

    other = world.harness("dataset", "pull", service.name)

    assert (same.code, same.out) == (0, f"{service.path}: 3 cases, as they are in LangSmith\n")
    assert (other.code, other.err) == (
        2,
        f"harness: {service.path}: it is there with other cases, and is not overwritten; name another file with -o\n",
    )
    assert (world.root / service.path).read_bytes() == before


@pytest.fixture
def edited(world, service):
    """Return a project whose dataset was pushed, tagged, edited in one of three cases and pushed again; `older` is the first version."""
    cases = [{"id": f"c{number}", "inputs": {"n": number}, "tags": ["odd" if number % 2 else "even"]} for number in range(3)]
    world.cases(*cases, name=service.path)
    assert world.harness("dataset", "push", service.path).code == 0
    world.older = max(example.modified_at for example in service.examples().values())
    service.client.update_dataset_tag(dataset_name=service.name, as_of=world.older, tag=OLDER)
    world.cases({**cases[0], "inputs": {"n": 100}}, *cases[1:], name=service.path)
    assert world.harness("dataset", "push", service.path).code == 0
    return world


@pytest.mark.parametrize("by", ["time", "tag"])
def test_an_older_version_of_a_dataset_is_pulled(edited, service, by):
    """By its time or its tag the cases come back as they were then; without, as they are now."""
    as_of = edited.older.isoformat() if by == "time" else OLDER

    answer = edited.harness("dataset", "pull", service.name, "-o", "then.jsonl", "--as-of", as_of)

    assert (answer.code, answer.err) == (0, "")
    edited.harness("dataset", "pull", service.name, "-o", "now.jsonl")
    then, now = (json.loads((edited.root / name).read_text("utf-8").splitlines()[0]) for name in ("then.jsonl", "now.jsonl"))
    assert (then["inputs"], now["inputs"]) == ({"n": 0}, {"n": 100})


def test_one_split_of_a_dataset_is_pulled(edited, service):
    """Only the cases of the splits that are named come."""
    answer = edited.harness("dataset", "pull", service.name, "-o", "even.jsonl", "--split", "even")

    assert (answer.code, answer.out) == (0, "even.jsonl: 2 cases\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--as-of", "git:commit:9"), "has no version 'git:commit:9'; --as-of takes a time or a tag"),
        (("--split", "none"), "has no example in none;"),
        (("--as-of", "2001-01-01T00:00:00Z"), "has no example as of then;"),
    ],
    ids=["tag", "split", "time"],
)
def test_a_version_or_split_that_is_not_there_is_one_line(edited, service, arguments, said):
    """Nothing is written, and the line says what there is none of."""
    answer = edited.harness("dataset", "pull", service.name, "-o", "none.jsonl", *arguments)

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert f"dataset '{service.name}' {said}" in answer.err
    assert not (edited.root / "none.jsonl").exists()


def test_an_edited_case_is_a_new_version_and_the_old_experiment_keeps_the_old(served, service):
    """The example keeps its id; the runs of each experiment name the version that they had as input, and both can be read."""
    (first,) = push(served)
    before = service.examples()
    served.edit(service.path, "5: alpha", "5: beta")
    assert served.harness("run").code == 4  # its model was never asked this
    (second,) = push(served)

    after = service.examples()

    assert [name for name in before if before[name].modified_at != after[name].modified_at] == ["case-005"]
    assert before["case-005"].id == after["case-005"].id
    versions = [
        dt.datetime.fromisoformat(service.roots(session, 6)["case-005"].extra["metadata"]["example_version"]) for session in (first, second)
    ]
    assert versions == [before["case-005"].modified_at, after["case-005"].modified_at]
    asked = [service.examples(as_of=version)["case-005"].inputs["question"] for version in versions]
    assert asked == ["5: alpha", "5: beta"]
