"""Secrets become tokens; everything else stays as it is."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.redact import BUILT_IN
from harness.cassette.secrets import long_words, none_in
from harness.cassette.segments import segments
from harness.cassette.tape import Cassette, Cursor

redact, redact_bytes, secrets_in = BUILT_IN.text, BUILT_IN.data, BUILT_IN.secrets_in

# put together here, so that no scanner takes this file for a leak
LETTERS = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4fGh7jKl0nOp3r"
PEM = "-----{} {}PRIVATE KEY-----"
SECRETS = {
    "anthropic-key": "sk-ant-" + "api03-" + LETTERS,
    "openai-key": "sk-" + "proj-" + LETTERS,
    "langsmith-key": "lsv2_" + "pt_" + LETTERS,
    "aws-key": "AKIA" + "0123456789ABCDEF",
    "github-token": "ghp_" + LETTERS[:36],
    "google-key": "AIza" + LETTERS[:35],
    "slack-token": "xoxb-" + LETTERS[:20],
    "huggingface-token": "hf_" + LETTERS[:34],
    "groq-key": "gsk_" + LETTERS[:40],
    "stripe-key": "rk_" + "live_" + LETTERS[:24],
    "jwt": "eyJ" + LETTERS[:20] + ".eyJ" + LETTERS[:20] + "." + LETTERS[:20],
    "email": "jane.doe+test@mail.example.co.uk",
    "private-key": "\n".join([PEM.format("BEGIN", "RSA "), "Proc-Type: 4,ENCRYPTED", LETTERS + "+/=", PEM.format("END", "RSA ")]),
}
OTHERS = [
    "sk-" + "ant-" + LETTERS,
    "github_pat_" + LETTERS,
    "ASIA" + "0123456789ABCDEF",
    "sk-" + LETTERS[:32],
    "a@b.io",
    "sk_" + "test_" + LETTERS,
]

everywhere = pytest.mark.parametrize(
    "template",
    [
        "{}",
        "key: {}",
        "({})",
        "<{}>",
        "first\n{}",
        "first\t{}\nlast",
        "é{}",
        "😀{}",
        "_{}",
        "x={}",
        "https://h/p?q={}&r=1",
        "a,{},b",
        '"{}"',
    ],
)


@everywhere
@pytest.mark.parametrize(("kind", "secret"), [*SECRETS.items(), *((None, secret) for secret in OTHERS)])
def test_every_kind_is_found(kind, secret, template):
    """A secret of each kind is found in text and in URLs, whatever stands around it, and only the secret goes."""
    text = template.format(secret)
    redacted = redact(text)
    whole = secret if kind != "email" and "@" not in secret else secret.partition("@")[2]

    assert whole not in redacted
    assert secrets_in(redacted) == ()
    assert len(secrets_in(text)) == 1
    assert kind is None or f"<{kind}-" in redacted


@everywhere
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(("kind", "secret"), SECRETS.items())
def test_every_kind_is_found_in_json(kind, secret, depth, ascii_only, template):
    """A secret in JSON, even in JSON inside JSON, goes without the JSON being damaged."""
    text = template.format(secret)
    for _ in range(depth):
        text = json.dumps({"content": text}, ensure_ascii=ascii_only)
    found = redact(text)
    for _ in range(depth):
        found = json.loads(found)["content"]

    before, after = template.split("{}")
    assert f"<{kind}-" in found
    assert secret.partition("@")[2] not in found or kind != "email"
    assert secret not in found
    assert found.startswith(before.rstrip("_x=")[:1])
    assert found.endswith(after[-1:])


@pytest.mark.parametrize("name", ["key", "api_key", "api-key", "apikey", "token", "access_token", "sig", "signature", "KEY"])
@pytest.mark.parametrize("before", ["?", "?a=1&", "?a=1\\u0026"])
def test_query_secrets(name, before):
    """The value of a telling query parameter goes, its name stays."""
    redacted = redact(f"https://h/p{before}{name}=12345678abc&b=2")

    assert redacted.startswith(f"https://h/p{before}{name}=<query-secret-")
    assert redacted.endswith(">&b=2")
    assert redacted == redact(redacted)


def test_query_secrets_end_with_their_string():
    """A query secret before an escaped quote or line end leaves the JSON readable."""
    text = json.dumps({"content": 'see "https://h/p?key=12345678"\nnext'})

    assert json.loads(redact(text))["content"].endswith('"\nnext')


def test_bearer_tokens():
    """What follows `Bearer` goes."""
    assert redact(f"Authorization: Bearer {LETTERS}==").startswith("Authorization: Bearer <bearer-")
    assert redact("Bearer authentication-and-authorization") == "Bearer authentication-and-authorization"


def test_an_encoded_address():
    """An e-mail address in a URL, its @ percent-encoded, goes."""
    assert "example" not in redact("https://h/p?user=jane%40example.com&x=1")


def test_the_whole_address_goes():
    """The name before the @ goes with the rest, up to what cannot be part of it."""
    assert redact("to=jane.doe+test@example.com.").startswith("to=<email-")
    assert redact(f"<{'x' * 64}@example.com>").startswith("<<email-")


def test_a_line_end_is_not_part_of_a_key():
    """The `r` of an escaped carriage return is not taken for the first letter of a key."""
    text = json.dumps("a\rk_" + "live_" + LETTERS)

    assert json.loads(redact(text)).startswith("a\r")


def test_tokens_are_stable():
    """The same secret gives the same token wherever it stands, another one another."""
    one, other = SECRETS["openai-key"], "sk-" + LETTERS[::-1]

    assert redact(one) == redact(f"x {one}")[2:]
    assert redact(one) != redact(other)


ORDINARY = [
    "sk-learn and sk-image are libraries; so is scikit-learn",
    "the risk-assessment-framework-for-projects, a task-management-and-planning-tool2, disk-Usage-monitoring-service-v2",
    "sk-learn-pipelines-and-model-selection",
    "550e8400-e29b-41d4-a716-446655440000",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "@app.route decorators, a @mention, 5 @ 3 dollars, user@localhost",
    "npm install left-pad; f(x) = x ? key : token; ?page=3&sort=key",
    "def key(token): return token == signature",
    "<openai-key-abc123> and <email-012345>, ?key=<query-secret-abcdef>",
    "call_abcdefghijklmnopqrstuvwx, chatcmpl-abcdefghijklmnopqrstuvwxyz012, run-9f86d081-884c",
    "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
    "smollm2-135m-instruct, gpt-4o-mini-2024-07-18",
    "xAKIA0123456789ABCDEF0123",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text):
    """Names, ids, hashes and words that look a little like a secret stay as they are, in JSON too."""
    assert redact(text) is text or redact(text) == text
    assert redact(json.dumps(text)) == json.dumps(text)
    assert secrets_in(text) == ()


@given(st.binary(min_size=300, max_size=3000), st.booleans())
@settings(deadline=None, max_examples=60)
def test_vectors_stay(data, url_safe):
    """Base64, in both alphabets, stays as it is."""
    import base64

    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(b"sk-A" + data).decode()

    assert redact(f'"{text}"') == f'"{text}"'


PIECES = st.sampled_from(
    [*SECRETS.values(), *OTHERS, "Bearer ", "?key=12345678", "&sig=", "\\n", "\\", '"', "\n", "n", "u00e9", "<", ">", "@", "%40", "-", "_"]
)


@given(st.lists(PIECES | st.text(max_size=4), max_size=8))
@settings(deadline=None, max_examples=300)
def test_idempotent(pieces):
    """Redacting twice is redacting once, and nothing secret is left after it."""
    redacted = redact("".join(pieces))

    assert redacted == redact(redacted)
    assert secrets_in(redacted) == ()


@given(
    st.recursive(
        PIECES | st.text(max_size=6), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PIECES, inner, max_size=2), max_leaves=6
    )
)
@settings(deadline=None, max_examples=300)
def test_json_stays_json(value):
    """Redacted JSON is JSON of the same shape, whatever stands in its strings, nested JSON included."""
    text = json.dumps({"a": value, "b": json.dumps(value)})
    found = json.loads(redact(text))

    assert set(found) == {"a", "b"}
    assert type(json.loads(found["b"])) is type(value)


@pytest.mark.parametrize(
    "hostile",
    [
        "a",
        "@",
        "a@",
        "a@a.",
        "@a.bc",
        "%40",
        "sk-",
        "sk-a",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "eyJ",
        "eyJaaaaaaaaaa.",
        "?key=",
        "Bearer ",
        "\\n",
        "\\",
        "A",
        "xoxb-",
        "AKIA",
        "a.b@c-",
        "=&",
        "ghp_a",
    ],
)
def test_linear_time(hostile):
    """A megabyte of what looks like the start of a secret takes no time."""
    text = (hostile * 1_000_000)[:1_000_000]
    started = time.process_time()
    redact(text + " sk- @ eyJ PRIVATE KEY %40 = Bearer ")

    assert time.process_time() - started < 3


def test_a_trace_is_not_taken_apart_for_what_only_begins_like_a_key():
    """The field `path`, which every trace has, begins like a kind of key; only a whole key costs more than a look."""
    place = '{"place":{"node":"ask","path":"pull,ask","step":1,"visit":1},"kind":"chat","said":"%s"}'
    key = SECRETS["openai-key"]

    assert none_in(place % "Yes.", long_words(place % "Yes."))
    assert not none_in(place % key, long_words(place % key))


def test_bytes_that_are_no_text():
    """Bytes that are not UTF-8 stay as they are."""
    assert redact_bytes(b"\xff a@b.io") == b"\xff a@b.io"
    assert redact_bytes(b"to a@b.io") == b"to " + redact("a@b.io").encode()


def test_replay_matches_redacted_requests():
    """A request with a secret, redacted as the recording was, is found on the cassette."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"my key\n{SECRETS['openai-key']}, mail me@example.com"}]})
    clean = Request("POST", "https://h/v1/chat/completions", redact_bytes(body.encode()))
    recorded = Cassette((Exchange(clean, Response(200)),))

    assert segments(clean).model == "m"
    assert Cursor(recorded, "strict").take(segments(clean).digests(), None)
