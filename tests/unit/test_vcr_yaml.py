"""The cassette file: what is written is read again, by us and by stock vcrpy; what is broken is refused."""

import base64
import gzip
import json
import os
import random
import zlib
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
import vcr
from hypothesis import given, settings
from hypothesis import strategies as st
from vcr.serialize import deserialize
from vcr.serializers import yamlserializer

from harness.cassette import compression
from harness.cassette.compression import decompressed
from harness.cassette.dialect.file import read_file
from harness.cassette.exchange import Exchange, Request, Response, plain_response
from harness.cassette.segments import segments
from harness.cassette.vcr_yaml import dumps, file_name, loads
from harness.errors import CassetteError

JSON_BODY = b'{"model":"m","messages":[{"role":"user","content":"O\xc3\xb9? \xf0\x9f\x98\x80"}]}'
SSE = b'data: {"choices":[{"delta":{"content":"caf\xc3\xa9 \xf0\x9f\x98\x80"}}]}\n\ndata: [DONE]\n\n'
ONE = Exchange(
    Request("POST", "https://h/v1/chat/completions?a=1", JSON_BODY, (("content-type", "application/json"),)),
    Response(200, SSE, (("content-type", "text/event-stream"),)),
    latency_s=0.25,
    place="classify#1:x",
    variants=("default", "v2"),
    recorded_at="2026-11-01T10:00:00Z",
    scripted=True,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
BODIES = (
    st.binary(max_size=40)
    | TEXTS.map(str.encode)
    | st.lists(
        st.sampled_from(["data: {}", "", " ", "x ", "\t", "é😀", "- a", "# b", "\u2028", "\x85", "\ufeff", "\r", ":", "'", '"', "|"])
    )
    .map("\n".join)
    .map(str.encode)
    | VALUES.map(lambda value: json.dumps(value).encode())
)
EXCHANGES = st.builds(
    Exchange,
    request=st.builds(
        Request,
        method=st.sampled_from(["GET", "POST"]),
        url=TEXTS.map("https://h/{}".format).filter(lambda url: url.isprintable()),
        body=BODIES,
        headers=st.lists(st.tuples(st.sampled_from(["accept", "content-type"]), TEXTS), max_size=3).map(sorted).map(tuple),
    ),
    response=st.builds(
        Response,
        status=st.integers(100, 599),
        body=BODIES,
        headers=st.lists(st.tuples(st.sampled_from(["content-type", "retry-after"]), TEXTS), max_size=3).map(sorted).map(tuple),
    ),
    latency_s=st.none() | st.floats(0, 100),
    place=st.none() | TEXTS,
    variants=st.lists(TEXTS, max_size=2).map(tuple),
    recorded_at=st.none() | st.just("2026-11-01T10:00:00Z"),
    scripted=st.booleans(),
)


def parsed(body):
    """Return a JSON body's value, any other body as it is."""
    try:
        return json.dumps(json.loads(body), sort_keys=True)
    except ValueError:
        return body


def plain(exchange):
    """Return an exchange as what has to be equal after a round trip: all of it, JSON without its whitespace."""
    request, response = exchange.request, exchange.response
    sent = (request.method, request.url, parsed(request.body), request.headers)
    noted = (exchange.latency_s, exchange.place, exchange.variants, exchange.recorded_at, exchange.scripted)
    return sent, (response.status, parsed(response.body), response.headers), noted


@given(st.lists(EXCHANGES, max_size=3).map(tuple))
@settings(deadline=None, max_examples=100)
def test_round_trip(given_exchanges):
    """What is written is read again as it was, and written again as the same bytes."""
    text = dumps(given_exchanges)
    found = loads(text, path="x")

    assert [plain(exchange) for exchange in found] == [plain(exchange) for exchange in given_exchanges]
    assert text == dumps(found)
    assert text.encode()


@given(st.lists(EXCHANGES, max_size=2).map(tuple))
@settings(deadline=None, max_examples=60)
def test_stock_vcrpy_reads_it(given_exchanges):
    """Stock vcrpy reads the same methods, addresses and bodies."""
    requests, responses = deserialize(dumps(given_exchanges), yamlserializer)

    assert [(one.method, one.uri, parsed(one.body or b"")) for one in requests] == [
        (one.request.method, one.request.url, parsed(one.request.body)) for one in given_exchanges
    ]
    assert [(one["status"]["code"], parsed(one["body"]["string"])) for one in responses] == [
        (one.response.status, parsed(one.response.body)) for one in given_exchanges
    ]


def test_stock_vcrpy_replays_it(tmp_path):
    """A stock cassette in record mode none, matching method, path and body, answers httpx from our file."""
    path = tmp_path / "one.yaml"
    path.write_text(dumps((ONE, Exchange(Request("GET", "https://h/x"), Response(404, b"none")))), "utf-8")
    with (
        vcr.use_cassette(str(path), record_mode="none", match_on=["method", "path", "body"]) as cassette,
        httpx.Client() as client,
    ):
        answer = client.post("https://h/v1/chat/completions", json=json.loads(JSON_BODY))
        other = client.get("https://h/x")

        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, SSE, "text/event-stream")
        assert (other.status_code, other.text) == (404, "none")
        assert cassette.all_played


