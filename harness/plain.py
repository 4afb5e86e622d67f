"""Plain values: what nodes, tools and graphs hold, as JSON that is the same every time."""

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage
from langgraph.types import Command, Send
from pydantic import BaseModel

from harness.schema import canonical_json

_MAX_DEPTH = 40
_LARGE = 10**300


def plain(value: Any, within: tuple[int, ...] = ()) -> Any:
    """Return `value` as JSON without anything volatile: ids of messages and of tool calls are left out, objects are their type's name.

    It never raises: what cannot be read is shown as its type. `within` holds the ids of the containers around the value.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return value if abs(value) < _LARGE else f"<int of {value.bit_length()} bits>"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if id(value) in within or len(within) > _MAX_DEPTH:
        return "…"
    try:
        return _plain_container(value, (*within, id(value)))
    except Exception:  # noqa: BLE001, a property or a field of the user's own object may raise anything
        return _type_name(value)


def _plain_container(value: Any, within: tuple[int, ...]) -> Any:
    if isinstance(value, BaseMessage):
        return _plain_message(value, within)
    if isinstance(value, Mapping):
        return {_key(key): plain(item, within) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, within) for item in value]
    return _plain_object(value, within)


def _key(key: Any) -> str:
    return str(key) if isinstance(key, str | int | float | bool | None) else _type_name(key)


def _type_name(value: Any) -> str:
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _plain_message(message: BaseMessage, within: tuple[int, ...]) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": message.type, "content": plain(message.content, within)}
    if message.name:
        shown["name"] = message.name
    calls = getattr(message, "tool_calls", None)
    if calls:
        shown["tool_calls"] = [{"name": call["name"], "args": plain(call["args"], within)} for call in calls]
    if getattr(message, "status", None) == "error":
        shown["status"] = "error"
    return shown


def _plain_object(value: Any, within: tuple[int, ...]) -> Any:
    match value:
        case Command():
            parts = {"update": value.update, "goto": value.goto, "resume": value.resume}
            return {key: plain(item, within) for key, item in parts.items() if item}
        case Send():
            return {"node": value.node, "arg": plain(value.arg, within)}
        case BaseModel():
            return plain({name: getattr(value, name) for name in type(value).model_fields}, within)
        case enum.Enum():
            return plain(value.value, within)
        case dt.date() | dt.time() | dt.timedelta() | decimal.Decimal() | PurePath() | UUID():
            return str(value)
        case set() | frozenset():
            return sorted((plain(item, within) for item in value), key=canonical_json)
        case bytes() | bytearray():
            return base64.b64encode(bytes(value)).decode()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({part.name: getattr(value, part.name, "<unset>") for part in dataclasses.fields(value)}, within)
    return _type_name(value)


def last_text(state: Any) -> str | None:
    """Return the text of the last message in a graph's final state, None where it has no messages."""
    messages = state.get("messages") if isinstance(state, Mapping) else getattr(state, "messages", None)
    if isinstance(messages, list | tuple) and messages:
        last = messages[-1]
        if isinstance(last, BaseMessage):
            return text_of(last)
        if isinstance(last, Mapping) and isinstance(last.get("content"), str):
            return str(last["content"])
    return None


def text_of(message: BaseMessage) -> str:
    """Return the text of a message."""
    text = message.text
    return text if isinstance(text, str) else str(text)
