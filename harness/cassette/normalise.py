"""Normalisers: what changes from run to run in a request's texts is replaced by its name before the request is looked up."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Normaliser:
    """A named function of texts."""

    name: str
    change: Callable[[str], str]


def replacing(name: str, pattern: str) -> Normaliser:
    """Return the normaliser that puts `<name>` in the place of what a pattern matches."""
    compiled, shown = re.compile(pattern), f"<{name}>"
    return Normaliser(name, lambda text: compiled.sub(lambda _match: shown, text))


_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?"
_ZONE = r"(?:\s?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})\b)?"
_DAY, _MONTH = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*", r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_TIMESTAMPS = (
    rf"{_DATE}[T ]{_TIME}{_ZONE}",
    rf"(?:{_DAY},? )?\d{{1,2}} {_MONTH} \d{{4}},? {_TIME}{_ZONE}",
    rf"(?:{_DAY},? )?{_MONTH} {{1,2}}\d{{1,2}} {_TIME} (?:[A-Z]{{3,4}} )?\d{{4}}",
    rf"(?:{_DAY},? )?{_MONTH} \d{{1,2}},? \d{{4}},? (?:at )?{_TIME}{_ZONE}",
)
_DATES = (_DATE, rf"(?:{_DAY},? )?\d{{1,2}} {_MONTH} \d{{4}}", rf"(?:{_DAY},? )?{_MONTH} \d{{1,2}},? \d{{4}}")
BUILT_IN = {
    normaliser.name: normaliser
    for normaliser in (
        replacing("uuid", r"(?<![\w-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![\w-])"),
        replacing("timestamp", rf"(?<![\w-])(?:{'|'.join(_TIMESTAMPS)})(?![\w-])"),
        replacing("date", rf"(?<![\w-])(?:{'|'.join(_DATES)})(?![\w:-])"),
        replacing("path", r"(?<![\w:/.>~])(?:~?(?:/[\w.@+~-]+){2,}/?|[A-Za-z]:(?:\\{1,2}[\w.@+~ -]*[\w.@+~-])+)"),
    )
}


def normalised(value: Any, normalisers: tuple[Normaliser, ...], applied: set[str]) -> Any:
    """Return a JSON value with every string normalised; the names of the normalisers that changed one are added to `applied`."""
    if isinstance(value, str):
        for normaliser in normalisers:
            changed = normaliser.change(value)
            if changed != value:
                applied.add(normaliser.name)
                value = changed
        return value
    if isinstance(value, list):
        return [normalised(part, normalisers, applied) for part in value]
    if isinstance(value, dict):
        return {key: normalised(part, normalisers, applied) for key, part in value.items()}
    return value
