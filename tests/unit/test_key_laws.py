"""The laws of a request's key: it survives writing and reading, ignores spelling, and a change shows in its own part only."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.cassette import vcr_yaml
from harness.cassette.exchange import Exchange, Request, Response, lean_request
from harness.cassette.segments import NAMES, segments
from harness.schema import canonical_json

TEXTS = st.text(min_size=1, max_size=20) | st.sampled_from(
    ["é", "e\u0301", "Å", "\u212b", "한국", "\u2028", "\\u00e9", "\x7f", " ", '"', "{}"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
URLS = {
    "chat": "https://api.openai.com/v1/chat/completions",
    "responses": "https://api.openai.com/v1/responses",
    "anthropic": "https://api.anthropic.com/v1/messages",
    "embeddings": "https://api.openai.com/v1/embeddings",
    "other": "https://api.example.com/things",
}
TOOLS = st.lists(st.builds(lambda name, about: {"name": name, "description": about}, TEXTS, TEXTS), min_size=1, max_size=2)
USER = st.lists(TEXTS.map(lambda text: {"role": "user", "content": text}), min_size=1, max_size=3)
SCHEMA = st.builds(
    lambda name, schema: {"type": "json_schema", "name": name, "schema": {"anyOf": schema}}, TEXTS, st.lists(JSON, max_size=2)
)
SETTINGS = st.fixed_dictionaries({"temperature": st.floats(0, 2), "max_tokens": st.integers(1, 99)})

PARTS: dict[str, dict[str, Any]] = {
    "chat": {
        "model": TEXTS,
        "system": TEXTS,
        "messages": USER,
        "tools": TOOLS.map(lambda tools: [{"type": "function", "function": tool} for tool in tools]),
        "response_format": SCHEMA.map(lambda named: {"type": "json_schema", "json_schema": named}),
        "sampling": SETTINGS,
    },
    "responses": {"model": TEXTS, "system": TEXTS, "messages": USER, "tools": TOOLS, "response_format": SCHEMA, "sampling": SETTINGS},
    "anthropic": {"model": TEXTS, "system": TEXTS, "messages": USER, "tools": TOOLS, "sampling": SETTINGS},
    "embeddings": {
        "model": TEXTS,
        "messages": st.lists(TEXTS, min_size=1, max_size=3),
        "response_format": st.integers(1, 9),
        "sampling": st.fixed_dictionaries({"user": TEXTS}),
    },
}


def body_of(provider: str, parts: dict[str, Any]) -> dict[str, Any]:
    """Return the body that asks a provider for these parts."""
    match provider:
        case "chat":
            asked = {"messages": [{"role": "system", "content": parts["system"]}, *parts["messages"]]}
            asked |= {"tools": parts["tools"], "response_format": parts["response_format"]}
        case "responses":
            asked = {"instructions": parts["system"], "input": parts["messages"], "tools": parts["tools"]}
            asked |= {"text": {"format": parts["response_format"]}}
        case "anthropic":
            asked = {"system": parts["system"], "messages": parts["messages"], "tools": parts["tools"]}
        case _:
            asked = {"input": parts["messages"], "dimensions": parts["response_format"]}
    return {"model": parts["model"], **asked, **parts["sampling"]}


def digests(provider: str, text: str) -> dict[str, str]:
    """Return the digests of a request with this body."""
    return segments(Request("POST", URLS[provider], text.encode())).digests()


def respelled(value: Any, draw: Any, form: str) -> Any:
    """Return an equal JSON value: its keys in another order, its texts in this Unicode form."""
    if isinstance(value, dict):
        found = {unicodedata.normalize(form, key): respelled(value[key], draw, form) for key in draw(st.permutations(list(value)))}
        assume(len(found) == len(value))
        return found
    if isinstance(value, list):
        return [respelled(part, draw, form) for part in value]
    return unicodedata.normalize(form, value) if isinstance(value, str) else value


FORMS = st.sampled_from(["NFC", "NFD"])


@pytest.mark.parametrize("provider", PARTS)
@given(st.data(), st.booleans(), st.sampled_from([None, 1, "\t"]), FORMS)
@settings(deadline=None, max_examples=50)
def test_spelling(provider, data, ascii_only, indent, form):
    """Key order, white space, escapes and the Unicode form of a question to a provider never change its key."""
    body = body_of(provider, {name: data.draw(values) for name, values in PARTS[provider].items()})
    spelled = json.dumps(respelled(body, data.draw, form), ensure_ascii=ascii_only, indent=indent)

    assert digests(provider, json.dumps(body)) == digests(provider, spelled)


@given(st.data(), st.dictionaries(TEXTS, JSON, max_size=4) | st.lists(JSON, max_size=4), st.booleans(), st.sampled_from([None, 2]), FORMS)
@settings(deadline=None, max_examples=100)
def test_spelling_of_anything(data, body, ascii_only, indent, form):
    """The same holds of any JSON sent to any other service."""
    spelled = json.dumps(respelled(body, data.draw, form), ensure_ascii=ascii_only, indent=indent)

    assert digests("other", json.dumps(body)) == digests("other", spelled)


def told_apart(one: Any, other: Any) -> bool:
    """Tell whether two values say something different, whatever their Unicode form."""
    return len({unicodedata.normalize("NFC", canonical_json(value)) for value in (one, other)}) == 2


@pytest.mark.parametrize(("provider", "part"), [(provider, part) for provider, parts in PARTS.items() for part in parts])
@given(st.data())
@settings(deadline=None, max_examples=40)
def test_one_change_one_digest(provider, part, data):
    """Any change of a part changes the digest of that part, and of no other."""
    parts = {name: data.draw(values) for name, values in PARTS[provider].items()}
    changed = {**parts, part: data.draw(PARTS[provider][part])}
    assume(told_apart(parts[part], changed[part]))
    one, other = (digests(provider, json.dumps(body_of(provider, given_parts))) for given_parts in (parts, changed))

    assert {part} == {name for name in NAMES if one[name] != other[name]}


BODIES = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(TEXTS, JSON, max_size=3).map(lambda value: json.dumps(value, ensure_ascii=False).encode()),
    TEXTS.map(str.encode),
    st.binary(max_size=40),
)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.sampled_from([*URLS.values(), "https://h/a?q=%C3%A9&q=&b=1%2B1"]),
    BODIES,
    st.sampled_from(["application/json", "text/plain", "application/octet-stream"]),
)
@settings(deadline=None, max_examples=200)
def test_a_request_survives_its_cassette(method, url, body, kind):
    """Any request that is written and read again has the key that it had."""
    request = lean_request(Request(method, url, body, (("content-type", kind),)))
    exchange = Exchange(request, Response(200, b"{}", (("content-type", "application/json"),)))
    (read,) = vcr_yaml.loads(vcr_yaml.dumps((exchange,)), path="it.yaml")

    assert segments(request).digests() == segments(read.request).digests()


@given(st.text("0123456789abcdef", min_size=8, max_size=32), st.text("0123456789abcdef", min_size=8, max_size=32), st.binary(max_size=30))
@settings(deadline=None, max_examples=50)
def test_a_boundary_is_no_content(one, other, file):
    """The random boundary between the parts of a form is no part of the key; what stands between boundaries is."""

    def form(boundary: str, content: bytes) -> dict[str, str]:
        start, end = f"--{boundary}\r\n".encode(), f"\r\n--{boundary}--\r\n".encode()
        kind = ("Content-Type", f'multipart/form-data; boundary="{boundary}"')
        return segments(Request("POST", URLS["other"], start + content + end, (kind,))).digests()

    assert form(one, file) == form(other, file)
    assert form(one, file) != form(one, file + b"x")
