"""The dialects: whoever wrote a cassette, and however it is wrapped, the same exchanges are read from it."""

import base64
import gzip
import json
import zlib

import ormsgpack
import pytest
import yaml
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cassette import compression
from harness.cassette.compression import decompressed, inflated
from harness.cassette.dialect import file as file_module
from harness.cassette.dialect import json_text, message_pack, yaml_bounds
from harness.cassette.dialect.file import read_file
from harness.cassette.exchange import UNKNOWN_HOST, Exchange, Request, Response
from harness.cassette.tape import Cassette, Cursor
from harness.cassette.vcr_yaml import dumps
from harness.errors import CassetteError

ASKED = {"model": "m", "messages": [{"role": "user", "content": "Où? 😀"}]}
SAID = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Là."}, "finish_reason": "stop"}]}
STREAM = b'data: {"choices": [{"index": 0, "delta": {"content": "L\xc3\xa0."}}]}\n\ndata: [DONE]\n\n'
JSON_HEADER = {"Content-Type": ["application/json"]}
URL = "https://api.openai.com/v1/chat/completions"


def interaction(**changes):
    """Return one interaction as vcrpy writes it."""
    request = {"method": "POST", "uri": URL, "body": json.dumps(ASKED), "headers": JSON_HEADER}
    response = {"status": {"code": 200, "message": "OK"}, "headers": JSON_HEADER, "body": {"string": json.dumps(SAID)}}
    return {"request": request | changes.pop("request", {}), "response": response | changes.pop("response", {}), **changes}


def document(**changes):
    """Return a cassette of one interaction as vcrpy writes it."""
    return {"version": 1, "interactions": [interaction(**changes)]}


def only(value, dump=yaml.safe_dump):
    """Return the one exchange of a document."""
    (found,) = read_file(dump(value).encode(), "c")
    return found


def read_or_refuse(data):
    """Return what is read of a file, None where it is refused; any other error is a failure."""
    try:
        return read_file(data, "c")
    except CassetteError:
        return None


def of(exchange):
    """Return what an exchange says: the values of its bodies, status and address."""
    return json.loads(exchange.request.body), json.loads(exchange.response.body), exchange.response.status, exchange.request.url


