"""Importing: trials that were run elsewhere become an experiment, once all of their records could be read."""

import datetime as dt
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.cassette.redact import Redactor
from harness.errors import UsageError
from harness.experiment import SuiteProvenance, Trial, read_trial
from harness.foreign import Key, numbered
from harness.runner.run import begin_imported
from harness.store import ExperimentFolder

Described = Callable[[list[str]], SuiteProvenance]
"""Says where trials of these cases come from."""


def bring_in(
    root: Path, trials: Iterable[tuple[Key, Trial]], described: Described, redactor: Redactor, *, now: dt.datetime
) -> ExperimentFolder:
    """Write the trials as an experiment, cases in the order of the export; nothing is written where one of them cannot be read.

    Until then they lie in a file of the system's, redacted, so that as many as there are fit.
    """
    keys: list[Key] = []
    starts: list[int] = []
    with tempfile.TemporaryFile() as spool:
        for key, trial in trials:
            keys.append(key)
            starts.append(spool.tell())
            spool.write(redactor.value(trial).to_json().encode() + b"\n")
        if not keys:
            message = "there is no trial in what was exported"
            raise UsageError(message)
        order = numbered(keys)
        folder = begin_imported(root, described([key.case for key in keys]), repeats=max(repeat for _, repeat in order), now=now)
        with folder.appending():
            for index, repeat in order:
                spool.seek(starts[index])
                trial = read_trial(spool.readline().decode(), path="import", number=index + 1)
                placed = trial.model_copy(update={"repeat": repeat, "draw": repeat})
                folder.append(placed.key, placed.to_json())
    return folder
