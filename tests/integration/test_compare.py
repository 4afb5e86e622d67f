"""`harness compare` and `harness run --compare`: what moved is told, what cannot be compared is refused, nothing passes in vain."""

import json
import re
import shutil

import pytest
import reported
from desk import GATE, case, desk, variant


@pytest.fixture
def pair(world):
    """Return a project with two experiments: the first routes every tenth ticket wrong, the second five more and one less."""

    def make():
        desk(world, variant("v2", wrong="1 2 4 5 7", right="10", note="seen"))
        assert world.harness("run").code == 0
        assert world.harness("run", "--variant", "v2").code == 0

    world.prepare(make)
    return world


def experiments(world):
    """Return the ids of the experiments, the oldest first."""
    return sorted(path.parent.name for path in world.root.glob("reports/experiments/*/experiment.json"))


def test_the_verdict_comes_first_then_what_got_worse(pair):
    """Verdict and sentence, the count of every movement, the flips of each group of cases, a difference, the matrix, the figures."""
    answer = pair.harness("compare", *experiments(pair))

    lines = answer.out.splitlines()
    assert answer.code == 0
    assert lines[0] == "verdict: pass"
    assert lines[2].startswith("agent (")
    assert " → agent@v2 (" in lines[2]
    assert lines[3].startswith("  no difference is shown: 1 better, 5 worse, 34 same (p = ")
    told = [answer.out.index(text) for text in ("worse: 5 cases", "better: 1 case", "classify: before ↓ / after →", "route.accuracy")]
    assert told == sorted(told)
    assert "3 cases: pass → fail, classify: technical → general; drift: routing, content\n    c01, c04, c07\n    in c01:\n" in answer.out
    assert '      path 2: technical → general\n      state kind: "technical" → "general"\n' in answer.out
    assert 'state note: null → "seen"' in answer.out
    assert "of the cases that are the same in outcome, 34 did otherwise: content in 34" in answer.out


def test_variants_are_compared_by_name(pair):
    """SUITE@VARIANT runs both variants in one experiment, and compares the second with the first one."""
    answer = pair.harness("compare", "agent", "agent@v2", "--json")

    (suite,) = answer.json["suites"]
    assert (suite["base"], suite["candidate"]) == ("agent", "agent@v2")
    assert suite["base_from"] == suite["candidate_from"]
    assert suite["counts"] == {
        "worse": 5, "crashed": 0, "stale": 0, "unscored": 0, "only in base": 0, "only in candidate": 0, "better": 1, "same": 34,
    }  # fmt: skip
    assert suite["cases"]["c01"]["flips"] == {"classify": ["technical", "general"]}
    assert {"kind": "state", "place": "kind", "before": '"technical"', "after": '"general"', "more": 0} in suite["cases"]["c01"][
        "differences"
    ]
    assert suite["metrics"]["route.accuracy"]["p_value"] <= 1
    assert len(experiments(pair)) == 3


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        (("agent@v9", "agent@v2"), "suite 'agent' has no variant 'v9'; it has default, v2"),
        (("agent", "agnt@v2"), "there is no suite 'agnt'; did you mean 'agent'?"),
        (("agent", "nowhere"), "there is no experiment, baseline file or suite 'nowhere'; known: agent"),
        (("agent", "nowhere.json"), "nowhere.json: there is no baseline here"),
    ],
    ids=["variant", "suite", "name", "file"],
)
def test_a_side_that_is_not_there(pair, sides, said):
    """A wrong name of any kind is one line that says what there is, and nothing runs."""
    answer = pair.harness("compare", *sides)

    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert len(experiments(pair)) == 2


def test_a_config_that_cannot_be_read_is_the_problem(pair):
    """A name that may be a suite needs the config; without any config, only experiments and baselines are known."""
    pair.write("harness.toml", "[suites")
    broken = pair.harness("compare", "agent", "agent@v2")
    (pair.root / "harness.toml").unlink()
    without = pair.harness("compare", "agent", "agent@v2")

    assert (broken.code, without.code) == (2, 2)
    assert "harness.toml: not TOML" in broken.err
    assert "there is no experiment 'agent'" in without.err
    assert pair.harness("compare", *experiments(pair)).code == 0