PLAIN = document()
LISTS = {"requests": [PLAIN["interactions"][0]["request"]], "responses": [PLAIN["interactions"][0]["response"]]}
BETAMAX = {
    "http_interactions": [
        {
            "request": {"method": "POST", "uri": URL, "headers": {}, "body": {"encoding": "utf-8", "string": json.dumps(ASKED)}},
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": JSON_HEADER,
                "url": URL,
                "body": {"encoding": None, "base64_string": base64.b64encode(gzip.compress(json.dumps(SAID).encode(), mtime=0)).decode()},
            },
        }
    ],
    "recorded_with": "betamax/0.4.1",
}
BETAMAX["http_interactions"][0]["response"]["headers"] = {**JSON_HEADER, "Content-Encoding": ["gzip"]}
ALONE = {
    "request": {"method": "POST", "url": URL, "headers": {"Content-Type": "application/json"}, "body": json.dumps(ASKED)},
    "response": {"status": {"code": 200, "message": "OK"}, "headers": {"Content-Type": "application/json"}, "body": json.dumps(SAID)},
}
SHAPES = {
    "interactions": PLAIN,
    "no version": {"interactions": PLAIN["interactions"]},
    "other keys": {**PLAIN, "cassette_hash": "x", "metadata": {"a": [1]}},
    "two lists": LISTS,
    "one exchange": ALONE,
    "http_interactions": BETAMAX,
}
NOTATIONS = {
    "YAML": lambda value: yaml.safe_dump(value).encode(),
    "YAML, not escaped": lambda value: yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode(),
    "JSON": lambda value: json.dumps(value, indent=4).encode(),
    "JSON on one line": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(),
    "JSON after a byte order mark": lambda value: json.dumps(value).encode("utf-8-sig"),
    "MessagePack": ormsgpack.packb,
}
WRAPPINGS = {
    "nothing": lambda data: data,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zlib": zlib.compress,
    "base64, zlib": lambda data: base64.b64encode(zlib.compress(data)),
    "base64 in lines, gzip": lambda data: base64.encodebytes(gzip.compress(data, mtime=0)),
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("write", NOTATIONS.values(), ids=NOTATIONS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_shape_in_every_notation_and_wrapping(shape, write, wrap):
    """The same exchange is read from every shape, written in every notation, in every wrapping."""
    (found,) = read_file(wrap(write(shape)), "c")

    assert of(found) == (ASKED, SAID, 200, URL)
    assert found.response.headers == (("content-type", "application/json"),)


TEXT = json.dumps(SAID)
PACKED = gzip.compress(TEXT.encode(), mtime=0)
BARE = zlib.compressobj(wbits=-15)
ZIPPED = zstandard.compress(TEXT.encode())
RESPONSES = {
    "text": {"body": {"string": TEXT}},
    "bytes": {"body": {"string": TEXT.encode()}},
    "bare text": {"body": TEXT},
    "values": {"body": SAID},
    "values in a wrapping": {"body": {"string": SAID}},
    "parsed": {"parsed_body": SAID, "body": None},
    "parsed in a wrapping": {"body": {"parsed_body": SAID}},
    "base64": {"body": {"encoding": "base64", "string": base64.b64encode(TEXT.encode()).decode()}},
    "base64_string": {"body": {"encoding": "UTF-8", "base64_string": base64.b64encode(TEXT.encode()).decode()}},
    "an encoding of text": {"body": {"encoding": "utf-8", "string": TEXT}},
    "gzip": {"body": {"string": PACKED}, "headers": {**JSON_HEADER, "content-encoding": ["gzip"]}},
    "gzip in base64": {
        "body": {"base64_string": base64.b64encode(PACKED).decode()},
        "headers": {**JSON_HEADER, "Content-Encoding": "gzip"},
    },
    "zstd": {"body": {"string": ZIPPED}, "headers": {**JSON_HEADER, "content-encoding": ["zstd"]}},
    "text said to be gzip": {"body": {"string": TEXT}, "headers": {**JSON_HEADER, "content-encoding": ["gzip"]}},
    "gzip, header redacted": {"body": {"string": PACKED}, "headers": {**JSON_HEADER, "content-encoding": ["**REDACTED**"]}},
    "gzip, no headers": {"body": {"string": PACKED}, "headers": {}},
    "zstd, no headers": {"body": {"string": ZIPPED}, "headers": None},
    "type redacted": {"headers": {"Content-Type": ["**REDACTED**"]}},
    "status alone": {"status": 200},
    "old httpx": {"status_code": 200, "content": TEXT, "http_version": "HTTP/1.1"},
}


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_every_form_of_a_response(response):
    """The body is the same in whatever form it was written, and its content type is known."""
    found = only(document(response=response))

    assert of(found) == (ASKED, SAID, 200, URL)
    assert found.response.headers == (("content-type", "application/json"),)


REQUESTS = {
    "text": {"body": json.dumps(ASKED)},
    "bytes": {"body": json.dumps(ASKED).encode()},
    "values": {"body": ASKED},
    "parsed": {"parsed_body": ASKED, "body": None},
    "a wrapping": {"body": {"encoding": "utf-8", "string": json.dumps(ASKED)}},
}


@pytest.mark.parametrize("request_form", REQUESTS.values(), ids=REQUESTS)
def test_every_form_of_a_request(request_form):
    """The request is the same in whatever form its body was written."""
    assert of(only(document(request=request_form))) == (ASKED, SAID, 200, URL)


def test_a_missing_body_is_empty():
    """No body is an empty one."""
    found = only(document(request={"method": "GET", "body": None}, response={"body": {"string": None}}))

    assert (found.request.body, found.response.body) == (b"", b"")


def test_a_stream_is_told_by_its_body():
    """Where the type was redacted, a stream of events is one all the same."""
    found = only(document(response={"body": {"string": STREAM}, "headers": {"content-type": ["**REDACTED**"]}}))

    assert found.response == Response(200, STREAM, (("content-type", "text/event-stream"),))


def test_a_type_is_not_made_up():
    """A response that came with other headers but no type gets none: its client saw none either."""
    assert only(document(response={"headers": {"Date": ["today"]}})).response.headers == ()


def test_what_we_wrote_is_not_mended():
    """In our own file a missing type stays missing."""
    exchange = Exchange(Request("POST", URL, b"{}"), Response(200, b"{}"))

    assert read_file(dumps((exchange,)).encode(), "c") == (exchange,)


def test_event_streams_of_bedrock():
    """A binary stream of events is kept byte by byte, with its type."""
    body = b"\x00\x00\x00\x9c\x00\x00\x00R\xf3\x12\x00\xff:message-type"
    found = only(document(response={"body": {"string": body}, "headers": {"content-type": ["application/vnd.amazon.eventstream"]}}))

    assert found.response == Response(200, body, (("content-type", "application/vnd.amazon.eventstream"),))


REDACTED = {
    "chat completions": (ASKED, SAID, "/v1/chat/completions"),
    "an error of chat completions": (ASKED, {"error": {"message": "no"}}, "/v1/chat/completions"),
    "Responses": ({"model": "m", "input": "Où?"}, {"object": "response", "output": []}, "/backend-api/codex/responses"),
    "completions": ({"model": "m", "prompt": "Où"}, {"choices": [{"text": "?"}]}, "/v1/completions"),
    "embeddings": ({"model": "text-embedding-3-small", "input": ["Où?"]}, {"object": "list", "data": []}, "/v1/embeddings"),
    "Anthropic": ({"model": "m", "max_tokens": 9, "messages": []}, {"type": "message", "content": []}, "/v1/messages"),
}


@pytest.mark.parametrize("policy", ["strict", "semantic", "messages"])
@pytest.mark.parametrize(("asked", "said", "path"), REDACTED.values(), ids=REDACTED)
def test_a_redacted_address_is_any_server_of_that_api(asked, said, path, policy):
    """A request without an address answers an equal one to the same API wherever it is, but not to another API."""
    found = only(document(request={"uri": "**REDACTED**", "parsed_body": asked}, response={"parsed_body": said}))
    cassette = Cassette((found,))
    digests = [
        cassette.taken_apart(Request("POST", f"https://any.example{where}", json.dumps(asked).encode())).digests()
        for where in (path, "/v1/other", path)
    ]
    cursor = Cursor(cassette, policy)

    assert found.request.host == UNKNOWN_HOST
    assert cursor.holds(digests[0])
    assert [cursor.take(digest, None) is not None for digest in digests] == [True, False, False]


def test_a_redacted_address_of_no_known_api():
    """A request of which nothing tells whom it asked answers no other."""
    found = only(document(request={"uri": "**REDACTED**", "method": "GET", "body": None}, response={"body": {"string": b"%PDF"}}))
    cassette = Cassette((found,))

    assert Cursor(cassette, "messages").take(cassette.taken_apart(Request("GET", "https://h/x.pdf")).digests(), None) is None


TAGS = ["python/unicode", "python/str", "python/object/apply:multidict._multidict.istr", "python/object/new:multidict._multidict_py.istr"]


@pytest.mark.parametrize("tag", TAGS)
def test_tags_around_a_text(tag):
    """A tag of Python's that only says which kind of text it is is read as that text."""
    accept = f"!!{tag} accept" if "object" not in tag else f"!!{tag} [accept]"
    head = f"version: 1\ninteractions:\n- request:\n    method: GET\n    uri: http://h/\n    headers:\n      ? {accept}\n      : [a/b]\n"
    (found,) = read_file(f"{head}  response: {{status: {{code: 200}}}}\n".encode(), "c")

    assert found.request.headers == (("accept", "a/b"),)


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['true']",
        "!!python/object/apply:multidict._multidict.MultiDict ['x']",
        "!!python/object/apply:multidict._multidict.istr [[x]]",
        "!!python/object/apply:multidict._multidict.istr [a, b]",
        "!!python/object/apply:multidict._multidict.istr {args: [a]}",
        "!!python/object:vcr.request.Request {}",
        "!!python/unicode {a: b}",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
        "!!python/tuple [a]",
        "!ruby/object:Object {}",
    ],
)
def test_tags_around_anything_else(value):
    """Any other tag is refused by its name and line."""
    with pytest.raises(CassetteError, match=rf"^c:2: .*{value.split()[0].removeprefix('!!').removeprefix('!')}"):
        read_file(f"version: 1\nx: {value}\n".encode(), "c")


