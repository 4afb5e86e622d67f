"""Regression tests for LangGraph agents: recorded model traffic, replayed through your own graph, checked and gated."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.store import ExperimentFolder

__version__ = "0.1.0"
__all__ = ["load_experiment"]


def load_experiment(experiment: "str | Path") -> "ExperimentFolder":
    """Return a stored experiment by its path, or by its id or `latest` in the project of the current folder.

    `head()` is what was run, `trials()` reads the trials one by one, `trials_frame()` gives them as a pandas table. ExperimentMissing
    where there is none.
    """
    from harness import config, store  # noqa: PLC0415, `import harness` costs nothing
    from harness.errors import ConfigError  # noqa: PLC0415, as above

    try:
        root = config.find(Path.cwd()).parent
    except ConfigError:
        root = Path.cwd()
    return store.open_experiment(root, str(experiment))
