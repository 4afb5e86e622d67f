"""What was played in a stored trial: the exchanges of its cassette, as long as the cassettes are those of the experiment."""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from harness.cassette.exchange import Exchange
from harness.errors import CassetteError
from harness.experiment import Experiment, SuiteProvenance, Trial, suite_name
from harness.store.cassettes import cassettes_digest, read_cassette

_KEPT = 16  # the repeats of a case stand together

CHANGED = "the cassettes are not those of the experiment, so what the models were asked and said is not shown"


def suites_as_played(root: Path, head: Experiment, trials: Sequence[tuple[str, str, str]]) -> frozenset[str]:
    """Return the names of the suites whose cassettes are those of the experiment; `trials` are (suite, variant, case) in their order."""
    return frozenset(suite.name for suite in head.suites if _as_played(root, suite, trials))


def _as_played(root: Path, suite: SuiteProvenance, trials: Sequence[tuple[str, str, str]]) -> bool:
    cases = dict.fromkeys(case for name, variant, case in trials if (name, variant) == (suite.suite, suite.variant))
    try:
        return cassettes_digest(root, _tapes(suite), tuple(cases)) == suite.cassettes_digest
    except CassetteError:
        return False


class Played:
    """Reads what the trials of an experiment were played from, as long as the cassettes are those of the experiment."""

    def __init__(self, root: Path, head: Experiment, trials: Iterable[tuple[str, str, str]]) -> None:
        self._root, self._head, self._trials = root, head, trials
        self._read = lru_cache(_KEPT)(read_cassette)

    @cached_property
    def suites(self) -> frozenset[str]:
        """The names of the suites whose cassettes are those of the experiment."""
        return suites_as_played(self._root, self._head, tuple(self._trials))

    def exchanges(self, trial: Trial) -> tuple[tuple[Exchange, ...], str]:
        """Return what a trial was played from, or why that is not to be had."""
        if suite_name(trial.suite, trial.variant) in self.suites:
            (suite,) = [suite for suite in self._head.suites if (suite.suite, suite.variant) == (trial.suite, trial.variant)]
            return self._read(self._root, _tapes(suite), trial.case), ""
        return (), CHANGED


def _tapes(suite: SuiteProvenance) -> str:
    return suite.cassettes or suite.suite