def texts(*lines):
    """Return a file of these lines."""
    return "\n".join(lines).encode()


BROKEN = {
    "JSON that ends": (texts("{", '"interactions": ['), r"^c:2: cannot be read: not JSON"),
    "an interaction in JSON": (
        texts('{"x": [1], "interactions": [', "", json.dumps(interaction()), ", {}", "]}"),
        r"^c:4: not an interaction",
    ),
    "an interaction in MessagePack": (
        ormsgpack.packb({"interactions": [interaction(), {}]}),
        r"^c: interaction 2: not an interaction: 'request' is missing",
    ),
    "one exchange": (b'{"request": {}, "response": {}}', "^c:1: not an interaction: 'uri' is missing"),
    "MessagePack that ends": (ormsgpack.packb(PLAIN)[:-4], r"^c: cannot be read: not MessagePack"),
    "MessagePack of another's type": (ormsgpack.packb({"a": ormsgpack.Ext(1, b"x")}), r"^c: cannot be read: not MessagePack"),
    "gzip that ends": (gzip.compress(dumps(()).encode(), mtime=0)[:-9], r"^c: cannot be read: compressed data is cut off"),
    "gzip in name only": (b"\x1f\x8b\x08\x00 nothing", r"^c: cannot be read: it begins like a compressed file"),
    "base64 with a sign in it": (
        base64.b64encode(zlib.compress(b"a: 1" * 99) + bytes(99)) + b"!",
        r"^c: cannot be read: byte \d+ is not base64",
    ),
    "base64 that ends": (base64.b64encode(zlib.compress(bytes(range(256))))[:-1], r"^c: cannot be read: .*padding"),
    "two lists": (texts("requests: [{}]", "responses: []"), r"^c: not a cassette: 'requests' and 'responses' are not two lists"),
    "one of two lists": (
        texts("requests:", "- {method: GET, uri: 'http://h/'}", "responses:", "- {}"),
        r"^c:2: not an interaction: 'status'",
    ),
    "vcrpy before 1.0": (texts("- request: {}", "  response: {}"), r"^c:1: a cassette of vcrpy before 1.0; .*vcr.migration c"),
    "a web socket": (
        texts("interactions:", "- {kind: message, direction: sent}"),
        r"^c:2: not an HTTP exchange but a web socket's message",
    ),
    "gRPC": (texts("interactions:", "- {request_sample: {}}"), r"^c:2: not an HTTP exchange but a gRPC call"),
    "no text": (b"\xff\xfe\x00", r"^c: not UTF-8 text \(byte 0\)"),
    "a pickle": (b"\x80\x04\x95\x0b\x00.", r"^c: not UTF-8 text \(byte 0\)"),
    "a list in JSON": (b'["a"]', r"^c:1: not a cassette: the document is a list"),
    "an empty object": (b"{}", r"^c: not a cassette: 'interactions' is missing"),
    "a long number": (b'{"version": ' + b"9" * 5000 + b"}", r"^c: cannot be read"),
    "a long number in YAML": (b"version: 1\na: 1" + b":59" * 9999, r"^c:2: cannot be read: a number of more than"),
    "bad base64 of a body": (
        json.dumps(document(response={"body": {"base64_string": "x"}})).encode(),
        r"^c:1: not an interaction: .*base64",
    ),
}