def test_what_stock_vcrpy_writes_is_read():
    """A cassette as stock vcrpy serializes it is read: bytes, header lists and all."""
    request = vcr.request.Request("POST", "https://h/x", b'{"a": 1}', {"content-type": "application/json"})
    response = {"status": {"code": 200, "message": "OK"}, "headers": {"content-type": ["a"]}, "body": {"string": b"\xff\x00"}}
    text = vcr.serialize.serialize({"requests": [request], "responses": [response]}, yamlserializer)
    (found,) = loads(text, path="x")

    assert found.request == Request("POST", "https://h/x", b'{"a": 1}', (("content-type", "application/json"),))
    assert found.response == Response(200, b"\xff\x00", (("content-type", "a"),))


def test_it_is_readable():
    """JSON is indented, an event stream stands line by line, letters of any alphabet and emoji as themselves."""
    lines = [line.strip() for line in dumps((ONE,)).splitlines()]

    assert '"model": "m",' in lines
    assert '"content": "Où? 😀"' in lines
    assert 'data: {"choices":[{"delta":{"content":"café 😀"}}]}' in lines
    assert "data: [DONE]" in lines


@pytest.mark.parametrize("body", [b'{"a": "\\ud83d"}', b'{"a": 1e999}', b'{"a": NaN}', b"{broken", b"[" * 100_000])
def test_json_that_cannot_be_indented_stays(body):
    """A body that would not survive being written anew stays as it was, byte by byte."""
    (found,) = loads(dumps((Exchange(Request("POST", "https://h/x"), Response(200, body)),)), path="x")

    assert body == found.response.body


def test_nothing_measured_is_not_zero():
    """A latency of zero stays zero, an unknown one unknown."""
    found = loads(dumps(tuple(Exchange(Request("GET", "https://h/"), Response(200), latency_s=value) for value in (0.0, None))), path="x")

    assert [one.latency_s for one in found] == [0.0, None]


def test_an_empty_file_is_an_empty_cassette():
    """A file without a document, and one without interactions, hold none."""
    assert loads("", path="x") == loads("# only a comment\n", path="x") == loads(dumps(()), path="x") == ()


def document(interaction: str = "{request: {method: GET, uri: 'http://h/'}, response: {status: {code: 200}}}", head: str = "") -> str:
    """Return a file with one interaction, on line 3."""
    return f"{head or 'version: 1'}\ninteractions:\n- {interaction}\n"


@pytest.mark.parametrize("head", ["version: 1", "cassette_hash: 1", "interactions: []"])
def test_dialects_of_the_head(head):
    """Other keys beside the interactions, no version and a key that stands twice are fine."""
    assert [one.line for one in loads(document(head=head), path="x")] == [3]


@pytest.mark.parametrize(
    ("response", "body"),
    [
        ("{status: {code: 200}, body: {string: x}}", b"x"),
        ("{status: {code: 200}, body: x}", b"x"),
        ("{status: {code: 200}, body: {string: !!binary eA==}}", b"x"),
        ("{status: {code: 200}, body: null}", b""),
        ("{status: {code: 200}}", b""),
        ("{status: {code: 200}, body: {string: {a: 1}}}", b'{"a": 1}'),
        ("{status_code: 200, content: x, http_version: HTTP/1.1}", b"x"),
    ],
)
def test_dialects_of_the_response(response, body):
    """The forms in which others write a response's body are read."""
    (found,) = loads(document(f"{{request: {{method: GET, uri: 'http://h/'}}, response: {response}}}"), path="x")

    assert (200, body) == (found.response.status, found.response.body)


