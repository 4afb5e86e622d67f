"""The two forms of an Anthropic message: the events of a stream, and the whole message."""

from collections.abc import Iterator
from typing import Any

from harness.cassette.event_stream import in_ascii, pieces
from harness.schema import read_json

_ENDING = ("stop_reason", "stop_sequence", "stop_details", "container")
_COUNTED = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)
_PIECES = {"text_delta": "text", "thinking_delta": "thinking"}
_STREAMED: dict[str, dict[str, type]] = {
    "text": {"text": str, "citations": list},
    "thinking": {"thinking": str, "signature": str},
    "": {"input": dict},
}
_DELTAS = frozenset({*_PIECES, "input_json_delta", "citations_delta", "signature_delta"})


def is_whole(body: dict[str, Any]) -> bool:
    """Tell a whole message by its fields."""
    return body.get("type") == "message" and isinstance(body.get("content"), list)


def is_event(chunk: dict[str, Any]) -> bool:
    """Tell the event that begins a message."""
    return chunk.get("type") == "message_start"


def merge(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Merge the events of one stream into the whole message."""
    whole: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    given: dict[int, str] = {}
    for chunk in chunks:
        kind, index = chunk.get("type"), chunk.get("index", -1)
        if kind == "message_start":
            whole |= chunk.get("message") or {}
        elif kind == "content_block_start":
            blocks[index] = dict(chunk.get("content_block") or {})
        elif kind == "content_block_delta" and index in blocks:
            delta = chunk.get("delta") or {}
            given[index] = given.get(index, "") + (delta.get("partial_json") or "")
            _add(blocks[index], delta)
        elif kind == "message_delta":
            _end(whole, chunk)
    for index, text in given.items():
        if text:
            blocks[index]["input"] = _json_or_text(text)
    return {**whole, "content": [blocks[index] for index in sorted(blocks)]}


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    key = _PIECES.get(str(delta.get("type")))
    if key is not None:
        block[key] = (block.get(key) or "") + delta.get(key, "")
    elif delta.get("type") == "signature_delta":
        block["signature"] = delta.get("signature")
    elif delta.get("type") == "citations_delta":
        block["citations"] = [*(block.get("citations") or []), delta.get("citation")]


def _end(whole: dict[str, Any], chunk: dict[str, Any]) -> None:
    more = {key: value for key, value in chunk.items() if key not in {"type", "delta", "usage"}}
    whole |= more | (chunk.get("delta") or {})
    counted = {key: value for key, value in (chunk.get("usage") or {}).items() if value is not None}
    whole["usage"] = {**(whole.get("usage") or {}), **counted}


def _json_or_text(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text


def flaw_of_stream(chunks: list[dict[str, Any]], whole: dict[str, Any]) -> str | None:
    """Say why a merged stream is not the whole message."""
    if not any(chunk.get("type") == "message_stop" for chunk in chunks):
        return "the stream was cut off"
    deltas = {str((chunk.get("delta") or {}).get("type")) for chunk in chunks if chunk.get("type") == "content_block_delta"}
    if deltas - _DELTAS:
        return f"the stream holds pieces of a kind that is not known ({', '.join(sorted(deltas - _DELTAS))})"
    if any(not isinstance(block.get("input", {}), dict) for block in whole["content"]):
        return "the stream holds the input of a tool that is not whole"
    return None


def flaw_of_whole(body: dict[str, Any]) -> str | None:
    """Say why a whole message makes no stream."""
    return None if all(isinstance(block, dict) for block in body["content"]) else "it has a shape that is not known"


def cut(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Cut a whole message into events, texts a word each."""
    usage = body.get("usage") or {}
    begun = {**body, **{key: None for key in _ENDING if key in body}, "content": []}
    lines: list[dict[str, Any]] = [{"type": "message_start", "message": {**begun, "usage": {**usage, "output_tokens": 0}}}]
    for index, block in enumerate(body["content"]):
        lines += _block_events(index, block)
    ending = {key: body[key] for key in _ENDING if key in body}
    counted = {key: usage[key] for key in _COUNTED if usage.get(key) is not None}
    return [*lines, {"type": "message_delta", "delta": ending, "usage": counted}, {"type": "message_stop"}]


def _block_events(index: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at = {"index": index}
    deltas = list(_deltas(block))
    yield {"type": "content_block_start", **at, "content_block": _begun(block)}
    yield from ({"type": "content_block_delta", **at, "delta": delta} for delta in deltas)
    yield {"type": "content_block_stop", **at}


def _begun(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block as it is when it is announced."""
    emptied: dict[str, Any] = {key: "" for key in ("text", "thinking", "signature") if _streams(block, key)}
    if _streams(block, "input"):
        emptied["input"] = {}
    if _streams(block, "citations"):
        emptied["citations"] = []
    return {**block, **emptied}


def _streams(block: dict[str, Any], key: str) -> bool:
    """Tell whether a field of a block comes in pieces."""
    kinds = _STREAMED.get(str(block.get("type")), _STREAMED[""])
    return key in kinds and isinstance(block.get(key), kinds[key])


def _deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind, key in _PIECES.items():
        if _streams(block, key):
            yield from ({"type": kind, key: piece} for piece in pieces(block[key]))
    if _streams(block, "citations"):
        yield from ({"type": "citations_delta", "citation": citation} for citation in block["citations"])
    if _streams(block, "signature"):
        yield {"type": "signature_delta", "signature": block["signature"]}
    if _streams(block, "input"):
        yield {"type": "input_json_delta", "partial_json": in_ascii(block["input"])}
