"""The pytest plugin: the suites of a config as tests, one a case and one for the gate. Without --harness it does nothing."""

import datetime as dt
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.baseline import Baseline
    from harness.config import Project
    from harness.experiment import SuiteProvenance, Trial
    from harness.runner.plan import Plan
    from harness.runner.run import Task
    from harness.runner.trial import TrialRunner

_CONFIG = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --harness and --harness-config."""
    group = parser.getgroup("harness", "LangGraph agents (langgraph-harness)")
    group.addoption(
        "--harness",
        action="store_true",
        help="Replay the suites of the nearest harness.toml or pyproject.toml as tests: one a case, one for each gate.",
    )
    group.addoption("--harness-config", metavar="PATH", help="The same for the suites of this config file.")


def pytest_configure(config: pytest.Config) -> None:
    """Find the config and have it collected, if it is asked for."""
    asked = config.getoption("--harness-config")
    if not asked and not config.getoption("--harness"):
        return
    from harness import config as configs  # noqa: PLC0415, nothing is imported until it is used
    from harness.errors import HarnessError  # noqa: PLC0415

    try:
        path = Path(asked).resolve() if asked else configs.find(config.invocation_params.dir)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_CONFIG] = path
    if str(path) not in config.args:
        config.args.append(str(path))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the config file."""
    if file_path == parent.config.stash.get(_CONFIG, None):
        return ConfigFile.from_parent(parent, path=file_path)
    return None


class ConfigFile(pytest.File):
    """A config; holds its suites."""

    def collect(self) -> Iterable["SuiteCollector"]:
        """Yield the suites."""
        from harness import config  # noqa: PLC0415, see above
        from harness.errors import HarnessError  # noqa: PLC0415

        try:
            project = config.load(self.path)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for name in project.config.suites:
            yield SuiteCollector.from_parent(self, name=name, project=project)


class SuiteCollector(pytest.Collector):
    """A suite under its default variant; holds its cases and its gate."""

    def __init__(self, *, project: "Project", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.trials: dict[tuple[str, str, str, int], Trial] = {}
        self._runner: TrialRunner | None = None

    def collect(self) -> Iterable[pytest.Item]:
        """Yield the cases, then the gate."""
        from harness.clock import patched  # noqa: PLC0415, see above
        from harness.errors import HarnessError  # noqa: PLC0415
        from harness.runner.plan import prepare  # noqa: PLC0415
        from harness.runner.run import tasks_of  # noqa: PLC0415
        from harness.runner.selection import Selection  # noqa: PLC0415

        try:
            with patched(), _sealed():
                plan = prepare(self.project, Selection(suites=(self.name,)))
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for task in tasks_of(plan):
            yield CaseItem.from_parent(self, name=task.case.id, plan=plan, task=task)
        yield GateItem.from_parent(self, name="gate", plan=plan)

    def trial(self, task: "Task") -> "Trial":
        """Return the trial of a case, which is run once."""
        from harness.runner.run import run_task  # noqa: PLC0415, see above
        from harness.runner.trial import TrialRunner  # noqa: PLC0415

        if task.key not in self.trials:
            self._runner = self._runner or TrialRunner(self.project.root, self.project.config.prices)
            with _sealed():
                self.trials[task.key] = run_task(task, self._runner)
        return self.trials[task.key]

    def teardown(self) -> None:
        """Close the event loop of the trials."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None


@contextmanager
def _sealed() -> Iterator[None]:
    """Seal the process for one trial and leave it as it was: other tests may use the network."""
    from harness.runner.run import sealed_without_keys  # noqa: PLC0415, see above

    before = dict(os.environ)
    try:
        with sealed_without_keys():
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _baseline(plan: "Plan", provenance: "SuiteProvenance") -> "Baseline | None":
    """Return the blessed baseline of the suite, if there is one."""
    from harness.runner.blessed import baselines_of  # noqa: PLC0415, see above

    return baselines_of(plan).get(provenance.name)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


class _Failed(Exception):
    """A trial or a gate did not pass."""


class _Item(pytest.Item):
    parent: SuiteCollector

    def __init__(self, *, plan: "Plan", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """Show the reasons, not our own stack."""
        from harness.errors import HarnessError  # noqa: PLC0415, see above

        if isinstance(excinfo.value, _Failed | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **kwargs)


class CaseItem(_Item):
    """One case as a test. What the gate leaves to a bound is an expected failure: the gate's own test decides."""

    def __init__(self, *, task: "Task", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.task = task
        for tag in task.case.tags:
            self.extra_keyword_matches.add(tag)

    def runtest(self) -> None:
        """Replay the case."""
        from harness.gate import left_to_bounds, left_to_quarantine  # noqa: PLC0415, see above

        trial = self.parent.trial(self.task)
        if trial.outcome == "pass":
            return
        reasons = "\n".join(f"  {reason}" for reason in trial.reasons) or "  nothing could be measured"
        remedy = (
            f"\n  if the change is meant, renew the cassette: harness record {trial.suite} --filter {trial.case}" if trial.misses else ""
        )
        message = f"{trial.outcome}: case {trial.case!r} of suite {trial.suite!r}\n{reasons}{remedy}"
        (provenance,) = self.plan.provenance()
        if left_to_quarantine(provenance, trial, _today()):
            why = provenance.quarantine[trial.case]
            pytest.xfail(f"{message}\n  in quarantine until {why.until} (owner {why.owner}: {why.reason})")
        if left_to_bounds(provenance, trial, _baseline(self.plan, provenance)):
            pytest.xfail(f"{message}\n  a bound of the gate decides, see the test 'gate'")
        raise _Failed(message)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the test is from."""
        return self.path, None, f"{self.parent.name}::{self.name}"


class GateItem(_Item):
    """The gate of a suite as a test; what has not run in this process yet is run first."""

    def runtest(self) -> None:
        """Judge the suite."""
        from harness.gate import judge_trials  # noqa: PLC0415, see above
        from harness.runner.run import tasks_of  # noqa: PLC0415

        (provenance,) = self.plan.provenance()
        trials = (self.parent.trial(task) for task in tasks_of(self.plan))
        verdict = judge_trials(provenance, trials, _baseline(self.plan, provenance), today=_today())
        if verdict.exit_code:
            reasons = "\n".join(f"  {reason}" for reason in verdict.reasons)
            message = f"{verdict.verdict}: the gate of suite {provenance.name!r}\n{reasons}"
            raise _Failed(message)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the test is from."""
        return self.path, None, f"{self.parent.name}::gate"
