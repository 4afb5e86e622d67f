"""A fault: what a provider's failure, or an answer that is no good, looks like on the wire."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.cassette.answer import Answer, read
from harness.cassette.convert import Unfit, fit
from harness.cassette.event_stream import is_event_stream
from harness.cassette.exchange import Response
from harness.cassette.segments import Segments
from harness.dataset import ModelFault
from harness.schema import canonical_json
from harness.script import ScriptedCall, ScriptedReply, compose

NO_SUCH_ROUTE = "no_such_route"
NO_SUCH_TOOL = "no_such_tool"
_WRONG_SHAPE = {"unexpected": "shape"}
_REFUSED = "I can't help with that."
_JSON = ("content-type", "application/json")

_ERRORS: Mapping[ModelFault, tuple[int, str, str, str]] = {
    "rate_limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached"),
    "server_error": (500, "server_error", "server_error", "The server had an error while processing your request"),
    "overloaded": (503, "overloaded_error", "overloaded", "The model is overloaded"),
    "auth": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided"),
    "context_length": (400, "invalid_request_error", "context_length_exceeded", "The maximum context length is exceeded"),
    "content_filter": (400, "invalid_request_error", "content_filter", "The response was filtered by the content policy"),
}
_ANTHROPIC_OVERLOADED = 529


def error_answer(fault: ModelFault, asked: Segments, *, retry_after_s: float | None = None, status: int | None = None) -> Response | None:
    """Return the error that a provider sends for this fault; None where the fault is of another kind.

    The status of `overloaded` is the provider's own: 529 at Anthropic's endpoint, else 503.
    """
    if fault not in _ERRORS:
        return None
    usual, kind, code, message = _ERRORS[fault]
    if fault == "overloaded" and _is_anthropic(asked):
        usual = _ANTHROPIC_OVERLOADED
    headers = [_JSON]
    if retry_after_s is not None:
        headers += [("retry-after-ms", f"{retry_after_s * 1000:g}"), ("retry-after", f"{retry_after_s:g}")]
    return Response(status or usual, canonical_json(_error_body(asked, kind, code, message)).encode(), tuple(headers))


def _error_body(asked: Segments, kind: str, code: str, message: str) -> dict[str, Any]:
    said = f"{message} (injected by the harness)"
    if _is_anthropic(asked):
        return {"type": "error", "error": {"type": kind, "message": said}}
    return {"error": {"message": said, "type": kind, "param": None, "code": code}}


def _is_anthropic(asked: Segments) -> bool:
    return str(asked.parts["endpoint"]).partition("?")[0].endswith("/messages")


def damaged(fault: ModelFault, answer: Response, asked: Segments) -> Response | None:
    """Return the answer with this fault; None where the answer cannot have it, such as bad arguments of no tool."""
    if fault == "error_event":
        return _broken_off(answer, asked)
    if fault == "cut_stream":
        return _cut_off(answer, asked)
    said = read(answer)
    reply = _DAMAGES[fault](said, asked)
    if reply is None:
        return None
    usage = said.usage
    counted = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens} if usage else {}
    return compose(reply.model_copy(update=counted), asked)


def _empty(_said: Answer, _asked: Segments) -> ScriptedReply:
    return ScriptedReply(text="")


def _truncated(said: Answer, _asked: Segments) -> ScriptedReply | None:
    if said.text:
        return ScriptedReply(text=said.text[: len(said.text) // 2], finish_reason="length")
    calls = _cut_calls(said)
    return ScriptedReply(tool_calls=calls, finish_reason="length") if calls else None


def _cut_calls(said: Answer) -> tuple[ScriptedCall, ...]:
    return tuple(ScriptedCall(name=call.name, args=_half(canonical_json(call.args))) for call in said.tool_requests)


def _half(text: str) -> str:
    return text[: max(1, len(text) // 2)]


def _wrong_schema(said: Answer, _asked: Segments) -> ScriptedReply:
    if said.tool_requests:
        return ScriptedReply(tool_calls=tuple(ScriptedCall(name=call.name, args=dict(_WRONG_SHAPE)) for call in said.tool_requests))
    return ScriptedReply(text=canonical_json(_WRONG_SHAPE))


def _unknown_route(said: Answer, _asked: Segments) -> ScriptedReply:
    if said.tool_requests:
        calls = tuple(ScriptedCall(name=call.name, args=_renamed_object(call.args)) for call in said.tool_requests)
        return ScriptedReply(tool_calls=calls)
    try:
        value = json.loads(said.text or "")
    except (ValueError, RecursionError):
        return ScriptedReply(text=NO_SUCH_ROUTE)
    return ScriptedReply(text=canonical_json(_renamed(value)))


def _renamed_object(args: Any) -> dict[str, Any]:
    return {name: _renamed(value) for name, value in args.items()} if isinstance(args, dict) else {}


def _renamed(value: Any) -> Any:
    """Return the value with a label that nobody knows in place of every text."""
    if isinstance(value, dict):
        return {name: _renamed(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part) for part in value]
    return NO_SUCH_ROUTE if isinstance(value, str) else value


def _unknown_tool(said: Answer, _asked: Segments) -> ScriptedReply:
    args = said.tool_requests[0].args if said.tool_requests else {}
    return ScriptedReply(tool_calls=(ScriptedCall(name=NO_SUCH_TOOL, args=args if isinstance(args, dict) else {}),))


def _bad_arguments(said: Answer, asked: Segments) -> ScriptedReply | None:
    calls = _cut_calls(said) or tuple(ScriptedCall(name=name, args='{"') for name, _ in offered_tools(asked)[:1])
    return ScriptedReply(tool_calls=calls) if calls else None


def _refusal(_said: Answer, _asked: Segments) -> ScriptedReply:
    return ScriptedReply(refusal=_REFUSED)


def _endless_tools(said: Answer, asked: Segments) -> ScriptedReply | None:
    calls = tuple(ScriptedCall(name=call.name, args=call.args) for call in said.tool_requests if isinstance(call.args, dict | str))
    calls = calls or tuple(ScriptedCall(name=name, args=smallest(schema)) for name, schema in offered_tools(asked)[:1])
    return ScriptedReply(tool_calls=calls) if calls else None


_DAMAGES: Mapping[ModelFault, Callable[[Answer, Segments], ScriptedReply | None]] = {
    "empty": _empty,
    "truncated_json": _truncated,
    "wrong_schema": _wrong_schema,
    "unknown_route": _unknown_route,
    "unknown_tool": _unknown_tool,
    "bad_arguments": _bad_arguments,
    "refusal": _refusal,
    "endless_tools": _endless_tools,
}
DAMAGES: frozenset[ModelFault] = frozenset({*_DAMAGES, "error_event", "cut_stream"})
"""The faults of an answer, which there has to be; the other faults are instead of one."""


def offered_tools(asked: Segments) -> list[tuple[str, dict[str, Any]]]:
    """Return the name and the JSON schema of each tool that a request offers."""
    tools = asked.parts["tools"] or [None]
    found = []
    for tool in tools[0] or []:
        function = tool.get("function") if isinstance(tool.get("function"), dict) else tool
        if isinstance(function.get("name"), str):
            found.append((function["name"], function.get("parameters") or function.get("input_schema") or {}))
    return found


_SMALLEST: Mapping[str, Any] = {"string": "x", "integer": 1, "number": 1.0, "boolean": True, "array": (), "null": None}


def smallest(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest object of a JSON schema: its required properties, each with the plainest value."""
    properties = schema.get("properties") or {}
    return {name: _plainest(properties.get(name) or {}) for name in schema.get("required") or ()}