@pytest.mark.parametrize("line", [1, 3])
@pytest.mark.parametrize(
    "tag", ["python/object/apply:os.system", "python/object:urllib.parse.SplitResult", "python/name:os.system", "python/tuple"]
)
def test_python_objects_are_refused(tag, line, tmp_path):
    """A tag that would build a Python object is refused by its name and line; nothing is executed."""
    mark = tmp_path / "executed"
    tagged = f"!!{tag} ['touch {mark}']"
    text = document(tagged) if line == 3 else document(head=f"evil: {tagged}")
    with pytest.raises(CassetteError, match=rf"c\.yaml:{line}: .*{tag}"):
        loads(text, path="c.yaml")

    assert not mark.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(head="version: 2"), "version 2 is newer than 1"),
        (document(head="version: next"), "'version' is 'next', not a number"),
        ("[]", ":1: not a cassette"),
        ("just text", ":1: not a cassette"),
        ("version: 1", "'interactions' is missing"),
        ("interactions: {a: 1}", "'interactions' is missing or is not a list"),
        ("a: [\n\nb: }", ":3: cannot be read"),
        ("a: 1\nb: \x01", ":2: not a cassette"),
        (document("text"), ":3: not an interaction: 'interaction' is missing or is not a mapping"),
        (document("{request: {method: GET, uri: 'http://h/'}}"), ":3: not an interaction: 'response' is missing"),
        (document("{request: {uri: 'http://h/'}, response: {}}"), ":3: not an interaction: 'method' is missing"),
        (document("{request: {method: GET, uri: 'http://[h'}, response: {status: {code: 200}}}"), ":3: not an interaction"),
        (document("{request: {method: GET, uri: {}}, response: {status: {code: 200}}}"), "'uri' is not a text but dict"),
        (document("{request: {method: GET, uri: 'http://h/'}, response: {status: {code: much}}}"), ":3: not an interaction"),
        (document("{request: {method: GET, uri: 'http://h/'}, response: {status: {code: .inf}}}"), ":3: not an interaction"),
        (document("{request: {method: GET, uri: 'http://h/'}, response: {status: {code: 200}}, harness: {latency_s: soon}}"), ":3:"),
        (document("{request: {method: GET, uri: 'http://h/'}, response: {status: {code: 200}}, harness: {place: [1]}}"), "'place'"),
        (document("!!int ''"), ":3|cannot be read"),
        (document("!!bool maybe"), "cannot be read"),
        (document("!!timestamp now"), "cannot be read"),
        (document("!!binary é"), "c.yaml"),
        ("interactions: []\ninteractions: [1]", ":2: not an interaction"),
        ("a: &a {b: 1}\n<<: *a\ninteractions: []", ":2: .*'<<' is not read"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    """A file that is no cassette is refused with its path, the line where there is one, and the problem."""
    with pytest.raises(CassetteError, match=message) as caught:
        loads(text, path="c.yaml")

    assert str(caught.value).startswith("c.yaml")


BOMB = "a: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"b{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))


@pytest.mark.parametrize(
    "interaction",
    [
        "{request: {method: GET, uri: 'http://h/', body: *a29}, response: {status: {code: 200}}}",
        "{request: {method: GET, uri: 'http://h/', headers: {accept: *a29}}, response: {status: {code: 200}}}",
        "{request: {method: GET, uri: 'http://h/', headers: {accept: [*a29]}}, response: {status: {code: 200}}}",
        "{request: {method: *a29, uri: 'http://h/'}, response: {status: {code: 200}}}",
        "{request: {method: GET, uri: 'http://h/'}, response: {status: {code: *a29}}}",
        "{request: {method: GET, uri: 'http://h/'}, response: {status: {code: 200}}, harness: {recorded_at: *a29}}",
        "&r {request: {method: GET, uri: 'http://h/', body: &x [*x]}, response: {status: {code: 200}}}",
        "*a29",
    ],
)
def test_references_that_grow(interaction):
    """References that stand for billions of copies, or for themselves, are refused at once."""
    with pytest.raises(CassetteError, match=r"^x:\d+: cannot be read: (references that stand|a reference that stands)"):
        loads(document(interaction, head=BOMB.rstrip()), path="x")


