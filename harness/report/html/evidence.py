"""What a report is made of: values, and where more of them can be asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from harness.baseline import Baseline
from harness.cassette.exchange import Exchange
from harness.experiment import Experiment, Trial
from harness.gate import Summary
from harness.sweep import Sweep

TrialsOf = Callable[[str, frozenset[str]], Iterable[Trial]]
"""The trials of these cases in an experiment, by its id; none where the experiment is not there."""

PlayedOf = Callable[[Trial], Sequence[Exchange]]
"""The exchanges that a trial was played from; none where they are not to be had."""


class Past(NamedTuple):
    """An earlier experiment of a suite: its metrics and its verdict then."""

    experiment: str
    commit: str | None
    finished_at: str | None
    verdict: str | None
    metrics: Mapping[str, float | None]


class PromptTexts(Protocol):
    """Finds the redacted texts of prompts; None where a text is no longer to be had."""

    def held(self, name: str, version: str) -> str | None:
        """Return the text of `v2`, or of exactly `v2@digest`."""

    def committed(self, name: str, version: str) -> str | None:
        """Return the text of a version as it stood at the commit of the experiment."""


class Evidence(NamedTuple):
    """A judged experiment with what it can be held against; mappings are by suite name (`suite@variant`).

    `blessed` is False where the baselines are another side that somebody chose to compare with; `unplayed` says of which suites
    the cassettes are not those of the experiment. `links` lead into LangSmith.
    """

    head: Experiment
    summaries: Sequence[Summary]
    trials: Iterable[Trial]
    trials_of: TrialsOf
    prompts: PromptTexts
    baselines: Mapping[str, Baseline] = {}
    past: Mapping[str, Sequence[Past]] = {}
    sweeps: Mapping[str, Sweep] = {}
    blessed: bool = True
    links: Mapping[str, str] = {}
    played_of: PlayedOf = lambda _: ()
    unplayed: Mapping[str, str] = {}
