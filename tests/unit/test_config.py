"""The config: every key that is promised, where it is found, and what is said of mistakes."""

from pathlib import Path

import pytest

from harness import config
from harness.config import find, load
from harness.errors import ConfigError
from harness.price import Price

# the example of the design, without what is still to come
EXAMPLE = """
[suites.support_triage]
graph = "graphs.support_triage:build"
dataset = "datasets/support_triage.jsonl"
match = "semantic"
mode = "auto"
build = "trial"
allow_hosts = []
checks = ["route", "loops", "fallback", "cost", "tools", "output", "my_pkg.evals:tone"]
routes.classify = "category"
recursion_limit = 15
limits = { steps = 15, visits = { research = 3 }, tool_calls = 20, model_calls = 12, tokens = 8000, cost_usd = 0.02, duration_s = 45 }
must_pass = ["refund-001"]

[suites.support_triage.variants.v2]
prompts = { triage = "v2" }
model = "gpt-4o"
parameters = { temperature = 0.5, deep = { a = [1] } }

[suites.support_triage.gate]
"route.accuracy"     = { min = 0.90, max_drop = 0.02 }
"cost_usd.mean"      = { max = 0.01, max_rise_pct = 10 }
"limit_hit.rate"     = { max = 0.01 }
"error.rate"         = { max = 0.0 }
"tone.pass_rate"     = { min = 1 }

[prices."smollm2-135m-instruct"]
input = 0.15
output = 0.60
cached_input = 0.075
"""
SUITE = '[suites.a]\ngraph = "g:build"\ndataset = "d.jsonl"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder in which the process stands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str, name: str = "harness.toml") -> Path:
    """Write a config."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_the_example(folder):
    """Every key of the documented example is taken, with its value."""
    project = load(written(folder, EXAMPLE))
    suite = project.suite("support_triage")

    assert (suite.routes, suite.recursion_limit, suite.must_pass) == ({"classify": "category"}, 15, ("refund-001",))
    assert (suite.limits.visits, suite.limits.cost_usd, suite.limits.duration_s) == ({"research": 3}, 0.02, 45)
    assert suite.variants["v2"].parameters == {"temperature": 0.5, "deep": {"a": [1]}}
    assert suite.gate.bounds["route.accuracy"].max_drop == 0.02
    assert project.config.prices == {"smollm2-135m-instruct": Price(input=0.15, output=0.6, cached_input=0.075)}
    assert project.root == folder.resolve()


def test_defaults(folder):
    """A suite needs a graph and a dataset; every suite has the variant `default`."""
    suite = load(written(folder, SUITE)).suite("a")

    assert (suite.match, suite.mode, suite.build, suite.checks, list(suite.variants)) == ("semantic", "auto", "trial", None, ["default"])


def test_pyproject(folder):
    """A table in pyproject.toml does as well."""
    text = '[project]\nname = "x"\n\n' + SUITE.replace("[suites", "[tool.harness.suites")

    assert load(written(folder, text, "pyproject.toml")).suite("a").graph == "g:build"


def test_harness_toml_wins(folder):
    """Beside a pyproject.toml with a table, harness.toml is the config."""
    written(folder, SUITE.replace("[suites", "[tool.harness.suites"), "pyproject.toml")
    path = written(folder, SUITE)

    assert path == find(folder)


def test_find_walks_up(folder, monkeypatch):
    """The nearest folder above that has a config is taken; a pyproject.toml without our table is passed over."""
    path = written(folder, SUITE)
    inner = folder / "src" / "pkg"
    inner.mkdir(parents=True)
    written(folder / "src", '[tool.other]\nharness = "x"\n', "pyproject.toml")
    monkeypatch.chdir(inner)

    assert path == find(inner) == find(Path())


def test_find_nothing(folder):
    """Where there is no config, that is said with what to do."""
    with pytest.raises(ConfigError, match=r"no config: .*use --config"):
        find(folder)


def test_an_unknown_suite(folder):
    """An unknown suite is named with the nearest known one."""
    with pytest.raises(ConfigError, match=r"there is no suite 'support_triag'; did you mean 'support_triage'\?"):
        load(written(folder, EXAMPLE)).suite("support_triag")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SUITE + 'grpah = "x"\n', r"harness\.toml:4: unknown key 'suites\.a\.grpah'; did you mean 'graph'\?"),
        (SUITE + "limits = { step = 1 }\n", r"harness\.toml:4: unknown key 'suites\.a\.limits\.step'; did you mean 'steps'\?"),
        (SUITE + "\n[suites.a.limits]\nvisit = 1\n", r"harness\.toml:6: unknown key 'suites\.a\.limits\.visit'; did you mean 'visits'\?"),
        (
            SUITE + '\n[suites.a.variants.v2]\nmodl = "x"\n',
            r"harness\.toml:6: unknown key 'suites\.a\.variants\.v2\.modl'; did you mean 'model'\?",
        ),
        (
            SUITE + '\n[suites.gate]\ngraph = "x"\ndatset = "y"\n',
            r"unknown key 'suites\.gate\.datset'; did you mean 'dataset'\?|harness\.toml:5: suites\.gate\.dataset",
        ),
        (SUITE + 'match = "loose"\n', r"harness\.toml:4: suites\.a\.match"),
        (SUITE + "recursion_limit = 0\n", r"harness\.toml:4: suites\.a\.recursion_limit"),
        (SUITE + "routes.classify = 1\n", r"harness\.toml:4: suites\.a\.routes\.classify"),
        ('[suites.a]\ngraph = "x"\n', r"harness\.toml:1: suites\.a\.dataset: field required"),
        ("[suits.a]\n", r"harness\.toml:1: unknown key 'suits'; did you mean 'suites'\?"),
        (SUITE + '[prices."m"]\ninput = 1\n', r"harness\.toml:4: prices\.m\.output: field required"),
        (
            SUITE + '[suites.a.gate]\n"rote.accuracy" = {min = 1}\n',
            r"harness\.toml:5: suites\.a\.gate: unknown metric 'rote\.accuracy'; did you mean 'route\.accuracy'\?",
        ),
        (SUITE + '[suites.a.gate]\n"route.accuracy" = {}\n', r"harness\.toml:5: suites\.a\.gate: the bound of 'route\.accuracy' is empty"),
        (
            SUITE + '[suites.a.gate]\n"route.accuracy" = {mn = 1}\n',
            r"harness\.toml:5: unknown key 'suites\.a\.gate\.route\.accuracy\.mn'; did you mean 'min'\?",
        ),
        (
            SUITE + '[suites.a.gate]\n"error.rate" = {max = 5}\n',
            r"harness\.toml:5: suites\.a\.gate: max = 5 of 'error\.rate', which is a share from 0 to 1: five per cent is 0\.05",
        ),
        (SUITE + '[suites.a.gate]\n"route.accuracy" = {max_drop = 2.0}\n', r"max_drop = 2 of 'route\.accuracy', which is a share"),
        (
            SUITE + '[suites.a.gate]\n"route.accuracy" = {min = nan}\n',
            r"harness\.toml: a number is nan or inf, which nothing can be held to",
        ),
        (SUITE + '[suites."a b"]\ngraph = "x"\ndataset = "y"\n', r"harness\.toml:4: 'a b' cannot be a name"),
        (SUITE + "a = \n", r"harness\.toml: not TOML: .*line 4"),
        (SUITE + "prompts = 2026-11-01\n", r"harness\.toml:4: unknown key 'suites\.a\.prompts'"),
        ("", r"harness\.toml: no suites; add a table"),
    ],
)
def test_errors_name_the_place(folder, text, message):
    """A mistake is named with the file, the line, the key and the nearest known one."""
    with pytest.raises(ConfigError, match=message):
        load(written(folder, text))


def test_errors_in_pyproject_name_the_line(folder):
    """In pyproject.toml the line counts from the file's start."""
    text = "[project]\n\n" + SUITE.replace("[suites", "[tool.harness.suites") + "grpah = 1\n"
    with pytest.raises(ConfigError, match=r"pyproject\.toml:6: unknown key 'suites\.a\.grpah'"):
        load(written(folder, text, "pyproject.toml"))


def test_no_such_file(folder):
    """A config that is not there is named."""
    with pytest.raises(ConfigError, match=r"other\.toml: there is no such config file"):
        load(folder / "other.toml")


def test_not_text(folder):
    """A config that is no text is refused."""
    (folder / "harness.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"harness\.toml: not TOML"):
        load(folder / "harness.toml")


def test_any_router_may_have_a_bound(folder):
    """The accuracy of a router that only cases name may be bounded."""
    text = SUITE + '[suites.a.gate]\n"route.classify.accuracy" = {min = 1}\n'

    assert load(written(folder, text)).suite("a").gate.bounds["route.classify.accuracy"].min == 1


def test_the_default_variant_can_be_set(folder):
    """The variant `default` may be written like any other."""
    assert load(written(folder, SUITE + '[suites.a.variants.default]\nmodel = "m"\n')).suite("a").variants[config.DEFAULT].model == "m"
