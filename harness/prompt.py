"""Prompts: named texts with versions; a version's identity is the digest of its text."""

import hashlib
import re
from collections.abc import Mapping

from harness.errors import PromptError
from harness.schema import Value, nearest


class Prompt(Value):
    """One version of one prompt."""

    name: str
    version: str
    text: str

    @property
    def digest(self) -> str:
        """Return the first 12 hexadecimal digits of the SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


Prompts = Mapping[str, Mapping[str, str]]
"""Prompt name -> version -> text."""


def newest(versions: Mapping[str, str]) -> str:
    """Return the last version in natural order: v10 comes after v9."""
    return max(versions, key=lambda version: (_natural(version), version))


def _natural(version: str) -> list[tuple[int, int, str]]:
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", version) if part]


def choose(prompts: Prompts, wanted: Mapping[str, str], *, where: str) -> dict[str, Prompt]:
    """Return every prompt in the version wanted, or in its newest; `where` is the config's place, for errors."""
    for name, version in wanted.items():
        if name not in prompts:
            message = f"{where}: there is no prompt {name!r}{nearest(name, prompts)}"
            raise PromptError(message)
        if version not in prompts[name]:
            message = f"{where}: prompt {name!r} has no version {version!r}{nearest(version, prompts[name])}"
            raise PromptError(message)
    chosen = {name: wanted.get(name) or newest(versions) for name, versions in sorted(prompts.items())}
    return {name: Prompt(name=name, version=version, text=prompts[name][version]) for name, version in chosen.items()}