def test_a_version_that_grows():
    """A version that stands for billions of copies is refused in a short message."""
    with pytest.raises(CassetteError) as caught:
        loads(BOMB + "version: *a29\ninteractions: []", path="x")

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth(opening):
    """Nesting that would break the parser is refused."""
    with pytest.raises(CassetteError):
        loads(opening * 200_000, path="x")


VALID = dumps((ONE, Exchange(Request("GET", "https://h/x", b"\xff"), Response(500, gzip.compress(b"x"), (("content-type", "a"),)))))


def test_truncations():
    """A file cut off anywhere is read as far as it is whole or refused, never anything else."""
    data = VALID.encode()
    for length in range(0, len(data), 7):
        read_or_refuse(data[:length].decode("utf-8", "ignore"))


def read_or_refuse(text: str) -> None:
    """Read a text that may be damaged; CassetteError is the only error that may come of it."""
    try:
        found = loads(text, path="x")
    except CassetteError:
        return
    for one in found:
        segments(one.request).digests()


def test_mutations():
    """Two thousand random damages to a file are read or refused, never anything else."""
    draw = random.Random(7)  # noqa: S311, a fixed sequence
    odd = [
        "\x00",
        "é",
        "😀",
        "!!binary ",
        "&a ",
        "*a",
        "<<: ",
        "? ",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "|",
        ">",
        "'",
        '"',
        "\t",
        "%",
        "@",
        "`",
        "!!int ",
        "~",
        "\n",
    ]
    for _ in range(2_000):
        text = VALID
        for _ in range(draw.randint(1, 4)):
            at, length = draw.randrange(len(text)), draw.choice([0, 0, 1, 5, 40])
            text = text[:at] + draw.choice([*odd, text[at : at + 30]]) + text[at + length :]
        read_or_refuse(text)


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=200)
def test_garbage(text):
    """Any text at all is read or refused."""
    read_or_refuse(text)
    read_or_refuse(document(text))


IDS = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "ü",
    "%",
    "%2E",
    "a%2Fb",
    "~",
    "a b",
    "x\n",
    ".git",
    "...",
    "CON",
    "a:b",
    "😀",
    "A",
    "case.1",
    "a_b-c",
]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(IDS), min_size=2, max_size=2, unique=True))
@settings(deadline=None, max_examples=300)
def test_file_names_are_reversible(ids):
    """A file name tells the id it is for, so different ids have different files."""
    names = [file_name(case) for case in ids]

    assert ids == [unquote(name.removesuffix(".yaml")) for name in names]
    assert names[0] != names[1]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(IDS[1:]))
@settings(deadline=None, max_examples=300)
def test_file_names_are_names(case):
    """Whatever the id, its file is a visible one in the suite's own folder, with plain letters in its name."""
    name = file_name(case)

    assert name.isascii()
    assert (Path("suite") / name).resolve() == Path("suite").resolve() / name
    assert not set(name) & set('/\\:*?"<>| \n~')
    assert not name.startswith(".")


@pytest.mark.parametrize(
    ("case", "name"),
    [("refund-001", "refund-001.yaml"), ("a.b_c", "a.b_c.yaml"), ("ü", "%C3%BC.yaml"), ("..", "%2E..yaml"), ("a/b", "a%2Fb.yaml")],
)
def test_file_name(case, name):
    """A plain id is its own file name; anything else is percent-encoded."""
    assert name == file_name(case)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"text")),
        ("GZIP", gzip.compress(b"text")),
        ("deflate", zlib.compress(b"text")),
        ("gzip", gzip.compress(b"te") + gzip.compress(b"xt")),
    ],
    ids=["gzip", "upper case", "deflate", "two members"],  # the bytes hold the time, so the workers would name them differently
)
def test_compressed_bodies(encoding, body):
    """A compressed body is read as what it holds, all of it."""
    assert decompressed(body, encoding) == b"text"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "", None])
