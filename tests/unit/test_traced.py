"""What becomes of the runs of models in a trace: the requests and answers that they show, and why the others make none."""

import json

import pytest

from harness.cassette.answer import whole_body
from harness.foreign import Record, traced, trees

ROOT = {
    "id": "r",
    "run_type": "chain",
    "name": "graph",
    "inputs": {"question": "?"},
    "outputs": {},
    "start_time": "2026-01-01T00:00:00",
}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
ANSWERED = {"id": "a", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "!"}}]}


def message(kind, content="", **more):
    """Return a message as LangChain's tracer writes it."""
    name = {"human": "HumanMessage", "ai": "AIMessage", "system": "SystemMessage", "tool": "ToolMessage"}[kind]
    kwargs = {"type": kind, "content": content, **more}
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", name], "kwargs": kwargs}


def langchain(asked, answer, **more):
    """Return a run of a chat model of LangChain."""
    params = {"model": "m", "model_name": "m", "_type": "openai-chat", "stop": None, "stream": False}
    outputs = {"generations": [[{"message": answer, "generation_info": {"finish_reason": "stop"}}]], "llm_output": None}
    return {"inputs": {"messages": [asked]}, "outputs": outputs, "extra": {"invocation_params": params}, **more}


def exchanges_of(*runs):
    """Return what becomes of a trace with these runs of models."""
    inner = [{"id": f"m{number}", "run_type": "llm", "name": "model", "parent_run_id": "r", **run} for number, run in enumerate(runs)]
    (tree,) = trees(Record(f"record {number}", run) for number, run in enumerate([ROOT, *inner], start=1))
    return traced(tree)


def asked_in(found):
    """Return what the only exchange asks."""
    (exchange,) = found.exchanges
    return json.loads(exchange.request.body)


def answered_in(found):
    """Return what the only exchange answers."""
    (exchange,) = found.exchanges
    return whole_body(exchange.response.body)


def test_a_call_of_the_wrapped_client_is_what_it_says():
    """What `wrap_openai` traces is request and answer as they were, but for what is the client's own."""
    found = exchanges_of({"inputs": {**ASKED, "timeout": 5, "seed": None, "extra_body": {"top_k": 1}}, "outputs": ANSWERED})

    assert asked_in(found) == {**ASKED, "top_k": 1}
    assert answered_in(found) == ANSWERED


def test_an_embedding_of_the_same_form_is_one():
    """Inputs with an `input` and outputs with data were asked at the end of another path."""
    found = exchanges_of({"run_type": "embedding", "inputs": {"model": "e", "input": ["a"]}, "outputs": {"data": [{"embedding": [0.5]}]}})

    (exchange,) = found.exchanges
    assert exchange.request.url.endswith("/embeddings")


def test_messages_are_asked_as_a_client_sends_them():
    """Roles, a developer's message, names, blocks, calls and answers of tools are those of the wire."""
    calls = [{"name": "look", "args": {"n": 1}, "id": "c1", "type": "tool_call"}]
    found = exchanges_of(
        langchain(
            [
                message("system", "Be.", additional_kwargs={"__openai_role__": "developer"}),
                message("human", [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "u"}}], name="ann"),
                message("ai", "", tool_calls=calls),
                message("tool", "found", tool_call_id="c1", name="look"),
            ],
            message("ai", "!"),
        )
    )

    assert asked_in(found)["messages"] == [
        {"role": "developer", "content": "Be."},
        {"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "u"}}], "name": "ann"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"n": 1}'}}],
        },
        {"role": "tool", "content": "found", "tool_call_id": "c1"},
    ]


