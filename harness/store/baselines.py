"""Baselines on disk: one committed file for each suite and variant."""

from collections.abc import Container, Iterator
from pathlib import Path

from harness.baseline import Baseline
from harness.errors import ExperimentMissing, ExperimentUnreadable
from harness.store.files import read_text, write_text


def baseline_path(root: Path, suite: str) -> Path:
    """Return the file of a suite's baseline; `suite@variant` for a variant other than `default`."""
    return root / "reports" / "baselines" / f"{suite}.json"


def read_baseline(path: Path) -> Baseline:
    """Read a baseline; absent, unreadable, too old and too new are four errors."""
    if not path.is_file():
        message = f"{path}: there is no baseline here; `harness bless EXPERIMENT` writes one"
        raise ExperimentMissing(message)
    return Baseline.read(read_text(path, ExperimentUnreadable, shown=str(path)), path=str(path))


def read_baselines(root: Path, suites: tuple[str, ...]) -> dict[str, Baseline]:
    """Return the baselines of these suites, by name, where there are any."""
    paths = {suite: baseline_path(root, suite) for suite in suites}
    return {suite: read_baseline(path) for suite, path in paths.items() if path.is_file()}


def orphaned_baselines(root: Path, known: Container[str]) -> Iterator[tuple[Path, Baseline]]:
    """Yield the baselines of suites that are not known, by path."""
    folder = baseline_path(root, "").parent
    yield from ((path, read_baseline(path)) for path in sorted(folder.glob("*.json")) if path.stem not in known)


def write_baseline(root: Path, baseline: Baseline) -> Path:
    """Write the baseline of a suite and return its path."""
    path = baseline_path(root, baseline.standings.name)
    write_text(path, baseline.written())
    return path
