"""What a response says: model, usage, finish reason, tool calls, text; from a whole body or a stream of events.

Formats: OpenAI chat completions, Responses API and embeddings; Anthropic messages. SSE and JSON are told apart by the body.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.cassette.exchange import Response
from harness.schema import read_json
from harness.trace import ToolRequest, Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """What could be read of a response; None and () where it does not say."""

    model: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    tool_requests: tuple[ToolRequest, ...] = ()
    text: str | None = None
    error: str | None = None


def is_event_stream(body: bytes) -> bool:
    """Tell a server-sent event stream by its body."""
    head = body[:64].lstrip()
    return head.startswith((b"data:", b"event:", b": "))


def events(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a server-sent event stream; events that hold none are passed over."""
    for line in body.splitlines():  # of bytes: a text would be cut at U+2028 too
        if line.startswith(b"data:"):
            try:
                value = json.loads(line[5:].decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value


def whole_body(body: bytes) -> dict[str, Any] | None:
    """Return the response as one object: its JSON, or its events merged; None where it is neither."""
    if is_event_stream(body):
        return merge_events(list(events(body)))
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def merge_events(chunks: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Merge the events of one stream into the object that the whole form would have been."""
    if any(chunk.get("object") == "chat.completion.chunk" or "choices" in chunk for chunk in chunks):
        return _merge_chat(chunks)
    failed = next((chunk for chunk in chunks if chunk.get("type") == "error" or chunk.get("error")), None)
    if failed:
        return {"error": failed.get("error") or failed}
    finished = [chunk["response"] for chunk in chunks if isinstance(chunk.get("response"), dict)]
    if finished:
        return dict(finished[-1])
    if any(chunk.get("type") == "message_start" for chunk in chunks):
        return _merge_anthropic(chunks)
    return None


def _merge_chat(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {"object": "chat.completion", "choices": []}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        whole |= {key: chunk[key] for key in _CHUNK_KEYS if chunk.get(key) not in (None, "")}
        if chunk.get("object") == "text_completion":
            whole["object"] = "text_completion"
        for part in chunk.get("choices") or []:
            _add_choice(choices, part)
    whole["choices"] = [choices[index] for index in sorted(choices)]
    return whole


_CHUNK_KEYS = ("id", "created", "model", "system_fingerprint", "service_tier", "error", "usage")


def _add_choice(choices: dict[int, dict[str, Any]], part: dict[str, Any]) -> None:
    index = part.get("index") or 0
    choice = choices.setdefault(index, {"index": index, "finish_reason": None})
    if "text" in part:
        choice["text"] = choice.get("text", "") + (part["text"] or "")
    else:
        message = choice.setdefault("message", {"role": "assistant", "content": None})
        _add_delta(message, part.get("delta") or {})
    choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]


def _add_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for key, value in delta.items():
        if isinstance(value, str) and key != "role":
            message[key] = (message.get(key) or "") + value
        elif key == "function_call" and value:
            called = message.setdefault(key, {"name": "", "arguments": ""})
            message[key] = {part: called[part] + (value.get(part) or "") for part in called}
        elif key != "tool_calls" and value is not None:
            message[key] = value
    for part in delta.get("tool_calls") or []:
        calls = message.setdefault("tool_calls", [])
        while len(calls) <= part.get("index", 0):
            calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
        call = calls[part.get("index", 0)]
        call["id"] = part.get("id") or call["id"]
        call["type"] = part.get("type") or call["type"]
        function = part.get("function") or {}
        for key in ("name", "arguments"):
            call["function"][key] += function.get(key) or ""


def _merge_anthropic(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        if chunk.get("type") == "message_start":
            whole |= chunk.get("message") or {}
        elif chunk.get("type") == "content_block_start":
            blocks[chunk["index"]] = dict(chunk.get("content_block") or {}) | {"_json": ""}
        elif chunk.get("type") == "content_block_delta" and chunk.get("index") in blocks:
            delta = chunk.get("delta") or {}
            block = blocks[chunk["index"]]
            block["text"] = block.get("text", "") + delta.get("text", "")
            block["_json"] += delta.get("partial_json", "")
        elif chunk.get("type") == "message_delta":
            whole |= chunk.get("delta") or {}
            whole["usage"] = {**(whole.get("usage") or {}), **(chunk.get("usage") or {})}
    for block in blocks.values():
        arguments = block.pop("_json")
        if arguments:
            block["input"] = _json_or_text(arguments)
    whole["content"] = [blocks[index] for index in sorted(blocks)]
    return whole


def read(response: Response) -> Answer:
    """Read what a response says; an answer of a shape that no provider documents says nothing."""
    try:
        body = whole_body(response.body)
        return Answer() if body is None else _read_body(body)
    except (AttributeError, LookupError, TypeError, ValueError):
        return Answer()


def _read_body(body: dict[str, Any]) -> Answer:
    if body.get("error"):
        return Answer(error=_error_text(body["error"]))
    if "choices" in body:
        return _read_chat(body)
    if body.get("object") == "response" or "output" in body:
        return _read_responses(body)
    if body.get("type") == "message":
        return _read_anthropic(body)
    return Answer(model=body.get("model"), usage=_usage(body.get("usage")))


def _error_text(error: Any) -> str:
    if isinstance(error, dict):
        return str(error.get("message") or error.get("code") or error.get("type") or "error")
    return str(error)


def _read_chat(body: dict[str, Any]) -> Answer:
    choices = body["choices"] or [{}]
    message = choices[0].get("message") or {}
    requests = tuple(
        ToolRequest(name=call["function"].get("name") or "", args=_json_or_text(call["function"].get("arguments") or ""))
        for call in message.get("tool_calls") or []
        if isinstance(call.get("function"), dict)
    )
    text = message.get("content") if message else choices[0].get("text")
    return Answer(
        model=body.get("model"),
        usage=_usage(body.get("usage")),
        finish_reason=choices[0].get("finish_reason"),
        tool_requests=requests,
        text=text if isinstance(text, str) else None,
    )


def _read_responses(body: dict[str, Any]) -> Answer:
    items = [item for item in body.get("output") or [] if isinstance(item, dict)]
    requests = tuple(
        ToolRequest(name=item.get("name") or "", args=_json_or_text(item.get("arguments") or ""))
        for item in items
        if item.get("type") == "function_call"
    )
    texts = [part.get("text", "") for item in items if item.get("type") == "message" for part in item.get("content") or []]
    return Answer(
        model=body.get("model"),
        usage=_usage(body.get("usage")),
        finish_reason=body.get("status"),
        tool_requests=requests,
        text="".join(texts) if texts else None,
    )


def _read_anthropic(body: dict[str, Any]) -> Answer:
    blocks = [block for block in body.get("content") or [] if isinstance(block, dict)]
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    requests = tuple(ToolRequest(name=call.get("name") or "", args=call.get("input")) for call in calls)
    texts = [block.get("text", "") for block in blocks if block.get("type") == "text"]
    return Answer(
        model=body.get("model"),
        usage=_anthropic_usage(body.get("usage")),
        finish_reason=body.get("stop_reason"),
        tool_requests=requests,
        text="".join(texts) if texts else None,
    )


def _usage(usage: Any) -> Usage | None:
    """Read OpenAI's two forms of usage: prompt/completion tokens, and input/output tokens."""
    if not isinstance(usage, dict) or not isinstance(usage.get("prompt_tokens", usage.get("input_tokens")), int):
        return None
    inputs = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    outputs = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    return Usage(
        input_tokens=usage.get("prompt_tokens", usage.get("input_tokens")) or 0,
        output_tokens=usage.get("completion_tokens", usage.get("output_tokens")) or 0,
        cached_input_tokens=inputs.get("cached_tokens") or 0,
        reasoning_tokens=outputs.get("reasoning_tokens") or 0,
    )


def _anthropic_usage(usage: Any) -> Usage | None:
    """Read Anthropic's usage, whose input tokens leave the cached ones out."""
    if not isinstance(usage, dict) or "input_tokens" not in usage:
        return None
    cached = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    return Usage(
        input_tokens=(usage["input_tokens"] or 0) + cached + written,
        output_tokens=usage.get("output_tokens") or 0,
        cached_input_tokens=cached,
    )


def _json_or_text(text: str) -> Any:
    try:
        return read_json(text) if text else {}
    except ValueError:
        return text
