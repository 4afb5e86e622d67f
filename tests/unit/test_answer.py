"""What is read out of a response, whole or streamed, of each provider's form."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cassette.answer import Answer, events, is_event_stream, read
from harness.cassette.exchange import Response
from harness.trace import ToolRequest, Usage


def answer(body: Any) -> Answer:
    """Return what a whole body says."""
    return read(Response(200, json.dumps(body).encode()))


def streamed(*chunks: Any, named: bool = False) -> Answer:
    """Return what a stream of these events says."""
    lines = [(f"event: {chunk['type']}\n" if named else "") + f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return read(Response(200, "".join(lines).encode()))


def test_a_chat_completion():
    """A chat completion says its model, text, tool calls, reason and usage, cached and reasoning tokens among it."""
    call = {"id": "1", "type": "function", "function": {"name": "get", "arguments": '{"a": 1}'}}
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    message = {"role": "assistant", "content": "hi", "tool_calls": [call]}
    found = answer({"model": "m", "usage": usage, "choices": [{"message": message, "finish_reason": "tool_calls"}]})

    assert found == Answer(
        "m",
        Usage(input_tokens=10, output_tokens=5, cached_input_tokens=4, reasoning_tokens=3),
        "tool_calls",
        (ToolRequest(name="get", args={"a": 1}),),
        "hi",
    )


def delta(_index: int = 0, *, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return one chunk of a chat stream."""
    return {"object": "chat.completion.chunk", "model": "m", "choices": [{"index": _index, "delta": fields, "finish_reason": reason}]}


def test_a_chat_stream():
    """A chat stream says the same as the whole: pieces joined, calls by their index, the last usage once."""
    found = streamed(
        delta(role="assistant", content=""),
        delta(content="a "),
        delta(content="b", tool_calls=[{"index": 1, "id": "2", "function": {"name": "put", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "id": "1", "function": {"name": "get", "arguments": '{"a"'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}]),
        delta(reason="tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    )

    assert (found.text, found.finish_reason, found.model) == ("a b", "tool_calls", "m")
    assert found.tool_requests == (ToolRequest(name="get", args={"a": 1}), ToolRequest(name="put", args={}))
    assert found.usage == Usage(input_tokens=3, output_tokens=2)


def test_a_text_completion():
    """The old completions say their text, whole or streamed."""
    chunks = [
        {"object": "text_completion", "model": "m", "choices": [{"index": 0, "text": text, "finish_reason": end}]}
        for text, end in [("a ", None), ("b", "stop")]
    ]

    assert answer({"model": "m", "choices": [{"text": "a b", "finish_reason": "stop"}]}) == streamed(*chunks)


RESPONSE = {
    "object": "response",
    "status": "completed",
    "model": "m",
    "error": None,
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": "a "}, {"type": "output_text", "text": "b"}]},
        {"type": "function_call", "name": "get", "arguments": '{"a": 1}', "call_id": "1"},
    ],
    "usage": {
        "input_tokens": 9,
        "output_tokens": 5,
        "input_tokens_details": {"cached_tokens": 2},
        "output_tokens_details": {"reasoning_tokens": 1},
    },
}


def test_a_response():
    """The Responses API says the same of its own form, whole or streamed."""
    whole = answer(RESPONSE)
    stream = streamed(
        {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
        {"type": "response.completed", "response": RESPONSE},
        named=True,
    )

    assert whole == stream
    assert whole == Answer(
        "m",
        Usage(input_tokens=9, output_tokens=5, cached_input_tokens=2, reasoning_tokens=1),
        "completed",
        (ToolRequest(name="get", args={"a": 1}),),
        "a b",
    )


MESSAGE = {
    "type": "message",
    "model": "claude",
    "content": [{"type": "text", "text": "hi there"}, {"type": "tool_use", "id": "t", "name": "get", "input": {"a": 1}}],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 6},
}


def anthropic_events() -> list[dict[str, Any]]:
    """Return the events in which Anthropic streams that message."""
    usage = {**MESSAGE["usage"], "output_tokens": 1}  # type: ignore[dict-item]
    return [
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi "}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "there"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "get", "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ": 1}"}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 6}},
        {"type": "message_stop"},
    ]


