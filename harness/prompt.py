"""Prompts: named texts with versions; a version's identity is the digest of its text."""

import hashlib
import re
from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

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


Active = Mapping[str, tuple[str, ...]]
"""Prompt name -> the versions that were activated, in their order; the last one holds."""


def newest(versions: Mapping[str, str]) -> str:
    """Return the last version in natural order: v10 comes after v9."""
    return max(versions, key=lambda version: (_natural(version), version))


def _natural(version: str) -> list[tuple[int, int, str]]:
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", version) if part]


def choose(prompts: Prompts, wanted: Mapping[str, str], active: Active, *, where: str) -> dict[str, Prompt]:
    """Return every prompt in the version wanted, else in the active one, else in its newest; `where` is the config's place, for errors."""
    for name, version in wanted.items():
        find(prompts, name, version, where=where)
    held = {name: versions[-1] for name, versions in active.items()}
    return {name: find(prompts, name, wanted.get(name) or held.get(name) or newest(prompts[name]), where=where) for name in sorted(prompts)}


def find(prompts: Prompts, name: str, version: str, *, where: str) -> Prompt:
    """Return one version of one prompt; PromptError with the nearest known name where there is none."""
    if name not in prompts:
        message = f"{where}: there is no prompt {name!r}{nearest(name, prompts)}"
        raise PromptError(message)
    if version not in prompts[name]:
        message = f"{where}: prompt {name!r} has no version {version!r}{nearest(version, prompts[name])}"
        raise PromptError(message)
    return Prompt(name=name, version=version, text=prompts[name][version])


def activated(active: Active, prompt: Prompt) -> Active:
    """Return what is active once this version is; the versions before it are kept, to go back to."""
    before = active.get(prompt.name, ())
    return active if before[-1:] == (prompt.version,) else {**active, prompt.name: (*before, prompt.version)}


def rolled_back(active: Active, name: str) -> Active:
    """Return what is active without the last activation of a prompt; PromptError where none is left."""
    before = active.get(name, ())
    if not before:
        message = f"no activation of prompt {name!r} is left to take back; `harness prompts activate {name} VERSION` makes one"
        raise PromptError(message)
    rest = {key: versions for key, versions in active.items() if key != name}
    return {**rest, name: before[:-1]} if before[:-1] else rest


def parse_active(text: str, prompts: Prompts, *, path: str) -> Active:
    """Read the file of active versions: JSON, prompt name -> list of versions. All of them have to be there."""
    try:
        active = _ACTIVE.validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"])) or "value"
        message = f"{path}: {place}: {problem['msg'].lower()}; it maps each prompt to the list of its activated versions"
        raise PromptError(message) from None
    for name, versions in active.items():
        if not versions:
            message = f"{path}: {name!r} has no version; leave the prompt out instead"
            raise PromptError(message)
        for version in versions[-1:]:
            find(prompts, name, version, where=path)
    return active


_ACTIVE = TypeAdapter(dict[str, tuple[str, ...]])
