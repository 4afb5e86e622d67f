"""The documentation: its commands run, its snippets load, its figures are the true ones, and no name of the code is left out.

A comment right before a fenced block says what becomes of it: `run: own` or `run: reference` (with `, exit N`), `run: everything` (the
reference suites as they are, in the one run that other tests look at, too), `not run: REASON`, `file: NAME`, `edit: FILE: OLD -> NEW` (in
the copy of the reference suites), or what kind of snippet it is.
"""

import ast
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from unittest import mock

import click
import pytest
import yaml
from click.testing import CliRunner
from langsmith_server import KEY, Server, langsmith
from openai_server import serving
from regressions import everything

from harness import checks, config, dataset, experiment, gate, metric, price, script, terms
from harness.cassette import normalise, segments, vcr_yaml
from harness.checks import custom, output
from harness.cli import main
from harness.errors import ExitCode
from harness.pytest_plugin import pytest_addoption

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")))
SHELL = ("console", "sh")
RULES = """
- when: {contains: charged twice}
  reply: {text: billing}
"""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARKERS = re.compile(r"((?:<!-- .* -->\n)*)\Z")
_EXPERIMENT = re.compile(r"\d{8}-\d{6}-\d\d")


@dataclass(frozen=True)
class Block:
    """A fenced block, with the comments right before it."""

    document: str
    line: int
    language: str
    text: str
    markers: tuple[str, ...]

    def marked(self, kind):
        """Return what stands behind `kind:` in a comment, "" where it stands alone, None where it does not stand there."""
        for marker in self.markers:
            name, _, rest = marker.partition(":")
            if name == kind:
                return rest.strip()
        return None

    def __str__(self):
        return f"{self.document}:{self.line}"


def text_of(document):
    """Return the text of a document."""
    return (ROOT / document).read_text("utf-8")


def blocks_of(document):
    """Return the fenced blocks of a document."""
    text = text_of(document)
    return [_block(document, text, match) for match in _FENCE.finditer(text)]


def _block(document, text, match):
    comments = _MARKERS.search(text, 0, match.start()).group(1)
    markers = tuple(line.removeprefix("<!-- ").removesuffix(" -->") for line in comments.splitlines())
    return Block(document, text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2), markers)


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def of(*languages):
    """Return the blocks in one of these languages, as parameters."""
    return [pytest.param(block, id=str(block)) for block in BLOCKS if block.language in languages]


@dataclass
class Reader:
    """Someone who follows a document in folders of their own: one with its example project, one with the reference suites.

    Commands that ask LangSmith ask `hub`; RUN among their arguments is a root run there.
    """

    folder: Path
    base_url: str
    hub: Server

    def follow(self, document):
        """Do what the blocks of a document say, in their order."""
        for block in blocks_of(document):
            name = block.marked("file")
            if name:
                self._write(self._own() / name, block.text)
            if block.marked("edit"):
                self._edit(*re.fullmatch(r"(.+): (.+) -> (.+)", block.marked("edit")).groups())
            if block.marked("run"):
                self._run(block)

    def run_reference(self, suite):
        """Run a reference suite and return the folder that it is in."""
        folder = self._reference()
        code, out, err = self._command(f"harness run {suite} -j 2", folder)
        assert code == 0, out + err
        return folder

    def _own(self):
        path = self.folder / "own"
        path.mkdir(exist_ok=True)
        return path

    def _reference(self):
        path = self.folder / "reference"
        if not path.exists():
            for name in ("graphs", "datasets", "cassettes"):
                shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "harness.toml", path)
        return path

    @staticmethod
    def _write(path, text):
        path.write_text(text, "utf-8")

    def _edit(self, name, old, new):
        path = self._reference() / name
        assert old in path.read_text("utf-8"), f"{old!r} is not in {name}"
        self._write(path, path.read_text("utf-8").replace(old, new))

    def _run(self, block):
        where, _, code = block.marked("run").partition(", exit ")
        for command, shown in commands_in(block):
            exit_code, out, err = self._answer(where, command)
            assert exit_code == (
                int(code or 0) if command.startswith(("harness run", "harness gate", "harness sweep", "harness import")) else 0
            ), f"{command}: {out}{err}"
            assert re.search(_pattern(shown), _plain(out)), f"{block}: {command} says\n{out}{err}"

    def _answer(self, where, command):
        if where == "own":
            return self._command(command, self._own())
        if where == "reference":
            return self._command(_hurried(command), self._reference())
        assert (where, command) == ("everything", "harness run")
        return everything()["document"]["exit_code"], everything()["said"], ""

    def _command(self, command, folder):
        """Run a command in a folder; it starts with the user's files as they are now."""
        program, *arguments = shlex.split(command, comments=True)
        keys = {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": "a key"} if arguments[:1] == ["record"] else {}
        if arguments[:1] in (["push"], ["dataset"]) or arguments[:2] == ["import", "langsmith"]:
            keys = {"LANGSMITH_API_KEY": KEY, "LANGSMITH_ENDPOINT": self.hub.address}
            root = next((name for name, run in self.hub.workspace.runs.items() if "parent_run_id" not in run), "")
            arguments = [root if word == "RUN" else word for word in arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "LANG", "PYTEST", "CI"))} | keys
        if program == "pytest":
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
            answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            return answer.returncode, answer.stdout, answer.stderr
        assert program == "harness", command
        in_its_place = (mock.patch.dict(os.environ, environment, clear=True), mock.patch.object(sys, "path", [*sys.path]))
        with _no_graphs(), in_its_place[0], in_its_place[1], contextlib.chdir(folder):
            answer = CliRunner().invoke(main, arguments, catch_exceptions=False)
        return answer.exit_code, answer.stdout, answer.stderr


