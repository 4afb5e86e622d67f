"""Calls of real clients, traced by LangChain and LangSmith themselves: what is rebuilt of them is what was on the wire."""

import json
from enum import Enum
from typing import Literal

import langsmith
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from langsmith_traces import Kept, sent_by, traced_call, wrapped_anthropic, wrapped_client
from openai_server import serving
from pydantic import BaseModel, Field

from harness.cassette.exchange import Request, Response
from harness.cassette.segments import segments
from harness.foreign import Record, traced, trees
from harness.runner.classes import form_of
from harness.script import parse


class Tone(Enum):
    """A tone."""

    KIND = "kind"
    HARSH = "harsh"


class Source(BaseModel):
    """Where it is from."""

    page: int = Field(3, title="The page", description="The number of the page.")


class Verdict(BaseModel):
    """What is said of a letter."""

    kind: Literal["letter", "number"] = Field(description="What it is.")
    tone: Tone
    sources: list[Source] | None = None


@tool
def look(number: int, depth: int = 1) -> str:
    """Look a number up."""
    return f"found {number} {depth}"


pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of the clients, where they have parsed an answer

TEXT = "- when: {}\n  reply: {text: hello there}\n"
VERDICT = "- when: {}\n  reply: {json: {kind: letter, tone: kind, sources: [{page: 1}]}}\n"
CALLS = '- when: {}\n  reply: {text: so, tool_calls: [{name: look, args: {number: 7}}, {name: look, args: "{bad"}]}\n'
BUSY = "- when: {}\n  reply: {status: 429, text: slow down}\n"
REFUSED = "- when: {}\n  reply: {refusal: I will not.}\n"
LONG = "- when: {}\n  reply: {text: cut, finish_reason: length}\n"
RESPONSES = {"use_responses_api": True}
PAST = [
    SystemMessage("Be."),
    HumanMessage("q", name="ann"),
    AIMessage(
        "",
        tool_calls=[{"name": "look", "args": {"number": 1}, "id": "c1"}],
        invalid_tool_calls=[{"name": "look", "args": "{bad", "id": "c2", "error": "e"}],
    ),
    ToolMessage("found", tool_call_id="c1"),
    ToolMessage([{"type": "text", "text": "bad"}], tool_call_id="c2"),
    AIMessage("done"),
    HumanMessage([{"type": "text", "text": "and?"}, {"type": "image_url", "image_url": {"url": "http://x/y.png", "detail": "low"}}]),
]
BLOCKS = [
    HumanMessage("q"),
    AIMessage(
        [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "t", "index": 0}],
                "encrypted_content": "e",
                "index": 0,
            },
            {"type": "text", "text": "a", "id": "msg_1", "annotations": [{"type": "file_citation", "file_id": "f", "file_index": 2}]},
            {"type": "text", "text": "b", "id": "msg_1", "index": 2},
            {"type": "refusal", "refusal": "no", "id": "msg_2"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"type": "function_call", "name": "look", "arguments": "{}", "call_id": "c1", "id": "fc_1"},
        ],
        tool_calls=[{"name": "look", "args": {}, "id": "c1"}],
    ),
    ToolMessage("found", tool_call_id="c1"),
]
SETTINGS = {
    "temperature": 0.2,
    "max_tokens": 7,
    "top_p": 0.5,
    "extra_body": {"cache_prompt": False},
    "reasoning_effort": "low",
    "verbosity": "low",
}


def plain(model):
    """Ask a model as it is."""
    return model


def by_class(model):
    """Ask for an instance of a class with classes and an enumeration in it."""
    return model.with_structured_output(Verdict)


def by_strict_class(model):
    """Ask for it with a tool beside."""
    return model.with_structured_output(Verdict, strict=True, tools=[look])


def by_call(model):
    """Ask for it as the arguments of a tool."""
    return model.with_structured_output(Verdict, method="function_calling", strict=True)


def by_json(model):
    """Ask for any JSON."""
    return model.with_structured_output(Verdict, method="json_mode")


def by_schema(model):
    """Ask for it by a JSON schema."""
    return model.with_structured_output(Verdict.model_json_schema(), strict=True)


def with_tools(model):
    """Offer a tool."""
    return model.bind_tools([look], tool_choice="look", parallel_tool_calls=False)


