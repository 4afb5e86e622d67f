"""The mock model: which rule answers, and what the answer looks like."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cassette.answer import Answer, read
from harness.cassette.exchange import Request
from harness.cassette.segments import Segments, segments
from harness.errors import ConfigError
from harness.script import Script, parse
from harness.trace import ToolRequest, Usage


def asked(text: str = "hi", *, url: str = "https://h/v1/chat/completions", **fields: Any) -> Segments:
    """Return what a chat request asks."""
    return segments(Request("POST", url, json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **fields}).encode()))


def embedded(given_input: Any) -> Segments:
    """Return what an embedding request asks."""
    return segments(Request("POST", "https://h/v1/embeddings", json.dumps({"model": "e", "input": given_input}).encode()))


def script(text: str) -> Script:
    """Return the script of these rules."""
    return parse(text, path="script.yaml")


def says(rules: str, *requests: Segments, node: str | None = None) -> list[str | None]:
    """Return the texts with which one trial's requests are answered, None where no rule applies."""
    used: dict[int, int] = {}
    mock = script(rules)
    answers = [mock.answer(request, node, used) for request in requests]
    return [read(answer).text if answer else None for answer in answers]


def test_the_first_rule_that_applies_answers():
    """Rules are tried in their order."""
    rules = "[{when: {contains: x}, reply: {text: a}}, {reply: {text: b}}, {reply: {text: c}}]"

    assert says(rules, asked("y"), asked("an x"), asked("z")) == ["b", "a", "b"]


def test_a_rule_is_used_up():
    """A rule answers as often as `times` says, then the next one does, then none."""
    assert says("[{reply: {text: a}, times: 2}, {reply: {text: b}, times: 1}]", *[asked()] * 4) == ["a", "a", "b", None]


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ("{}", True),
        ("{model: m}", True),
        ("{model: 'gpt-*'}", False),
        ("{model: '[lm]'}", True),
        ("{model: M}", False),
        ("{node: classify}", True),
        ("{node: answer}", False),
        ("{contains: Où}", True),
        ("{contains: 'say \"hi\"'}", True),
        ('{contains: "two\\nlines"}', True),
        ("{contains: brief}", True),
        ("{contains: nothing}", False),
        ("{model: m, contains: nothing}", False),
    ],
)
def test_when(when, applies):
    """A rule applies where the model, the node and the words of prompt and messages are as it says."""
    text = 'Où: say "hi" in two\nlines'
    request = asked(messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}])

    assert [None if not applies else "a"] == says(f"[{{when: {when}, reply: {{text: a}}}}]", request, node="classify")


def test_other_services_are_not_answered():
    """A rule does not answer what is no model's endpoint."""
    assert says("[{reply: {text: a}}]", asked(url="https://h/search")) == [None]


@pytest.mark.parametrize("url", ["https://h/v1/chat/completions", "https://h/v1/responses"])
def test_a_reply(url):
    """Text, tool calls and usage come back as the endpoint asked would send them; malformed arguments as they are."""
    rules = """
    - reply:
        text: hi
        tool_calls: [{name: get, args: {b: 1, a: é}}, {name: put, args: '{broken'}]
        input_tokens: 7
        output_tokens: 3
    """
    fields = {"input": "hi"} if "responses" in url else {}
    answer = script(rules).answer(asked(url=url, **fields), None, {})
    assert answer is not None
    calls = (ToolRequest(name="get", args={"b": 1, "a": "é"}), ToolRequest(name="put", args="{broken"))

    reason = "completed" if "responses" in url else "tool_calls"
    assert read(answer) == Answer("m", Usage(input_tokens=7, output_tokens=3), reason, calls, "hi")


def test_json_and_reason():
    """JSON is sent as text, and the reason for the end can be given."""
    answer = script("[{reply: {json: {team: billing}, finish_reason: length}}]").answer(asked(), None, {})
    assert answer is not None

    assert (read(answer).text, read(answer).finish_reason) == ('{"team":"billing"}', "length")


def test_an_error():
    """An error status comes with an error body in the provider's form."""
    answer = script("[{reply: {status: 503, text: down}}]").answer(asked(), None, {})
    assert answer is not None

    assert (answer.status, read(answer).error, answer.header("Content-Type")) == (503, "down", "application/json")


@given(st.text(max_size=20), st.text(max_size=20))
@settings(deadline=None, max_examples=60)
def test_answers_depend_on_the_request_alone(text, other):
    """The same request gets the same bytes, another one other ids."""
    mock = script("[{reply: {text: a, tool_calls: [{name: f}]}}]")
    one, again, different = (mock.answer(asked(words), None, {}) for words in (text, text, other))

    assert one == again
    assert (one == different) == (text == other)


def vectors(given_input: Any, dimensions: int = 4) -> list[list[float]]:
    """Return the vectors of an embedding request."""
    answer = script(f"[{{reply: {{dimensions: {dimensions}}}}}]").answer(embedded(given_input), None, {})
    assert answer is not None
    data = json.loads(answer.body)["data"]
    assert [entry["index"] for entry in data] == list(range(len(data)))
    return [entry["embedding"] for entry in data]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_embeddings(texts):
    """Each text has the vector that it has alone, of the length asked for, between -1 and 1; other texts have others."""
    found = vectors(texts)

    assert found == [vectors(text)[0] for text in texts]
    assert all(len(vector) == 4 and all(-1 <= number <= 1 for number in vector) for vector in found)
    assert len({tuple(vector) for vector in found}) == len(set(texts))


@pytest.mark.parametrize(("given_input", "count"), [("hi", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2), ("\ud800", 1)])
def test_forms_of_embedding_input(given_input, count):
    """A text, texts, the tokens of a text and tokens of several texts give one vector a text."""
    assert count == len(vectors(given_input))


def test_embeddings_have_rules_of_their_own():
    """A text rule does not answer an embedding request, nor the other way round."""
    rules = script("[{reply: {text: a}}]")

    assert rules.answer(embedded("hi"), None, {}) is None
    assert script("[{reply: {dimensions: 4}}]").answer(asked(), None, {}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- reply: {text: a}\n- reply: [", "s.yaml:3: not YAML"),
        ("- a: \x01", "s.yaml: not YAML"),
        ("- reply: {text: a}\n- reply: {txet: a}", "s.yaml:2: unknown key 'rules.1.reply.txet'; did you mean 'text'?"),
        ("- reply: {text: a}\n\n- {reply: {text: a}, times: 0}", "s.yaml:3: rules.1.times"),
        ("- reply: {}", "s.yaml:1: rules.0: .*a reply needs text"),
        ("- {when: {model: m}}", "s.yaml:1: rules.0.reply"),
        ("reply: {text: a}", "s.yaml: rules"),
        ("- reply: {json: 2026-11-01}", "s.yaml: not representable as JSON"),
        ("- reply: {json: .nan}", "s.yaml: not representable as JSON"),
        ("- reply: !!python/name:os.system", "s.yaml:1: not YAML"),
    ],
)
def test_errors_name_the_place(text, message):
    """A script that cannot be used is refused with its path, the line and the key."""
    with pytest.raises(ConfigError, match=message):
        parse(text, path="s.yaml")


def test_an_empty_script():
    """An empty file is a script without rules."""
    assert script("") == Script(rules=())
