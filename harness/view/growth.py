"""An experiment that may still be running: each trial is read once, when it is there."""

import os
import threading
from pathlib import Path
from typing import NamedTuple

from harness.cassette.exchange import Exchange
from harness.errors import CassetteError
from harness.experiment import Experiment, Trial, read_trial, suite_name
from harness.report.text import excerpt, visible
from harness.schema import Value
from harness.store import ExperimentFolder, Played

_REASON = 240
_A_READING = 500  # trials parsed for one answer: the first part of a large experiment is there at once


class Row(Value):
    """What the table says of one trial."""

    suite: str
    case: str
    repeat: int
    outcome: str
    tokens: int | None
    cost_usd: float | None
    duration_s: float | None
    reason: str


class Grown(NamedTuple):
    """The rows from a number on; another `generation` means that the file was written anew, and the rows start from 0."""

    head: Experiment
    generation: int
    start: int
    rows: tuple[Row, ...]
    more: bool


class Growth:
    """Reads what was appended to an experiment since it was last asked."""

    def __init__(self, folder: ExperimentFolder, root: Path) -> None:
        self.folder = folder
        self._root = root
        self._lock = threading.Lock()
        self._generation = 0
        self._file: tuple[int, int] | None = None
        self._start_over()

    def _start_over(self) -> None:
        self._rows: list[Row] = []
        self._places: list[tuple[int, int]] = []
        self._keys: list[tuple[str, str, str]] = []
        self._offset = 0

    def since(self, start: int, generation: int) -> Grown:
        """Return the rows from `start` on, as far as they go now."""
        with self._lock:
            more = self._read()
            first = start if generation == self._generation else 0
            return Grown(self.folder.head(), self._generation, first, tuple(self._rows[first:]), more)

    def trial(self, number: int) -> Trial | None:
        """Return the trial of a row, None where there is none."""
        with self._lock:
            if not 0 <= number < len(self._places):
                return None
            offset, length = self._places[number]
        with self.folder.trials_path.open("rb") as file:
            file.seek(offset)
            return self._parsed(file.read(length), number + 1)

    def exchanges(self, trial: Trial) -> tuple[tuple[Exchange, ...], str]:
        """Return what a trial was played from, or why that is not to be had."""
        head = self.folder.head()
        if head.status == "running":
            return (), "what the models were asked and said is shown once the run has ended"
        with self._lock:
            while self._read():
                pass
            keys = tuple(self._keys)
        try:
            return Played(self._root, head, keys).exchanges(trial)
        except CassetteError as error:
            return (), visible(str(error))

    def _read(self) -> bool:
        """Read lines that are whole and new; tell whether there are more of them."""
        try:
            file = self.folder.trials_path.open("rb")
        except FileNotFoundError:
            self._start_over()
            return False
        with file:
            self._look_for_another_file(file.fileno())
            file.seek(self._offset)
            for _ in range(_A_READING):
                line = file.readline()
                if not line.endswith(b"\n"):
                    return False
                self._add(self._parsed(line, len(self._rows) + 1), len(line))
            return True

    def _look_for_another_file(self, number: int) -> None:
        """Start over where the file is another one, as when a run puts its trials in order, or shorter than it was."""
        found = os.fstat(number)
        identity = (found.st_dev, found.st_ino)
        if self._file != identity or found.st_size < self._offset:
            self._file = identity
            self._generation += 1
            self._start_over()

    def _parsed(self, line: bytes, number: int) -> Trial:
        return read_trial(line.decode("utf-8", "replace"), path=str(self.folder.trials_path), number=number)

    def _add(self, trial: Trial, length: int) -> None:
        self._places.append((self._offset, length))
        self._offset += length
        self._keys.append((trial.suite, trial.variant, trial.case))
        self._rows.append(_row(trial))


def _row(trial: Trial) -> Row:
    trace = trial.trace
    return Row(
        suite=visible(suite_name(trial.suite, trial.variant)),
        case=excerpt(trial.case, _REASON),
        repeat=trial.repeat,
        outcome=trial.outcome,
        tokens=trace.total_tokens,
        cost_usd=trace.cost_usd,
        duration_s=trace.duration_s,
        reason=excerpt(trial.reasons[0], _REASON) if trial.reasons else "",
    )
