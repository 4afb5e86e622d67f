"""`harness bless`, the gate against a baseline, and `harness history`."""

import json
import re

import pytest
from desk import GATE, case, desk, variant

RELATIVE = GATE.replace("min = 0.5", "min = 0.5, max_drop = 0.05")
PATH = "reports/baselines/agent.json"


@pytest.fixture
def blessed(world):
    """Return a project whose baseline routes 36 of 40 tickets right, and may drop by two of them."""

    def make():
        desk(world, gate=RELATIVE)
        assert world.harness("run").code == 0
        assert world.harness("bless").code == 0

    world.prepare(make)
    return world


def latest(world):
    """Return the id of the newest experiment."""
    return max(path.parent.name for path in world.root.glob("reports/experiments/*/experiment.json"))


def worsen(world, wrong):
    """Let the desk route these tickets wrong as well."""
    world.edit("agent.py", 'def build(wrong="",', f'def build(wrong="{wrong}",')


def test_blessing_is_byte_stable(blessed):
    """The same experiment gives the same bytes; another run of the same suite differs in nothing but where it comes from."""
    first = (blessed.root / PATH).read_text("utf-8")
    assert blessed.harness("bless").code == 0
    again = (blessed.root / PATH).read_text("utf-8")
    blessed.harness("run")
    blessed.harness("bless")
    later = (blessed.root / PATH).read_text("utf-8")

    assert again == first
    origin = r'"(experiment|finished_at)": "[^"]*"'
    assert re.sub(origin, "", later) == re.sub(origin, "", first)


def test_a_baseline_is_small_and_says_where_it_comes_from(blessed):
    """It holds a line of figures for each case, no transcript, and its provenance."""
    text = (blessed.root / PATH).read_text("utf-8")
    baseline = json.loads(text)

    assert baseline["experiment"] == latest(blessed)
    assert baseline["standings"]["provenance"]["dataset_digest"]
    assert len(baseline["standings"]["cases"]) == 40
    assert max(len(line) for line in text.splitlines() if '"outcomes"' in line) < 600
    assert "ticket" not in text


def test_a_drop_is_caught(blessed):
    """Three tickets of 40 more that go wrong are more than the bound lets pass; the run and the gate say so."""
    worsen(blessed, "1 2 4")

    answer = blessed.harness("run")

    assert answer.code == 1
    assert "route.accuracy" in answer.out
    assert "0.05" in answer.out
    assert blessed.harness("gate").code == 1


def test_a_small_drop_and_a_no_op_pass(blessed):
    """Two tickets are within the bound; an edit that changes nothing passes as well."""
    blessed.edit("agent.py", "slipped = ", "slipped = bool() or ")
    unchanged = blessed.harness("run")
    worsen(blessed, "1 2")

    assert unchanged.code == 0
    assert blessed.harness("run").code == 0


def test_a_lost_case_fails_and_a_new_one_is_named(blessed):
    """A case that the baseline has must run; one that it lacks is told."""
    blessed.cases(*map(case, range(1, 40)), case(41))

    answer = blessed.harness("run")

    assert answer.code == 1
    assert "1 case of the baseline did not run: c40" in answer.out
    assert "1 case not in the baseline: c41" in answer.out


def test_without_a_baseline_relative_bounds_are_skipped_and_that_is_said(world):
    """The note names the bound."""
    desk(world, gate=RELATIVE)

    answer = world.harness("run")

    assert answer.code == 0
    assert "max_drop" in answer.out
    assert "baseline" in answer.out


def test_another_baseline_may_be_named(blessed):
    """`gate --baseline FILE` judges against that one; a file of another suite is refused."""
    (blessed.root / PATH).rename(blessed.root / "old.json")
    worsen(blessed, "1 2 4")
    blessed.harness("run")

    assert blessed.harness("gate").code == 0
    assert blessed.harness("gate", "--baseline", "old.json").code == 1
    blessed.edit("old.json", '"suite": "agent"', '"suite": "other"')
    answer = blessed.harness("gate", "--baseline", "old.json")
    assert answer.code == 2
    assert "old.json: a baseline of 'other'" in answer.err


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "there is no baseline here"),
        (lambda path: path.write_text("{", "utf-8"), "not a baseline: "),
        (
            lambda path: path.write_text(path.read_text("utf-8").replace('"format": 1', '"format": 0'), "utf-8"),
            "format 0 is no longer read",
        ),
        (lambda path: path.write_text(path.read_text("utf-8").replace('"format": 1', '"format": 9'), "utf-8"), "format 9 is newer than 1"),
        (lambda path: path.write_text(path.read_text("utf-8").replace('"outcomes"', '"outcome"'), "utf-8"), "unknown key"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not UTF-8 text"),
    ],
    ids=["absent", "cut off", "too old", "too new", "damaged", "binary"],
)
def test_a_baseline_that_cannot_be_used(blessed, spoil, said):
    """Absent, unreadable, too old and too new are four errors, each one line with the file, exit code 2."""
    (blessed.root / "given.json").write_bytes((blessed.root / PATH).read_bytes())
    spoil(blessed.root / "given.json")

    for command in (("gate", "--baseline", "given.json"), ("compare", "given.json", "latest")):
        answer = blessed.harness(*command)
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
        assert answer.err.startswith("harness: given.json: ")
        assert said in answer.err


def test_a_damaged_baseline_is_told_before_anything_runs(blessed):
    """A run that could not be judged does not start."""
    (blessed.root / PATH).write_text("{", "utf-8")
    before = latest(blessed)

    answer = blessed.harness("run")

    assert answer.code == 2
    assert "agent.json: not a baseline" in answer.err
    assert latest(blessed) == before