@pytest.mark.parametrize(("data", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said_with_its_place(data, message):
    """A file that is damaged, or no cassette, is refused with its path, its line where it has lines, and the problem."""
    with pytest.raises(CassetteError, match=message) as caught:
        read_file(data, "c")

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"# nothing\n", b"---\n", gzip.compress(b"", mtime=0)],
    ids=["no byte", "a line", "a comment", "a document", "gzip"],
)
def test_nothing_is_an_empty_cassette(data):
    """A file that says nothing holds no exchange."""
    assert read_file(data, "c") == ()


MASSES = {
    "YAML": (b"- 1\n" * 600_000, r"^c:\d+: cannot be read: more than 1000 values"),
    "JSON": (b'{"x": [' + b"[]," * 2_000 + b"1]}", r"^c: cannot be read: more than 1000 lists and objects"),
    "MessagePack": (b"\x81\xa1x\xdc\x07\xd0" + b"\x90" * 2_000, r"^c: cannot be read: MessagePack of more than 1000 bytes"),
}


@pytest.mark.parametrize(("data", "message"), MASSES.values(), ids=MASSES)
def test_masses_of_values(data, message, monkeypatch):
    """A file of more values than memory holds is refused before they are built, wrapped or not."""
    monkeypatch.setattr(yaml_bounds, "_MOST_EVENTS", 1_000)
    monkeypatch.setattr(json_text, "_MOST_CONTAINERS", 1_000)
    monkeypatch.setattr(message_pack, "_LARGEST", 1_000)
    with pytest.raises(CassetteError, match=message):
        read_file(gzip.compress(data, mtime=0), "c")


GROWTH = {
    "headers": "h: &h [" + "x," * 9999 + "x]\nx: {" + ",".join(f"a{number}: *h" for number in range(9999)) + "}",
    "a long text": "t: &t '" + "x" * 99_999 + "'\nx: [" + "*t," * 9999 + "1]",
    "interactions": f"i: &i {json.dumps(interaction())}\ninteractions: [" + "*i," * 199_999 + "*i]",
    "itself": "x: &x [*x]",
    "itself, farther": "x: &x {a: [{b: &y [*x]}], c: *y}",
}


