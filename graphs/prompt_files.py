"""Versioned prompt files: `prompts/<name>/<version>.md`; `prompts/active.json` names the versions that were activated, in order."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "prompts"


def newest(name: str) -> str:
    """The text of the highest version (v10 is newer than v9)."""
    files = sorted((FOLDER / name).glob("*.md"), key=version_number)
    return files[-1].read_text(encoding="utf-8").strip()


def active(name: str) -> str | None:
    """The text of the version that was activated last; None when none was."""
    file = FOLDER / "active.json"
    versions = json.loads(file.read_text(encoding="utf-8")).get(name) if file.exists() else None
    return (FOLDER / name / f"{versions[-1]}.md").read_text(encoding="utf-8").strip() if versions else None


def version_number(path: Path) -> int:
    """The number in a file name such as `v12.md`; 0 when it has none."""
    digits = re.search(r"\d+", path.stem)
    return int(digits.group()) if digits else 0


def choose(prompts: Mapping[str, str] | None, name: str) -> str:
    """The prompt that was handed in, else the active version, else the newest."""
    if prompts is not None and name in prompts:
        return prompts[name].strip()
    return active(name) or newest(name)