CASES = {
    "plain": (plain, TEXT, {}, "q"),
    "settings": (plain, TEXT, {**SETTINGS, "seed": 3, "n": 2, "stop": ["x"], "service_tier": "default"}, "q"),
    "past": (plain, TEXT, {}, PAST),
    "tools": (with_tools, CALLS, {}, "q"),
    "class": (by_class, VERDICT, {}, "q"),
    "streamed class": (by_class, VERDICT, {"streaming": True}, "q"),
    "strict class": (by_strict_class, VERDICT, {}, "q"),
    "call": (by_call, CALLS, {}, "q"),
    "json": (by_json, VERDICT, {}, "q"),
    "schema": (by_schema, VERDICT, {}, "q"),
    "refusal": (by_class, REFUSED, {}, "q"),
    "cut": (by_class, LONG, {}, "q"),
    "busy": (plain, BUSY, {}, "q"),
    "response": (plain, TEXT, RESPONSES, "q"),
    "response settings": (plain, TEXT, {**RESPONSES, **SETTINGS, "store": False, "model": "gpt-5-mini"}, "q"),
    "response past": (plain, TEXT, RESPONSES, PAST),
    "response blocks": (plain, TEXT, RESPONSES, BLOCKS),
    "response unstored": (plain, TEXT, {**RESPONSES, "store": False}, BLOCKS),
    "response tools": (with_tools, CALLS, RESPONSES, "q"),
    "streamed response": (with_tools, CALLS, {**RESPONSES, "streaming": True}, "q"),
    "response class": (by_class, VERDICT, RESPONSES, "q"),
    "streamed response class": (by_class, VERDICT, {**RESPONSES, "streaming": True}, "q"),
    "response schema": (by_schema, VERDICT, RESPONSES, "q"),
    "response json": (by_json, VERDICT, RESPONSES, "q"),
    "response refusal": (by_class, REFUSED, {**RESPONSES, "streaming": True}, "q"),
    "response cut": (plain, LONG, RESPONSES, "q"),
    "response busy": (plain, BUSY, RESPONSES, "q"),
}


class Given:
    """Answers with these, one after another."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def answer(self, _asked, _node, _used):
        """Return the next answer."""
        return self.answers.pop(0)


def called(name, script):
    """Make a call of the table, and return the runs of its trace and what the server was asked."""
    ask, _, settings, messages = CASES[name]

    def call(base_url, config):
        model = ChatOpenAI(**{"model": "gpt-4o-mini", "base_url": base_url, "api_key": "a-key", "max_retries": 0, **settings})
        ask(model).invoke(messages, config)

    with serving(script) as server:
        return traced_call(call, server), server.asked


def found_in(runs):
    """Return what becomes of a trace."""
    (tree,) = trees(Record(f"record {number}", run) for number, run in enumerate(runs, start=1))
    return traced(tree, formats=form_of)


def parts(request):
    """Return the digests by which a request is found, wherever it was sent."""
    return segments(Request("POST", request.url, request.body)).without_address().digests()


def said_in(runs):
    """Return the messages that a trace shows as answered, without what is new each time."""
    generations = [run["outputs"]["generations"] for run in runs if run["run_type"] == "llm"]
    messages = [one["message"]["kwargs"] for outer in generations for every in outer for one in every]
    for message in messages:
        message["response_metadata"].pop("headers", None)
        message["id"] = None if str(message.get("id")).startswith("lc_run") else message.get("id")
    return messages


@pytest.mark.parametrize("name", CASES)
def test_a_call_is_asked_and_answered_again_as_it_was(name):
    """The request is the one that the server got, in every part; the answer makes the real client say the same message."""
    runs, asked = called(name, parse(CASES[name][1], path="rules"))

    found = found_in(runs)

    assert (found.left_out, found.incomplete) == ((), ())
    assert [parts(exchange.request) for exchange in found.exchanges] == [parts(request) for request in asked]
    again, _ = called(name, Given(*(exchange.response for exchange in found.exchanges)))
    assert said_in(again) == said_in(runs)


@pytest.mark.parametrize(
    "settings",
    [{"model": "gpt-4o"}, {}, {"model": "gpt-4o", **RESPONSES}, RESPONSES],
    ids=["model", "deployment", "response", "response of deployment"],
)
def test_a_call_of_azure_is_asked_again_as_it_was(settings):
    """The deployment is part of the address, and asked for only where there is no other name of the model."""

    def call(base_url, config):
        address = {"azure_endpoint": base_url.removesuffix("/v1"), "azure_deployment": "of-mine", "api_version": "2024-10-21"}
        AzureChatOpenAI(**address, api_key="a-key", max_retries=0, **settings).invoke("q", config)

    with serving(parse(TEXT, path="rules")) as server:
        runs = traced_call(call, server)

    assert [parts(exchange.request) for exchange in found_in(runs).exchanges] == [parts(request) for request in server.asked]


WRAPPED = {
    "chat": (lambda client, asked: client.chat.completions.create(**asked, temperature=0.5), TEXT),
    "stream": (
        lambda client, asked: list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})),
        TEXT,
    ),
    "tools": (lambda client, asked: client.chat.completions.create(**asked), CALLS),
    "response": (lambda client, asked: client.responses.create(model="m", input=asked["messages"], instructions="Be."), TEXT),
    "parsed response": (lambda client, asked: client.responses.parse(model="m", input="q", text_format=Verdict), VERDICT),
}


def by_wrapper(ask, script, made=wrapped_client):
    """Make a call through LangSmith's wrapper, and return the runs of its trace, what the server was asked and what the client said."""
    client = Kept()
    with serving(script) as server, langsmith.tracing_context(enabled=True, client=client):
        said = ask(made(server.base_url, client), {"model": "m", "messages": [{"role": "user", "content": "q"}]})
        return sent_by(client), server.asked, said