def test_reports_of_a_comparison(pair):
    """-o writes Markdown and the document of --json; another suffix is refused before anything runs."""
    answer = pair.harness("compare", *experiments(pair), "-o", "out/c.md", "-o", "out/c.json", "--json")

    assert (pair.root / "out/c.json").read_text("utf-8") == answer.out
    text = (pair.root / "out/c.md").read_text("utf-8")
    assert text.startswith("# Comparison: pass\n")
    assert "- 3 cases: pass → fail, classify: technical → general; drift: routing, content: c01, c04, c07\n" in text
    assert "| classify: before ↓ / after → | billing | general | technical |" in text
    assert pair.harness("compare", *experiments(pair), "-o", "c.csv").code == 2


def compared(world, name):
    """Return the only suite of a report, and the cases of its rows."""
    head = reported.unpacked(re.search(r'id="data">([^<]+)<', (world.root / name).read_text("utf-8"))[1])
    (suite,) = head["suites"]
    return suite, head["rows"]["plain"]["case"]


def test_the_html_of_a_comparison_has_both_sides(pair):
    """The candidate's trials stand beside the base's, of another experiment or another variant of the same one, and nothing else."""
    assert pair.harness("compare", *experiments(pair), "-o", "two.html").code == 0
    assert pair.harness("compare", "agent", "agent@v2", "-o", "one.html").code == 0

    for name in ("two.html", "one.html"):
        suite, cases = compared(pair, name)
        assert (suite["name"], suite["verdict"]["verdict"], len(cases)) == ("agent@v2", "pass", 40)
        assert (suite["comparison"]["base"], suite["comparison"]["blessed"]) == ("agent", False)
        assert (suite["comparison"]["counts"]["worse"], suite["comparison"]["counts"]["better"]) == (5, 1)
        assert suite["comparison"]["moved"][0]["parted"]["what"] == "it chose general instead of technical"


def test_a_worse_candidate_fails(world):
    """Twelve tickets of 40 that go wrong now are no chance: the comparison fails although the bound holds, and names them."""
    desk(world, variant("v2", wrong=" ".join(str(number) for number in range(1, 14))))

    answer = world.harness("compare", "agent", "agent@v2")

    assert answer.code == 1
    assert answer.out.startswith("verdict: fail\n")
    assert "the candidate is worse: 0 better, 12 worse, 28 same (p < 0.001)" in answer.out
    assert "the candidate passes fewer cases: 0 better, 12 worse of 40 cases, which chance alone seldom does (p < 0.001): c01" in " ".join(
        answer.out.split()
    )


def test_identical_experiments_pass(pair):
    """An experiment compared with itself: no case moved, nothing differs, its own gate decides."""
    first, _ = experiments(pair)

    answer = pair.harness("compare", first, first)

    assert answer.code == 0
    assert "no case moved: 0 better, 0 worse, 40 same" in answer.out
    assert "note: both sides are the same trials, which cannot differ" in answer.out
    assert "did otherwise" not in answer.out


def other_dataset(world):
    """Change one ticket."""
    world.cases(*map(case, range(1, 40)), case(41))


def other_checks(world):
    """Check the path too."""
    world.edit("harness.toml", 'routes.classify = "kind"', 'routes.classify = "kind"\nchecks = ["route", "loops"]')


def as_it_is(world):
    """Nothing: what differs comes with the command."""


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        (other_dataset, (), "the datasets differ: datasets/agent.jsonl ("),
        (other_checks, (), "the checks differ: "),
        (as_it_is, ("--limit", "1"), "only one side ran selected cases: all 40 and 1; --force"),
        (as_it_is, ("--fault", "rate_limit@model_call=1"), "the faults of every case differ: none and "),
    ],
    ids=["dataset", "checks", "selection", "faults"],
)
def test_unlike_sides_are_refused(pair, change, arguments, said):
    """Other datasets, checks, selections or faults: refused with what differs; --force compares them, and says it."""
    change(pair)
    pair.harness("run", *arguments)
    first, _, last = experiments(pair)

    refused = pair.harness("compare", first, last)
    forced = pair.harness("compare", first, last, "--force")

    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
    assert "--force compares them all the same" in refused.err
    assert "not alike: " in forced.out


