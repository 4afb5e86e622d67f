"""The two forms of one chat completion: a whole body, and a stream of events. Each can stand in for the other.

A whole answer is cut into one chunk a word, so that the same answer always gives the same stream.
"""

import json
import re
from dataclasses import replace
from typing import Any

from harness.cassette.answer import is_event_stream, whole_body
from harness.cassette.exchange import Response

_WORDS = re.compile(r"\S+\s*|\s+")


def fit(response: Response, *, streamed: bool) -> tuple[Response, bool]:
    """Return the response in the form the client asked for, and whether that took a conversion."""
    if response.status >= 400 or is_event_stream(response.body) == streamed:  # noqa: PLR2004, HTTP's first error status
        return response, False
    try:
        return _converted(response, streamed=streamed)
    except (AttributeError, LookupError, TypeError):  # not the shape of an answer
        return response, False


def _converted(response: Response, *, streamed: bool) -> tuple[Response, bool]:
    body = whole_body(response.body)
    if body is None or body.get("error"):
        return response, False
    is_chat = "choices" in body and body.get("object") in {"chat.completion", None}
    if not is_chat and body.get("object") != "response":
        return response, False
    if not streamed:
        return _with_body(response, _line(body), "application/json"), True
    stream = _chat_stream(body) if is_chat else _responses_stream(body)
    return _with_body(response, stream, "text/event-stream"), True


def _line(value: Any) -> str:
    """Return JSON in ASCII: half a pair of surrogates, cut apart by a stream, is whole again when both halves are side by side."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _with_body(response: Response, body: str, content_type: str) -> Response:
    headers = tuple((key, value) for key, value in response.headers if key.lower() != "content-type")
    return replace(response, body=body.encode(), headers=(("content-type", content_type), *headers))


def _chat_stream(body: dict[str, Any]) -> str:
    head = {key: body[key] for key in ("id", "created", "model", "system_fingerprint") if key in body} | {"object": "chat.completion.chunk"}
    lines = []
    for choice in body.get("choices") or []:
        index = choice.get("index", 0)
        said = [{"index": index, "delta": delta, "finish_reason": None} for delta in _deltas(choice.get("message") or {})]
        last = {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason")}
        lines += [{**head, "choices": [part]} for part in (*said, last)]
    if body.get("usage"):
        lines.append({**head, "choices": [], "usage": body["usage"]})
    return "".join(f"data: {_line(line)}\n\n" for line in lines) + "data: [DONE]\n\n"


def _deltas(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    others = {key: value for key, value in message.items() if key not in {"role", "content", "tool_calls"} and value}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if content is None else "", **others}]
    deltas += [{"content": word} for word in _WORDS.findall(content or "")]
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call.get("function") or {}
        named = {"name": function.get("name"), "arguments": ""}
        deltas.append({"tool_calls": [{"index": index, "id": call.get("id"), "type": "function", "function": named}]})
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": function.get("arguments") or ""}}]})
    return deltas


def _responses_stream(body: dict[str, Any]) -> str:
    started = {**body, "status": "in_progress", "output": [], "usage": None}
    lines: list[dict[str, Any]] = [{"type": "response.created", "response": started}]
    for index, item in enumerate(body.get("output") or []):
        lines += _item_events(index, item)
    end = "incomplete" if body.get("status") == "incomplete" else "completed"
    lines.append({"type": f"response.{end}", "response": body})
    numbered = [{**line, "sequence_number": number} for number, line in enumerate(lines)]
    return "".join(f"event: {line['type']}\ndata: {_line(line)}\n\n" for line in numbered)


def _item_events(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    at = {"output_index": index, "item_id": item.get("id", f"item_{index}")}
    emptied: dict[str, Any] = {}
    lines: list[dict[str, Any]] = []
    if item.get("type") == "message":
        emptied = {"content": []}
        for place, part in enumerate(item.get("content") or []):
            lines += _part_events({**at, "content_index": place}, part)
    elif item.get("type") == "function_call":
        emptied = {"arguments": ""}
        arguments = item.get("arguments") or ""
        lines.append({"type": "response.function_call_arguments.delta", **at, "delta": arguments})
        lines.append({"type": "response.function_call_arguments.done", **at, "arguments": arguments, "name": item.get("name")})
    opened = {"type": "response.output_item.added", "output_index": index, "item": {**item, **emptied}}
    return [opened, *lines, {"type": "response.output_item.done", "output_index": index, "item": item}]


def _part_events(at: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    is_refusal = part.get("type") == "refusal"
    kind, key = ("refusal", "refusal") if is_refusal else ("output_text", "text")
    extra: dict[str, Any] = {} if is_refusal else {"logprobs": []}
    said = part.get(key) or ""
    return [
        {"type": "response.content_part.added", **at, "part": {**part, key: ""}},
        *({"type": f"response.{kind}.delta", **at, "delta": word, **extra} for word in _WORDS.findall(said)),
        {"type": f"response.{kind}.done", **at, key: said, **extra},
        {"type": "response.content_part.done", **at, "part": part},
    ]
