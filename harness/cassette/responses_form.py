"""The two forms of an answer of the Responses API: the events of a stream, and the whole response."""

from collections.abc import Iterator
from typing import Any

from harness.cassette.event_stream import pieces

_ENDS = {"response.completed", "response.incomplete", "response.failed"}
_STAGES = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "mcp_list_tools": ("in_progress", "completed"),
}
_GIVEN = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
    "mcp_call": ("arguments", "response.mcp_call_arguments"),
    "code_interpreter_call": ("code", "response.code_interpreter_call_code"),
}
_TEXTS = {
    "output_text": ("text", "response.output_text"),
    "refusal": ("refusal", "response.refusal"),
    "reasoning_text": ("text", "response.reasoning_text"),
}


def is_whole(body: dict[str, Any]) -> bool:
    """Tell a whole response by its fields."""
    return body.get("object") == "response"


def is_event(chunk: dict[str, Any]) -> bool:
    """Tell an event that holds a response as far as it is there."""
    return isinstance(chunk.get("response"), dict)


def merge(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the response that the last event holds; items that it leaves out are taken from their own events."""
    whole = dict([chunk["response"] for chunk in chunks if is_event(chunk)][-1])
    if not whole.get("output"):
        done = {chunk["output_index"]: chunk["item"] for chunk in chunks if chunk.get("type") == "response.output_item.done"}
        whole["output"] = [done[index] for index in sorted(done)]
    return whole


def flaw_of_stream(chunks: list[dict[str, Any]]) -> str | None:
    """Say why a stream does not hold the whole answer."""
    return None if any(chunk.get("type") in _ENDS for chunk in chunks) else "the stream was cut off"


def flaw_of_whole(body: dict[str, Any]) -> str | None:
    """Say why a whole response makes no stream."""
    if f"response.{body.get('status')}" not in _ENDS:
        return f"its status is {body.get('status')!r}"
    return None if isinstance(body.get("output"), list) else "it has a shape that is not known"


def cut(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Cut a whole response into numbered events, texts a word each."""
    nothing: dict[str, Any] = dict.fromkeys(body.keys() & {"usage", "error", "incomplete_details", "completed_at"})
    started = {**body, **nothing, "status": "in_progress", "output": []}
    lines: list[dict[str, Any]] = [{"type": f"response.{name}", "response": started} for name in ("created", "in_progress")]
    for index, item in enumerate(body["output"]):
        lines += _item_events(index, item)
    lines.append({"type": f"response.{body['status']}", "response": body})
    return [{**line, "sequence_number": number} for number, line in enumerate(lines)]


def _item_events(index: int, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at = {"item_id": item.get("id") or f"item_{index}", "output_index": index}
    yield {"type": "response.output_item.added", "output_index": index, "item": _begun(item)}
    kind = str(item.get("type"))
    stages = [f"response.{kind}.{stage}" for stage in _STAGES.get(kind, ())]
    yield from ({"type": stage, **at} for stage in stages[:-1])
    if kind in _GIVEN and isinstance(item.get(_GIVEN[kind][0]), str):
        yield from _given_events(at, item, *_GIVEN[kind])
    for place, part in enumerate(item.get("summary") or []):
        yield from _summary_events({**at, "summary_index": place}, part)
    for place, part in enumerate(item.get("content") or []):
        yield from _part_events({**at, "content_index": place}, part)
    yield from ({"type": stage, **at} for stage in stages[-1:])
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _begun(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as it is when it is announced."""
    begun: dict[str, Any] = {key: value for key, value in item.items() if key != "encrypted_content"}
    for key in ("content", "summary"):
        if isinstance(item.get(key), list):
            begun[key] = []
    if item.get("type") in _GIVEN:
        key = _GIVEN[str(item["type"])][0]
        begun[key] = "" if isinstance(item.get(key), str) else item.get(key)
    if item.get("status"):
        begun["status"] = "in_progress"
    return begun


def _given_events(at: dict[str, Any], item: dict[str, Any], key: str, event: str) -> Iterator[dict[str, Any]]:
    yield {"type": f"{event}.delta", **at, "delta": item[key]}
    name = {"name": item.get("name")} if item["type"] == "function_call" else {}
    yield {"type": f"{event}.done", **at, key: item[key], **name}


def _summary_events(at: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    event = "response.reasoning_summary"
    text = part.get("text") or ""
    yield {"type": f"{event}_part.added", **at, "part": {**part, "text": ""}}
    yield from ({"type": f"{event}_text.delta", **at, "delta": piece} for piece in pieces(text))
    yield {"type": f"{event}_text.done", **at, "text": text}
    yield {"type": f"{event}_part.done", **at, "part": part}


def _part_events(at: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    key, event = _TEXTS.get(str(part.get("type")), ("", ""))
    text = part.get(key) or ""
    emptied: dict[str, Any] = {"annotations": []} if "annotations" in part else {}
    yield {"type": "response.content_part.added", **at, "part": {**part, **emptied, key: ""} if key else part}
    if key:
        tokens = [{**at, "delta": piece, **logprobs} for piece, logprobs in _words(text, part)]
        yield from ({"type": f"{event}.delta", **token} for token in tokens)
        for number, annotation in enumerate(part.get("annotations") or []):
            yield {"type": "response.output_text.annotation.added", **at, "annotation_index": number, "annotation": annotation}
        told = {"logprobs": part.get("logprobs") or []} if event == "response.output_text" else {}
        yield {"type": f"{event}.done", **at, key: text, **told}
    yield {"type": "response.content_part.done", **at, "part": part}


def _words(text: str, part: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a text by its tokens where they are told, else by its words; with log probabilities if its kind has them."""
    tokens = part.get("logprobs") or []
    if tokens and "".join(token["token"] for token in tokens) == text:
        yield from ((token["token"], {"logprobs": [token]}) for token in tokens)
        return
    nothing: dict[str, Any] = {"logprobs": []} if part.get("type") == "output_text" else {}
    yield from ((piece, nothing) for piece in pieces(text))