def test_plain_text_under_a_compressed_header(encoding):
    """Text is kept where the header says wrongly that it is compressed; the header goes."""
    headers = (("content-encoding", encoding),) if encoding is not None else ()

    assert Response(200, b'{"a": 1}') == plain_response(Response(200, b'{"a": 1}', headers))


def test_an_unknown_compression_is_kept():
    """A body in a compression that is not known here keeps the header that tells the client how to read it."""
    response = Response(200, b"\x0b\x02\x80text\xff\x03", (("content-encoding", "br"),))

    assert response == plain_response(response)


@pytest.mark.parametrize("cut", [1, 8, 20])
def test_a_body_that_is_cut_off(cut):
    """A compressed body that is cut off is an error, not half an answer."""
    with pytest.raises(CassetteError, match="cut off"):
        decompressed(gzip.compress(random.Random(1).randbytes(100))[:-cut], "gzip")  # noqa: S311, a fixed body


def test_a_bomb_is_bounded(monkeypatch):
    """A small body that would become a huge one is an error, and never unpacked whole; one of just the limit is fine."""
    monkeypatch.setattr(compression, "MAX_BYTES", 100_000)
    with pytest.raises(CassetteError, match="larger than 100000 bytes"):
        decompressed(gzip.compress(b"x" * 20_000_000), "gzip")
    with pytest.raises(CassetteError, match="larger than 100000 bytes"):
        decompressed(gzip.compress(b"x" * 60_000) * 2, "gzip")

    assert len(decompressed(gzip.compress(b"x" * 100_000), "gzip")) == 100_000


def test_a_bomb_in_a_file_names_its_line(monkeypatch):
    """A body in a file that is too large is refused with path and line."""
    monkeypatch.setattr(compression, "MAX_BYTES", 10)
    body = "!!binary " + base64.b64encode(gzip.compress(b"x" * 100)).decode()
    response = f"{{status: {{code: 200}}, headers: {{content-encoding: [gzip]}}, body: {{string: {body}}}}}"
    with pytest.raises(CassetteError, match=r"c\.yaml:3: compressed data is larger than"):
        loads(document(f"{{request: {{method: GET, uri: 'http://h/'}}, response: {response}}}"), path="c.yaml")


OURS = sorted((Path(__file__).parents[2] / "cassettes").rglob("*.yaml"))


def test_what_is_read_of_our_own_is_written_the_same():
    """Every cassette of this repository is written again, byte by byte, from what is read of it: recording anew changes nothing unasked."""
    assert OURS
    for path in OURS:
        text = path.read_text("utf-8")
        found = read_file(text.encode(), path.name)

        assert dumps(found) == text, path
        assert loads(dumps(found), path=path.name) == found


@given(st.lists(EXCHANGES, max_size=3).map(tuple))
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_settled(given_exchanges):
    """What was read once is read again as just that, and written again as the same text."""
    text = dumps(given_exchanges)
    found = read_file(text.encode(), "x")

    assert read_file(dumps(found).encode(), "x") == found
    assert dumps(found) == text


def test_a_stream_is_a_block():
    """An event stream stands line by line in a block, its blank lines kept, whatever its last line ends with."""
    for body in (SSE, SSE.rstrip(), b"data: 1\r\n\r\n", b"event: a\ndata: {}\n\n\n"):
        text = dumps((Exchange(Request("GET", "https://h/"), Response(200, body)),))
        (found,) = loads(text, path="x")

        assert found.response.body == body
        assert ("string: |" in text) == (b"\r" not in body)


def test_reference_cassettes():
    """Every cassette of the reference collection that is read keeps its digests and its answers when it is written anew."""
    folder = os.environ.get("HARNESS_REFERENCE_DATA")
    if not folder:
        pytest.skip("HARNESS_REFERENCE_DATA names no folder")
    for path in sorted(path for path in (Path(folder) / "cassettes").rglob("*") if path.is_file()):
        try:
            found = read_file(path.read_bytes(), path.name)
        except CassetteError:
            continue
        again = loads(dumps(found), path=path.name)

        assert [segments(one.request).digests() for one in found] == [segments(one.request).digests() for one in again], path
        assert [parsed(one.response.body) for one in found] == [parsed(one.response.body) for one in again], path
        assert [one.response.headers for one in found] == [one.response.headers for one in again], path
        assert dumps(again) == dumps(found), path
