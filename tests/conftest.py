"""What the tests share: a project in a folder of its own, and the real command run in it."""

import json
import os
import re
import shutil
import signal
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import heap
import once
import postgres_server
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from langchain_core.globals import set_llm_cache
from openai_server import serving

from harness.cli import main
from harness.experiment import Trial
from harness.script import parse

# The same examples every time, however slow the machine: a failure is of the code, never of the day.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# Started in the background of a shell, this process ignores Ctrl-C, and what it starts would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    """Make the folder that the test processes share."""
    once.open_folder(config)


def pytest_collection_finish(session):
    """Let tests know which others run, and look through the memory, in which all of them are now."""
    once.take(session.items)
    heap.settle()


@dataclass
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """Return its one JSON document."""
        return json.loads(self.out)


class World:
    """A user's project: files in, commands, experiments out."""

    def __init__(self, root: Path, kept: Path, monkeypatch: pytest.MonkeyPatch):
        self.root = root
        self._kept = kept
        self._monkeypatch = monkeypatch

    def prepare(self, make: Callable[[], None]) -> None:
        """Fill the empty project with what `make` does in it: once in each test process, for the next tests get a copy of their own."""
        kept = self._kept / f"{make.__module__}.{make.__qualname__}"
        if kept.exists():
            shutil.copytree(kept, self.root, dirs_exist_ok=True)
        else:
            make()
            shutil.copytree(self.root, kept)

    def write(self, name: str, text: str) -> Path:
        """Write a file, its common indentation removed."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace one piece of a file; it has to be there."""
        path = self.root / name
        text = path.read_text("utf-8")
        assert text.count(old) >= 1, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new), "utf-8")

    def cases(self, *cases: dict, name: str = "datasets/agent.jsonl") -> None:
        """Write a dataset."""
        self.write(name, "\n".join(json.dumps(case) for case in cases) + "\n")

    def suite(self, extra: str = "", *, graph: str = "agent.py:build", tables: str = "") -> None:
        """Write a config of one suite, `agent`."""
        lines = [
            "[suites.agent]",
            f'graph = "{graph}"',
            'dataset = "datasets/agent.jsonl"',
            textwrap.dedent(extra),
            textwrap.dedent(tables),
        ]
        self.write("harness.toml", "\n".join(lines))

    def harness(self, *arguments: str) -> Answer:
        """Run the command in the project."""
        # each command starts as a fresh process would: with the user's files as they are now
        import sys

        here = str(self.root)
        for name in [name for name, module in sys.modules.items() if str(getattr(module, "__dict__", {}).get("__file__")).startswith(here)]:
            del sys.modules[name]
        answer = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
        return Answer(answer.exit_code, answer.stdout, answer.stderr)

    def record(self, rules: str, *arguments: str, busy: tuple = ()) -> Answer:
        """Record against a real server on loopback whose model follows these rules, once it is no longer busy."""
        with serving(parse(textwrap.dedent(rules), path="rules"), busy=busy) as server, self._monkeypatch.context() as patch:
            patch.setenv("OPENAI_BASE_URL", server.base_url)
            patch.setenv("OPENAI_API_KEY", os.environ.get("OPENAI_API_KEY") or "a-key-of-the-tests")
            answer = self.harness("record", *arguments)
            self.asked = list(server.asked)
            return answer

    def trials(self, name: str = "latest") -> list[Trial]:
        """Return the trials of an experiment."""
        from harness import store

        return list(store.open_experiment(self.root, name).trials())

    def distinct_trials(self) -> set[str]:
        """Return the texts of the latest trials but for their numbers and times, which random pauses change."""
        texts = (trial.model_copy(update={"repeat": 1}).to_json() for trial in self.trials())
        return {re.sub(r'"(start_s|duration_s)":[^,}]*', "", text) for text in texts}

    def trial(self) -> Trial:
        """Return the only trial of the latest experiment."""
        (trial,) = self.trials()
        return trial


@pytest.fixture(autouse=True)
def environment():
    """Take back what a test, or a command in its process, did to the environment."""
    before = dict(os.environ)
    yield
    for name in {*before, *os.environ} - {"PYTEST_CURRENT_TEST"}:
        if name in before:
            os.environ[name] = before[name]
        else:
            del os.environ[name]


@pytest.fixture(scope="session")
def prepared_projects(tmp_path_factory):
    """Return the folder of the projects that `World.prepare` keeps."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def world(tmp_path, prepared_projects, monkeypatch):
    """Return an empty project, in which the process stands."""
    monkeypatch.chdir(tmp_path)
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
        monkeypatch.delenv(name)
    monkeypatch.setenv("CI", "")
    yield World(tmp_path, prepared_projects, monkeypatch)
    set_llm_cache(None)  # an agent may have set one, which is its whole process's


@pytest.fixture(scope="session")
def postgres():
    """Return a real PostgreSQL server, started once in each worker; skip where it is not installed."""
    postgres_server.require()
    with postgres_server.running() as server:
        yield server


@pytest.fixture
def database(postgres):
    """Return the address of an empty database of the test's own."""
    return postgres.new_database()