@pytest.mark.parametrize("name", WRAPPED)
def test_a_call_of_the_wrapped_client_is_what_was_on_the_wire(name):
    """Tokens, which the wrapper renames, and a schema, which the client makes, are as they were; the client says the same."""
    ask, rules = WRAPPED[name]
    runs, asked, said = by_wrapper(ask, parse(rules, path="rules"))

    found = found_in(runs)

    assert (found.left_out, found.incomplete) == ((), ())
    assert [parts(exchange.request) for exchange in found.exchanges] == [parts(request) for request in asked]
    _, _, again = by_wrapper(ask, Given(*(exchange.response for exchange in found.exchanges)))
    assert again == said


def told(client, asked):
    """Ask Anthropic with a system prompt, a tool and a setting."""
    tools = [{"name": "look", "input_schema": {"type": "object", "properties": {"number": {"type": "integer"}}}}]
    return client.messages.create(**asked, max_tokens=9, system="Be.", tools=tools, stop_sequences=["x"])


@pytest.mark.parametrize("rules", [TEXT, CALLS.replace(', {name: look, args: "{bad"}', "")], ids=["text", "tools"])
def test_a_call_of_anthropics_wrapped_client_is_what_was_on_the_wire(rules):
    """The system prompt stands in its own place again, calls are blocks; the client says the same."""
    runs, asked, said = by_wrapper(told, parse(rules, path="rules"), wrapped_anthropic)

    found = found_in(runs)

    assert (found.left_out, found.incomplete) == ((), ())
    assert [parts(exchange.request) for exchange in found.exchanges] == [parts(request) for request in asked]
    assert by_wrapper(told, Given(*(exchange.response for exchange in found.exchanges)), wrapped_anthropic)[2] == said


def test_a_class_given_to_the_wrapped_client_is_said_to_be_unshown():
    """The wrapper traces the class as its name alone, which is no response format."""

    def ask(client, asked):
        return client.chat.completions.parse(**asked, response_format=Verdict)

    found = found_in(by_wrapper(ask, parse(VERDICT, path="rules"))[0])

    (exchange,) = found.exchanges
    assert "response_format" not in json.loads(exchange.request.body)
    assert found.incomplete[0].endswith(
        'the schema of its answer is not shown as it was sent: its schema is not in it; it is found with `match = "messages"` in the suite'
    )


RICH = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1700000000,
    "status": "completed",
    "metadata": {"a": "b"},
    "service_tier": "priority",
    "model": "gpt-5-2025-08-07",
    "output": [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "think"}], "encrypted_content": "e"},
        {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "hello there",
                    "annotations": [
                        {"type": "url_citation", "url": "http://u", "title": "t", "start_index": 0, "end_index": 3},
                        {"type": "file_citation", "file_id": "f", "filename": "n", "index": 4},
                    ],
                },
                {"type": "output_text", "text": " more", "annotations": []},
            ],
        },
        {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"number": 7}', "status": "completed"},
        {"id": "ct_1", "type": "custom_tool_call", "call_id": "call_3", "name": "code", "input": "x=1"},
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 8},
        "total_tokens": 30,
    },
}


@pytest.mark.parametrize("name", ["response tools", "streamed response"])
def test_a_response_of_many_items_is_answered_again_as_it_was(name):
    """Reasoning, searches, texts with their sources, calls and tokens by tier of service make the same message."""
    rich = Response(200, json.dumps(RICH).encode(), (("content-type", "application/json"),))
    runs, _ = called(name, Given(rich))

    (exchange,) = found_in(runs).exchanges

    again, _ = called(name, Given(exchange.response))
    assert said_in(again) == said_in(runs)
