"""What becomes of runs of LangChain's client for Anthropic: the bodies beside them are those that it sends and gets."""

import json

import pytest
from langsmith_runs import exchanges_of, kept_answer, message

PARAMS = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 64000,
    "temperature": None,
    "top_k": None,
    "top_p": None,
    "model_kwargs": {},
    "streaming": False,
    "max_retries": 0,
    "default_request_timeout": None,
    "thinking": None,
    "output_config": None,
    "_type": "anthropic-chat",
    "stop": None,
}
CLIENT = {"model": "claude-sonnet-4-5", "max_retries": 0, "anthropic_api_url": "http://127.0.0.1:1", "stream_usage": True}
TOLD = {"id": "msg_1", "model_name": "claude-x", "model_provider": "anthropic", "stop_reason": "end_turn", "stop_sequence": None}
TOOL = {"name": "look", "input_schema": {"properties": {"number": {"type": "integer"}}, "type": "object"}, "description": "Look."}


def called(asked, answer, *, params=None, client=None, told=None, **more):
    """Return a run of the client."""
    said = message("ai", answer, response_metadata={**TOLD, **(told or {})}, **more)
    return {
        "inputs": {"messages": [asked]},
        "outputs": {"generations": [[{"message": said}]], "llm_output": None},
        "extra": {"invocation_params": {**PARAMS, **(params or {})}},
        "serialized": {"kwargs": {**CLIENT, **(client or {})}},
        "end_time": "2026-01-01",
    }


def exchange_of(run):
    """Return the request's address and body, and the answer's body."""
    (exchange,) = exchanges_of(run).exchanges
    return exchange.request.url, json.loads(exchange.request.body), json.loads(exchange.response.body)


def asked_of(*messages, **how):
    """Return the body that is sent for these messages."""
    return exchange_of(called(list(messages), "!", **how))[1]


def test_settings_are_sent_as_the_client_sends_them():
    """What is the client's own is not sent; its words to stop at are, unless the call has others."""
    how = {
        "params": {"temperature": 0.2, "tools": [TOOL], "tool_choice": {"type": "tool", "name": "look"}},
        "client": {"stop_sequences": ["x"]},
    }
    run = called([message("system", "Be."), message("human", "?")], "!", **how)

    url, asked, _ = exchange_of(run)

    assert url == "http://127.0.0.1:1/v1/messages"
    assert asked == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 64000,
        "temperature": 0.2,
        "tools": [TOOL],
        "tool_choice": {"type": "tool", "name": "look"},
        "stop_sequences": ["x"],
        "system": "Be.",
        "messages": [{"role": "user", "content": "?"}],
    }
    assert asked_of(message("human", "?"), params={"stop": ["y"]}, client={"stop_sequences": ["x"]})["stop_sequences"] == ["y"]


def test_a_conversation_is_sent_in_turns():
    """What people and tools say one after another is one turn; calls are sent as LangChain has read them; ids in Anthropic's letters."""
    calls = [{"name": "look", "args": {"n": 1}, "id": "functions.look:0", "type": "tool_call"}]
    broken = [{"name": "look", "args": "{bad", "id": "c2", "error": "e"}]
    asked = asked_of(
        message("system", [{"type": "text", "text": "Be.", "cache_control": {"type": "ephemeral"}, "id": "lc_1"}]),
        message("system", "Kind."),
        message("human", "a"),
        message("human", [{"type": "text", "text": "b"}, {"type": "text", "text": " "}, "c"]),
        message("ai", "so", tool_calls=calls, invalid_tool_calls=broken),
        message("tool", "found", tool_call_id="functions.look:0"),
        message("tool", [{"type": "text", "text": "bad"}], tool_call_id="c2", status="error"),
        message("human", [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]),
        message("ai", ""),
        message("ai", "begun "),
    )

    name = asked["messages"][1]["content"][1]["id"]
    assert name.startswith("toolu_")
    assert asked["system"] == [{"type": "text", "text": "Be.", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "Kind."}]
    assert asked["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": text} for text in "abc"]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "so"},
                {"type": "tool_use", "name": "look", "input": {"n": 1}, "id": name},
                {"type": "tool_use", "name": "look", "input": {}, "id": "c2"},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "content": "found", "tool_use_id": name, "is_error": False},
                {"type": "tool_result", "content": [{"type": "text", "text": "bad"}], "tool_use_id": "c2", "is_error": True},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ],
        },
        {"role": "assistant", "content": "begun"},
    ]


