"""What becomes of the runs of models in a trace: the requests and answers that they show, and why the others make none."""

import json
from typing import TypedDict

import pytest
from langchain_core.tracers import LangChainTracer
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.types import Command, interrupt
from langsmith_runs import ANSWERED, ASKED, ROOT, exchanges_of, failed, kept_answer, langchain, message
from langsmith_traces import Kept, sent_by

from harness.cassette.answer import whole_body
from harness.errors import UsageError
from harness.foreign import Record, Tree, traced, trees


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
    """A run of a model that holds another is the same call from further away: the inner one is nearer to the wire."""
    found = exchanges_of({"inputs": {"text": "?"}, "outputs": {"text": "!"}}, {"inputs": ASKED, "outputs": ANSWERED, "parent_run_id": "m0"})

    assert (len(found.exchanges), found.left_out) == (1, ())


def test_a_message_is_told_by_its_class_where_it_has_no_type():
    """Older tracers wrote the class of a message, and no type."""
    older = message("human", "?")
    del older["kwargs"]["type"]

    assert asked_in(exchanges_of(langchain([older], message("ai", "!"))))["messages"] == [{"role": "user", "content": "?"}]


@pytest.mark.parametrize("parent", [7, ["r"]], ids=["number", "list"])
def test_a_run_inside_of_what_is_no_id_is_refused(parent):
    """The line names the run."""
    with pytest.raises(UsageError, match="record 2: the parent_run_id of run m0 is no id"):
        exchanges_of({"inputs": ASKED, "outputs": ANSWERED, "parent_run_id": parent})


def test_runs_that_are_not_there_are_counted():
    """A run that names others inside of it tells what the export lacks."""
    found = exchanges_of({"inputs": ASKED, "outputs": ANSWERED, "child_run_ids": ["m0", "x", "y"]})

    assert found.incomplete == ("2 of its runs are not there; export the whole trace",)


LIMITED = "Error code: 429 - {'error': {'message': 'Too much', 'type': 'requests', 'param': None, 'code': 'rate'}}"


@pytest.mark.parametrize(
    "error", [f"RateLimitError({LIMITED!r})Traceback …", f"RateLimitError('cut')\n\nopenai.RateLimitError: {LIMITED}"], ids=["repr", "last"]
)
def test_a_refusal_is_read_from_the_text_of_its_error(error):
    """Older clients put status and body into the text, as Python shows them."""
    (exchange,) = exchanges_of(failed(error, serialized={"kwargs": {"max_retries": 0}})).exchanges

    assert exchange.response.status == 429
    assert json.loads(exchange.response.body)["error"] == {"message": "Too much", "type": "requests", "param": None, "code": "rate"}


def test_a_refusal_that_langchain_kept_is_the_servers_own():
    """Status, body and the time to wait are those of the answer, be it JSON or not."""
    outputs = kept_answer(503, "<html>", **{"Content-Type": "text/html", "Retry-After": "2", "server": "s"})
    found = exchanges_of(failed("InternalServerError('x')", outputs))

    (exchange,) = found.exchanges
    assert (exchange.response.status, exchange.response.body) == (503, b"<html>")
    assert exchange.response.headers == (("content-type", "text/html"), ("retry-after", "2"))
    assert "asks again after status 503" in found.incomplete[0]


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (failed("APITimeoutError('Request timed out.')"), "it failed with APITimeoutError, and what the server answered is not in it"),
        (
            failed("RateLimitError('Error code: 429 - slow')"),
            "it failed with RateLimitError, and the body of what the server answered is not",
        ),
        (failed("ValueError('x')", kept_answer(200, "data: …")), "it failed with ValueError, and what the server answered is not in it"),
        (failed(None, end_time=None), "it had not ended"),
        ({"inputs": ASKED, "outputs": None, "error": LIMITED}, "it is no chat completion, no response and no embedding"),
        ({"inputs": {"messages": ASKED["messages"]}, "outputs": ANSWERED}, "its model is not in it"),
        (langchain([message("human", [{"type": "file", "data": "x"}])], message("ai", "!")), "how a block of the type 'file' was sent"),
        (langchain([message("human", [{"type": ["text"]}])], message("ai", "!")), "it has a shape that is not known"),
    ],
    ids=["time-out", "status", "stream", "unfinished", "provider", "model", "file", "shape"],
)
def test_a_call_that_shows_too_little_is_left_out(run, why):
    """What is not known is not made up."""
    found = exchanges_of(run, {"inputs": ASKED, "outputs": ANSWERED})

    assert (len(found.exchanges), found.left_out[0].startswith(f"run m0 (model): {why}")) == (1, True)