def test_what_is_not_green_is_not_blessed(blessed):
    """A failed gate is refused with its reason; by force it is blessed, and from then on every gate says so."""
    worsen(blessed, "1 2 4")
    blessed.harness("run")
    before = (blessed.root / PATH).read_bytes()

    refused = blessed.harness("bless")
    unchanged = (blessed.root / PATH).read_bytes()
    forced = blessed.harness("bless", "--force")

    assert refused.code == 2
    assert refused.err.startswith("harness: agent: the verdict is fail: ")
    assert "--force blesses it all the same" in refused.err
    assert unchanged == before
    assert forced.code == 0
    assert json.loads((blessed.root / PATH).read_text("utf-8"))["forced"] is True
    assert "blessed by force" in blessed.harness("gate").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--limit", "5"), "ran selected cases of 'agent' only"),
        (("--fault", "rate_limit@model_call=1"), "ran every case of 'agent' with "),
    ],
    ids=["selected", "faults"],
)
def test_a_part_of_a_suite_is_not_blessed(blessed, arguments, said):
    """Selected cases or added faults make no baseline, not even by force."""
    blessed.harness("run", *arguments)

    answer = blessed.harness("bless", "--force")

    assert answer.code == 2
    assert said in answer.err


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"status": "running"}, "is not finished"), ({"status": "stopped", "stopped": "before case 'c3'"}, "was stopped: before case 'c3'")],
    ids=["unfinished", "stopped"],
)
def test_an_interrupted_experiment_is_not_blessed(blessed, fields, said):
    """What did not run to its end is no baseline, not even by force."""
    path = blessed.root / "reports/experiments" / latest(blessed) / "experiment.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}), "utf-8")

    answer = blessed.harness("bless", "--force")

    assert answer.code == 2
    assert said in answer.err


def test_variants_have_baselines_of_their_own(world):
    """Each suite and variant of an experiment becomes a file."""
    desk(world, variant("v2", wrong="1"))
    world.harness("run", "--variant", "default", "--variant", "v2")

    assert world.harness("bless").code == 0
    assert sorted(path.name for path in (world.root / "reports/baselines").iterdir()) == ["agent.json", "agent@v2.json"]


def test_history_shows_how_metrics_went(blessed):
    """A row for each experiment, the oldest first, a sparkline for each metric."""
    worsen(blessed, "1 2")
    blessed.harness("run")

    answer = blessed.harness("history", "agent", "--metric", "route.accuracy")

    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].split() == ["experiment", "commit", "route.accuracy"]
    assert [line.split()[-2] for line in lines[1:3]] == ["90.0", "85.0"]
    assert lines[-1] == "route.accuracy █▁"
    assert "the newest 1 of 2 experiments" in blessed.harness("history", "agent", "--limit", "1").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("agnt",), "no finished experiment has a suite 'agnt'; did you mean 'agent'?"),
        (("agent", "--metric", "route.acuracy"), "no experiment of 'agent' has a metric 'route.acuracy'; did you mean 'route.accuracy'?"),
    ],
    ids=["suite", "metric"],
)
def test_history_of_nothing(blessed, arguments, said):
    """A wrong suite or metric is one line with the nearest one."""
    answer = blessed.harness("history", *arguments)

    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_history_passes_over_what_it_cannot_read(blessed):
    """Unfinished, damaged and newer experiments are named and left out; the others are shown."""
    good = latest(blessed)
    for number in range(3):
        assert blessed.harness("run").code == 0, number
    *_, unfinished, damaged, newer = sorted(path.parent for path in blessed.root.glob("reports/experiments/*/experiment.json"))
    head = json.loads((unfinished / "experiment.json").read_text("utf-8"))
    (unfinished / "experiment.json").write_text(json.dumps({**head, "status": "running"}), "utf-8")
    (damaged / "trials.jsonl").write_text("{}\n", "utf-8")
    (newer / "experiment.json").write_text(json.dumps({**head, "format": 9}), "utf-8")

    answer = blessed.harness("history", "agent")

    assert answer.code == 0
    assert good in answer.out
    assert f"experiment {unfinished.name} is passed over: it is not finished" in answer.err
    assert f"experiment {damaged.name} is passed over: " in answer.err
    assert f"experiment {newer.name} is passed over: " in answer.err
    assert not any(folder.name in answer.out for folder in (unfinished, damaged, newer))


def test_a_renamed_suite_does_not_lose_its_baseline_in_silence(blessed):
    """Under a new name the suite would be held to nothing: the run says which file is in the way, and passes once that is settled."""
    blessed.edit("harness.toml", "suites.agent", "suites.desk")

    refused = blessed.harness("run")

    assert (refused.code, refused.out) == (2, "")
    assert f"suite 'desk' has no baseline, and {PATH} is that of 'agent'" in refused.err
    assert refused.err.count("\n") == 1
    (blessed.root / PATH).unlink()
    assert blessed.harness("run").code == 0


def test_a_baseline_of_another_suite_is_in_nobodys_way(blessed):
    """A baseline of what the config no longer has stops no suite that runs another graph or dataset."""
    (blessed.root / "datasets/other.jsonl").write_bytes((blessed.root / "datasets/agent.jsonl").read_bytes())
    blessed.edit("harness.toml", "suites.agent", "suites.desk")
    blessed.edit("harness.toml", "datasets/agent.jsonl", "datasets/other.jsonl")

    assert blessed.harness("run").code == 0
