"""Regression tests for LangGraph agents: recorded model traffic, replayed through your own graph, checked and gated."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.store import ExperimentFolder

__version__ = "0.1.0"
__all__ = ["load_experiment"]


def load_experiment(experiment: "str | Path") -> "ExperimentFolder":
    """Return a stored experiment by its path, or by its id or `latest` in the project that the current folder is in.

    `head()` is what was run, `trials()` reads the trials one by one, `trials_frame()` gives them as a pandas table. ExperimentMissing
    where there is none.
    """
    from harness import store  # noqa: PLC0415, `import harness` costs nothing

    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if store.experiments_folder(folder).is_dir()), here)
    return store.open_experiment(root, str(experiment))