def response(content, *, asked=(), client=(), **more):
    """Return a run that asked the Responses API."""
    told = {"id": "resp_1", "object": "response", "status": "completed", "model_name": "m"}
    run = langchain(list(asked) or [message("human", "?")], message("ai", content, response_metadata=told, **more))
    return {**run, "serialized": {"kwargs": dict(client)}}


TEXT = {"type": "text", "text": "!", "id": "msg_1"}
CALL = {"name": "look", "args": {}, "id": "c1", "type": "tool_call"}


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (response("!"), "its answer is not kept as the Responses API gave it, but in another `output_version`"),
        (response([{**TEXT, "id": None}]), "its answer is not kept as the Responses API gave it"),
        (response([TEXT], tool_calls=[CALL]), "its answer is not kept as the Responses API gave it"),
        (response([{"type": "reasoning", "reasoning": "t"}]), "its answer is not kept as the Responses API gave it"),
        (response([TEXT], additional_kwargs={"reasoning": {}}), "its answer is not kept as the Responses API gave it"),
        (response([TEXT], client={"use_previous_response_id": True}), "it goes on from a response that the server kept"),
        (response([TEXT], asked=[message("human", [{"type": "audio"}])]), "how a block of the type 'audio' was sent is not known"),
        (response([TEXT], asked=[message("ai", [{"type": "tool_call"}])]), "how a block of the type 'tool_call' was sent is not known"),
        (response([TEXT], asked=[message("ai", [{"type": "image_generation_call"}])]), "how a block of the type 'image_generation_call'"),
        (
            response([TEXT], asked=[message("ai", [{**TEXT, "annotations": [{"type": "citation"}]}])]),
            "how a block of the type 'citation' was sent is not known",
        ),
    ],
    ids=["text", "unnamed", "call", "standard", "older", "previous", "audio", "standard call", "image", "citation"],
)
def test_a_response_that_is_not_shown_as_it_was_makes_no_exchange(run, why):
    """Where LangChain has put blocks in another order or form, the answer would be another one."""
    found = exchanges_of(run, {"inputs": ASKED, "outputs": ANSWERED})

    assert (len(found.exchanges), found.left_out[0].startswith(f"run m0 (model): {why}")) == (1, True)


@pytest.mark.parametrize(
    ("params", "client", "path"),
    [
        ({}, {}, "/chat/completions"),
        ({}, {"use_responses_api": True}, "/responses"),
        ({"reasoning": {"effort": "low"}}, {"use_responses_api": False}, "/chat/completions"),
        ({"reasoning": {"effort": "low"}}, {}, "/responses"),
        ({"tools": [{"type": "web_search"}]}, {}, "/responses"),
        ({"model": "gpt-5-codex"}, {}, "/responses"),
    ],
    ids=["plain", "told", "told not", "setting", "tool", "model"],
)
def test_a_refused_call_went_where_its_client_goes(params, client, path):
    """An error does not tell the API: the client's settings, its tools and its model do."""
    run = failed("x", kept_answer(400, {"error": {}}), serialized={"kwargs": client})
    run["extra"] = {"invocation_params": {**run["extra"]["invocation_params"], **params}}
    (exchange,) = exchanges_of(run).exchanges

    assert exchange.request.url.endswith(path)


def tool(name, inputs, node, step):
    """Return the visit of a node, and the run of a tool in it."""
    metadata = {"metadata": {"langgraph_node": node, "langgraph_step": step}}
    visit = {"id": f"{node}{step}", "name": node, "run_type": "chain", "parent_run_id": "r", "start_time": str(step), "extra": metadata}
    called = {"id": f"{node}{step}{name}", "name": name, "run_type": "tool", "parent_run_id": f"{node}{step}", "start_time": f"{step}.1"}
    return visit, {**called, "inputs": inputs}