@pytest.mark.parametrize("text", GROWTH.values(), ids=GROWTH)
def test_growth(text):
    """References that are harmless one by one but together stand for gigabytes are refused, wherever they are."""
    with pytest.raises(CassetteError, match=r"^c:\d+: cannot be read: (references that stand|a reference that stands)"):
        read_file(text.encode(), "c")


def test_references_are_fine():
    """What vcrpy writes twice as a reference is read twice."""
    first, second = interaction(), interaction()
    second["request"]["headers"] = first["request"]["headers"]
    text = yaml.safe_dump({"interactions": [first, second]})

    assert "*id001" in text
    assert len(read_file(text.encode(), "c")) == 2


def test_wrapped_too_often():
    """Wrappings are bounded."""
    data = dumps(()).encode()
    for _ in range(4):
        data = gzip.compress(data, mtime=0)
    with pytest.raises(CassetteError, match=r"^c: cannot be read: it is wrapped more than 3 times"):
        read_file(data, "c")


@pytest.mark.parametrize(
    "wrap", [zlib.compress, gzip.compress, lambda data: base64.b64encode(zlib.compress(data))], ids=["zlib", "gzip", "base64"]
)
def test_a_bomb_of_a_file(wrap, monkeypatch):
    """A small file that would become a huge one is refused, and never unpacked whole."""
    monkeypatch.setattr(compression, "MAX_BYTES", 100_000)
    with pytest.raises(CassetteError, match=r"^c: cannot be read: compressed data is larger than 100000 bytes"):
        read_file(wrap(bytes(20_000_000)), "c")


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
@pytest.mark.parametrize(
    "nested",
    [
        lambda depth: b'{"x": ' + b"[" * depth + b"]" * depth + b', "interactions": []}',
        lambda depth: b'{"x": ' + b'{"a":' * depth + b"1" + b"}" * depth + b', "interactions": []}',
        lambda depth: b"\x82\xa1x" + b"\x91" * depth + b"\x90\xacinteractions\x90",
        lambda depth: b"interactions: []\nx: " + b"[" * depth + b"]" * depth,
    ],
    ids=["JSON lists", "JSON objects", "MessagePack", "YAML"],
)
def test_depth(nested, depth):
    """Nesting is read where it is harmless and refused where it is not; the process lives."""
    assert read_or_refuse(nested(depth)) in {(), None}
    assert depth < 200_000 or read_or_refuse(nested(depth)) is None


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("zstd", zstandard.compress(b"text")),
        ("zstd", zstandard.compress(b"te") + zstandard.compress(b"xt")),
        ("gzip, zstd", zstandard.compress(gzip.compress(b"text", mtime=0))),
        ("identity", b"text"),
        ("deflate", BARE.compress(b"text") + BARE.flush()),
    ],
    ids=["zstd", "two frames", "two encodings", "identity", "bare deflate"],
)
def test_compressions(encoding, body):
    """A body in each known compression, and in several, is read as what it holds."""
    assert decompressed(body, encoding) == b"text"


@pytest.mark.parametrize("encoding", ["zstd", "deflate", "br", "gzip, br"])
def test_what_is_not_so_compressed_is_kept(encoding):
    """A body that is not in the compression its header names, or in one not known, stays as it is."""
    assert decompressed(b'{"a": 1}', encoding) == b'{"a": 1}'


def test_zstd_that_is_cut_off_or_too_large(monkeypatch):
    """Half a body is an error, and so is a bomb."""
    with pytest.raises(CassetteError, match="cut off"):
        decompressed(zstandard.compress(bytes(range(256)))[:-5], "zstd")
    monkeypatch.setattr(compression, "MAX_BYTES", 100_000)
    with pytest.raises(CassetteError, match="larger than 100000 bytes"):
        decompressed(zstandard.compress(bytes(20_000_000)), "zstd")


def test_many_small_members():
    """Thousands of tiny members are refused: taking them one by one would take for ever."""
    with pytest.raises(CassetteError, match="more than 256 parts"):
        inflated(gzip.compress(b"", mtime=0) * 5_000)
    with pytest.raises(CassetteError, match="more than 256 parts"):
        decompressed(zstandard.compress(b"") * 5_000, "zstd")


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=300)
def test_any_bytes(data):
    """Any bytes at all are read or refused, under every first byte that a dialect claims."""
    for start in (b"", b"\x1f\x8b\x08", b"x\x9c", b"eJx", b'{"', b"\x82", b"\xde\x00\x01"):
        read_or_refuse(start + data)


def test_every_file_is_claimed():
    """What no other dialect claims is left to the last one, which takes everything."""
    assert file_module._DIALECTS[-1].claims(b"\xff")