def test_unlike_price_tables_are_refused(pair):
    """Dollars of two price tables are not compared."""
    first, second = experiments(pair)
    rewrite(pair, second, price_table="another")

    answer = pair.harness("compare", first, second)

    assert answer.code == 2
    assert "the price tables differ: " in answer.err
    assert "and another" in answer.err


def rewrite(world, experiment, **fields):
    """Change the head of an experiment."""
    path = world.root / "reports/experiments" / experiment / "experiment.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}), "utf-8")


def change_trials(world, experiment, change):
    """Change the trials of an experiment; a trial that becomes None is dropped."""
    path = world.root / "reports/experiments" / experiment / "trials.jsonl"
    changed = [change(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(f"{json.dumps(one, sort_keys=True)}\n" for one in changed if one), "utf-8")


def test_a_renamed_case_fails(pair):
    """A case that the candidate lacks fails, even if the rest is the same; the renamed one is told as new."""
    first, _ = experiments(pair)
    pair.cases(*map(case, range(1, 40)), {**case(40), "id": "renamed"})
    pair.harness("run")

    answer = pair.harness("compare", first, "latest", "--force")

    assert answer.code == 1
    assert "only in base: 1 case\n" in answer.out
    assert "only in candidate: 1 case\n" in answer.out
    assert "1 case of the baseline did not run: c40" in answer.out


def test_a_renamed_suite_is_refused(pair):
    """Suites that only one side has are named, not left out."""
    pair.write("harness.toml", (pair.root / "harness.toml").read_text("utf-8").replace("suites.agent", "suites.desk"))
    pair.harness("run")
    first, _, last = experiments(pair)

    answer = pair.harness("compare", first, last)

    assert answer.code == 2
    assert "the suites differ: 'agent' and 'desk'" in answer.err


def test_a_suite_on_one_side_only_is_refused(pair):
    """Two suites, one of them renamed: the other one alone would be no comparison of the experiments."""
    config = (pair.root / "harness.toml").read_text("utf-8")
    pair.write("harness.toml", config + config.replace("suites.agent", "suites.more"))
    pair.harness("run", "agent", "more")
    pair.write("harness.toml", config + config.replace("suites.agent", "suites.other"))
    pair.harness("run", "agent", "other")
    before, after = experiments(pair)[-2:]

    answer = pair.harness("compare", before, after)
    forced = pair.harness("compare", before, after, "--force")

    assert answer.code == 2
    assert f"only {before} has more; only {after} has other" in answer.err
    assert f"not alike: only {before} has more" in forced.out


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (None, 5, "nothing was compared: no case was measured on both sides (0 better, 0 worse, 40 only in base)"),
        ("unscored", 1, "no case was measured on both sides"),
        ("stale", 4, "no case was measured on both sides"),
        ("error", 3, "no case was measured on both sides, so nothing was compared"),
    ],
    ids=["empty", "unscored", "stale", "crashed"],
)
def test_nothing_compared_is_no_pass(pair, outcome, code, said):
    """A candidate without trials, or all of whose trials are unscored, stale or crashed, never passes, whatever its bounds."""
    first, second = experiments(pair)
    change_trials(pair, second, lambda trial: outcome and emptied(trial, outcome))

    answer = pair.harness("compare", first, second)

    assert answer.code == code
    assert said in " ".join(answer.out.split())
    assert not answer.out.startswith("verdict: pass")


def emptied(trial, outcome):
    """Return a trial that ended so."""
    unscored = [{"check": "route", "name": "route.classify", "status": "unscored", "reason": "no decision"}]
    ends = {**trial["trace"], "ends": "error"} if outcome == "error" else trial["trace"]
    return {**trial, "outcome": outcome, "scores": unscored, "trace": ends}


