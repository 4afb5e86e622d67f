"""The chat models: deterministic, short in their answers, and held to a JSON schema where they decide something."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from openai import LengthFinishReasonError

from graphs import chat_models
from graphs.rag_data_agent import database

MAX_DIGITS = 18

Schema = dict[str, Any]
Chat = Callable[[list[BaseMessage]], AIMessage]


def chat_model(name: str, *, max_tokens: int, schema: Schema | None = None) -> Chat:
    """A deterministic chat model with short answers, held to the schema if there is one."""
    chat = chat_models.chat_model(name, max_tokens=max_tokens)
    if schema is None:
        return chat.invoke
    held = chat.bind(response_format={"type": "json_schema", "json_schema": {"name": "decision", "strict": True, "schema": schema}})

    def ask(messages: list[BaseMessage]) -> AIMessage:
        try:
            return held.invoke(messages)
        except LengthFinishReasonError as error:  # cut off: read as far as it goes
            return AIMessage(error.completion.choices[0].message.content or "")

    return ask


def choice(name: str, values: tuple[str, ...]) -> Schema:
    """The schema of an object with one field that has one of these values."""
    return closed({name: {"type": "string", "enum": list(values)}})


def closed(properties: Mapping[str, Schema]) -> Schema:
    """The schema of an object with exactly these fields."""
    return {"type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False}


def argument_schema(kind: type[int] | type[str] | tuple[str, ...]) -> Schema:
    """The schema of one argument of a query."""
    if isinstance(kind, tuple):
        return {"type": "string", "enum": list(kind)}
    return {"type": "integer"} if kind is int else {"type": "string", "maxLength": database.MAX_TEXT}


def query_schema() -> Schema:
    """One of the queries with its own arguments, or none of them."""
    calls = [
        closed(
            {"query": {"type": "string", "enum": [name]}, "arguments": closed({k: argument_schema(v) for k, v in query.arguments.items()})}
        )
        for name, query in database.QUERIES.items()
    ]
    return closed({"call": {"anyOf": [*calls, choice("query", ("none",))]}})


def integer(digits: str) -> int | str:
    """A number in JSON; as text where no database and no checkpointer could hold it."""
    return int(digits) if len(digits) < MAX_DIGITS else digits


def read(answer: AIMessage, key: str) -> Any:
    """A field of a model's JSON answer; None if it cannot be read."""
    try:
        found = json.loads(answer.text, parse_int=integer)
    except json.JSONDecodeError:
        return None
    return found.get(key) if isinstance(found, dict) else None