def test_blocks_of_an_earlier_answer_are_sent_again():
    """Thoughts go back with their signature, streamed calls with what LangChain has read of them."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s", "index": 0}
    call = {"type": "tool_use", "id": "c1", "name": "look", "input": {}, "partial_json": '{"n": 1}', "index": 1}
    answer = message("ai", [thought, call], tool_calls=[{"name": "look", "args": {"n": 1}, "id": "c1"}])

    turns = asked_of(message("human", "?"), answer, message("tool", "r", tool_call_id="c1"))["messages"]

    assert turns[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "tool_use", "name": "look", "input": {"n": 1}, "id": "c1"},
    ]


def test_an_answer_is_the_servers_own():
    """Blocks as they were, calls whole where they were streamed, tokens of a cache apart."""
    content = [
        {"type": "text", "text": "so", "index": 0},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {}, "partial_json": '{"n":1}', "index": 1},
    ]
    usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12, "input_token_details": {"cache_read": 3, "cache_creation": 2}}
    calls = [{"name": "look", "args": {"n": 1}, "id": "c1"}]

    answered = exchange_of(
        called([message("human", "?")], content, told={"stop_reason": "tool_use"}, tool_calls=calls, usage_metadata=usage)
    )[2]

    assert answered == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [{"type": "text", "text": "so"}, {"type": "tool_use", "id": "c1", "name": "look", "input": {"n": 1}}],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2},
    }


def test_a_refused_call_is_one_to_anthropic():
    """An overload is an exchange with its own status, at Anthropic's path."""
    run = called([message("human", "?")], "!") | {"error": "OverloadedError('x')", "outputs": kept_answer(529, {"type": "error"})}
    (exchange,) = exchanges_of(run).exchanges

    assert (exchange.request.url, exchange.response.status) == ("http://127.0.0.1:1/v1/messages", 529)


ASKED = [message("human", "?")]


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (called(ASKED, "!", client={"betas": ["x"]}), "what its client sent for betas is not in it"),
        (
            called(ASKED, "!", params={"tools": [{"type": "web_search_20250305"}]}),
            "what its client sent for a tool of the server is not in it",
        ),
        (called([*ASKED, message("system", "Be.")], "!"), "where a system message was sent that is not the first is not known"),
        (called([message("human", [{"type": "audio"}])], "!"), "how a block of the type 'audio' was sent is not known"),
        (
            called([message("tool", [{"type": "text", "text": "r", "cache_control": {}}], tool_call_id="c1")], "!"),
            "where the mark for a cache was sent is not known",
        ),
        (
            called([message("ai", [{"type": "tool_use", "id": "c", "caller": {"type": "x"}}], tool_calls=[{"id": "c"}])], "!"),
            "how a call within another was sent is not known",
        ),
        (called(ASKED, [{"type": "server_tool_use"}]), "how a block of the type 'server_tool_use' was answered is not known"),
        (called(ASKED, "!", told={"output_version": "v1"}), "its answer is not kept as it was given, or not to its end"),
        (called(ASKED, "!", told={"stop_reason": None}), "its answer is not kept as it was given, or not to its end"),
    ],
    ids=["betas", "tool", "system", "block", "mark", "caller", "answer", "standard", "cut"],
)
def test_what_is_not_shown_as_it_was_makes_no_exchange(run, why):
    """Where the client makes something else of what it is given, the request is not known."""
    found = exchanges_of(run, {"inputs": {"model": "m", "messages": []}, "outputs": {"choices": []}})

    assert (len(found.exchanges), found.left_out) == (1, (f"run m0 (model): {why}",))
