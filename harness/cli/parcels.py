"""What of a stored experiment is pushed to LangSmith: a parcel for each suite and variant, with all that it has to be read from."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.experiments import judged
from harness.cli.project import prompts_folder, redaction
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.cassette.exchange import Exchange
    from harness.dataset import Dataset
    from harness.experiment import Experiment, SuiteProvenance, Trial
    from harness.gate import Summary
    from harness.mirror import Mirror
    from harness.sinks.parcel import Compared, Parcel
    from harness.store import ExperimentFolder

    Stored = tuple[ExperimentFolder, Experiment]


class Packing:
    """Packs an experiment, or those of its trials that are `failing` or have one of the `tags`.

    With `baseline` it is to become that of its dataset; a `base` is what it is to be compared with.
    `redactions` notes what was replaced of what has been packed; `summaries` are those of the gate.
    """

    def __init__(
        self,
        config: Path | None,
        stored: "Stored",
        *,
        failing: bool = False,
        tags: frozenset[str] = frozenset(),
        baseline: bool = False,
        base: "Stored | None" = None,
    ) -> None:
        from harness.mirror import Redactions

        self.folder, self.head = stored
        self._failing = failing
        self._tags = tags
        self._baseline = baseline
        self._base = base
        redactor, self._root = redaction(config)
        self._prompts_dir = prompts_folder(config)
        self.redactions = Redactions(redactor)
        self.summaries: Sequence[Summary] = judged(config, self.folder, self.head)
        self._tagged: dict[str, frozenset[str]] = {}

    @property
    def selection(self) -> str:
        """Return which of the trials are meant, "" for all."""
        return ", ".join((*(["failing"] if self._failing else []), *sorted(f"tag {tag}" for tag in self._tags)))

    def parcels(self, owner: str, place: str | None) -> "list[Parcel]":
        """Return what is to be sent for the workspace of an owner; the base has to be at `place`, or anywhere without one."""
        from harness.sinks.parcel import Parcel

        mirrors, exchanges = self._mirrors(owner), self._exchanges()
        compared = _compared(self._base, place, mirrors) if self._base else {}
        return [
            Parcel(mirror, partial(self._trials, mirror.suite), exchanges, is_first and self._baseline, compared.get(mirror.suite.name))
            for mirror, is_first in _first_of_dataset(mirrors)
        ]

    def _mirrors(self, owner: str) -> "list[Mirror]":
        from harness.mirror import Collection, Mirror, dataset_id, figures_of, survey
        from harness.sinks.langsmith import hidden_here

        _refuse_namesakes(self.head.suites)
        summaries = {summary.provenance.name: summary for summary in self.summaries}
        mirrors = []
        for suite in self.head.suites:
            dataset = self._dataset(suite)
            found = survey(self._trials(suite))
            verdict, figures = summaries[suite.name].verdict, figures_of(suite.gate, summaries[suite.name].tally.metrics())
            collection = Collection(dataset_id(owner, dataset.name), dataset, self.redactions)
            prompts = tuple(self._address(name, version) for name, version in sorted(suite.prompts.items()))
            said = (verdict.verdict, tuple(verdict.reasons), self.selection, prompts, hidden_here(), figures)
            mirrors.append(Mirror(self.head, suite, collection, found, *said))
        wanted = [mirror for mirror in mirrors if mirror.survey.trials]
        if not wanted:
            message = f"experiment {self.head.id!r} has no trial to push{f' ({self.selection})' if self.selection else ''}"
            raise UsageError(message)
        return wanted

    def _address(self, name: str, version: str) -> str:
        """Return a prompt as LangSmith names it: by its commit in the hub if its text was pulled from there, and is so still."""
        from harness import store
        from harness.prompt import Prompt

        label, _, held = version.rpartition("@")
        origin = store.read_origin(self._root, self._prompts_dir, name, label)
        text = store.read_prompts(self._root, self._prompts_dir).get(name, {}).get(label)
        if {"hub", "commit"} <= origin.keys() and text is not None and Prompt(name=name, version=label, text=text).digest == held:
            return f"{origin['hub']}:{origin['commit'][:8]}"
        return f"{name}:{version}"

    def _dataset(self, suite: "SuiteProvenance") -> "Dataset":
        """Return the dataset that a suite was run on; UsageError where it has changed since."""
        from harness import store
        from harness.dataset import parse

        if suite.mode == "none":
            message = f"experiment {self.head.id!r} was imported: its inputs are not known, so it cannot be pushed"
            raise UsageError(message)
        text = store.read_dataset_text(self._root, suite.dataset)
        dataset = parse(text, name=Path(suite.dataset).stem, path=suite.dataset)
        if dataset.digest != suite.dataset_digest:
            message = f"{suite.dataset}: it has changed since experiment {self.head.id!r}, whose inputs it held; run the suite again"
            raise UsageError(message)
        self._tagged[suite.name] = frozenset(case.id for case in dataset.cases if self._tags & set(case.tags))
        return dataset

    def _wants(self, trial: "Trial") -> bool:
        from harness.experiment import suite_name

        is_tagged = not self._tags or trial.case in self._tagged[suite_name(trial.suite, trial.variant)]
        return is_tagged and not (self._failing and trial.outcome == "pass")

    def _trials(self, suite: "SuiteProvenance") -> "Iterator[Trial]":
        return filter(self._wants, self.folder.trials_in(suite.suite, suite.variant))

    def _exchanges(self) -> "Callable[[Trial], Sequence[Exchange]]":
        """Return what reads the exchanges that a trial was played from; none where the cassettes are others now."""
        from harness import store

        played = store.Played(self._root, self.head, self.folder.cases())
        return lambda trial: played.exchanges(trial)[0]


def _compared(base: "Stored", there: str | None, mirrors: "Sequence[Mirror]") -> "dict[str, Compared]":
    """Return what each suite is compared with; UsageError where one of them was not pushed whole, or is the same experiment."""
    from harness import store
    from harness.sinks.parcel import Compared

    folder, head = base
    known = store.pages(folder.path, there)
    for mirror in mirrors:
        if head.id == mirror.head.id or mirror.suite.name not in known:
            why = "is the one that is pushed" if head.id == mirror.head.id else f"has no suite {mirror.suite.name!r} in LangSmith"
            message = f"--compare-with: experiment {head.id!r} {why}; push another first, whole"
            raise UsageError(message)
    return {
        mirror.suite.name: Compared(
            head, known[mirror.suite.name].session, partial(folder.trials_in, mirror.suite.suite, mirror.suite.variant)
        )
        for mirror in mirrors
    }


def _first_of_dataset(mirrors: "Sequence[Mirror]") -> "Iterator[tuple[Mirror, bool]]":
    """Yield each with whether it is the first one over its dataset, which can have one baseline."""
    seen: set[str] = set()
    for mirror in mirrors:
        yield mirror, mirror.collection.name not in seen
        seen.add(mirror.collection.name)


def _refuse_namesakes(suites: "Sequence[SuiteProvenance]") -> None:
    """Refuse datasets of one name that are several files: in LangSmith they would be one dataset."""
    paths: dict[str, str] = {}
    for suite in suites:
        other = paths.setdefault(Path(suite.dataset).stem, suite.dataset)
        if other != suite.dataset:
            message = f"{other} and {suite.dataset} have one name, and would be one dataset in LangSmith; rename one and run again"
            raise UsageError(message)
