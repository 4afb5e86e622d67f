"""What makes two requests the same, and which part of them differs."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cassette.exchange import Request
from harness.cassette.segments import MATCHED, NAMES, Policy, match_key, segments
from harness.schema import canonical_json

CHAT = "https://api.openai.com/v1/chat/completions"
BODY: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Où est-ce? 😀"}],
    "tools": [{"type": "function", "function": {"name": "lookup", "description": "Look up.", "parameters": {"type": "object"}}}],
    "response_format": {"type": "json_object"},
    "temperature": 0.5,
    "stream": False,
}


def digests(body: Any, url: str = CHAT, method: str = "POST") -> dict[str, str]:
    """Return the digests of a request with this JSON body."""
    return segments(Request(method, url, json.dumps(body).encode())).digests()


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    """Return the names of the parts that differ."""
    return {name for name in NAMES if one[name] != other[name]}


def shuffled(value: Any, draw: Any) -> Any:
    """Return an equal JSON value, its keys in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], draw) for key in draw(st.permutations(list(value)))}
    return [shuffled(part, draw) for part in value] if isinstance(value, list) else value


@given(st.data(), st.booleans(), st.sampled_from([None, 1, 4]))
@settings(deadline=None, max_examples=60)
def test_spelling_does_not_matter(data, ascii_only, indent):
    """Key order, whitespace and unicode escapes of the JSON never change a digest."""
    text = json.dumps(shuffled(BODY, data.draw), ensure_ascii=ascii_only, indent=indent)

    assert digests(BODY) == segments(Request("POST", CHAT, text.encode())).digests()


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_spelling_does_not_matter_anywhere(data):
    """No JSON value in a message, with ids wherever they may stand, has a digest that depends on its key order."""
    keys = st.sampled_from(["id", "tool_call_id", "call_id", "content", "type", "function", "a"])
    values = st.recursive(
        st.sampled_from(["x", "y", "tool_use"]) | st.none(),
        lambda inner: st.dictionaries(keys, inner, max_size=3) | st.lists(inner, max_size=2),
        max_leaves=6,
    )
    message = data.draw(st.dictionaries(keys, values, max_size=4))

    assert digests({"messages": [message]}) == digests({"messages": [shuffled(message, data.draw)]})


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("model", {"model": "gpt-4o"}),
        ("system", {"messages": [{"role": "system", "content": "Be long."}, BODY["messages"][1]]}),
        ("messages", {"messages": [BODY["messages"][0], {"role": "user", "content": "Where?"}]}),
        ("tools", {"tools": [{"type": "function", "function": {**BODY["tools"][0]["function"], "description": "Look it up."}}]}),
        ("tools", {"tool_choice": "required"}),
        ("response_format", {"response_format": {"type": "text"}}),
        ("sampling", {"temperature": 0.6}),
        ("sampling", {"seed": 0}),
        (None, {"stream": True}),
        (None, {"stream": True, "stream_options": {"include_usage": True}}),
        (None, {"max_tokens": None}),
    ],
)
def test_one_change_one_part(part, change):
    """A change shows in the digest of its own part only; streaming shows in none."""
    assert ({part} if part else set()) == changed(digests(BODY), digests({**BODY, **change}))


def test_stream_is_noted():
    """Whether a stream was asked for is known, though it is no part of the key."""
    assert segments(Request("POST", CHAT, json.dumps({**BODY, "stream": True}).encode())).streamed
    assert not segments(Request("POST", CHAT, json.dumps(BODY).encode())).streamed


def test_host_does_not_matter():
    """The same request to another host, port or scheme is the same."""
    assert digests(BODY) == digests(BODY, "http://127.0.0.1:8080/v1/chat/completions")


@pytest.mark.parametrize("url", ["https://api.openai.com/v2/chat/completions", CHAT + "?api-version=1"])
def test_path_and_query_matter(url):
    """Another path, or another query, is another endpoint."""
    assert {"endpoint"} == changed(digests(BODY), digests(BODY, url))


def test_query_order_does_not_matter():
    """The order of query parameters is a matter of spelling; a method is not."""
    assert digests({}, CHAT + "?a=1&b=2") == digests({}, CHAT + "?b=2&a=1")
    assert {"endpoint"} == changed(digests({}), digests({}, method="PUT"))