def test_a_stale_base_is_no_base(pair):
    """A candidate is not better than a base that was not measured."""
    first, second = experiments(pair)
    change_trials(pair, first, lambda trial: emptied(trial, "stale"))

    answer = pair.harness("compare", first, second)

    assert answer.code == 4
    assert "40 cases of the base are stale, so not compared; record with `harness record agent`" in " ".join(answer.out.split())
    assert "stale: 40 cases" in answer.out


def test_crashes_are_counted_apart(world):
    """A ticket that crashes now is neither better nor worse, is named, and the comparison ends with 3."""
    desk(world, variant("v2", crash="7 8"))

    answer = world.harness("compare", "agent", "agent@v2")

    assert answer.code == 3
    assert "crashed: 2 cases\n  1 case: pass → error, classify: general → (no decision); drift: routing, content\n    c08\n" in answer.out
    assert "0 better, 0 worse, 2 crashed, 38 same" in answer.out
    assert "ends: answer → error: RuntimeError in node 'classify': no such ticket" in answer.out


def test_an_unfinished_experiment_is_refused(pair):
    """An interrupted run is no side; the line says how to go on."""
    first, second = experiments(pair)
    rewrite(pair, second, status="running")

    for sides in ((first, second), (second, first)):
        answer = pair.harness("compare", *sides)
        assert answer.code == 2
        assert f"experiment '{second}' is not finished; go on with `harness run --resume {second}`" in answer.err


def test_a_candidate_that_a_budget_stopped_is_no_pass(pair):
    """What lacks of a stopped candidate did not run: exit code 7."""
    first, second = experiments(pair)
    rewrite(pair, second, status="stopped", stopped="case 'c30' of suite 'agent' may go over --max-tokens 1")
    kept = {f"c{number:02d}" for number in range(1, 31)}
    change_trials(pair, second, lambda trial: trial if trial["case"] in kept else None)

    answer = pair.harness("compare", first, second)

    assert answer.code == 7
    assert "only in base: 10 cases" in answer.out


def test_a_baseline_is_a_base_and_no_candidate(pair):
    """A baseline file may be compared with an experiment, not the other way round."""
    first, second = experiments(pair)
    assert pair.harness("bless", first).code == 0
    path = "reports/baselines/agent.json"

    answer = pair.harness("compare", path, second)
    turned = pair.harness("compare", second, path)

    assert answer.code == 0
    assert f"agent (baseline of experiment {first}) → agent@v2 ({second})" in answer.out
    assert (turned.code, turned.out) == (2, "")
    assert "a baseline can only be the base" in turned.err


def test_a_kept_count_is_not_believed_about_other_trials(pair):
    """What cases came to is kept beside the trials, but a trial that changed is read again."""
    first, second = experiments(pair)
    before = pair.harness("compare", first, second).out
    path = pair.root / "reports/experiments" / second / "standings.json"
    assert path.is_file()
    change_trials(pair, second, lambda trial: {**trial, "outcome": "fail"} if trial["case"] == "c03" else trial)

    after = pair.harness("compare", first, second).out
    path.write_text("{}", "utf-8")

    assert "5 worse" in before
    assert "6 worse" in after
    assert pair.harness("compare", first, second).out == after


def test_repeats_are_one_sample_a_case(world):
    """Ten repeats of one ticket that goes wrong are one case that got worse."""
    desk(world, variant("v2", wrong="1"))

    answer = world.harness("run", "--variant", "default", "--variant", "v2", "--compare", "--repeat", "10", "--json")

    (suite,) = answer.json["comparisons"]
    assert suite["counts"]["worse"] == 1
    assert (suite["metrics"]["pass.rate"]["fell"], suite["metrics"]["pass.rate"]["p_value"]) == (1, 1.0)


