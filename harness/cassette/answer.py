"""What a response says: model, usage, finish reason, tool calls, text; from a whole body or a stream of events.

Formats: OpenAI chat completions, Responses API and embeddings; Anthropic messages. SSE and JSON are told apart by the body.
"""

import json
from dataclasses import dataclass
from typing import Any

from harness.cassette import anthropic_form, chat_form, responses_form
from harness.cassette.event_stream import events, is_event_stream
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
    refusal: str | None = None
    error: str | None = None


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
    """Merge the events of one stream into the object that the whole form would have been, as far as they go."""
    if any(chat_form.is_chunk(chunk) for chunk in chunks):
        return chat_form.merge(chunks)
    failed = next((chunk for chunk in chunks if chunk.get("type") == "error" or chunk.get("error")), None)
    if failed:
        return {"error": failed.get("error") or failed}
    if any(responses_form.is_event(chunk) for chunk in chunks):
        return responses_form.merge(chunks)
    if any(anthropic_form.is_event(chunk) for chunk in chunks):
        return anthropic_form.merge(chunks)
    return None


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
    refusal = message.get("refusal")
    return Answer(
        model=body.get("model"),
        usage=_usage(body.get("usage")),
        finish_reason=choices[0].get("finish_reason"),
        tool_requests=requests,
        text=text if isinstance(text, str) else None,
        refusal=refusal if isinstance(refusal, str) else None,
    )


def _read_responses(body: dict[str, Any]) -> Answer:
    items = [item for item in body.get("output") or [] if isinstance(item, dict)]
    requests = tuple(
        ToolRequest(name=item.get("name") or "", args=_json_or_text(item.get("arguments") or ""))
        for item in items
        if item.get("type") == "function_call"
    )
    parts = [part for item in items if item.get("type") == "message" for part in item.get("content") or []]
    texts = [part.get("text", "") for part in parts]
    return Answer(
        model=body.get("model"),
        usage=_usage(body.get("usage")),
        finish_reason=body.get("status"),
        tool_requests=requests,
        text="".join(texts) if texts else None,
        refusal="".join(part.get("refusal") or "" for part in parts) or None,
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
