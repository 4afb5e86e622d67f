"""The two forms of one answer, a whole body and a stream of events: each can stand in for the other where nothing is lost."""

import json
from dataclasses import replace
from typing import Any

from harness.cassette import anthropic_form, chat_form, responses_form
from harness.cassette.answer import merge_events
from harness.cassette.event_stream import events, in_ascii, is_event_stream, is_marked_done, named, unnamed
from harness.cassette.exchange import Response

_ERROR = 400
_UNKNOWN = "it has a shape that is not known"


class Unfit(Exception):
    """An answer that cannot be given in the form that was asked for without changing what it says."""


def fit(response: Response, *, streamed: bool, usage_asked: bool = True) -> tuple[Response, bool]:
    """Return the response in the form the client asked for, and whether that took a conversion; Unfit where there is none.

    `usage_asked` tells whether a stream of a chat completion is to end with a chunk of usage. Errors have one form only.
    """
    if response.status >= _ERROR or is_event_stream(response.body) == streamed:
        return response, False
    try:
        return (_streamed(response, usage_asked=usage_asked) if streamed else _whole(response)), True
    except (AttributeError, LookupError, TypeError):
        raise Unfit(_UNKNOWN) from None


def _streamed(response: Response, *, usage_asked: bool) -> Response:
    body = _json_object(response.body)
    if body.get("error") and not responses_form.is_whole(body):
        message = "it is an error"
        raise Unfit(message)
    if chat_form.is_whole(body):
        _refuse(chat_form.flaw_of_whole(body))
        return _with_body(response, unnamed(chat_form.cut(body, usage_asked=usage_asked)), "text/event-stream")
    if responses_form.is_whole(body):
        _refuse(responses_form.flaw_of_whole(body))
        return _with_body(response, named(responses_form.cut(body)), "text/event-stream")
    if anthropic_form.is_whole(body):
        _refuse(anthropic_form.flaw_of_whole(body))
        return _with_body(response, named(anthropic_form.cut(body)), "text/event-stream")
    raise Unfit(_UNKNOWN)


def _whole(response: Response) -> Response:
    chunks = list(events(response.body))
    body = merge_events(chunks)
    if body is None:
        message = "the stream holds no answer"
        raise Unfit(message)
    _refuse(_flaw_of_stream(chunks, body, ended=is_marked_done(response.body)))
    return _with_body(response, in_ascii(body), "application/json")


def _flaw_of_stream(chunks: list[dict[str, Any]], body: dict[str, Any], *, ended: bool) -> str | None:
    if chat_form.is_whole(body):
        return chat_form.flaw_of_stream(body, ended=ended)
    if responses_form.is_whole(body):
        return responses_form.flaw_of_stream(chunks)
    if anthropic_form.is_whole(body):
        return anthropic_form.flaw_of_stream(chunks, body)
    return "the stream holds an error" if body.get("error") else _UNKNOWN


def _refuse(flaw: str | None) -> None:
    if flaw is not None:
        raise Unfit(flaw)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unfit(_UNKNOWN)
    return value


def _with_body(response: Response, body: str, content_type: str) -> Response:
    headers = tuple((key, value) for key, value in response.headers if key.lower() != "content-type")
    return replace(response, body=body.encode(), headers=(("content-type", content_type), *headers))
