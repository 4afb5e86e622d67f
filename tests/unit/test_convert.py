"""The two forms of one answer: whole and streamed, for our reading and for the real SDK's."""

import json
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cassette.answer import read, whole_body
from harness.cassette.convert import Unfit, fit
from harness.cassette.event_stream import is_event_stream
from harness.cassette.exchange import Response

TEXTS = st.text(max_size=30) | st.sampled_from(
    ["", " ", "a  b\n\nc ", "\n", "data: x\n\ndata: [DONE]", "\u2028", "\x85", "😀 é", "\r\n", "{}"]
)
CALLS = st.lists(
    st.builds(
        lambda name, arguments: {"type": "function", "function": {"name": name, "arguments": arguments}},
        st.sampled_from(["get", "put"]),
        st.sampled_from(["{}", "", '{"a": "é 😀\\n"}', "{broken"]) | TEXTS,
    ),
    max_size=3,
)


@st.composite
def messages(draw: Any) -> dict[str, Any]:
    """Return an assistant's message."""
    message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | TEXTS)}
    calls = [{"id": f"call_{index}", **call} for index, call in enumerate(draw(CALLS))]
    refusal = draw(st.none() | st.text(min_size=1, max_size=5))
    return message | ({"tool_calls": calls} if calls else {}) | ({"refusal": refusal} if refusal else {})


@st.composite
def completions(draw: Any) -> dict[str, Any]:
    """Return a chat completion."""
    reasons = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
    choices = [
        {"index": index, "message": message, "finish_reason": draw(reasons)}
        for index, message in enumerate(draw(st.lists(messages(), min_size=1, max_size=3)))
    ]
    usage = {
        "prompt_tokens": draw(st.integers(0, 99)),
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "m", "choices": choices}
    return body | draw(st.sampled_from([{}, {"usage": usage}]))