def test_an_answer_has_what_the_run_tells_of_it():
    """Calls whose arguments are no JSON, a refusal, the finish reason and LangChain's count of tokens are in the answer."""
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "input_token_details": {"cache_read": 1}}
    broken = [{"name": "look", "args": '{"n": ', "id": "c1", "error": None}]
    more = {"invalid_tool_calls": broken, "usage_metadata": usage, "additional_kwargs": {"refusal": "No."}}
    answer = answered_in(exchanges_of(langchain([message("human", "?")], message("ai", "", **more))))

    (choice,) = answer["choices"]
    assert choice["message"]["tool_calls"] == [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"n": '}}]
    assert (choice["message"]["refusal"], choice["finish_reason"]) == ("No.", "stop")
    assert answer["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 1},
    }


def test_an_answer_that_nobody_counted_has_no_usage():
    """Tokens that the run does not tell are not made up."""
    assert "usage" not in answered_in(exchanges_of(langchain([message("human", "?")], message("ai", "!"))))


def test_times_are_those_of_the_run():
    """Latency and time to the first token come from the run's times; without a time zone they are in UTC."""
    times = {"start_time": "2026-01-01T00:00:00", "end_time": "2026-01-01T00:00:02.5", "first_token_time": "2026-01-01T00:00:00.5+00:00"}
    (exchange,) = exchanges_of(langchain([message("human", "?")], message("ai", "!"), **times)).exchanges

    assert (exchange.latency_s, exchange.ttft_s, exchange.recorded_at) == (2.5, 0.5, "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ({"extra": {"metadata": {"url": "http://m/v1/chat/completions"}}}, "http://m/v1/chat/completions"),
        ({"serialized": {"kwargs": {"openai_api_base": "http://m/v1/"}}}, "http://m/v1/chat/completions"),
        ({}, "https://redacted.invalid/chat/completions"),
    ],
    ids=["pushed", "client", "untold"],
)
def test_the_address_is_the_one_that_is_told(told, url):
    """Where none is told, it is one that stands for any."""
    (exchange,) = exchanges_of({"inputs": ASKED, "outputs": ANSWERED, **told}).exchanges

    assert exchange.request.url == url


def test_a_refused_request_is_one_where_its_status_is_told():
    """An error that was pushed from here has its status and body."""
    extra = {"metadata": {"url": "http://m/v1/chat/completions", "status": 429}}
    (exchange,) = exchanges_of({"inputs": ASKED, "outputs": {"error": {}}, "error": "HTTP 429", "extra": extra}).exchanges

    assert (exchange.response.status, exchange.response.body) == (429, b'{"error": {}}')


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ({"inputs": {}, "outputs": ANSWERED}, "what was asked or answered is not in it"),
        ({"inputs": ASKED, "outputs": ANSWERED, "extra": {"metadata": {"cached": True}}}, "it was answered from a cache"),
        (
            {"inputs": ASKED, "outputs": {"text": "!"}},
            "it is no chat completion, no response and no embedding of the OpenAI-compatible form",
        ),
        (langchain([message("human", [{"type": "audio"}])], message("ai", "!")), "how a block of the type 'audio' was sent is not known"),
        (langchain([message("human", "?")], message("ai", [{"type": "text"}])), "what was said is in blocks, not of a chat completion"),
        (langchain([{"type": "remark"}], message("ai", "!")), "a message of the type 'remark' is not known"),
        (langchain([message("human", "?")], None), "it holds no answer of a chat model"),
        ({**langchain([message("human", "?")], message("ai", "!")), "inputs": {"messages": [[], []]}}, "it holds no list of messages"),
    ],
    ids=["hidden", "cached", "form", "block", "said", "type", "answer", "batch"],
)
def test_what_a_run_does_not_show_makes_no_exchange(run, why):
    """The others are kept, and the reason is told."""
    found = exchanges_of(run, {"inputs": ASKED, "outputs": ANSWERED})

    assert len(found.exchanges) == 1
    assert found.left_out[0].startswith(f"run m0 (model): {why}")


def test_a_call_that_was_traced_twice_is_one():
    """A run of a model inside of another is the same call."""
    outer = {"inputs": ASKED, "outputs": ANSWERED}
    found = exchanges_of(outer, {**outer, "parent_run_id": "m0"})

    assert (len(found.exchanges), found.left_out) == (1, ())
