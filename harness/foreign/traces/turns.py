"""Messages of LangChain as turns of Anthropic's API, in the form in which its client sends them."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.foreign.traces.messages import Unshown, fields_of, role_of
from harness.foreign.traces.seen import table

_KEPT = {
    "text": ("type", "text", "cache_control", "citations"),
    "thinking": ("type", "thinking", "cache_control", "signature"),
    "redacted_thinking": ("type", "cache_control", "data"),
}
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_DATA = re.compile(r"data:(image/.+);base64,(.+)")

_Block = dict[str, Any]
_Message = Mapping[str, Any]


def asked_turns(messages: Sequence[_Message]) -> tuple[Any, list[_Block]]:
    """Return the system prompt, None where there is none, and the turns that a conversation is sent as."""
    system: Any = None
    turns: list[_Block] = []
    for message in messages:
        found = fields_of(message)
        role = role_of(found)
        if role == "system":
            if turns:
                lack = "where a system message was sent that is not the first is not known"
                raise Unshown(lack)
            system = _joined(system, _content(found.get("content")))
        elif role == "assistant":
            turns.append({"role": "assistant", "content": _answer(found)})
        else:
            content = [_of_tool(found)] if role == "tool" else _content(found.get("content"))
            _add(turns, content)
    return system, _without_blanks(turns)


def _joined(before: Any, content: Any) -> Any:
    return content if before is None else [*_blocks(before), *_blocks(content)]


def _blocks(content: Any) -> list[_Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _add(turns: list[_Block], content: Any) -> None:
    """Add what a person or a tool says: one turn with what was said before it."""
    if turns and turns[-1]["role"] == "user":
        turns[-1]["content"] = _joined(turns[-1]["content"], content)
    else:
        turns.append({"role": "user", "content": content})


def _without_blanks(turns: list[_Block]) -> list[_Block]:
    """Return turns without empty answers, and the last one without spaces at its end if it is begun for the model."""
    kept = [turn for turn in turns if turn["content"] or turn["role"] == "user"]
    last = kept[-1]["content"] if kept and kept[-1]["role"] == "assistant" else None
    if isinstance(last, str):
        kept[-1]["content"] = last.rstrip()
    return kept


def _of_tool(found: _Message) -> _Block:
    is_error = found.get("status") == "error"
    content = _content(found.get("content"))
    if isinstance(content, list) and any("cache_control" in block for block in content):
        lack = "where the mark for a cache was sent is not known"
        raise Unshown(lack)
    return {"type": "tool_result", "content": content, "tool_use_id": call_name(found.get("tool_call_id")), "is_error": is_error}


def call_name(told: Any) -> Any:
    """Return the id of a call as it was sent: one of other letters than Anthropic's is told by its digest."""
    if not isinstance(told, str) or not told or _NAME.fullmatch(told):
        return told
    return f"toolu_{hashlib.sha256(told.encode()).hexdigest()[:24]}"


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    sent = [_block({"type": "text", "text": block} if isinstance(block, str) else table(block)) for block in content]
    return [block for block in sent if block.get("type") != "text" or str(block.get("text")).strip()]


def _block(block: _Block) -> _Block:
    kind = str(block.get("type"))
    if kind in _KEPT:
        return {name: block[name] for name in _KEPT[kind] if name in block}
    if kind in {"image", "document"} and isinstance(block.get("source"), dict):
        return block
    if kind == "image_url":
        return {"type": "image", "source": _source(str(table(block.get("image_url")).get("url")))}
    lack = f"how a block of the type {kind!r} was sent is not known"
    raise Unshown(lack)


def _source(url: str) -> _Block:
    found = _DATA.fullmatch(url)
    return {"type": "base64", "media_type": found[1], "data": found[2]} if found else {"type": "url", "url": url}


def _answer(found: _Message) -> Any:
    """Return an earlier answer: its blocks, its calls as LangChain has read them, and those that no block is of."""
    calls = {call.get("id"): _call(call, call.get("args")) for call in found.get("tool_calls") or () if isinstance(call, dict)}
    broken = {call.get("id"): _call(call, _parsed(call.get("args"))) for call in found.get("invalid_tool_calls") or () if call.get("name")}
    content = found.get("content")
    if not calls and not broken:
        return _content(content)
    sent: list[_Block] = []
    for block in _blocks(content) if content else ():
        kept = table(block)
        sent += [_called(kept, calls)] if kept.get("type") == "tool_use" else _content([block])
    there = {block.get("id") for block in sent}
    return sent + [call for call in [*calls.values(), *broken.values()] if call["id"] not in there]


def _called(block: _Block, calls: Mapping[Any, _Block]) -> _Block:
    if block.get("caller"):
        lack = "how a call within another was sent is not known"
        raise Unshown(lack)
    call = calls.get(block.get("id")) or _call(block, block.get("input") or _parsed(block.get("partial_json")))
    return call | ({"toolset_name": block["toolset_name"]} if block.get("toolset_name") else {})


def _call(call: _Message, given: Any) -> _Block:
    return {"type": "tool_use", "name": call.get("name"), "input": given, "id": call_name(call.get("id"))}


def _parsed(text: Any) -> Any:
    try:
        found = json.loads(text or "{}")
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def answered_blocks(content: Any, calls: Any) -> list[_Block]:
    """Return the blocks of the answer that a message was made of; Unshown where one is not kept as it was given."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    given = {call.get("id"): call.get("args") for call in calls or () if isinstance(call, dict)}
    return [_given(table(block), given) for block in content or ()]


def _given(block: _Block, calls: Mapping[Any, Any]) -> _Block:
    kept = {name: value for name, value in block.items() if name not in {"index", "partial_json"}}
    if block.get("type") == "tool_use" and block.get("id") in calls:
        return {**kept, "input": calls[block["id"]]}
    if block.get("type") in _KEPT:
        return kept
    lack = f"how a block of the type {block.get('type')!r} was answered is not known"
    raise Unshown(lack)
