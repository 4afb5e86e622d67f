"""A cause: what the difference between a request and the nearest recorded one means, in words and in fields."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from harness.cassette.segments import Segments
from harness.schema import Value, canonical_json

CauseKind = Literal[
    "empty",
    "exhausted",
    "draw",
    "unscripted",
    "form",
    "endpoint",
    "model",
    "prompt",
    "system",
    "messages",
    "tools",
    "response_format",
    "sampling",
]
Prompts = Mapping[str, Mapping[str, str]]
"""Every stored prompt: name -> version -> text."""

_ALIKE = 0.6
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_ESCAPE = re.compile(r"\\[nrt\"]")


class Cause(Value):
    """Why a request is not on the cassette.

    `name` is that of the prompt, tool or parameter; `before` and `after` are what was recorded and what is asked now: versions of
    the prompt, models, values.
    """

    kind: CauseKind
    text: str
    name: str | None = None
    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        return self.text


def causes(
    recorded: Segments, asked: Segments, differs: tuple[str, ...], *, prompts: Prompts, parameters: frozenset[str]
) -> tuple[Cause, ...]:
    """Say what each part that differs means; `parameters` are the names that the variant sets itself."""
    if "endpoint" in differs:
        endpoint = str(asked.parts["endpoint"])
        return (Cause(kind="endpoint", text=f"no exchange of this endpoint ({endpoint}) is recorded", name=endpoint),)
    own = parameters if {"system", "messages", "model"}.isdisjoint(differs) else None
    return tuple(dict.fromkeys(cause for name in differs for cause in _causes_of(name, recorded, asked, prompts, own)))


def _causes_of(name: str, recorded: Segments, asked: Segments, prompts: Prompts, own: frozenset[str] | None) -> Iterator[Cause]:
    match name:
        case "model":
            yield Cause(kind="model", text=f"model {recorded.model} -> {asked.model}", before=recorded.model, after=asked.model)
        case "system":
            yield _prompt_cause(recorded.text(name), asked.text(name), prompts) or Cause(kind="system", text="system prompt changed")
        case "messages":
            yield _prompt_cause(recorded.text(name), asked.text(name), prompts) or _message_cause(recorded.parts[name], asked.parts[name])
        case "tools":
            yield from _tool_causes(recorded.parts[name], asked.parts[name])
        case "sampling":
            yield from _parameter_causes(recorded.parts[name], asked.parts[name], own)
        case _:
            yield Cause(kind="response_format", text="response format")


def _prompt_cause(recorded: str, asked: str, prompts: Prompts) -> Cause | None:
    """Name the prompt of which less was there when the request was recorded: the one most of which is there now."""
    now, then = (_pairs([text, *re.findall(r"\w+", text)]) for text in (asked, recorded))
    found = []
    for name in sorted(prompts):
        pairs = {version: _pairs(_PLACEHOLDER.split(text)) for version, text in prompts[name].items()}
        version = max(pairs, key=lambda version: _share(pairs[version], now))
        share = _share(pairs[version], now)
        if share >= _ALIKE and _share(pairs[version], then) < share:
            found.append((share, name, version, _whole(pairs, then, version)))
    if not found:
        return None
    _, name, version, before = max(found, key=lambda one: one[0])
    text = f"prompt {name} {before} -> {version}" if before else f"prompt {name} ({version}) edited"
    return Cause(kind="prompt", text=text, name=name, before=before, after=version)


def _whole(pairs: Mapping[str, set[tuple[str, ...]]], then: set[tuple[str, ...]], but: str) -> str | None:
    """Return the other version that the recorded text holds in whole, the longest."""
    whole = [version for version in pairs if version != but and pairs[version] and pairs[version] <= then]
    return max(whole, key=lambda version: len(pairs[version]), default=None)


def _share(pairs: set[tuple[str, ...]], there: set[tuple[str, ...]]) -> float:
    return len(pairs & there) / max(1, len(pairs))


def _pairs(texts: list[str]) -> set[tuple[str, ...]]:
    """Return the pairs of words that follow each other, and the word itself where a text has but one."""
    pairs: set[tuple[str, ...]] = set()
    for text in texts:
        words = re.findall(r"\w+", _ESCAPE.sub(" ", text))
        pairs |= set(itertools.pairwise(words)) if len(words) > 1 else {(word,) for word in words}
    return pairs


def _message_cause(recorded: Any, asked: Any) -> Cause:
    before, after = (part if isinstance(part, list) else [part] for part in (recorded, asked))
    shared = 0
    while shared < min(len(before), len(after)) and canonical_json(before[shared]) == canonical_json(after[shared]):
        shared += 1
    if shared == len(before):
        what = _turns(len(after) - shared, "more")
    elif shared == len(after):
        what = _turns(len(before) - shared, "fewer")
    else:
        role = after[shared].get("role") if isinstance(after[shared], dict) else None
        what = f"changed text of role {role}" if role else "changed text"
    return Cause(kind="messages", text=f"messages: {what}", name=what)


def _turns(number: int, how: str) -> str:
    return f"one {how} turn" if number == 1 else f"{number} {how} turns"


def _tool_causes(recorded: Any, asked: Any) -> Iterator[Cause]:
    before, after = _tools(recorded), _tools(asked)
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield Cause(kind="tools", text=f"tool {name} added", name=name)
        elif name not in after:
            yield Cause(kind="tools", text=f"tool {name} removed", name=name)
        elif before[name] != after[name]:
            yield Cause(kind="tools", text=f"tool schema {name}", name=name)
    if before == after:
        yield Cause(kind="tools", text="tool choice or order")


def _tools(part: Any) -> dict[str, str]:
    """Return the schema of each tool by its name."""
    offered, functions, *_ = part if isinstance(part, list) else (None, None)
    tools = [tool for group in (offered, functions) if isinstance(group, list) for tool in group]
    return {_tool_name(tool): canonical_json(tool) for tool in tools}


def _tool_name(tool: Any) -> str:
    if not isinstance(tool, dict):
        return str(tool)
    function = tool.get("function")
    name = function.get("name") if isinstance(function, dict) else tool.get("name")
    return str(name or tool.get("type") or "(unnamed)")


def _parameter_causes(recorded: Any, asked: Any, own: frozenset[str] | None) -> Iterator[Cause]:
    """Name each parameter that differs: a library's default where it is none of the variant's `own`; None where more has changed."""
    before, after = recorded or {}, asked or {}
    for name in sorted(before.keys() | after.keys()):
        then, now = (canonical_json(part[name]) if name in part else None for part in (before, after))
        if then != now:
            what = "parameter" if own is None or name in own else "library default"
            text = f"{what} {name}: {'absent' if then is None else then} -> {'absent' if now is None else now}"
            yield Cause(kind="sampling", text=text, name=name, before=then, after=now)
