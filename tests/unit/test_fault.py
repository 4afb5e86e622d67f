"""A fault on the wire is what the provider's own SDK takes for that failure, and a damaged answer what it takes for an answer."""

import json
from typing import get_args

import httpx2
import openai
import pytest

from harness.cassette.convert import fit
from harness.cassette.exchange import Request, Response
from harness.cassette.segments import segments
from harness.dataset import FaultSpec, ModelFault, ToolFault
from harness.fault import DAMAGES, damaged, error_answer, offered_tools, smallest
from harness.script import ScriptedCall, ScriptedReply, compose

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "Look a number up",
            "parameters": {
                "type": "object",
                "properties": {
                    "number": {"type": "integer"},
                    "kind": {"enum": ["odd", "even"]},
                    "names": {"type": "array"},
                    "where": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                    "note": {"type": "string"},
                },
                "required": ["number", "kind", "names", "where"],
            },
        },
    }
]
CHAT = "https://h/v1/chat/completions"
RESPONSES = "https://h/v1/responses"
ANTHROPIC = "https://h/v1/messages"


def asked(url=CHAT, **fields):
    """Return what a request asks."""
    question = {"input": "hi"} if url == RESPONSES else {"messages": [{"role": "user", "content": "hi"}]}
    return segments(Request("POST", url, json.dumps({"model": "m", **question, **fields}).encode()))


