"""What differs between two JSON values, place by place."""

from collections.abc import Iterator
from typing import Literal

from pydantic import JsonValue

from harness.schema import Value, canonical_json

_SHOWN = 120


class Change(Value):
    """One place where two values differ; `path` is dotted, empty for the whole value."""

    path: str
    kind: Literal["added", "removed", "changed"]
    before: JsonValue = None
    after: JsonValue = None

    def __str__(self) -> str:
        match self.kind:
            case "added":
                return f"{self.path} is {_quoted(self.after)}, which was not there"
            case "removed":
                return f"{self.path} is missing, it was {_quoted(self.before)}"
            case "changed":
                return f"{self.path} is {_quoted(self.after)}, it was {_quoted(self.before)}"


def changes(before: JsonValue, after: JsonValue, path: str = "") -> Iterator[Change]:
    """Yield the smallest places that differ, keys in their order and lists item by item; `true` is not 1."""
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _by_key(dict(before), dict(after), path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _by_key(dict(enumerate(before)), dict(enumerate(after)), path)
    elif canonical_json(before) != canonical_json(after):
        yield Change(path=path, kind="changed", before=before, after=after)


def _by_key(
    before: dict[str, JsonValue] | dict[int, JsonValue], after: dict[str, JsonValue] | dict[int, JsonValue], path: str
) -> Iterator[Change]:
    old: dict[str, JsonValue] = {str(key): value for key, value in before.items()}
    new: dict[str, JsonValue] = {str(key): value for key, value in after.items()}
    for key in dict.fromkeys((*old, *new)):
        place = f"{path}.{key}" if path else key
        if key not in new:
            yield Change(path=place, kind="removed", before=old[key])
        elif key not in old:
            yield Change(path=place, kind="added", after=new[key])
        else:
            yield from changes(old[key], new[key], place)


def _quoted(value: JsonValue) -> str:
    text = canonical_json(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