def conversation(first: str, second: str, answers: tuple[str, str]) -> dict[str, Any]:
    """Return a conversation with two tool calls and their answers."""
    calls = [{"id": key, "type": "function", "function": {"name": "get", "arguments": "{}"}} for key in (first, second)]
    told = [{"role": "tool", "tool_call_id": key, "content": answer} for key, answer in zip((first, second), answers, strict=True)]
    return {"model": "m", "messages": [{"role": "assistant", "content": None, "tool_calls": calls}, *told]}


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
@settings(deadline=None, max_examples=30)
def test_ids_do_not_matter(ids):
    """Tool-call ids count by their order of appearance only."""
    assert digests(conversation("a", "b", ("1", "2"))) == digests(conversation(*ids, ("1", "2")))


def test_swapped_tool_answers_matter():
    """Two tool results that change places between their ids make another request."""
    straight = conversation("a", "b", ("1", "2"))
    crossed = json.loads(json.dumps(straight))
    crossed["messages"][1]["tool_call_id"], crossed["messages"][2]["tool_call_id"] = "b", "a"

    assert {"messages"} == changed(digests(straight), digests(crossed))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"content": "x"}, {"content": [{"type": "text", "text": "x"}]}),
        ({"content": None}, {}),
        ({"content": "x", "name": None}, {"content": "x"}),
        ({"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a": 1, "b": 2}'}}]}, None),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_equal_messages(role, one, other):
    """Forms of one message that libraries differ in are equal."""
    other = {"tool_calls": [{"id": "9", "function": {"arguments": '{"b":2,"a":1}', "name": "f"}}]} if other is None else other

    assert digests({"messages": [{"role": role, **one}]}) == digests({"messages": [{"role": role, **other}]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([{"role": "user", "content": "x"}], [{"role": "assistant", "content": "x"}]),
        ([{"role": "user", "content": "x"}], [{"role": "user", "content": "x"}] * 2),
        ([{"role": "user", "content": [{"type": "text", "text": "x"}] * 2}], [{"role": "user", "content": "xx"}]),
        ([{"role": "user", "content": "x"}], [{"role": "user", "name": "n", "content": "x"}]),
        ([{"role": "tool", "tool_call_id": "1", "content": "x"}], [{"role": "tool", "content": "x"}]),
        ({"a": 1}, {"a": 2}),
    ],
)
def test_unequal_messages(one, other):
    """Who says it, how often and in how many parts, makes another request."""
    assert {"messages"} == changed(digests({"messages": one}), digests({"messages": other}))


def test_a_system_message_keeps_its_place():
    """A system message after the first turn is not the same as one before it, nor is one under another name."""
    user, system = {"role": "user", "content": "u"}, {"role": "system", "content": "s"}

    assert {"messages"} == changed(digests({"messages": [system, user]}), digests({"messages": [user, system]}))
    assert {"system"} == changed(digests({"messages": [system]}), digests({"messages": [{**system, "name": "example"}]}))


def test_what_a_tool_is_given_matters():
    """The input of an Anthropic tool call is the tool's own: an `id` in it is no id of a message."""
    url = "https://api.anthropic.com/v1/messages"
    one, other = (
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get", "input": {"id": value}}]}]}
        for value in ("order-7", "order-8")
    )

    assert {"messages"} == changed(digests(one, url), digests(other, url))


RESPONSES = "https://api.openai.com/v1/responses"


@pytest.mark.parametrize(
    "given",
    [[{"role": "user", "content": "hi"}], [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]],
)
def test_responses_input_forms(given):
    """A text as input of the Responses API equals one user message."""
    assert digests({"model": "m", "input": "hi"}, RESPONSES) == digests({"model": "m", "input": given}, RESPONSES)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("system", {"instructions": "Be brief."}),
        ("system", {"prompt": {"id": "pmpt_1"}}),
        ("messages", {"input": "ho"}),
        ("messages", {"previous_response_id": "resp_1"}),
        ("response_format", {"text": {"format": {"type": "json_object"}}}),
        ("sampling", {"text": {"verbosity": "low"}}),
        ("sampling", {"text": "low"}),
        ("tools", {"tools": [{"type": "web_search"}]}),
    ],
)
def test_responses_parts(part, change):
    """Each part of a Responses request is its own."""
    body = {"model": "m", "input": "hi"}

    assert {part} == changed(digests(body, RESPONSES), digests({**body, **change}, RESPONSES))


def test_previous_response_ids_are_volatile():
    """That there was a previous response matters, its id does not."""
    one, other = ({"input": "hi", "previous_response_id": name} for name in ("resp_1", "resp_2"))

    assert digests(one, RESPONSES) == digests(other, RESPONSES)


