"""Messages as LangChain traces them, in the form in which an OpenAI-compatible server is asked and answers."""

import json
from collections.abc import Mapping
from typing import Any

_ROLES = {
    "human": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "system": "system",
    "SystemMessageChunk": "system",
    "tool": "tool",
    "ToolMessageChunk": "tool",
}
_KINDS = {"HumanMessage": "human", "AIMessage": "ai", "AIMessageChunk": "ai", "SystemMessage": "system", "ToolMessage": "tool"}
_SENT = frozenset({"text", "image_url", "input_audio", "file"})
_NOT_SENT = frozenset({"tool_use", "thinking", "reasoning_content", "function_call"})
_KEPT = ("content", "name", "id", "tool_calls", "tool_call_id", "status", "role")


class Unshown(Exception):
    """A run that does not show what would have to be known of it."""


def is_serialised(value: object) -> bool:
    """Tell an object of LangChain in its serialised form."""
    return isinstance(value, dict) and "lc" in value and isinstance(value.get("kwargs"), dict)


def fields_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a message, which a serialised one has under `kwargs`; older tracers told its type by its class alone."""
    if not is_serialised(message):
        return dict(message)
    names = message.get("id")
    kind = _KINDS.get(str(names[-1])) if isinstance(names, list) and names else None
    return {**({"type": kind} if kind else {}), **message["kwargs"]}


def plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as the plain object that LangGraph takes for one; Unshown for another object of LangChain."""
    found = fields_of(message)
    if found.get("type") not in _ROLES:
        kind = ".".join(map(str, message.get("id") or ["an object"]))
        lack = f"{kind} is no JSON"
        raise Unshown(lack)
    return {"type": found["type"], **{name: found[name] for name in _KEPT if found.get(name) not in (None, [])}}


def asked_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as a server is sent it."""
    found = fields_of(message)
    if "role" in found:
        return found
    role = role_of(found)
    asked: dict[str, Any] = {"role": role, "content": _content(found.get("content"))}
    if role == "tool":
        return {**asked, "tool_call_id": found.get("tool_call_id")}
    asked |= {"name": found["name"]} if found.get("name") else {}
    calls = tool_calls(found) if role == "assistant" else []
    return {**asked, "content": asked["content"] or None, "tool_calls": calls} if calls else asked


def role_of(found: Mapping[str, Any]) -> str:
    """Return the role that a message is sent with; Unshown where that is not known."""
    role = _ROLES.get(str(found.get("type")))
    if role is None:
        lack = f"a message of the type {found.get('type')!r} is not known"
        raise Unshown(lack)
    return str(_dict(found.get("additional_kwargs")).get("__openai_role__", role))


def answered_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message of an answer as a server sends it; Unshown where the content is none of a chat completion."""
    found = fields_of(message)
    content = found.get("content")
    if not isinstance(content, str):
        lack = "what was said is in blocks, not of a chat completion"
        raise Unshown(lack)
    answered: dict[str, Any] = {"role": "assistant", "content": content or None}
    refusal = _dict(found.get("additional_kwargs")).get("refusal")
    answered |= {"refusal": refusal} if refusal else {}
    calls = tool_calls(found)
    return {**answered, "tool_calls": calls} if calls else {**answered, "content": content}


def tool_calls(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of an assistant's message, those whose arguments are no JSON after the others."""
    valid = [_call(call, json.dumps(call.get("args"), ensure_ascii=False)) for call in _dicts(found.get("tool_calls"))]
    invalid = [_call(call, str(call.get("args") or "")) for call in _dicts(found.get("invalid_tool_calls"))]
    return valid + invalid or _dicts(_dict(found.get("additional_kwargs")).get("tool_calls"))


def _call(call: Mapping[str, Any], arguments: str) -> dict[str, Any]:
    return {"id": call.get("id"), "type": "function", "function": {"name": call.get("name"), "arguments": arguments}}


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    blocks = [block for block in content if not (isinstance(block, dict) and block.get("type") in _NOT_SENT)]
    unknown = next((block for block in blocks if not isinstance(block, str) and not _is_sent(_dict(block))), None)
    if unknown is not None:
        lack = f"how a block of the type {_dict(unknown).get('type')!r} was sent is not known"
        raise Unshown(lack)
    return blocks


def _is_sent(block: Mapping[str, Any]) -> bool:
    """Tell a block that is sent as it is: a file of LangChain's own form is not."""
    return block.get("type") in _SENT and (block["type"] != "file" or "file" in block)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