def response(body: Any, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(status, json.dumps(body).encode(), (("content-type", "application/json"), ("retry-after", "1")))


@given(completions())
@settings(deadline=None, max_examples=200)
def test_there_and_back(body):
    """A whole answer made a stream and whole again is the same answer, field by field, and each form says the same."""
    stream, converted = fit(response(body), streamed=True)
    whole, converted_back = fit(stream, streamed=False)

    assert converted
    assert converted_back
    assert body == json.loads(whole.body)
    assert read(response(body)) == read(stream) == read(whole)
    assert stream.header("content-type") == "text/event-stream"
    assert whole.header("content-type") == "application/json"
    assert stream.header("retry-after") == "1"


@given(completions())
@settings(deadline=None, max_examples=30)
def test_streams_are_deterministic(body):
    """The same answer always gives the same stream, however its JSON was spelled."""
    spelled = Response(200, json.dumps(body, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    assert fit(response(body), streamed=True)[0].body == fit(spelled, streamed=True)[0].body


@pytest.mark.parametrize("streamed", [True, False])
def test_what_fits_stays(streamed):
    """A response that has the form asked for is handed on as it is."""
    given_response = Response(200, b"data: {}\n\n") if streamed else response({"object": "chat.completion", "choices": []})

    assert (given_response, False) == fit(given_response, streamed=streamed)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no"}},
        {"object": "list", "data": []},
        {"object": "chat.completion", "choices": []},
        {"object": "chat.completion", "choices": [1]},
        {"object": "response", "output": [], "status": "queued"},
        {"type": "message", "content": ["x"]},
        {"object": "response", "output": [None]},
        [1],
    ],
)
def test_what_has_no_stream_is_refused(body):
    """What is no answer, or not of a shape that is known, is not made a stream: that would be a wrong answer."""
    with pytest.raises(Unfit):
        fit(response(body), streamed=True)


def sse(*chunks: Any, end: str = "") -> Response:
    """Return a stream of these events."""
    return Response(200, ("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end).encode())


CUT_STREAMS = {
    "a chat stream that broke off": (sse({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}), "cut off"),
    "one of two choices broke off": (
        sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}, {"index": 1, "delta": {"content": "x"}}]}),
        "cut off",
    ),
    "an error in a chat stream": (
        sse({"choices": [{"index": 0, "delta": {"content": "x"}}]}, {"error": {"message": "no"}}, end="data: [DONE]\n\n"),
        "an error",
    ),
    "an error alone": (sse({"error": {"message": "no"}}), "an error"),
    "nothing but the end": (sse(end="data: [DONE]\n\n"), "no answer"),
    "no choice": (sse({"object": "chat.completion.chunk", "choices": []}, end="data: [DONE]\n\n"), "no answer"),
    "a response that broke off": (sse({"type": "response.created", "response": {"object": "response", "output": []}}), "cut off"),
    "a message that broke off": (sse({"type": "message_start", "message": {"type": "message", "content": []}}), "cut off"),
    "a message with pieces of an unknown kind": (
        sse(
            {"type": "message_start", "message": {"type": "message", "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "new"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta", "new": "x"}},
            {"type": "message_stop"},
        ),
        "new_delta",
    ),
    "half of a tool's input": (
        sse(
            {"type": "message_start", "message": {"type": "message", "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "input": {}}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a": '}},
            {"type": "message_stop"},
        ),
        "not whole",
    ),
    "sound in pieces": (
        sse(
            {"choices": [{"index": 0, "delta": {"audio": {"data": "QQ=="}}}]},
            {"choices": [{"index": 0, "delta": {"audio": {"data": "QQ=="}}, "finish_reason": "stop"}]},
        ),
        "sound",
    ),
    "other events": (sse({"jsonrpc": "2.0", "result": {}}), "no answer"),
}


@pytest.mark.parametrize(("stream", "why"), [pytest.param(*case, id=name) for name, case in CUT_STREAMS.items()])
def test_streams_that_have_no_whole_are_refused(stream, why):
    """A stream that broke off, that says an error or something unknown, is not made a whole answer, and the reason is said."""
    with pytest.raises(Unfit, match=why):
        fit(stream, streamed=False)


def test_old_completions():
    """An old text completion is made a stream and whole again."""
    logprobs = {"tokens": ["x", " y"], "token_logprobs": [-0.1, -0.2], "top_logprobs": None, "text_offset": [0, 1]}
    body = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [{"text": "x y", "index": 0, "logprobs": logprobs, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }

    assert body == json.loads(fit(fit(response(body), streamed=True)[0], streamed=False)[0].body)


def test_errors_stay():
    """An error status is an error in either form."""
    body = response({"object": "chat.completion", "choices": []}, status=500)

    assert (body, False) == fit(body, streamed=True)


def test_more_than_text_survives():
    """Reasoning and the old function call survive the way there and back."""
    message = {"role": "assistant", "content": "x", "reasoning_content": "because", "function_call": {"name": "f", "arguments": "{}"}}
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }

    assert body == json.loads(fit(fit(response(body), streamed=True)[0], streamed=False)[0].body)


def test_an_emoji_cut_in_two():
    """An emoji whose halves came in two events of a stream is whole in the whole answer."""
    halves = [{"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": half}}]} for half in ("\ud83d", "\ude00")]
    whole, _ = fit(sse(*halves, end="data: [DONE]\n\n"), streamed=False)

    assert json.loads(whole.body)["choices"][0]["message"]["content"] == "😀"


