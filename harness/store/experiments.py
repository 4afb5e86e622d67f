"""Experiments on disk: a folder each, to which trials are appended as they end."""

import contextlib
import datetime as dt
import gc
import json
import os
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

from harness.errors import ExperimentMissing, ExperimentUnreadable, UsageError
from harness.experiment import Experiment, SuiteProvenance, Trial, read_trial, suite_name
from harness.metric import Tally
from harness.standing import Roll, Standings
from harness.store.files import read_text, write_text
from harness.store.standings import keep_standings, read_standings, standings_of

if TYPE_CHECKING:
    import pandas as pd

TrialKey = tuple[str, str, str, int]


def experiments_folder(root: Path) -> Path:
    """Return the folder that holds the experiments."""
    return root / "reports" / "experiments"


class Gathered(NamedTuple):
    """One suite of an experiment: its count, and what each of its cases came to."""

    tally: Tally
    standings: Standings


class ExperimentFolder:
    """An experiment on disk: experiment.json, and trials.jsonl to which trials are appended as they end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[TrialKey, tuple[int, int]] = {}
        self._file: BinaryIO | None = None

    @property
    def trials_path(self) -> Path:
        """Return the path of the trials."""
        return self.path / "trials.jsonl"

    def head(self) -> Experiment:
        """Read the experiment's head."""
        path = self.path / "experiment.json"
        if not path.is_file():
            message = f"{self.path}: there is no experiment here (no experiment.json)"
            raise ExperimentMissing(message)
        return Experiment.read(read_text(path, ExperimentUnreadable, shown=str(path)), path=str(path))

    def write_head(self, experiment: Experiment) -> None:
        """Write the experiment's head."""
        document = experiment.model_dump(mode="json")
        write_text(self.path / "experiment.json", json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")

    def trials(self) -> Iterator[Trial]:
        """Read the trials one by one, in the order of the file; a last line that was cut off is no trial."""
        if not self.trials_path.is_file():
            return
        with self.trials_path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield self._trial(line, number)

    def cases(self) -> Iterator[tuple[str, str, str]]:
        """Read which suite, variant and case each trial is of, and no more of it."""
        if not self.trials_path.is_file():
            return
        with self.trials_path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield self._names(line, number)

    def _names(self, line: bytes, number: int) -> tuple[str, str, str]:
        try:
            found = json.loads(line)
            return found["suite"], found["variant"], found["case"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return self._trial(line, number).key[:3]

    def trials_frame(self) -> "pd.DataFrame":
        """Return the trials as a pandas table with one row each, as `harness.report.frame` says."""
        from harness.report.frame import frame  # noqa: PLC0415, pandas is for those who ask for it

        return frame(self.trials())

    def trials_of(self, cases: frozenset[str]) -> Iterator[Trial]:
        """Read the trials of these cases; lines of others are passed over, not parsed."""
        starts = frozenset(_start(_CASE_FIRST + json.dumps(case, ensure_ascii=False).encode() + b",") for case in cases)
        with self.trials_path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n") and (_start(line) in starts or not line.startswith(_CANONICAL)):
                    trial = self._trial(line, number)
                    if trial.case in cases:
                        yield trial

    def trials_in(self, suite: str, variant: str) -> Iterator[Trial]:
        """Read the trials of a suite and variant; lines of others are passed over, not parsed."""
        named = [f'"{name}":{json.dumps(value, ensure_ascii=False)}'.encode() for name, value in (("suite", suite), ("variant", variant))]
        with self.trials_path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n") and (all(one in line for one in named) or not line.startswith(_CANONICAL)):
                    trial = self._trial(line, number)
                    if (trial.suite, trial.variant) == (suite, variant):
                        yield trial

    def gathered(self, today: dt.date | None = None) -> dict[str, Gathered]:
        """Read all trials once and return what each suite came to, by its name (`suite@variant`); `today` tells which quarantine counts."""
        with _without_collector():
            kept = read_standings(self.path)
            return self._gathered(today) if kept is None else self._counted(kept, today)

    def standings(self) -> dict[str, Standings]:
        """Return what each suite came to, by its name; trials are read only if it is not kept."""
        with _without_collector():
            return read_standings(self.path) or {name: one.standings for name, one in self._gathered(None).items()}

    def _gathered(self, today: dt.date | None) -> dict[str, Gathered]:
        suites = {suite.name: (suite, _tally(suite, today), Roll()) for suite in self.head().suites}
        for trial in self.trials():
            _, tally, roll = suites[self._known(trial, suites)]
            tally.add(trial)
            roll.add(trial)
        found = {name: Gathered(tally, standings_of(suite, tally, roll)) for name, (suite, tally, roll) in suites.items()}
        keep_standings(self.path, tuple(one.standings for one in found.values()))
        return found

    def _counted(self, kept: Mapping[str, Standings], today: dt.date | None) -> dict[str, Gathered]:
        tallies = {name: _tally(suite.provenance, today) for name, suite in kept.items()}
        for trial in self.trials():
            tallies[self._known(trial, tallies)].add(trial)
        return {name: Gathered(tally, kept[name]) for name, tally in tallies.items()}

    def _known(self, trial: Trial, suites: Container[str]) -> str:
        name = suite_name(trial.suite, trial.variant)
        if name not in suites:
            message = f"{self.trials_path}: a trial of case {trial.case!r} of suite {name!r}, which experiment.json does not name"
            raise ExperimentUnreadable(message)
        return name

    def metrics(self) -> dict[str, dict[str, float | None]]:
        """Return the metrics of each suite, by its name."""
        return {name: dict(one.metrics) for name, one in self.standings().items()}

    def _trial(self, line: bytes, number: int) -> Trial:
        try:
            return read_trial(line.decode(), path=str(self.trials_path), number=number)
        except UnicodeDecodeError:
            message = f"{self.trials_path}:{number}: not UTF-8 text"
            raise ExperimentUnreadable(message) from None

    @contextlib.contextmanager
    def appending(self) -> Iterator[Self]:
        """Open the trials for appending; a last line that was cut off is dropped first, whole ones are indexed."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self.trials_path.open("ab") as file:
            _lock(file, self.path)
            self._index()
            file.seek(0, os.SEEK_END)  # a torn last line may have been cut off
            self._file = file
            try:
                yield self
            finally:
                self._file = None

    def _index(self) -> None:
        self._lines = {}
        if not self.trials_path.exists():
            return
        with self.trials_path.open("r+b") as file:
            start = 0
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    file.truncate(start)
                    break
                self._lines[self._trial(line, number).key] = (start, len(line))
                start += len(line)

    @property
    def done(self) -> frozenset[TrialKey]:
        """Return the keys of the trials that are written."""
        return frozenset(self._lines)

    def append(self, key: TrialKey, line: str) -> None:
        """Append one trial and flush it, so that a killed run loses only what was in flight."""
        if self._file is None:
            message = "append is for `with folder.appending()`"
            raise RuntimeError(message)
        data = line.encode() + b"\n"
        self._lines[key] = (self._file.tell(), len(data))
        self._file.write(data)
        self._file.flush()

    def put_in_order(self, keys: Iterator[TrialKey]) -> None:
        """Rewrite the trials in this order, atomically; keys that were not run are passed over."""
        temporary = self.trials_path.with_suffix(".part")
        with self.trials_path.open("rb") as source, temporary.open("wb") as target:
            for key in keys:
                if key in self._lines:
                    start, length = self._lines[key]
                    source.seek(start)
                    target.write(source.read(length))
        temporary.replace(self.trials_path)


def _tally(suite: SuiteProvenance, today: dt.date | None) -> Tally:
    return Tally(shape=suite.to_cover, quarantined=suite.quarantined(today))


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from looking through many thousand values that stay: a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_CASE_FIRST = b'{"case":'
_CANONICAL = _CASE_FIRST + b'"'


def _start(line: bytes) -> bytes:
    """Return a stored line up to where its case, which the canonical form has first, ends: before the first `",`."""
    return line[: line.find(b'",')]


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep two processes from writing to one experiment; the lock ends with the process."""
    try:
        import fcntl  # noqa: PLC0415, only where there is one
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        message = f"{path.name}: another process is running this experiment"
        raise UsageError(message) from None


def open_experiment(root: Path, name: str) -> ExperimentFolder:
    """Return an experiment by its id, its path, or `latest`."""
    folder = experiments_folder(root)
    if name == "latest":
        newest = max((path.parent for path in folder.glob("*/experiment.json")), key=lambda path: path.name, default=None)
        if newest is None:
            message = f"there is no experiment in {folder.relative_to(root)}; `harness run` makes one"
            raise ExperimentMissing(message)
        return ExperimentFolder(newest)
    for path in (folder / name, Path(name), Path(name).parent if Path(name).suffix else Path(name)):
        if (path / "experiment.json").is_file():
            return ExperimentFolder(path)
    message = f"there is no experiment {name!r}; `harness list` shows them"
    raise ExperimentMissing(message)


def stored_experiments(root: Path) -> tuple[ExperimentFolder, ...]:
    """Return every experiment, the oldest first."""
    return tuple(ExperimentFolder(path.parent) for path in sorted(experiments_folder(root).glob("*/experiment.json")))


def new_experiment(root: Path, identifier: str) -> ExperimentFolder:
    """Make the folder of a new experiment; ids are never used twice."""
    folder = experiments_folder(root) / identifier
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        message = f"experiment {identifier!r} exists already"
        raise UsageError(message) from None
    return ExperimentFolder(folder)
