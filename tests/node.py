"""Tools that run on node: installed from their lock files, into a folder of the test's own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REQUIRED = "HARNESS_REQUIRE_NODE"  # set where the tests may not be skipped


def installed(source: Path, folder: Path) -> Path:
    """Copy a folder with a lock file and install what it locks; the test is skipped where npm lacks and is not required."""
    if shutil.which("npm") is None:
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)("npm is not installed")
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("node_modules"))
    npm(folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return folder


def npm(folder: Path, *arguments: str, **environment: str) -> None:
    """Run npm in a folder."""
    answer = subprocess.run(
        ["npm", *arguments], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=900, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
