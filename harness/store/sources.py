"""What a user writes: datasets, scripts and prompts."""

from pathlib import Path

from harness.errors import ConfigError, DatasetError, PromptError
from harness.store.files import read_text


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
