"""Calls of Anthropic's client that LangSmith wraps: it traces the system prompt as a message, and tool calls in OpenAI's form."""

import json
from collections.abc import Mapping
from typing import Any

from harness.foreign.traces import anthropic
from harness.foreign.traces.messages import Unshown
from harness.foreign.traces.seen import table

_OF_THE_CLIENT = frozenset({"extra_headers", "extra_query", "extra_body", "timeout", "stream", "messages"})
_ELSEWHERE = frozenset({"betas", "mcp_servers", "output_format"})
_TOLD = ("id", "model", "stop_reason", "stop_sequence")


def asked(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that was sent; Unshown where the client makes something else of what it was given."""
    messages = inputs.get("messages")
    if not isinstance(messages, list) or not isinstance(inputs.get("model"), str) or not _ELSEWHERE.isdisjoint(inputs):
        lack = "its model, its messages or how they were sent is not in it"
        raise Unshown(lack)
    is_led = bool(messages) and table(messages[0]).get("role") == "system"
    system = {"system": messages[0].get("content")} if is_led else {}
    settings = {name: value for name, value in inputs.items() if name not in _OF_THE_CLIENT and value is not None}
    return {**settings, **system, "messages": messages[1:] if is_led else messages, **table(inputs.get("extra_body"))}


def answered(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message that was answered; Unshown where the wrapper has left a part of it out."""
    calls = outputs.get("tool_calls")
    if outputs.get("role") != "assistant" or (calls and inputs.get("thinking")):
        lack = "its answer is not in it, or not whole"
        raise Unshown(lack)
    content = outputs.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
    return {
        "type": "message",
        "role": "assistant",
        **{name: outputs.get(name) for name in _TOLD},
        "content": [*blocks, *(_call(table(call)) for call in calls or ())],
        "usage": anthropic.usage_of(table(outputs.get("usage_metadata"))),
    }


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = table(call.get("function"))
    return {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": json.loads(function.get("arguments") or "{}")}