def client(answer: Response) -> openai.OpenAI:
    """Return the real SDK's client, over a transport that gives this answer."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(answer.status, content=answer.body, headers=dict(answer.headers)))
    return openai.OpenAI(api_key="x", base_url="http://h/v1", http_client=httpx2.Client(transport=transport), max_retries=0)


ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@given(completions())
@settings(deadline=None, max_examples=40)
def test_the_sdk_reads_the_same(body):
    """The real openai client reads the same text and tool calls out of our stream as out of the whole answer."""
    stream, _ = fit(response(body), streamed=True)
    with client(response(body)) as plain, client(stream) as streaming:
        whole = plain.chat.completions.create(**ASKED)
        chunks = list(streaming.chat.completions.create(**ASKED, stream=True))

    for choice in whole.choices:
        deltas = [part.delta for chunk in chunks for part in chunk.choices if part.index == choice.index]
        calls = choice.message.tool_calls or []
        pieces = [piece for delta in deltas for piece in delta.tool_calls or []]

        assert (choice.message.content or "") == "".join(delta.content or "" for delta in deltas)
        assert [call.function.name for call in calls] == [piece.function.name for piece in pieces if piece.id]  # type: ignore[union-attr]
        for index, call in enumerate(calls):
            assert call.function.arguments == "".join(piece.function.arguments for piece in pieces if piece.index == index)  # type: ignore[union-attr]
        assert choice.finish_reason == [part.finish_reason for chunk in chunks for part in chunk.choices if part.index == choice.index][-1]
    assert whole.usage == next((chunk.usage for chunk in chunks if chunk.usage), None)


def test_the_sdk_assembles_the_stream():
    """The real client's own assembly of a chat stream gives the whole answer's message."""
    call = {"id": "call_1", "type": "function", "function": {"name": "get", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "content": "one two", "tool_calls": [call]}
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
    }
    with client(fit(response(body), streamed=True)[0]) as streaming, streaming.chat.completions.stream(**ASKED) as stream:
        found = stream.get_final_completion().choices[0]

    assert (found.message.content, found.finish_reason) == ("one two", "tool_calls")
    assert [(one.id, one.function.name, one.function.arguments) for one in found.message.tool_calls or []] == [
        ("call_1", "get", '{"a": 1}')
    ]


@st.composite
def responses(draw: Any) -> dict[str, Any]:
    """Return an answer of the Responses API."""
    parts = st.one_of(
        TEXTS.map(lambda text: {"type": "output_text", "text": text, "annotations": []}),
        TEXTS.map(lambda text: {"type": "refusal", "refusal": text}),
    )
    output: list[dict[str, Any]] = [{"type": "reasoning", "id": "rs_1", "summary": []}] * draw(st.integers(0, 1))
    if draw(st.booleans()):
        content = draw(st.lists(parts, max_size=2))
        output.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content})
    for index, call in enumerate(draw(CALLS)):
        output.append({"type": "function_call", "id": f"fc_{index}", "call_id": f"call_{index}", "status": "completed", **call["function"]})
    usage = {
        "input_tokens": 1,
        "output_tokens": 2,
        "total_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    head = {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    return {**head, "status": draw(st.sampled_from(["completed", "incomplete"])), "error": None, "output": output, "usage": usage}


@given(responses())
@settings(deadline=None, max_examples=40)
def test_the_sdk_reads_responses(body):
    """The real client reads the same text and tool calls out of our Responses stream as out of the whole answer."""
    stream, converted = fit(response(body), streamed=True)
    with client(response(body)) as plain, client(stream) as streaming:
        whole = plain.responses.create(model="m", input="hi")
        found = list(streaming.responses.create(model="m", input="hi", stream=True))
        with streaming.responses.stream(model="m", input="hi") as assembled:
            final = [event.type for event in assembled][-1]

    assert converted
    assert whole.output_text == "".join(event.delta for event in found if event.type == "response.output_text.delta")
    assert whole.output == [event.item for event in found if event.type == "response.output_item.done"]
    assert found[-1].response == whole  # type: ignore[union-attr]
    assert final == f"response.{body['status']}"
    assert list(range(len(found))) == [event.sequence_number for event in found]
    calls = [item.arguments for item in whole.output if item.type == "function_call"]
    assert calls == [event.arguments for event in found if event.type == "response.function_call_arguments.done"]
    assert body == whole_body(fit(stream, streamed=False)[0].body)
    assert is_event_stream(stream.body)