def test_anthropic_system():
    """Anthropic's system prompt is a part of its own; a lone text block equals its text."""
    url = "https://api.anthropic.com/v1/messages"
    body = {"model": "claude", "messages": [{"role": "user", "content": "hi"}], "system": "Be brief."}

    assert digests(body, url) == digests({**body, "system": [{"type": "text", "text": "Be brief."}]}, url)
    assert {"system"} == changed(digests(body, url), digests({**body, "system": "Be long."}, url))


def test_embeddings():
    """An embedding request is known as one; its text, model and dimensions are parts of their own."""
    url = "https://api.openai.com/v1/embeddings"
    body = {"model": "e", "input": "hi"}

    assert segments(Request("POST", url, json.dumps(body).encode())).kind == "embedding"
    assert digests(body, url) == digests({**body, "input": ["hi"]}, url)
    assert {"messages"} == changed(digests(body, url), digests({**body, "input": ["ho"]}, url))
    assert {"response_format"} == changed(digests(body, url), digests({**body, "dimensions": 8}, url))


@pytest.mark.parametrize("path", ["/threads/1/messages", "/forms/1/responses", "/embeddings", "/course/completions"])
def test_other_services_are_matched_whole(path):
    """A service whose path only looks like a provider's is matched by its whole body, under every policy."""
    one, other = (segments(Request("POST", f"https://example.com{path}", json.dumps({"text": text}).encode())) for text in "ab")

    assert one.kind == "http"
    for policy in MATCHED:
        assert match_key(one.digests(), policy) != match_key(other.digests(), policy)


@pytest.mark.parametrize("body", [b"", b"plain", b"[1]", b'"x"', b"null", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1e999}', b"{"])
def test_opaque_bodies(body):
    """A body that is not a JSON object is one part, matched as it is."""
    asked = segments(Request("POST", CHAT, body))

    assert asked.kind == "http"
    assert asked.model is None
    assert set() == changed(asked.digests(), segments(Request("POST", CHAT, body)).digests())
    assert {"messages"} == changed(asked.digests(), segments(Request("POST", CHAT, body + b"!")).digests())


def test_binary_bodies_are_told_apart():
    """Two bodies that are no text differ in their digests, though neither can be decoded."""
    one, other = (segments(Request("POST", CHAT, body)).digests() for body in (b"\xff\x01", b"\xfe\x01"))

    assert {"messages"} == changed(one, other)


@pytest.mark.parametrize("depth", [200, 700, 5_000, 200_000])
@pytest.mark.parametrize("template", ['{"messages": %s}', '{"tools": %s}', '{"a": %s}', '{"messages": [{"content": %s}]}'])
def test_deep_nesting(depth, template):
    """However deep a body is nested, it has digests."""
    body = (template % ("[" * depth + "]" * depth)).encode()

    assert digests({}) != segments(Request("POST", CHAT, body)).digests()


@pytest.mark.parametrize("arguments", ["{broken", '{"a": NaN}', "[" * 100_000, "1" * 5_000])
def test_odd_tool_arguments(arguments):
    """Tool arguments that are not JSON are compared as text."""
    call = {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": arguments}}]}]}

    assert segments(Request("POST", CHAT, json.dumps(call).encode())).kind == "chat"
    assert digests(call) == digests(call)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "id", "type", "x"]), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["model", "messages", "input", "system", "text", "tools", "prompt", "instructions"]), JSON),
    st.sampled_from([CHAT, RESPONSES, "http://h/messages", "http://h/embeddings", "http://h/completions", "http://h/x"]),
)
@settings(deadline=None, max_examples=150)
def test_any_object_has_digests(body, url):
    """Any JSON object, sent anywhere, is taken apart without an error, always alike."""
    assert digests(body, url) == digests(body, url)


@given(st.dictionaries(st.sampled_from(["model", "messages", "temperature", "tools"]), JSON), st.dictionaries(st.text(max_size=2), JSON))
@settings(deadline=None, max_examples=60)
def test_policies_are_nested(one, other):
    """What is equal under a stricter policy is equal under a looser one."""
    first, second = digests(one), digests({**one, **other})
    order: tuple[Policy, ...] = ("strict", "semantic", "messages")
    equal = [match_key(first, policy) == match_key(second, policy) for policy in order]

    assert equal == sorted(equal)


def test_text_is_canonical():
    """A part's text is canonical JSON, whoever wrote the request."""
    asked = segments(Request("POST", CHAT, json.dumps(BODY).encode()))

    assert canonical_json(BODY["response_format"]) == asked.text("response_format")
    assert asked.text("model") == '"gpt-4o-mini"'
