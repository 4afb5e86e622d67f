"""Sweeps on disk: the last one of each suite and variant, for the next to be compared with."""

import json
from pathlib import Path

from harness.errors import ExperimentUnreadable
from harness.experiment import suite_name
from harness.store.files import read_text, write_text
from harness.sweep import Sweep


def read_sweep(root: Path, suite: str, variant: str) -> Sweep | None:
    """Return the previous sweep of a suite, None where there was none."""
    path = _path(root, suite, variant)
    if not path.exists():
        return None
    shown = str(path.relative_to(root))
    return Sweep.read(read_text(path, ExperimentUnreadable, shown=shown), path=shown)


def write_sweep(root: Path, sweep: Sweep) -> None:
    """Keep a sweep; the same sweep gives the same bytes."""
    document = sweep.model_dump(mode="json", exclude={"wanting"}, exclude_defaults=True)
    write_text(_path(root, sweep.suite, sweep.variant), json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def _path(root: Path, suite: str, variant: str) -> Path:
    return root / "reports" / "sweeps" / f"{suite_name(suite, variant)}.json"