@contextlib.contextmanager
def _no_graphs():
    """Import graphs anew in this block, and again after it: each folder has files of its own."""
    try:
        _forget_graphs()
        yield
    finally:
        _forget_graphs()


def _forget_graphs():
    for name in [name for name in sys.modules if name.partition(".")[0] == "graphs" or name.startswith("harness_graph_")]:
        del sys.modules[name]


def _hurried(command):
    """Return a command that runs suites in two processes, which changes nothing but the time."""
    return f"{command} -j 2" if command.startswith("harness run") and "-j" not in command else command


def commands_in(block):
    """Return the commands of a block, each with the output that is shown of it."""
    if block.language == "sh":
        return [(line, "") for line in block.text.splitlines() if line.strip()]
    shown = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
    assert not shown[0], f"{block}: it starts with output"
    return list(zip(shown[1::2], shown[2::2], strict=True))


def _plain(text):
    """Return a text without what differs from run to run: experiment ids, width, time."""
    return " ".join(re.sub(r"\bin \d+\.\d+s", "in 1.00s", _EXPERIMENT.sub("EXPERIMENT", text)).split())


def _pattern(shown):
    """Return the pattern of an output, in which a lone … stands for anything."""
    return ".*".join(re.escape(_plain(part)) for part in re.split(r"(?<!\S)…(?!\S)", shown))


@pytest.fixture
def reader(tmp_path):
    """Return a reader, with a model server on loopback that knows the example project's question, and a LangSmith."""
    with serving(script.parse(RULES, path="rules")) as server, langsmith() as hub:
        yield Reader(tmp_path, server.base_url, hub)


@pytest.mark.parametrize("document", sorted({block.document for block in BLOCKS if block.marked("run")}))
def test_commands_do_what_is_shown(reader, document):
    """Every command of a document runs, ends with the exit code it states, and says what is shown of it."""
    reader.follow(document)

    if document == "docs/reference-suites.md":
        summaries = [path.read_text("utf-8") for path in reader.folder.glob("reference/reports/experiments/*/summary.md")]
        figures = [block for block in blocks_of(document) if block.marked("summary") is not None]
        assert len(figures) >= 5
        assert [str(block) for block in figures if not any(block.text in summary for summary in summaries)] == []


@pytest.mark.parametrize("block", of(*SHELL))
def test_a_command_that_is_not_run_says_why(block):
    """Every block of commands is run by a test, or says why not."""
    assert block.marked("run") or block.marked("not run"), f"{block}: say <!-- run: … --> or <!-- not run: REASON -->"