def _plainest(schema: Mapping[str, Any]) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return smallest(schema)
    value = _SMALLEST.get(kind if isinstance(kind, str) else "string", "x")
    return list(value) if kind == "array" else value


def _broken_off(answer: Response, asked: Segments) -> Response:
    """Return a stream of which half arrives, then an error, all under status 200; or that error as the whole body."""
    error = _error_body(asked, "server_error", "server_error", "The server had an error while processing your request")
    if not asked.streamed:
        return Response(200, canonical_json(error).encode(), (_JSON,))
    parts = _as_stream(answer).split(b"\n\n")
    kept = parts[: len(parts) // 2]
    return Response(200, b"\n\n".join([*kept, _error_event(asked, error), b""]), (("content-type", "text/event-stream"),))


def _cut_off(answer: Response, asked: Segments) -> Response:
    """Return the half that arrives before the connection is lost: whole events of a stream, else half of the body."""
    whole = _formed(answer, asked)
    if not is_event_stream(whole.body):
        return replace(whole, body=whole.body[: len(whole.body) // 2])
    parts = whole.body.split(b"\n\n")
    return replace(whole, body=b"".join(part + b"\n\n" for part in parts[: len(parts) // 2]))


def _formed(answer: Response, asked: Segments) -> Response:
    """Return an answer in the form that was asked for, as it is where it has no such form."""
    try:
        return fit(answer, streamed=asked.streamed, usage_asked=asked.usage_asked)[0]
    except Unfit:
        return answer


def _as_stream(answer: Response) -> bytes:
    """Return the body of an answer as a stream; nothing where it has no such form."""
    try:
        return fit(answer, streamed=True)[0].body
    except Unfit:
        return b""


def _error_event(asked: Segments, error: dict[str, Any]) -> bytes:
    if "/responses" in asked.parts["endpoint"]:
        error = {**error["error"], "type": "error", "sequence_number": 0}
    line = f"data: {canonical_json(error)}"
    return (f"event: error\n{line}" if error.get("type") == "error" else line).encode()