def tools_of(*runs):
    """Return the tools that are expected of a trace with these runs, each of which may be there several times."""
    every = {run["id"]: run for run in (ROOT, *runs)}
    (tree,) = trees(Record("record", run) for run in every.values())
    return traced(tree, expect=["tools"]).case.expected.tools


def test_tools_in_steps_one_after_another_are_expected_in_their_order():
    """Arguments are those of the runs, also where an older tracer wrote them as Python does; where they are a text, any will do."""
    found = tools_of(
        *tool("look", {"n": 1}, "tools", 2), *tool("mail", {"input": "{'to': 'a'}"}, "tools", 4), *tool("say", {"input": "x"}, "end", 5)
    )

    assert found.mode == "strict"
    assert [(call.name, call.args) for call in found.calls] == [("look", {"n": 1}), ("mail", {"to": "a"}), ("say", None)]


@pytest.mark.parametrize("node", ["tools", "others"], ids=["one node", "two nodes"])
def test_tools_of_one_step_are_expected_in_any_order(node):
    """Calls side by side began by chance in this order."""
    assert tools_of(*tool("look", {}, "tools", 2), *tool("mail", {}, node, 2)).mode == "unordered"


def test_calls_that_were_asked_for_are_expected_where_no_tool_ran():
    """A graph that executes tools without tracing them shows what its models asked for."""
    asking = {
        "id": "m",
        "run_type": "llm",
        "parent_run_id": "r",
        **langchain([message("human", "?")], message("ai", "", tool_calls=[CALL])),
    }

    assert [(call.name, call.args) for call in tools_of(asking).calls] == [("look", {})]


def test_no_call_is_expected_of_a_trace_without_one():
    """That no tool was called is what the trace shows."""
    found = tools_of({"id": "m", "run_type": "llm", "parent_run_id": "r", **langchain([message("human", "?")], message("ai", "!"))})

    assert (found.mode, found.calls) == ("strict", ())


class Asked(TypedDict):
    """The state of a graph that asks a person."""

    said: str


def _interrupted():
    """Return the traces of a graph that stops at an interrupt and goes on with an answer, as LangChain's tracer sends them."""
    graph = StateGraph(Asked).add_node("ask", lambda _: {"said": interrupt("what?")}).set_entry_point("ask").set_finish_point("ask")
    client, compiled = Kept(), graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "one"}, "callbacks": [LangChainTracer(client=client)]}
    compiled.invoke({"said": ""}, config)
    compiled.invoke(Command(resume="this"), config)
    return list(trees(Record(f"run {number}", run) for number, run in enumerate(sent_by(client))))


def test_a_trace_that_stopped_at_an_interrupt_says_that_it_is_not_all():
    """What a person answered is another trace, so the case lacks it; and that other trace makes no case."""
    stopped, resumed = _interrupted()

    (said,) = traced(stopped).incomplete
    assert said == "node 'ask' stopped at an interrupt, whose answer is not shown; add `resume`, or expect that it ends there"
    with pytest.raises(UsageError, match="goes on from an interrupt; import the one that it began with, and add `resume`"):
        traced(resumed)


def test_a_pushed_trace_that_went_on_after_an_interrupt_says_that_it_is_not_all():
    """There the answer was given within the trial, so that the node is done in the end."""
    metadata = {"langgraph_node": "ask", "interrupted": False, "stops": 1}
    node = {"id": "n", "run_type": "chain", "name": "ask", "extra": {"metadata": metadata}}

    (said,) = traced(Tree("run 0", {"id": "r", "run_type": "chain", "inputs": {"q": 1}}, (node | {"parent_run_id": "r"},))).incomplete

    assert said.startswith("node 'ask' stopped at an interrupt, whose answer is not shown")


def test_a_trace_of_several_turns_says_that_it_shows_one():
    """A trial that was pushed from here has all of its turns in one trace, and the inputs of the first."""
    tree = Tree("run 0", {"id": "r", "run_type": "chain", "inputs": {"q": 1}}, ({"id": "n", "run_type": "chain", "name": "n", **_turn(2)},))

    assert traced(tree).incomplete == ("it has several turns, and shows the inputs of the first one alone; add `turns`",)


def _turn(number):
    return {"extra": {"metadata": {"turn": number, "langgraph_node": "n"}}}