@pytest.mark.parametrize("block", of("toml"))
def test_configs_load(tmp_path, block):
    """Every config snippet is a config, once a suite that it leaves out is put around it."""
    path = tmp_path / ("pyproject.toml" if "tool" in tomllib.loads(block.text) else "harness.toml")
    path.write_text(_completed(block.text), "utf-8")

    assert config.load(path).config.suites


def _completed(text):
    whole = tomllib.loads(text)
    required = 'graph = "agent.py:build"\ndataset = "cases.jsonl"\n'
    if not whole.keys() & {*config.Config.model_fields, "tool"}:
        return f"[suites.example]\n{required}{text}"
    lacking = [name for name, suite in whole.get("suites", {}).items() if "graph" not in suite]
    return text + "".join(f"\n[suites.{name}]\n{required}" for name in lacking)


@pytest.mark.parametrize("block", of("json"))
def test_cases_load(block):
    """Every JSON snippet is a case, but for the document that --json prints."""
    value = json.loads(block.text)
    if block.marked("document") is None:
        assert dataset.parse(json.dumps(value), name="cases", path="cases.jsonl").cases
    else:
        assert set(value) == {"verdict", "exit_code", "experiment", "suites"}


@pytest.mark.parametrize("block", of("yaml", "csv"))
def test_files_load(block):
    """Every YAML or CSV snippet is a dataset, a script, a cassette or of a CI system, and is read as such."""
    (kind,) = [marker for marker in block.markers if marker in {"dataset", "script", "cassette", "workflow", "gitlab"}] or ["dataset"]
    read = {
        "dataset": lambda: dataset.parse(block.text, name="cases", path=f"cases.{block.language}").cases,
        "script": lambda: script.parse(block.text, path="script.yaml").rules,
        "cassette": lambda: vcr_yaml.loads(block.text, path="cassette.yaml"),
        "workflow": lambda: yaml.safe_load(block.text)["jobs"],
        "gitlab": lambda: yaml.safe_load(block.text)["harness"],
    }

    assert read[kind]()


@pytest.mark.parametrize("block", of("python"))
def test_python_compiles(block):
    """Every Python snippet is Python; checks among them are taken as checks."""
    tree = ast.parse(block.text)
    if block.marked("checks") is not None:
        names = {}
        exec(compile(tree, str(block), "exec"), names)  # noqa: S102, our own documentation
        functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert [checks.adapt(name, names[name]) for name in functions]


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.marked("experiment")], ids=str)
def test_python_on_an_experiment_runs(reader, block, monkeypatch):
    """A Python snippet that looks at an experiment of a reference suite runs as it is."""
    folder = reader.run_reference(block.marked("experiment"))

    monkeypatch.chdir(folder)
    exec(compile(block.text, str(block), "exec"), {})  # noqa: S102, our own documentation


def test_links_lead_somewhere():
    """Every link between documents leads to a file that is there, and to a heading that is in it."""
    lost = [
        f"{document}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)]+)\)", _prose(text_of(document)))
        if not _leads_somewhere(document, target)
    ]

    assert lost == []


def _prose(text):
    return _FENCE.sub("", text)


