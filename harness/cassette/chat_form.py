"""The two forms of a chat completion, or of an old text completion: the chunks of a stream, and the whole body."""

from collections.abc import Iterator
from typing import Any

from harness.cassette.event_stream import pieces

_HEAD = ("id", "created", "model", "system_fingerprint", "service_tier")
_NOT_KEPT = frozenset({"object", "choices", "obfuscation"})
_LABELS = frozenset({"role", "id", "type", "format"})  # what a chunk says again; every other text is a piece of one
_SAID = ("content", "refusal")


def is_whole(body: dict[str, Any]) -> bool:
    """Tell a whole completion by its fields."""
    return "choices" in body and body.get("object") in {"chat.completion", "text_completion", "", None}


def is_chunk(chunk: dict[str, Any]) -> bool:
    """Tell a chunk of a completion by its fields."""
    return chunk.get("object") == "chat.completion.chunk" or "choices" in chunk


def merge(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Merge the chunks of one stream into the whole body."""
    is_old = any(chunk.get("object") == "text_completion" for chunk in chunks)
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        _overlay(whole, {key: value for key, value in chunk.items() if key not in _NOT_KEPT})
        for part in chunk.get("choices") or []:
            _add_choice(choices, part, {"text": ""} if is_old else {"message": {"role": "assistant", "content": None}})
    kind = "text_completion" if is_old else "chat.completion"
    return {**whole, "object": kind, "choices": [choices[index] for index in sorted(choices)]}


def _overlay(whole: dict[str, Any], more: dict[str, Any]) -> None:
    """Lay fields over those that are there; one that says nothing covers nothing."""
    for key, value in more.items():
        if value in (None, ""):
            whole.setdefault(key, value)
        else:
            whole[key] = value


def _add_choice(choices: dict[int, dict[str, Any]], part: dict[str, Any], empty: dict[str, Any]) -> None:
    index = part.get("index") or 0
    choice = choices.setdefault(index, {"index": index, **empty, "finish_reason": None})
    if "text" in choice:
        choice["text"] += part.get("text") or ""
    else:
        _add_delta(choice["message"], part.get("delta") or {})
    if part.get("logprobs") or "logprobs" in part:
        choice["logprobs"] = grown(choice.get("logprobs"), part["logprobs"])
    _overlay(choice, {key: value for key, value in part.items() if key not in {"index", "delta", "text", "logprobs"}})


def _add_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for key, value in delta.items():
        if key != "tool_calls":
            message[key] = grown(message.get(key), value, key=key)
        elif value is not None:
            message[key] = _calls(message.get(key) or [], value)


def grown(before: Any, more: Any, *, key: str = "") -> Any:
    """Return a value and the next piece of it as one: texts and lists are joined, what is a label or a number is said again."""
    if more is None or before is None:
        return before if more is None else more
    if isinstance(more, str) and isinstance(before, str):
        return (more or before) if key in _LABELS else before + more
    if isinstance(more, dict) and isinstance(before, dict):
        return before | {name: grown(before.get(name), value, key=name) for name, value in more.items()}
    if isinstance(more, list) and isinstance(before, list):
        return _joined(before, more)
    return more


def _joined(before: list[Any], more: list[Any]) -> list[Any]:
    """Return the items of two lists; items of the same kind and number are pieces of one."""
    items = list(before)
    for item in more:
        at = _place_of(item, items)
        if at is None:
            items.append(item)
        else:
            items[at] = grown(items[at], item)
    return items


def _place_of(item: Any, items: list[Any]) -> int | None:
    if not isinstance(item, dict) or "index" not in item:
        return None
    same = (place for place, one in enumerate(items) if isinstance(one, dict) and _label(one) == _label(item))
    return next(same, None)


def _label(item: dict[str, Any]) -> tuple[Any, Any]:
    return item.get("type"), item.get("index")


def _calls(calls: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    calls = list(calls)
    for part in more:
        at = part.get("index")
        at = (0 if not part.get("id") else len(calls)) if at is None else at
        while len(calls) <= at:
            calls.append({"id": None, "type": "custom"} if "custom" in part else _empty_call())
        calls[at] = grown(calls[at], {key: value for key, value in part.items() if key != "index"})
    return calls


def _empty_call() -> dict[str, Any]:
    return {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}


def flaw_of_stream(whole: dict[str, Any], *, ended: bool) -> str | None:
    """Say why a merged stream is not the whole answer; `ended` tells that the stream says it is at its end."""
    choices = whole["choices"]
    if whole.get("error") or any(choice["finish_reason"] == "error" for choice in choices):
        return "the stream holds an error"
    if not choices:
        return "the stream holds no answer"
    if not ended and any(choice["finish_reason"] is None for choice in choices):
        return "the stream was cut off"
    if any("=" in _sound(choice).rstrip("=") for choice in choices):
        return "the stream holds sound in pieces"
    return None


def _sound(choice: dict[str, Any]) -> str:
    audio = (choice.get("message") or {}).get("audio")
    return str(audio.get("data") or "") if isinstance(audio, dict) else ""


def flaw_of_whole(body: dict[str, Any]) -> str | None:
    """Say why a whole body makes no stream."""
    choices = body["choices"]
    if not isinstance(choices, list) or not choices:
        return "it holds no answer"
    if not all(isinstance(choice.get("message"), dict) or isinstance(choice.get("text"), str) for choice in choices):
        return "it has a shape that is not known"
    return None


def cut(body: dict[str, Any], *, usage_asked: bool) -> list[dict[str, Any]]:
    """Cut a whole body into chunks, a word each. Usage comes in a chunk of its own where it was asked for, else with the last."""
    kind = "text_completion" if body.get("object") == "text_completion" else "chat.completion.chunk"
    head = {key: body[key] for key in _HEAD if key in body} | {"object": kind}
    lines = [{**head, "choices": [part]} for choice in body["choices"] for part in _parts(choice)]
    lines[0] = {**{key: value for key, value in body.items() if key not in {*_HEAD, "usage"}}, **lines[0]}
    if body.get("usage") and usage_asked:
        lines.append({**head, "choices": [], "usage": body["usage"]})
    elif body.get("usage"):  # nothing recorded is lost, and no client is given a chunk that it cannot expect
        lines[-1]["usage"] = body["usage"]
    return lines


def _parts(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what the chunks say of one choice."""
    index = choice.get("index", 0)
    logprobs = choice.get("logprobs")
    message = choice.get("message")
    told = False
    said = [({"text": piece}, None) for piece in pieces(choice["text"])] if message is None else _deltas(message, logprobs or {})
    for delta, tokens in said:
        told = told or tokens is not None
        shown = {"logprobs": tokens} if "logprobs" in choice else {}
        yield {"index": index, **(delta if message is None else {"delta": delta}), **shown, "finish_reason": None}
    rest = {key: value for key, value in choice.items() if key not in {"message", "text"}}
    if told:
        rest["logprobs"] = None
    yield {**rest, "text": ""} if message is None else {**rest, "delta": {}}


_Piece = tuple[dict[str, Any], dict[str, Any] | None]


def _deltas(message: dict[str, Any], logprobs: dict[str, Any]) -> Iterator[_Piece]:
    """Yield the pieces of a message, and the log probabilities that belong to each."""
    first = {key: "" if key in _SAID and isinstance(value, str) else value for key, value in message.items()}
    calls = first.pop("tool_calls", None)
    yield {"role": "assistant", **first}, None
    for key in _SAID:
        if isinstance(message.get(key), str):
            yield from _words(key, message[key], logprobs)
    for index, call in enumerate(calls or []):
        for part in _call_parts(call):
            yield {"tool_calls": [{"index": index, **part}]}, None


def _words(key: str, text: str, logprobs: dict[str, Any]) -> Iterator[_Piece]:
    """Yield a text by its tokens where they are told, else by its words."""
    tokens = logprobs.get(key) or []
    if tokens and "".join(token["token"] for token in tokens) == text:
        nothing = dict.fromkeys(logprobs)
        yield from (({key: token["token"]}, {**nothing, key: [token]}) for token in tokens)
    else:
        yield from (({key: piece}, None) for piece in pieces(text))


def _call_parts(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind, given = ("custom", "input") if isinstance(call.get("custom"), dict) else ("function", "arguments")
    inner = call.get(kind)
    if not isinstance(inner, dict) or not isinstance(inner.get(given), str):
        yield call
        return
    yield {**call, kind: {**inner, given: ""}}
    yield {kind: {given: inner[given]}}
