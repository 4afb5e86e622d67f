"""What was played in a stored trial: the exchanges of its cassette, as long as the cassettes are those of the experiment."""

from collections.abc import Sequence
from pathlib import Path

from harness.cassette.exchange import Exchange
from harness.errors import CassetteError
from harness.experiment import Experiment, SuiteProvenance, Trial
from harness.store.cassettes import cassettes_digest, read_cassette

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


def played_exchanges(root: Path, head: Experiment, trial: Trial) -> tuple[Exchange, ...]:
    """Return the exchanges of the cassette that a trial was played from."""
    (suite,) = [suite for suite in head.suites if (suite.suite, suite.variant) == (trial.suite, trial.variant)]
    return read_cassette(root, _tapes(suite), trial.case)


def _tapes(suite: SuiteProvenance) -> str:
    return suite.cassettes or suite.suite
