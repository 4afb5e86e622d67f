"""Where secrets hide: streams, JSON in JSON, base64, compressed bodies, fields with a telling name; and what is none."""

import base64
import gzip
import json
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cassette import vcr_yaml
from harness.cassette.answer import events, whole_body
from harness.cassette.exchange import Exchange, Request, Response, lean_request
from harness.cassette.redact import BUILT_IN, Redactor
from harness.cassette.scan import HIGH_ENTROPY, scan, scan_text
from harness.errors import CassetteError

ROOT = Path(__file__).parents[2]
LETTERS = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4fGh7jKl0nOp3r"
KEY = "sk-" + "proj-" + LETTERS
SAID = f"the key is {KEY}, keep it"
CLEAN = BUILT_IN.text(SAID)


def cut(text, size):
    """Cut a text into pieces."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def sse(*payloads):
    """Return a stream of events."""
    return "".join(f"data: {json.dumps(payload)}\n\n" for payload in payloads).encode()


def chat(delta, index=0):
    """Return one event of a chat completion."""
    return {"object": "chat.completion.chunk", "choices": [{"index": index, "delta": delta, "finish_reason": None}]}


@pytest.mark.parametrize("size", [1, 3, 7, 40])
def test_a_chat_stream(size):
    """The pieces of a streamed answer say the token together, in each choice by itself, and the events stay as many as they were."""
    stream = sse(*(chat({"content": piece}, index) for piece in cut(SAID, size) for index in (0, 1))) + b"data: [DONE]\n\n"
    clean = BUILT_IN.data(stream)

    assert [choice["message"]["content"] for choice in whole_body(clean)["choices"]] == [CLEAN, CLEAN]
    assert len(list(events(clean))) == len(list(events(stream)))
    assert clean.endswith(b"data: [DONE]\n\n")
    assert BUILT_IN.data(clean) == clean


def test_what_is_around_a_secret_stays_in_its_piece():
    """Pieces without any part of a secret stay as they were."""
    pieces = ["Hello ", "there: ", KEY[:9], KEY[9:], " and", " bye"]
    clean = [
        chunk["choices"][0]["delta"]["content"] for chunk in events(BUILT_IN.data(sse(*(chat({"content": piece}) for piece in pieces))))
    ]

    assert clean == ["Hello ", "there: ", BUILT_IN.text(KEY), "", " and", " bye"]


def test_streamed_tool_arguments():
    """Arguments of parallel tool calls are put together call by call; a field with a telling name is redacted in them."""
    arguments = [json.dumps({"note": SAID}), json.dumps({"password": "hunter2"})]
    deltas = [
        {"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for index in (0, 1) for piece in cut(arguments[index], 4)
    ]
    calls = whole_body(BUILT_IN.data(sse(*map(chat, deltas))))["choices"][0]["message"]["tool_calls"]

    assert json.loads(calls[0]["function"]["arguments"]) == {"note": CLEAN}
    assert json.loads(calls[1]["function"]["arguments"])["password"].startswith("<named-secret-")


def test_a_responses_stream():
    """The deltas of a Responses stream and its closing events say the same."""
    at = {"item_id": "m", "output_index": 0, "content_index": 0}
    deltas = [{"type": "response.output_text.delta", **at, "delta": piece} for piece in cut(SAID, 5)]
    clean = list(events(BUILT_IN.data(sse(*deltas, {"type": "response.output_text.done", **at, "text": SAID}))))

    assert "".join(event.get("delta", "") for event in clean) == clean[-1]["text"] == CLEAN


def test_an_anthropic_stream():
    """So do the deltas of an Anthropic stream."""
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in cut(SAID, 5)]
    clean = whole_body(BUILT_IN.data(sse({"type": "message_start", "message": {}}, start, *deltas)))

    assert clean["content"][0]["text"] == CLEAN


def test_json_a_line():
    """Answers of one JSON object a line are streams too."""
    lines = "".join(json.dumps({"message": {"content": piece}}) + "\n" for piece in cut(SAID, 5))
    clean = BUILT_IN.text(lines)

    assert "".join(json.loads(line)["message"]["content"] for line in clean.splitlines()) == CLEAN


@given(st.lists(st.sampled_from([KEY, "a@b.io", "word ", "\n", '"', "é", "<", "-"]), max_size=6), st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_any_cut(parts, size):
    """However a text is cut, its pieces say together what redacting it whole says."""
    text = "".join(parts)
    clean = BUILT_IN.data(sse(*(chat({"content": piece}) for piece in cut(text, size))))

    assert "".join(event["choices"][0]["delta"]["content"] for event in events(clean)) == BUILT_IN.text(text)


@pytest.mark.parametrize("compress", [lambda data: gzip.compress(data, mtime=0), zlib.compress], ids=["gzip", "deflate"])
def test_compressed_bodies(compress):
    """A compressed body is looked into, and stays compressed; one without a secret stays as it is."""
    clean = BUILT_IN.data(compress(SAID.encode()))

    assert zlib.decompressobj(47).decompress(clean).decode() == CLEAN
    assert BUILT_IN.data(clean) == clean
    assert BUILT_IN.data(compress(b"hello")) == compress(b"hello")


def test_a_compressed_body_of_two_members():
    """What is compressed in several members is looked into whole, and nothing of it is lost."""
    clean = BUILT_IN.data(gzip.compress(SAID.encode()) + gzip.compress(b" and " + SAID.encode()))

    assert gzip.decompress(clean).decode() == f"{CLEAN} and {CLEAN}"


@pytest.mark.parametrize("field", ["output", "token", "answer"])
def test_a_stream_of_another_service(field):
    """The pieces that other services stream under names of their own say the token together."""
    clean = BUILT_IN.data(sse(*({field: piece} for piece in cut(SAID, 5))))

    assert "".join(event[field] for event in events(clean)) == CLEAN


@pytest.mark.parametrize("around", ["it is {}.", r"it is\n{}\n"], ids=["end of a sentence", "escaped line ends"])
def test_an_azure_secret_in_a_sentence(around):
    """A client secret of Azure is known where a full stop follows it, or an escape stands before it."""
    secret = "aB3" + "8Q~" + LETTERS[:34]

    assert secret not in BUILT_IN.text(around.format(secret))


def test_a_compressed_request():
    """A request that says it is compressed is kept uncompressed."""
    request = lean_request(Request("POST", "https://h", gzip.compress(b'{"a": 1}'), (("Content-Encoding", "gzip"),)))

    assert (request.body, request.headers) == (b'{"a": 1}', ())


@pytest.mark.parametrize(
    "encode", [base64.b64encode, base64.urlsafe_b64encode, lambda data: base64.b64encode(gzip.compress(data, mtime=0))]
)
def test_base64(encode):
    """Base64 that hides a secret goes whole, compressed or not, in text and in JSON."""
    hidden = encode(SAID.encode()).decode()

    assert BUILT_IN.text(f"see {hidden}.").startswith("see <base64-of-openai-key-")
    assert json.loads(BUILT_IN.text(json.dumps({"data": hidden})))["data"].startswith("<base64-of-openai-key-")


def test_bytes_that_are_no_text():
    """In bytes that are no text, a key with a shape of its own goes, and nothing else does."""
    assert KEY.encode() not in BUILT_IN.data(b"\xff\x00" + KEY.encode() + b"\xff")
    assert BUILT_IN.data(bytes(range(256)) * 4) == bytes(range(256)) * 4


TELLING = ["api_key", "apiKey", "x-api-key", "OPENAI_API_KEY", "password", "client_secret", "Authorization", "accessToken", "refresh_token"]


@pytest.mark.parametrize("name", TELLING)
def test_fields_with_a_telling_name(name):
    """The value of a field that says it is secret goes, however it looks, in JSON inside JSON too; the rest of the JSON stays as it is."""
    text = json.dumps({name: "hunter2", "n": 1.50, "inner": json.dumps({name: "hunter2"})})
    clean = BUILT_IN.text(text)

    assert "hunter2" not in clean
    assert clean.count("<named-secret-") == 2
    assert '"n": 1.5' in clean
    assert BUILT_IN.text(clean) == clean


INNOCENT = [
    {"max_tokens": 5, "usage": {"prompt_tokens": 1}, "logprobs": {"content": [{"token": "Hello", "bytes": [1]}]}},
    {"properties": {"password": {"type": "string", "description": "The user's password"}}, "required": ["password"]},
    {"password": "string", "api_key": "<your key>", "token": "${TOKEN}", "secret": "****"},
    {"authorization": "required", "secret": "a word between friends", "credentials": ""},
    {"id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz0123", "system_fingerprint": "fp_44709d6fcb"},
    {"model": "gpt-4o-mini-2024-07-18", "sha": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    {"text": "api_key=os.environ['X1'], def f(password: str = None), the password: required for login2"},
    {"text": "see https://example.com/?page=123456&sort=name1234 and pa-thology, fc-barcelona, pat.name, key-value"},
    {"image": "data:image/png;base64," + base64.b64encode(bytes(range(200))).decode()},
    {"text": "additionalProperties, internationalization, src/harness/cassette/redact, AcknowledgementRequired"},
]


@pytest.mark.parametrize("value", INNOCENT, ids=range(len(INNOCENT)))
def test_what_is_no_secret(value):
    """Figures, schemas, masks, ids, hashes, code, links, images and long words stay as they are."""
    text = json.dumps(value)

    assert BUILT_IN.text(text) == text


def test_an_exchange_is_redacted_whole():
    """URL, kept headers, bodies and notes of an exchange are all redacted."""
    exchange = Exchange(
        Request("POST", f"https://h/x?q={KEY}", SAID.encode()),
        Response(200, SAID.encode(), (("location", f"https://h/{KEY}"),)),
        place=f"ask {KEY}#1:pull",
        variants=(KEY,),
    )

    assert KEY not in str(BUILT_IN.exchange(exchange))


def test_what_the_user_allows():
    """What `allow` matches stays."""
    assert (
        Redactor(allow=["help@example[.]com"])
        .text("mail help@example.com or me@example.com")
        .startswith("mail help@example.com or <email-")
    )


def test_our_own_cassettes_stay():
    """The cassettes of the reference suites hold nothing that would be redacted or found."""
    paths = sorted(ROOT.glob("cassettes/*/*.yaml"))
    texts = {path.name: path.read_text("utf-8") for path in paths}

    assert paths
    assert [name for name, text in texts.items() if scan(text.encode(), name, BUILT_IN)] == []
    exchanges = [exchange for name, text in texts.items() for exchange in vcr_yaml.loads(text, path=name)]
    assert [exchange for exchange in exchanges if BUILT_IN.exchange(exchange) != exchange] == []


@pytest.mark.skipif("HARNESS_REFERENCE_DATA" not in os.environ, reason="needs the cassettes of other projects")
def test_false_alarms_are_rare():
    """Of the cassettes of other projects, fewer than one in fifty holds a word that only looks random."""
    alarms = total = 0
    for path in Path(os.environ["HARNESS_REFERENCE_DATA"]).glob("cassettes/**/*.yaml"):
        text = path.read_text("utf-8")
        total += 1
        try:
            found = scan(text.encode(), path.name, BUILT_IN)
        except CassetteError:
            found = scan_text(text, path.name, BUILT_IN)
        alarms += any(finding.kind == HIGH_ENTROPY for finding in found)

    assert total > 0
    assert alarms * 50 < total
