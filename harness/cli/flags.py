"""Faults as flags: `rate_limit@model_call=1,times=2`."""

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import ValidationError

from harness.dataset import FaultPlace, FaultSpec, ModelFault, ToolFault
from harness.errors import UsageError
from harness.schema import canonical_json, first_problem, nearest, read_json

_FAULTS = dict.fromkeys((*get_args(ModelFault), *get_args(ToolFault)))
_PLACES = tuple(FaultPlace.model_fields)
_DETAILS = tuple(name for name in FaultSpec.model_fields if name not in {"at", "fault"})
_NAMES = frozenset({"tool", "node"})
_EXAMPLE = "write FAULT@PLACE, as in rate_limit@model_call=1,times=2"


def parse_faults(texts: Sequence[str]) -> tuple[FaultSpec, ...]:
    """Read faults as the command line has them; UsageError for one that cannot be read or that cannot strike."""
    return tuple(map(_parse, texts))


def _parse(text: str) -> FaultSpec:
    name, _, where = text.partition("@")
    if name not in _FAULTS:
        raise _wrong(text, f"unknown fault {name!r}{nearest(name, _FAULTS)}")
    if not where:
        raise _wrong(text, f"it does not say where; {_EXAMPLE}")
    at: dict[str, Any] = {}
    details: dict[str, Any] = {"at": at, "fault": name}
    for part in where.split(","):
        key, _, value = part.partition("=")
        _check(text, key, value, {*at, *details})
        (at if key in _PLACES else details)[key] = value if key in _NAMES else _number(value)
    try:
        return FaultSpec.model_validate_json(canonical_json(details))
    except ValidationError as error:
        own = error.errors()[0]["msg"].removeprefix("Value error, ") if error.errors()[0]["type"] == "value_error" else None
        raise _wrong(text, own or first_problem(error, FaultSpec)) from None


def _check(text: str, key: str, value: str, given: set[str]) -> None:
    known = (*_PLACES, *_DETAILS)
    if key not in known:
        raise _wrong(text, f"unknown place or detail {key!r}{nearest(key, known)}")
    if not value:
        raise _wrong(text, f"{key} has no value; {_EXAMPLE}")
    if key in given:
        raise _wrong(text, f"{key} stands twice")


def _number(value: str) -> Any:
    try:
        return read_json(value)
    except ValueError:
        return value


def _wrong(text: str, problem: str) -> UsageError:
    return UsageError(f"--fault {text!r}: {problem}")
