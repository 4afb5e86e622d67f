"""The ground of everything stored: frozen strict values, canonical JSON, digests."""

import difflib
import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

_SHOWN = 60


class Value(BaseModel):
    """A frozen value that knows its fields and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_inf_nan="null")

    def to_json(self) -> str:
        """Return the value as one line of canonical JSON; fields at their default are left out."""
        return canonical_json(self.model_dump(mode="json", exclude_defaults=True))


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spare whitespace: equal values give equal bytes. ValueError if it is too deep or not finite."""
    try:
        return _encode(value)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def read_json(text: str | bytes) -> Any:
    """Return the value of JSON text that `canonical_json` can write; ValueError for any other, NaN and too deep nesting among them."""
    try:
        return _decode(text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass").removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        message = f"{number} is no finite number"
        raise ValueError(message)
    return value


_TOO_DEEP = "nested too deeply for JSON"
_decode = json.JSONDecoder(parse_float=_finite, parse_constant=_finite).decode


def digest(text: str | bytes) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of `text` (UTF-8)."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()[:16]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name most like `name`, or the list of known names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""


def _first(error: ValidationError) -> Any:
    problems = error.errors(include_url=False, include_context=False)
    return min(problems, key=lambda one: one["type"] != "extra_forbidden")  # a wrong key is why another is missing


def problem_place(error: ValidationError) -> tuple[int | str, ...]:
    """Return the keys and indices that lead to the problem which first_problem tells of."""
    return tuple(_first(error)["loc"])


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """Say the first problem of a validation in one line: the field's dotted place, what is wrong, the nearest known key."""
    problem = _first(error)
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _fields_at(model, problem["loc"][:-1])
        return f"unknown key {place!r}{nearest(str(problem['loc'][-1]), known)}"
    shown = repr(problem["input"])
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
    given = "" if problem["type"] == "missing" else f" (got {shown})"
    return f"{place or 'value'}: {problem['msg'].lower()}{given}"


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the model found by walking `place` down from `model`."""
    parts = iter(place)
    for part in parts:
        field = model.model_fields.get(str(part))
        annotation = model.__annotations__.get("__pydantic_extra__") if field is None else field.annotation
        inner = _models_in(annotation)
        if not inner:
            continue
        model = inner[0]
        if field is not None and get_origin(annotation) in (dict, tuple):
            next(parts, None)  # a key or an index, which may be spelled like a field
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
