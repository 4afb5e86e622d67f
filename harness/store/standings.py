"""What each case of an experiment came to, kept beside its trials: derived from them, disposable, never believed about other trials."""

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from harness import __version__
from harness.experiment import SuiteProvenance, Trial, suite_name
from harness.metric import Tally
from harness.schema import Value
from harness.standing import Roll, Standings
from harness.store.files import write_whole

FORMAT = 1  # 1: the first
_KEPT_TRIALS = 10_000


class _Kept(Value):
    """`of` is the digest of the experiment's head and trials, `by` the version that derived this."""

    format: int
    by: str
    of: str
    suites: tuple[Standings, ...]


class Keeping:
    """Gathers, while trials go by, what their cases came to, and keeps it; of over 10,000 nothing: memory stays flat."""

    def __init__(self, suites: Iterable[str]) -> None:
        self._rolls = {name: Roll() for name in suites}
        self._room = _KEPT_TRIALS

    def add(self, trial: Trial) -> None:
        """Take one trial in."""
        self._room -= 1
        if self._room < 0:
            self._rolls.clear()
        else:
            self._rolls[suite_name(trial.suite, trial.variant)].add(trial)

    def keep(self, folder: Path, tallies: Iterable[tuple[SuiteProvenance, Tally]]) -> None:
        """Write what the cases of the finished experiment came to."""
        if self._rolls:
            suites = tuple(standings_of(suite, tally, self._rolls[suite.name]) for suite, tally in tallies)
            keep_standings(folder, suites)


def standings_of(provenance: SuiteProvenance, tally: Tally, roll: Roll) -> Standings:
    """Return what a suite came to by its count and the roll of its cases."""
    return Standings(provenance=provenance, metrics=tally.figures(), nodes=roll.nodes(), cases=roll.cases())


def read_standings(folder: Path) -> dict[str, Standings] | None:
    """Return what is kept of an experiment, by suite name; None where nothing is, or it is not of these very trials."""
    try:
        kept = _Kept.model_validate_json((folder / "standings.json").read_bytes())
    except (OSError, ValidationError):
        return None
    if (kept.format, kept.by, kept.of) != (FORMAT, __version__, _digest(folder)):
        return None
    return {suite.name: suite for suite in kept.suites}


def keep_standings(folder: Path, suites: tuple[Standings, ...]) -> None:
    """Keep what each case came to; where the folder cannot be written to, it is derived again the next time."""
    kept = _Kept(format=FORMAT, by=__version__, of=_digest(folder), suites=suites)
    with contextlib.suppress(OSError):
        write_whole(folder / "standings.json", kept.model_dump_json(exclude_defaults=True) + "\n")


def _digest(folder: Path) -> str:
    """Return the digest of the bytes that the standings are derived from."""
    found = hashlib.sha256()
    for name in ("experiment.json", "trials.jsonl"):
        with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
        found.update(b"\n")
    return found.hexdigest()