def client(answer: Response) -> openai.OpenAI:
    """Return the real SDK's client, over a transport that gives this answer."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(answer.status, headers=list(answer.headers), content=answer.body))
    return openai.OpenAI(api_key="x", base_url="http://h/v1", http_client=httpx2.Client(transport=transport), max_retries=0)


def chat(answer: Response, **fields):
    """Return what the SDK makes of a chat answer."""
    return client(answer).chat.completions.create(model="m", messages=[], **fields)


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("rate_limit", openai.RateLimitError, "rate_limit_exceeded"),
        ("server_error", openai.InternalServerError, "server_error"),
        ("overloaded", openai.InternalServerError, "overloaded"),
        ("auth", openai.AuthenticationError, "invalid_api_key"),
        ("context_length", openai.BadRequestError, "context_length_exceeded"),
        ("content_filter", openai.BadRequestError, "content_filter"),
    ],
)
def test_an_error_is_the_sdks_own(fault, error, code):
    """The SDK raises its own exception, with the code that the provider gives."""
    with pytest.raises(error) as raised:
        chat(error_answer(fault, asked()))

    assert raised.value.code == code


def test_the_status_of_overloaded_is_the_providers_own():
    """Anthropic says 529, others 503; a status that the fault names goes before."""
    assert error_answer("overloaded", asked()).status == 503
    assert error_answer("overloaded", asked(ANTHROPIC)).status == 529
    assert error_answer("server_error", asked(), status=502).status == 502


def test_retry_after():
    """An error tells when to come back where the fault says so."""
    assert error_answer("overloaded", asked(), retry_after_s=2.5).header("retry-after") == "2.5"
    assert error_answer("overloaded", asked()).header("retry-after") is None


SAID = ScriptedReply.model_validate_json(
    '{"json": {"route": "billing", "sure": 0.5, "why": ["a", "b"]}, "input_tokens": 11, "output_tokens": 7}'
)
CALLED = ScriptedReply(tool_calls=(ScriptedCall(name="look_up", args={"number": 7, "kind": "odd"}),))


def after(fault, reply=SAID, url=CHAT, **fields):
    """Return the message that the SDK gets where this fault strikes this answer."""
    request = asked(url, **fields)
    return chat(damaged(fault, compose(reply, request), request)).choices[0]


def test_empty():
    """An empty answer has neither text nor tool calls."""
    assert (after("empty").message.content, after("empty", CALLED).message.tool_calls) == ("", None)


def test_truncated_json():
    """A truncated answer ends in the middle and says that its length ended it."""
    choice = after("truncated_json")

    assert choice.message.content == '{"route":"billing",'[:19] + choice.message.content[19:]
    assert choice.finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(choice.message.content)
    with pytest.raises(json.JSONDecodeError):
        json.loads(after("truncated_json", CALLED).message.tool_calls[0].function.arguments)


def test_wrong_schema():
    """An answer of the wrong shape is JSON, but not what was asked for."""
    assert json.loads(after("wrong_schema").message.content) == {"unexpected": "shape"}
    assert json.loads(after("wrong_schema", CALLED).message.tool_calls[0].function.arguments) == {"unexpected": "shape"}


def test_unknown_route():
    """Every label of the answer becomes one that nobody knows; its form stays."""
    labels = json.loads(after("unknown_route").message.content)

    assert labels == {"route": "no_such_route", "sure": 0.5, "why": ["no_such_route", "no_such_route"]}
    assert after("unknown_route", ScriptedReply(text="billing")).message.content == "no_such_route"
    assert json.loads(after("unknown_route", CALLED).message.tool_calls[0].function.arguments) == {"number": 7, "kind": "no_such_route"}


def test_unknown_tool():
    """The model calls a tool that there is not."""
    assert after("unknown_tool", CALLED).message.tool_calls[0].function.name == "no_such_tool"


def test_bad_arguments():
    """Arguments are no JSON; where no tool was called, the first one offered is; where none is offered there is nothing to damage."""
    with pytest.raises(json.JSONDecodeError):
        json.loads(after("bad_arguments", CALLED).message.tool_calls[0].function.arguments)
    assert after("bad_arguments", SAID, tools=TOOLS).message.tool_calls[0].function.name == "look_up"
    assert damaged("bad_arguments", compose(SAID, asked()), asked()) is None


def test_refusal():
    """A refusal stands in the field that the SDK has for it."""
    assert "can't help" in after("refusal").message.refusal


def test_endless_tools():
    """The model calls a tool again: the one it called, or the first one offered with arguments that its schema takes."""
    arguments = json.loads(after("endless_tools", SAID, tools=TOOLS).message.tool_calls[0].function.arguments)

    assert arguments == {"number": 1, "kind": "odd", "names": [], "where": {"city": "x"}}
    assert json.loads(after("endless_tools", CALLED, tools=TOOLS).message.tool_calls[0].function.arguments) == {"number": 7, "kind": "odd"}
    assert damaged("endless_tools", compose(SAID, asked()), asked()) is None


def test_the_tokens_are_those_of_the_answer():
    """A damaged answer was paid for all the same."""
    request = asked()
    usage = chat(damaged("refusal", compose(SAID, request), request)).usage

    assert (usage.prompt_tokens, usage.completion_tokens) == (11, 7)


def until_it_breaks(events, seen):
    """Collect what arrives, as an agent would; an error event of the Responses API is an event like others."""
    for event in events:
        seen.append(event)
        if getattr(event, "type", None) == "error":
            raise openai.APIError(event.message, None, body=None)


def test_an_error_event_in_a_chat_stream():
    """Half of the stream arrives with status 200, then the SDK raises."""
    request = asked(stream=True)
    answer = damaged("error_event", compose(ScriptedReply(text="one two three four"), request), request)
    seen = []
    with pytest.raises(openai.APIError, match="had an error"):
        until_it_breaks(chat(answer, stream=True), seen)

    assert "".join(filter(None, (chunk.choices[0].delta.content for chunk in seen))) == "one two three "


def test_an_error_event_in_a_responses_stream():
    """The Responses API has an error event of its own."""
    request = asked(RESPONSES, stream=True)
    answer = damaged("error_event", compose(ScriptedReply(text="one two three four"), request), request)
    seen = []
    with pytest.raises(openai.APIError, match="had an error"):
        until_it_breaks(client(answer).responses.create(model="m", input="hi", stream=True), seen)

    assert "response.output_text.delta" in [event.type for event in seen]


@pytest.mark.parametrize("fault", sorted(DAMAGES - {"cut_stream"}))
@pytest.mark.parametrize("url", [CHAT, RESPONSES], ids=["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_damaged_answer_is_an_answer_still(fault, url, stream):
    """In either form and at either endpoint the SDK reads what arrives, or raises its own error for an error event."""
    request = asked(url, stream=stream, tools=TOOLS if url == CHAT else [{"type": "function", **TOOLS[0]["function"]}])
    answer, _ = fit(damaged(fault, compose(CALLED, request), request), streamed=stream)
    sdk = client(answer)
    asking = (
        (lambda: sdk.chat.completions.create(model="m", messages=[], stream=stream))
        if url == CHAT
        else (lambda: sdk.responses.create(model="m", input="hi", stream=stream))
    )
    try:
        list(asking()) if stream else asking()
    except openai.APIError:
        assert fault == "error_event"


def test_an_anthropic_answer_is_anthropics():
    """At Anthropic's endpoint the answer has Anthropic's shape."""
    request = asked(ANTHROPIC)
    body = json.loads(damaged("unknown_tool", compose(SAID, request), request).body)

    assert body["content"][0]["name"] == "no_such_tool"
    assert body["stop_reason"] == "tool_use"


def test_offered_tools_of_every_provider():
    """Tools are found in the forms of chat completions, Responses and Anthropic."""
    schema = {"type": "object"}
    for tools in (
        [{"type": "function", "function": {"name": "t", "parameters": schema}}],
        [{"type": "function", "name": "t", "parameters": schema}],
        [{"name": "t", "input_schema": schema}],
    ):
        assert offered_tools(asked(tools=tools)) == [("t", schema)]
    assert offered_tools(asked()) == []


def test_the_smallest_object_of_no_schema():
    """A tool without parameters is called without any."""
    assert smallest({}) == {}


@pytest.mark.parametrize("name", [name for name in get_args(ModelFault) if name not in get_args(ToolFault)])
def test_a_models_fault_is_no_tools(name):
    """A fault of a model at a tool is refused, with the faults that tools have."""
    with pytest.raises(ValueError, match="no fault of a tool; those are raise, hang"):
        FaultSpec.model_validate_json(json.dumps({"at": {"tool": "t"}, "fault": name}))


@pytest.mark.parametrize("name", [name for name in get_args(ToolFault) if name not in get_args(ModelFault)])
def test_a_tools_fault_is_no_models(name):
    """A fault of a tool at a model call is refused."""
    with pytest.raises(ValueError, match="no fault of a model"):
        FaultSpec.model_validate_json(json.dumps({"at": {"model_call": 1}, "fault": name}))


@pytest.mark.parametrize(
    ("spec", "struck"),
    [
        ({"at": {"model_call": 2}, "fault": "auth"}, [2]),
        ({"at": {"model_call": 2}, "fault": "auth", "times": 2}, [2, 3]),
        ({"at": {"node": "n"}, "fault": "auth"}, [1]),
        ({"at": {"model_call": 3}, "fault": "endless_tools"}, [3, 4, 5, 6]),
        ({"at": {"model_call": 3}, "fault": "endless_tools", "times": 2}, [3, 4]),
        ({"at": {"tool_call": 2}, "fault": "raise"}, [2]),
    ],
    ids=["once", "twice", "a node", "without end", "with an end", "a tool"],
)
def test_which_calls_are_struck(spec, struck):
    """A fault strikes the call it names and the next ones; endless tools have no end unless they are given one."""
    fault = FaultSpec.model_validate_json(json.dumps(spec))

    assert [number for number in range(1, 7) if fault.strikes(number)] == struck