def test_a_run_compares_its_variants(world):
    """A/B in one command: every further variant is compared with the first one, after the verdicts of the run."""
    desk(world, variant("v2", wrong=" ".join(map(str, range(1, 14)))), variant("v3", right="10 20"))

    answer = world.harness("run", "--variant", "default", "--variant", "v2", "--variant", "v3", "--compare", "-o", "o.json", "-o", "o.md")

    assert answer.code == 1
    assert "agent → agent@v2 (" in answer.out
    assert "agent → agent@v3 (" in answer.out
    assert answer.out.index("agent@v3 ") < answer.out.index("agent → agent@v2")
    document = json.loads((world.root / "o.json").read_text("utf-8"))
    assert (document["verdict"], document["exit_code"]) == ("fail", 1)
    assert [suite["verdict"] for suite in document["comparisons"]] == ["fail", "pass"]
    assert "# Comparison: fail" in (world.root / "o.md").read_text("utf-8")


def test_an_inconclusive_comparison_is_forgiven_where_that_is_asked(world):
    """`--fail-on fail` makes 6 a 0, of compare and of run --compare; the verdict stays inconclusive, in the document too."""
    margin = GATE.replace("min = 0.5", "min = 0.5, non_inferiority = { margin = 0.05 }")
    desk(world, variant("v2", note="seen"), gate=margin)
    run = ("run", "--variant", "default", "--variant", "v2", "--compare", "--json")

    strict, forgiven = world.harness(*run), world.harness(*run, "--fail-on", "fail")
    latest = experiments(world)[-1]
    compared = [world.harness("compare", latest, latest, "--json", *more) for more in ((), ("--fail-on", "fail"))]

    assert [(one.code, one.json["verdict"]) for one in (strict, *compared[:1])] == [(6, "inconclusive")] * 2
    assert [(one.code, one.json["exit_code"], one.json["verdict"]) for one in (forgiven, compared[1])] == [(0, 0, "inconclusive")] * 2


def test_the_failing_gate_of_the_base_does_not_stop_a_better_candidate(world):
    """The first variant may fail its own gate: whether the second may take its place is what is asked."""
    desk(world, variant("v2", right="10 20 30 40"), gate=GATE.replace("0.5", "0.95"))

    answer = world.harness("run", "--variant", "default", "--variant", "v2", "--compare", "--json")

    assert {name: suite["verdict"] for name, suite in answer.json["suites"].items()} == {"agent": "fail", "agent@v2": "pass"}
    assert (answer.code, answer.json["exit_code"], answer.json["verdict"]) == (0, 0, "pass")


def test_a_base_that_crashes_does_stop_it(world):
    """A base that crashed is no base to go by."""
    desk(world, variant("v1", crash="3"), variant("v2", right="10 20 30 40"))

    assert world.harness("run", "--variant", "v1", "--variant", "v2", "--compare").code == 3


@pytest.mark.parametrize("variants", [(), ("--variant", "v2"), ("--variant", "v2", "--variant", "v2")], ids=["none", "one", "twice"])
def test_one_variant_is_not_compared(pair, variants):
    """--compare wants two variants, and says so before anything runs."""
    answer = pair.harness("run", *variants, "--compare")

    assert answer.code == 2
    assert "--compare wants two variants or more" in answer.err
    assert len(experiments(pair)) == 2


def test_a_suite_without_the_second_variant_is_told(pair):
    """Of several suites, one that has only one of the variants is not compared, and that is said."""
    config = (pair.root / "harness.toml").read_text("utf-8")
    pair.write("harness.toml", config + config.replace("suites.agent", "suites.plain").partition("[suites.plain.variants")[0])

    answer = pair.harness("run", "--variant", "default", "--variant", "v2", "--compare")

    assert answer.code == 0
    assert "plain ran under one variant only, so it was not compared" in answer.out


def test_experiments_may_be_moved(pair):
    """An experiment is compared by its path, too, and a folder that cannot be written to is only read."""
    first, second = experiments(pair)
    for name in (first, second):
        shutil.move(pair.root / "reports/experiments" / name, pair.root / name)
        (pair.root / name / "standings.json").unlink()
        (pair.root / name / "standings.json").mkdir()

    assert pair.harness("compare", f"./{first}", f"./{second}").code == 0
