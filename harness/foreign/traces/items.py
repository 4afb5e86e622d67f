"""Messages of LangChain as items of the Responses API: those that were asked, and those that were answered."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.foreign.traces.messages import Unshown, fields_of, role_of, tool_calls
from harness.foreign.traces.seen import table

_TEXTS = {"text": "output_text", "output_text": "output_text", "refusal": "refusal"}
_KEPT = frozenset(
    {
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "compaction",
        "computer_call",
        "custom_tool_call",
        "file_search_call",
        "function_call",
        "image_generation_call",
        "mcp_approval_request",
        "mcp_call",
        "mcp_list_tools",
        "reasoning",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)
_CALLS = frozenset({"function_call", "custom_tool_call"})
_AS_SENT = frozenset({"input_text", "input_image", "input_file"})
_LEFT_OUT = frozenset({"tool_use", "thinking", "reasoning_content"})
_OLDER = frozenset({"reasoning", "tool_outputs", "refusal", "__openai_function_call_ids__"})

_Message = Mapping[str, Any]
_Item = dict[str, Any]


def asked_items(messages: Sequence[_Message], *, is_stored: bool) -> list[_Item]:
    """Return the items that a conversation is sent as; where the server stores no responses, what would point to one is left out."""
    items: list[_Item] = []
    for message in messages:
        found = fields_of(message)
        role = role_of(found)
        if role == "assistant":
            _add_answer(items, found, is_stored=is_stored)
        elif role == "tool":
            items.append({"type": "function_call_output", "output": _input(found), "call_id": found.get("tool_call_id")})
        elif content := _input(found):
            items.append({"type": "message", "role": role, "content": content})
    return items


def _input(found: _Message) -> Any:
    content = found.get("content")
    return [_input_block(table(block)) for block in content] if isinstance(content, list) else content


def _input_block(block: _Item) -> _Item:
    kind = block.get("type")
    if kind in _AS_SENT:
        return block
    if kind == "text":
        return {"type": "input_text", "text": block.get("text")}
    if kind == "image_url" and isinstance(block.get("image_url"), dict):
        shown = block["image_url"]
        return {"type": "input_image", "image_url": shown.get("url"), **({"detail": shown["detail"]} if shown.get("detail") else {})}
    if kind == "file" and isinstance(block.get("file"), dict):
        return {"type": "input_file", **block["file"]}
    raise _unknown(kind)


def _unknown(kind: Any) -> Unshown:
    return Unshown(f"how a block of the type {kind!r} was sent is not known")


def _add_answer(items: list[_Item], found: _Message, *, is_stored: bool) -> None:
    """Add what an earlier answer is sent as: its blocks in their order, then those of its calls that are not among them."""
    content, calls = found.get("content"), tool_calls(found)
    if isinstance(content, str) and (content or not calls):
        items.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": content, "annotations": []}]})
    for block in content if isinstance(content, list) else ():
        _add_block(items, table(block), is_stored=is_stored)
    there = {item.get("call_id") for item in items if item.get("type") in _CALLS}
    items += [{"type": "function_call", **call["function"], "call_id": call["id"]} for call in calls if call["id"] not in there]


def _add_block(items: list[_Item], block: _Item, *, is_stored: bool) -> None:
    kind = str(block.get("type"))
    if kind in _TEXTS:
        _add_text(items, block, is_named=is_stored)
    elif kind == "image_generation_call" or (kind == "reasoning" and "summary" not in block):
        raise _unknown(kind)
    elif kind in _KEPT:
        if kind != "reasoning" or is_stored or block.get("encrypted_content"):
            items.append(_without_index(block))
    elif kind not in _LEFT_OUT:
        raise _unknown(kind)


def _add_text(items: list[_Item], block: _Item, *, is_named: bool) -> None:
    """Add a text to the message that it is part of."""
    name = block.get("id") if is_named and not str(block.get("id")).startswith("lc_") else None
    part = _part(block)
    whole = next((item for item in items if name and item.get("id") == name), None)
    if whole is not None:
        whole["content"].append(part)
        return
    told = {key: value for key, value in (("id", name), ("phase", block.get("phase"))) if value is not None}
    items.append({"type": "message", "role": "assistant", "content": [part], **told})


def _part(block: _Item) -> _Item:
    if block.get("type") == "refusal":
        return {"type": "refusal", "refusal": block.get("refusal")}
    annotations = [_annotation(table(one)) for one in block.get("annotations") or ()]
    return {"type": "output_text", "text": block.get("text"), "annotations": annotations}


def _annotation(told: _Item) -> _Item:
    if told.get("type") in {"citation", "non_standard_annotation"}:
        raise _unknown(told.get("type"))
    named = {"file_index": "index"} if told.get("type") == "file_citation" else {}
    return {named.get(name, name): value for name, value in told.items() if name != "index"}


def _without_index(block: _Item) -> _Item:
    """Return an item without the numbers by which LangChain puts a stream together."""
    item = {name: value for name, value in block.items() if name != "index"}
    if isinstance(item.get("summary"), list):
        item["summary"] = [{name: value for name, value in table(part).items() if name != "index"} for part in item["summary"]]
    return item


def answered_items(message: _Message, *, status: str) -> list[_Item]:
    """Return the items of the response that a message was made of; Unshown where it is not kept in blocks as the API answers them."""
    content = message.get("content")
    blocks = [table(block) for block in content] if isinstance(content, list) else []
    if not isinstance(content, list) or list(_rearranged(message, blocks)):
        lack = "its answer is not kept as the Responses API gave it, but in another `output_version`"
        raise Unshown(lack)
    items: list[_Item] = []
    for block in blocks:
        if block["type"] in _TEXTS:
            _add_text(items, block, is_named=True)
        else:
            items.append(_without_index(block))
    return [{**item, "status": status} if item.get("type") == "message" else item for item in items]


def _rearranged(message: _Message, blocks: Sequence[_Item]) -> Iterator[Any]:
    """Yield what of a message is not where LangChain puts it that keeps an answer as it came."""
    yield from _OLDER & table(message.get("additional_kwargs")).keys()
    yield from (block for block in blocks if block.get("type") not in _KEPT | _TEXTS.keys())
    yield from (block for block in blocks if block.get("type") in {"text", "output_text"} and not block.get("id"))
    yield from (block for block in blocks if block.get("type") == "reasoning" and "summary" not in block)
    there = {block.get("call_id") for block in blocks if block.get("type") in _CALLS}
    yield from (call for call in tool_calls(message) if call.get("id") not in there)
