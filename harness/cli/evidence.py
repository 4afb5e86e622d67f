"""What the HTML report is made of, gathered from disk: experiment, baselines, earlier experiments, sweeps, prompts."""

import contextlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.project import find_root
from harness.errors import CassetteError, ConfigError, ExperimentMissing, HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.baseline import Baseline
    from harness.cassette.exchange import Exchange
    from harness.cassette.redact import Redactor
    from harness.cli.sides import Side
    from harness.config import Project
    from harness.experiment import Experiment, Trial
    from harness.gate import Summary
    from harness.report.compared import Compared
    from harness.report.html import Evidence, Past
    from harness.store import ExperimentFolder, Played

_PAST_SHOWN = 12


def evidence_of(folder: "ExperimentFolder", head: "Experiment", summaries: "Sequence[Summary]", config_path: Path | None) -> "Evidence":
    """Return the evidence of a judged experiment; everything in it is redacted."""
    from harness import store
    from harness.report.html import Evidence

    root = find_root(config_path)
    names = tuple(summary.provenance.name for summary in summaries)
    baselines = store.read_baselines(root, names)
    sweeps = {suite.name: store.read_sweep(root, suite.suite, suite.variant) for suite in head.suites}
    played = store.Played(root, head, folder.cases())
    return Evidence(
        head=head,
        summaries=summaries,
        trials=folder.trials(),
        trials_of=lambda name, cases: _trials_of(root, folder, name, cases),
        prompts=_Prompts(root, config_path, head, baselines),
        baselines=baselines,
        past=_past(root, head, names),
        sweeps={name: sweep for name, sweep in sweeps.items() if sweep is not None},
        links=links(folder),
        played_of=lambda trial: _exchanges(played, trial),
        unplayed=_unplayed(played, head),
    )


def links(folder: "ExperimentFolder") -> dict[str, str]:
    """Return the addresses in LangSmith of the suites that were pushed, by their names."""
    from harness import store

    return {suite: page.address for suite, page in store.pages(folder.path).items() if page.address.startswith(("https://", "http://"))}


def evidence_of_sides(before: "Side", after: "Side", compared: "Sequence[Compared]", config_path: Path | None) -> "Evidence":
    """Return the evidence of a comparison: the candidate as the experiment, each base as the baseline of its suite."""
    from harness import store
    from harness.experiment import suite_name
    from harness.gate import Summary
    from harness.report.html import Evidence

    folder, head = after.experiment
    root = find_root(config_path)
    bases = {one.comparison.candidate: before.suites[one.comparison.base] for one in compared}
    provenances = {suite.name: suite for suite in head.suites}
    played = store.Played(root, head, folder.cases())
    folders = {side.folder.path.name: side.folder for side in (before, after) if side.folder}
    return Evidence(
        head=head,
        summaries=[Summary(provenances[one.comparison.candidate], after.counts[one.comparison.candidate], one.verdict) for one in compared],
        trials=(trial for trial in folder.trials() if suite_name(trial.suite, trial.variant) in bases),
        trials_of=lambda name, cases: folders[name].trials_of(cases) if name in folders else _trials_of(root, folder, name, cases),
        prompts=_Prompts(root, config_path, head, bases),
        baselines=bases,
        past=_past(root, head, tuple(bases)),
        blessed=False,
        played_of=lambda trial: _exchanges(played, trial),
        unplayed=_unplayed(played, head),
    )


def _exchanges(played: "Played", trial: "Trial") -> "Sequence[Exchange]":
    """Return what a trial was played from; nothing where its cassette cannot be read, as its own reason says."""
    try:
        return played.exchanges(trial)[0]
    except CassetteError:
        return ()


def _unplayed(played: "Played", head: "Experiment") -> dict[str, str]:
    from harness import store

    return {suite.name: store.CHANGED for suite in head.suites if suite.name not in played.suites}


