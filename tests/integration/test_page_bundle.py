"""The page of the HTML report: what is committed is what its source gives."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.report import html

REQUIRED = "HARNESS_REQUIRE_NODE"  # set where the test may not be skipped
ROOT = Path(__file__).parents[2]
ASSETS = Path(html.__file__).parent / "assets"


def npm(folder: Path, *arguments: str, **environment: str) -> None:
    """Run npm in a folder."""
    answer = subprocess.run(
        ["npm", *arguments], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=900, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_bundle_is_what_its_source_gives(tmp_path: Path) -> None:
    """Built anew from the locked packages, script, style and licences are the committed ones to the byte."""
    if shutil.which("npm") is None:
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)("npm is not installed")
    folder, out = tmp_path / "page", tmp_path / "out"
    shutil.copytree(ROOT / "page", folder, ignore=shutil.ignore_patterns("node_modules"))

    npm(folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    npm(folder, "run", "check")
    npm(folder, "run", "build", PAGE_OUT=str(out))

    assert {path.name: path.read_bytes() for path in out.iterdir()} == {path.name: path.read_bytes() for path in ASSETS.iterdir()}


def test_the_lock_names_no_registry() -> None:
    """Every package is locked by version and digest, and none by the address it was fetched from."""
    lock = (ROOT / "page" / "package-lock.json").read_text("utf-8")

    assert '"resolved"' not in lock
    assert lock.count('"integrity"') == lock.count("node_modules/") > 0


def test_every_bundled_package_is_there_with_its_licence() -> None:
    """The licences stand beside the bundle and in it, so that every report carries them."""
    licences = (ASSETS / "THIRD_PARTY.txt").read_text("utf-8")

    assert [name for name in ("preact 11", "@dagrejs/dagre 3", "@dagrejs/graphlib 4") if name not in licences] == []
    assert licences.count("Permission is hereby granted") == 3
    assert (ASSETS / "page.js").read_text("utf-8").startswith(f"/*!\n{licences}*/\n")
