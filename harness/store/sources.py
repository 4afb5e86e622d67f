"""What a user writes: datasets, scripts and prompts."""

import json
from collections.abc import Mapping
from pathlib import Path

from harness.errors import ConfigError, DatasetError, PromptError
from harness.prompt import Active, Prompt, Prompts, parse_active
from harness.schema import read_json
from harness.store.files import read_bytes, read_text, write_text


def read_dataset_text(root: Path, name: str) -> str:
    """Return the text of a dataset file."""
    return read_text(root / name, DatasetError, shown=name)


def read_script_text(root: Path, name: str) -> str:
    """Return the text of a script file."""
    return read_text(root / name, ConfigError, shown=name)


def read_prompts(root: Path, folder: str) -> dict[str, dict[str, str]]:
    """Return the text of every prompt version: name -> version -> text. A folder that is not there holds none."""
    prompts: dict[str, dict[str, str]] = {}
    for path in sorted((root / folder).glob("*/*.md")):
        text = read_text(path, PromptError, shown=str(path.relative_to(root)))
        prompts.setdefault(path.parent.name, {})[path.stem] = text
    return prompts


def active_path(folder: str) -> str:
    """Return the file, below the config's folder, that names the active version of each prompt."""
    return f"{folder}/active.json"


def read_active(root: Path, folder: str, prompts: Prompts) -> Active:
    """Return the versions of each prompt that were activated; nothing where there is no such file."""
    shown = active_path(folder)
    if not (root / shown).exists():
        return {}
    return parse_active(read_text(root / shown, PromptError, shown=shown), prompts, path=shown)


def write_version(root: Path, folder: str, prompt: Prompt, origin: Mapping[str, str]) -> bool:
    """Write a version of a prompt, and beside it where it comes from; False where it is there. PromptError rather than change one."""
    path = root / folder / prompt.name / f"{prompt.version}.md"
    shown = str(path.relative_to(root))
    if path.exists():
        if read_bytes(path, PromptError, shown=shown) != prompt.text.encode():
            message = f"{shown}: it is there with another text, and is not overwritten; choose another version with --as"
            raise PromptError(message)
        return False
    write_text(path.with_suffix(".json"), json.dumps(origin, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    write_text(path, prompt.text)
    return True


def read_origin(root: Path, folder: str, name: str, version: str) -> dict[str, str]:
    """Return where a version of a prompt comes from; nothing where that is not known."""
    path = root / folder / name / f"{version}.json"
    try:
        found = read_json(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError):
        found = None
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def write_active(root: Path, folder: str, active: Active) -> None:
    """Write the versions of each prompt that were activated."""
    write_text(root / active_path(folder), json.dumps(active, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