def test_an_anthropic_message():
    """Anthropic's message says the same whole or streamed; its input tokens count the cached ones too."""
    expected = Answer(
        "claude",
        Usage(input_tokens=16, output_tokens=6, cached_input_tokens=4),
        "tool_use",
        (ToolRequest(name="get", args={"a": 1}),),
        "hi there",
    )

    assert expected == answer(MESSAGE)
    assert expected == streamed(*anthropic_events(), named=True)


def test_embeddings():
    """An embedding answer says its model and usage."""
    assert answer({"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 7, "total_tokens": 7}}) == Answer(
        "e", Usage(input_tokens=7)
    )


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (answer({"error": {"message": "too many", "type": "requests"}}), "too many"),
        (answer({"error": "down"}), "down"),
        (answer({"type": "error", "error": {"type": "overloaded_error", "message": ""}}), "overloaded_error"),
        (answer({**RESPONSE, "status": "failed", "error": {"message": "no"}}), "no"),
        (streamed(delta(content="a"), {"error": {"message": "broke"}}), "broke"),
        (streamed(delta(content="a"), {"error": {"message": "broke"}, "choices": []}), "broke"),
        (
            streamed(*anthropic_events()[:3], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            "Overloaded",
        ),
        (
            streamed({"type": "response.created", "response": RESPONSE}, {"type": "error", "code": "server_error", "message": "oops"}),
            "oops",
        ),
        (streamed({"type": "response.failed", "response": {**RESPONSE, "error": {"message": "no"}}}), "no"),
        (streamed({"error": {"message": "alone"}}), "alone"),
    ],
)
def test_errors(found, error):
    """An error is read in every form, in the middle of a stream under status 200 as well."""
    assert error == found.error


def test_usage_that_is_not_told():
    """Usage that the provider does not tell is unknown, not zero."""
    assert answer({"choices": [{"message": {"content": "x"}}]}).usage is None
    assert answer({"choices": [], "usage": {"total_tokens": 3}}).usage is None
    assert streamed(delta(content="x")).usage is None


@pytest.mark.parametrize("arguments", ["{broken", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000])
def test_malformed_arguments_stay_text(arguments):
    """Tool arguments that are not JSON are handed on as the model wrote them, and can be stored."""
    call = {"function": {"name": "get", "arguments": arguments}}
    (found,) = answer({"choices": [{"message": {"tool_calls": [call]}}]}).tool_requests

    assert arguments == found.args
    assert found.to_json()


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\x0cb", "a\x1cb"])
def test_line_breaks_that_are_none(text):
    """Only line feeds and carriage returns end a line of a stream, whatever Unicode calls a line break."""
    body = f"data: {json.dumps(delta(content=text), ensure_ascii=False)}\r\n\r\ndata: [DONE]\r\n\r\n".encode()

    assert text == read(Response(200, body)).text


def test_events_that_hold_no_json():
    """Comments, keep-alives, other fields and damaged events are passed over."""
    body = b': ping\n\nevent: x\nid: 1\ndata: {"a": 1}\n\ndata: [DONE]\n\ndata: {"b\n\ndata: [1]\n\ndata: ' + b"[" * 100_000 + b"\n\n"

    assert is_event_stream(body)
    assert list(events(body)) == [{"a": 1}]


def test_what_a_body_is_decides():
    """A stream is known by its body, whatever white space stands before it."""
    assert is_event_stream(b"\n\ndata: {}")
    assert not is_event_stream(b'{"data": 1}')
    assert not is_event_stream(b"")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "delta",
                    "content",
                    "tool_calls",
                    "function",
                    "usage",
                    "output",
                    "type",
                    "index",
                    "error",
                    "response",
                    "prompt_tokens",
                    "text",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, min_size=1, max_size=3))
@settings(deadline=None, max_examples=300)
def test_anything_is_read(values):
    """A response of any shape, from any server, is read without an error."""
    assert isinstance(answer(values[0]), Answer)
    assert isinstance(streamed(*values), Answer)


@given(st.binary(max_size=40))
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_read(body):
    """Any bytes are read without an error, after `data:` as well."""
    assert isinstance(read(Response(200, body)), Answer)
    assert isinstance(read(Response(200, b"data: " + body)), Answer)
