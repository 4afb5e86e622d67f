"""Reading a dotted path out of a JSON value."""

import re
from typing import Any

from harness.checks.quoting import quote

_INDEX = re.compile(r"-?\d+")
_KEYS_SHOWN = 12


class NotThere(LookupError):
    """The path leads nowhere; the text says where it broke off and what is there."""


def look_up(value: Any, path: str, *, name: str) -> Any:
    """Return what stands at `path` (`items.-1.id`); a key that holds dots itself is found too. `name` is what errors call `value`."""
    if isinstance(value, dict) and path in value:
        return value[path]
    head, _, rest = path.partition(".")
    inner = _step(value, head, name)
    return look_up(inner, rest, name=f"{name}.{head}") if rest else inner


def _step(value: Any, head: str, name: str) -> Any:
    if isinstance(value, dict):
        return _entry(value, head, name)
    if isinstance(value, list):
        return _item(value, head, name)
    message = f"{name} is {quote(value)}, it has no {head!r}"
    raise NotThere(message)


def _entry(value: dict[str, Any], head: str, name: str) -> Any:
    if head in value:
        return value[head]
    keys = sorted(value)
    more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
    message = f"{name} has no {head!r}; it has: {', '.join(keys[:_KEYS_SHOWN]) or 'nothing'}{more}"
    raise NotThere(message)


def _item(value: list[Any], head: str, name: str) -> Any:
    if _INDEX.fullmatch(head) and -len(value) <= int(head) < len(value):
        return value[int(head)]
    message = f"{name} has no {head!r}; it is a list of {len(value)}"
    raise NotThere(message)
