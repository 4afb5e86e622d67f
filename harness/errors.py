"""The errors that a user can meet, each with the exit code it ends the command with.

HarnessError                  2
├── UsageError                2   a flag or an argument
├── ConfigError               2   harness.toml or [tool.harness]
├── DatasetError              2   a dataset file
├── CassetteError             2   a cassette file
├── RedactionError            2   a redactor of the user
├── PromptError               2   a prompt version
├── PriceError                2   the price table or [prices]
├── SinkError                 2   a service that is asked or sent to
├── GraphError                2   the graph could not be loaded or built
├── ExperimentError           2   a stored experiment
│   ├── ExperimentMissing         there is none
│   ├── ExperimentUnreadable      it is damaged
│   ├── ExperimentTooOld          its format is no longer read
│   └── ExperimentTooNew          its format is not known yet
└── NothingRan                5   no case was selected, or the dataset is empty

WireStop is apart: a BaseException, so that no `except Exception` of the code under test takes it for an answer.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says when it ends."""

    PASS = 0
    GATE_FAILED = 1
    USAGE = 2
    CRASHED = 3
    STALE = 4
    NOTHING_RAN = 5
    INCONCLUSIVE = 6
    BUDGET = 7
    PUSH_INCOMPLETE = 8
    INTERRUPTED = 130


class HarnessError(Exception):
    """A problem that the user can mend; its text says what, where and how."""

    exit_code = ExitCode.USAGE


class UsageError(HarnessError):
    """A flag or an argument cannot be used."""


class ConfigError(HarnessError):
    """The config file cannot be used."""


class DatasetError(HarnessError):
    """A dataset cannot be used."""


class CassetteError(HarnessError):
    """A cassette cannot be used."""


class RedactionError(HarnessError):
    """A redactor of the user cannot be used."""


class PromptError(HarnessError):
    """A prompt version cannot be used."""


class PriceError(HarnessError):
    """A price cannot be used."""


class SinkError(HarnessError):
    """A service that the harness asks or sends to did not do what it should."""


class GraphError(HarnessError):
    """The graph under test cannot be loaded or built."""


class ExperimentError(HarnessError):
    """A stored experiment cannot be used."""


class ExperimentMissing(ExperimentError):
    """There is no such experiment."""


class ExperimentUnreadable(ExperimentError):
    """The experiment is damaged."""


class ExperimentTooOld(ExperimentError):
    """The experiment's format is no longer read."""


class ExperimentTooNew(ExperimentError):
    """The experiment's format is newer than this version of the harness."""


class NothingRan(HarnessError):
    """No case was run, so nothing can pass."""

    exit_code = ExitCode.NOTHING_RAN


class WireStop(BaseException):
    """Ends a trial from inside the wire: a miss, a live connection, a request outside any trial.

    The note on the trial decides, not this exception: the code under test may swallow even a BaseException.
    """