def _trials_of(root: Path, folder: "ExperimentFolder", name: str, cases: frozenset[str]) -> "Iterable[Trial]":
    """Read the trials of these cases; none where the experiment is not there any more."""
    from harness import store

    if name == folder.path.name:
        return folder.trials_of(cases)
    try:
        other = store.open_experiment(root, name)
    except ExperimentMissing:
        return ()
    return other.trials_of(cases) if other.trials_path.is_file() else ()


def _past(root: Path, head: "Experiment", names: tuple[str, ...]) -> "dict[str, list[Past]]":
    """Return the newest earlier experiments of each suite, the oldest first."""
    from harness import store

    found: dict[str, list[Past]] = {name: [] for name in names}
    for folder in reversed(store.stored_experiments(root)):
        lacking = [name for name in names if len(found[name]) < _PAST_SHOWN]
        if folder.path.name < head.id and lacking:
            for name, one in _judged(folder, lacking):
                found[name].append(one)
    return {name: past[::-1] for name, past in found.items()}


def _judged(folder: "ExperimentFolder", names: list[str]) -> "Iterator[tuple[str, Past]]":
    """Yield what an earlier experiment of all cases came to in these suites, by the report.json that a run leaves beside it."""
    from harness.report.html import Past

    with contextlib.suppress(HarnessError, OSError, ValueError, KeyError, TypeError, AttributeError):
        suites = json.loads((folder.path / "report.json").read_text("utf-8"))["suites"]
        head = folder.head()
        whole = {suite.name for suite in head.suites if head.status == "done" and not suite.selected}
        for name in names:
            if name in suites and name in whole:
                yield name, Past(head.id, head.commit, head.finished_at, suites[name]["verdict"], dict(suites[name]["metrics"]))


class _Prompts:
    """The texts of prompts: as they are on disk, or as git holds them at the commits that the experiments name."""

    def __init__(self, root: Path, config_path: Path | None, head: "Experiment", baselines: "dict[str, Baseline]") -> None:
        self._root = root
        self._config_path = config_path
        self._commit = head.commit
        named = (head.commit, *(baseline.commit for baseline in baselines.values()))
        self._commits = tuple(dict.fromkeys(commit for commit in named if commit))

    def held(self, name: str, version: str) -> str | None:
        """Return the text of `v2`, or of exactly `v2@digest`."""
        from harness.prompt import Prompt

        label, _, digest = version.partition("@")
        for text in self._texts(name, label):
            if not digest or Prompt(name=name, version=label, text=text).digest == digest:
                return self._redactor.text(text)
        return None

    def committed(self, name: str, version: str) -> str | None:
        """Return the text of a version as it stood at the commit of the experiment."""
        text = self._at(self._commit, name, version) if self._commit else None
        return None if text is None else self._redactor.text(text)

    def _texts(self, name: str, version: str) -> Iterator[str]:
        stored = self._stored.get(name, {})
        if version in stored:
            yield stored[version]
        for commit in self._commits:
            text = self._at(commit, name, version)
            if text is not None:
                yield text

    def _at(self, commit: str, name: str, version: str) -> str | None:
        from harness import store

        try:
            return store.text_at(self._root, commit, f"{self._folder}/{name}/{version}.md")
        except UsageError:
            return None

    @cached_property
    def _project(self) -> "Project | None":
        from harness import config

        try:
            return config.load(self._config_path or config.find(self._root))
        except ConfigError:
            return None

    @cached_property
    def _folder(self) -> str:
        return self._project.config.prompts_dir if self._project else "prompts"

    @cached_property
    def _stored(self) -> dict[str, dict[str, str]]:
        from harness import store

        return store.read_prompts(self._root, self._folder)

    @cached_property
    def _redactor(self) -> "Redactor":
        from harness.cassette.redact import BUILT_IN
        from harness.runner.rules import redactor_of

        return redactor_of(self._project) if self._project else BUILT_IN