def _leads_somewhere(document, target):
    name, _, heading = target.partition("#")
    path = (ROOT / document).parent / name if name else ROOT / document
    if not path.is_file() or not heading:
        return path.is_file()
    headings = re.findall(r"^#+ (.+)$", _prose(path.read_text("utf-8")), re.MULTILINE)
    return heading in {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def fields(*models):
    """Return the names of the fields of models, as a user writes them."""
    return {found.alias or name for model in models for name, found in model.model_fields.items()}


def options_of(command):
    """Return the options of a command and of those below it, the shortest and the longest way to write each."""
    parameters = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    below = [options_of(each) for each in getattr(command, "commands", {}).values()]
    return {name for parameter in parameters for name in parameter.opts}.union(*below)


class _PytestOptions(list):
    """Takes what a pytest plugin adds."""

    def getgroup(self, *_names):
        return self

    def addoption(self, name, **_settings):
        self.append(name)


def pytest_options():
    """Return the options of the pytest plugin."""
    options = _PytestOptions()
    pytest_addoption(options)
    return set(options)


CLI_OPTIONS = options_of(main)
NAMES = {
    "config keys": (
        "docs/configuration.md",
        fields(
            config.Config,
            config.Suite,
            config.Redact,
            config.Freeze,
            config.Variant,
            terms.Bound,
            terms.Gate,
            terms.Quarantine,
            price.Price,
            dataset.Limits,
        ),
    ),
    "case fields": (
        "docs/configuration.md",
        fields(
            dataset.Case,
            dataset.Expected,
            dataset.PathExpectation,
            dataset.ToolsExpectation,
            dataset.ToolExpectation,
            dataset.FallbackExpectation,
            dataset.FaultSpec,
            dataset.FaultPlace,
        ),
    ),
    "script keys": ("docs/configuration.md", fields(script.Rule) - {"reply"} | fields(script.ScriptedCall)),
    "conditions of a script": ("docs/configuration.md", {f"when.{name}" for name in fields(script.When)}),
    "replies of a script": ("docs/configuration.md", {f"reply.{name}" for name in fields(script.ScriptedReply)}),
    "normalisers": ("docs/configuration.md", set(normalise.BUILT_IN)),
    "choices of a suite": (
        "docs/configuration.md",
        {choice for name in ("mode", "build") for choice in get_args(config.Suite.model_fields[name].annotation)} - {"auto"}
        | set(get_args(segments.Policy)),
    ),
    "match policies": ("docs/cassettes.md", set(get_args(segments.Policy))),
    "faults": ("docs/faults.md", {*get_args(dataset.ModelFault), *get_args(dataset.ToolFault)}),
    "checks": ("docs/checks.md", {*checks.BUILT_IN, "unused"}),
    "bounds and quarantine": ("docs/gates.md", fields(terms.Bound, terms.NonInferiority, terms.Quarantine) | {"preset"}),
    "modes and ends": ("docs/checks.md", {*get_args(dataset.Mode), *get_args(dataset.ArgsMode), *get_args(dataset.End)}),
    "operators": ("docs/checks.md", set(output.OPERATORS)),
    "parameters of a check": ("docs/checks.md", set(custom.PARAMETERS)),
    "metrics": (
        "docs/checks.md",
        {*metric.NAMES, *(f"node.<name>.{figure}" for figure in metric.NODE_DURATIONS), "route.<node>.accuracy", "<check>.pass_rate"},
    ),
    "options": ("docs/commands.md", CLI_OPTIONS - {"-o", "-j"} | pytest_options()),
    "files of an experiment": (
        "docs/commands.md",
        {
            "experiment.json",
            "trials.jsonl",
            "summary.md",
            "junit.xml",
            "report.json",
            "report.html",
            "ledger.jsonl",
            "redacted.json",
            "spool.jsonl",
        },
    ),
}


@pytest.mark.parametrize(("document", "names"), NAMES.values(), ids=NAMES)
def test_every_name_is_explained(document, names):
    """What a user may write, and every name that a user meets, stands in the document that explains it."""
    written = " ".join(re.findall(r"`([^`\n]+)`", _prose(text_of(document))))
    missing = {name for name in names if not re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", written)}

    assert missing == set()


def test_every_outcome_and_verdict_is_explained():
    """Outcomes, verdicts and exit codes stand in the tables of the document on checks; the README has all exit codes too."""
    words = re.findall(r"^\| (\w+) \|", text_of("docs/checks.md"), re.MULTILINE)
    assert {*get_args(experiment.Outcome), *get_args(gate.Verdict)} <= set(words)

    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", text_of("README.md"), re.MULTILINE)]
    assert codes == sorted(ExitCode)
    order = ", ".join(str(int(code)) for code in gate.SEVERITY)
    assert order in text_of("README.md")
    assert order in re.sub(r" \(\w+\)", "", " ".join(text_of("docs/checks.md").split()))


def test_no_document_has_the_marks_of_a_merge():
    """Both sides of a conflict are never left beside each other."""
    assert [document for document in DOCUMENTS if re.search(r"^(<{7}|>{7}) ", text_of(document), re.MULTILINE)] == []


def test_every_command_is_explained_and_no_other():
    """The document on commands names every command, and no document names a command or an option that there is not."""
    written = "\n".join(text_of(document) for document in DOCUMENTS)
    mentioned = set(re.findall(r"(?:`|^\$ |^)harness ([a-z]+)", written, re.MULTILINE))
    options = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", re.sub(r"<!--.*-->", "", written)))

    assert mentioned - {"runs"} == set(main.commands)
    assert {f"harness {command}" for command in main.commands} <= set(re.findall(r"harness [a-z]+", text_of("docs/commands.md")))
    below = {f"harness {name} {each}" for name, command in main.commands.items() for each in getattr(command, "commands", ())}
    assert below <= set(re.findall(r"harness [a-z]+ [a-z]+", text_of("docs/commands.md")))
    assert options - {"--help"} <= CLI_OPTIONS | pytest_options()


def test_nothing_of_one_machine_is_told():
    """No document names a folder of the machine it was written on, or a package index."""
    written = "\n".join(text_of(document) for document in DOCUMENTS)

    assert str(ROOT) not in written
    assert re.findall(r"(?<![\w/])/(?:tmp|home|root|work|usr|var)\b", written) == []
    assert set(re.findall(r"https?://[\w.]+", written)) <= {"https://api.openai.com", "http://127.0.0.1"}


def test_the_caveats_of_the_reference_suites_hold(monkeypatch):
    """The figures that the caveats state are those of the examples and the cassettes."""
    monkeypatch.syspath_prepend(str(ROOT))
    from graphs.support_triage import read_label
    from graphs.support_triage_examples import cosine, load

    library = load()
    places = range(len(library.examples))
    nearest = [max((other for other in places if other != one), key=lambda other: _near(cosine, library, one, other)) for one in places]
    alike = sum(library.examples[one].category == library.examples[other].category for one, other in zip(places, nearest, strict=True))
    shown = [_answered(case, "default") for case in _tickets()]
    plain = [_answered(case, "v1") for case in _tickets()]
    copied = [json.loads(messages[-2]["content"])["category"] for _, messages, _ in shown]
    labels = [read_label(answer) for _, _, answer in shown]
    free = [(wanted, read_label(answer)) for wanted, _, answer in plain]
    malformed = [(wanted, label) for wanted, label in free if label["reasoning"].startswith("malformed")]
    told = _prose(text_of("docs/reference-suites.md"))

    assert f"right label for {alike} of {len(places)}" in told
    alone = sum(wanted == label for (wanted, _, _), label in zip(shown, copied, strict=True))
    assert f"is right for {alone} of {len(shown)} tickets" in told
    same = sum(one == label["category"] for one, label in zip(copied, labels, strict=True))
    right = sum(wanted == label["category"] for (wanted, _, _), label in zip(shown, labels, strict=True))
    assert f"that very label to {same} of {len(shown)}, and is right for {right}" in " ".join(told.split())
    assert f"{len(malformed)} of its {len(free)} answers" in told
    lucky = sum(wanted == label["category"] for wanted, label in malformed)
    assert f"{lucky} of its {sum(wanted == label['category'] for wanted, label in free)} right" in told


def _near(cosine, library, one, other):
    return cosine(library.vectors[one], library.vectors[other])


def _tickets():
    text = (ROOT / "datasets/support_triage.jsonl").read_text("utf-8")
    cases = dataset.parse(text, name="support_triage", path="support_triage.jsonl").cases
    return [case for case in cases if case.expected.route]


def _answered(case, variant):
    """Return the route that is expected, and what the model was asked and answered under a variant."""
    path = ROOT / "cassettes/support_triage" / vcr_yaml.file_name(case.id)
    interactions = yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["interactions"]  # noqa: S506
    (found,) = [
        each for each in interactions if variant in each["harness"]["variants"] and each["request"]["uri"].endswith("/chat/completions")
    ]
    answer = json.loads(found["response"]["body"]["string"])["choices"][0]["message"]["content"]
    return case.expected.route["classify"], json.loads(found["request"]["body"])["messages"], answer
