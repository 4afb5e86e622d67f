"""Conversations as exports hold them: chat messages of OpenAI's or LangChain's form, and what they show of a trial."""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from harness.schema import read_json
from harness.trace import Place, ToolCall

_Message = Mapping[str, JsonValue]
_ASSISTANT = frozenset({"assistant", "ai", "AIMessageChunk"})


class Chat(NamedTuple):
    """What a conversation shows: the tools that were called, and what the assistant said last."""

    tools: tuple[ToolCall, ...]
    text: str | None


def chat(messages: JsonValue) -> Chat | None:
    """Return what a list of messages shows; None where it is none."""
    if not isinstance(messages, list):
        return None
    found = [_plain(message) for message in messages if isinstance(message, dict)]
    if not any(_role(message) for message in found):
        return None
    said = [_text(message.get("content")) for message in found if _role(message) in _ASSISTANT]
    return Chat(tuple(_tools(found)), next((text for text in reversed(said) if text), None))


def _plain(message: _Message) -> _Message:
    """Return a message as such, which LangChain may have wrapped to be loaded again."""
    inner = message.get("kwargs") if "lc" in message else message.get("data") if "role" not in message else None
    if not isinstance(inner, dict):
        return message
    names = message.get("id")
    last = str(names[-1]) if isinstance(names, list) and names else ""
    kind = {"AIMessage": "ai", "AIMessageChunk": "ai", "ToolMessage": "tool", "HumanMessage": "human", "SystemMessage": "system"}.get(last)
    return {"type": kind or message.get("type"), **inner} if "type" not in inner or kind else inner


def _role(message: _Message) -> str:
    return str(message.get("role") or message.get("type") or "")


def _text(content: JsonValue) -> str:
    """Return the text of a message, or of those of its parts that have one."""
    if isinstance(content, str):
        return content
    parts = [part.get("text") if isinstance(part, dict) else part for part in content] if isinstance(content, list) else []
    return "".join(part for part in parts if isinstance(part, str))


def _tools(messages: list[_Message]) -> Iterator[ToolCall]:
    """Yield the tool calls that an assistant's message asks for, each with the answer that names it."""
    answers = {str(message.get("tool_call_id") or message.get("id")): message for message in messages if _role(message) == "tool"}
    for message in messages:
        calls = message.get("tool_calls") if _role(message) in _ASSISTANT else None
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield _tool(call, answers.get(str(call.get("id")), {}))


def _tool(call: _Message, answer: _Message) -> ToolCall:
    function = call.get("function")
    asked = function if isinstance(function, dict) else call
    args = asked.get("arguments", asked.get("args"))
    output = answer.get("content")
    return ToolCall(
        place=Place(),
        name=str(asked.get("name")),
        args=_parsed(args) if isinstance(args, str) else args,
        output=output if isinstance(output, str) or output is None else json.dumps(output),
        error="the tool's message says that it failed" if answer.get("status") == "error" or answer.get("error") is True else None,
    )


def _parsed(text: str) -> JsonValue:
    try:
        value: JsonValue = read_json(text)
    except ValueError:
        return text
    return value
