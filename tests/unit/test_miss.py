"""What is said of a request that is not on the cassette."""

import json
import random
import time
from typing import Any

import pytest

from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.miss import Known, Miss, explain, unscripted
from harness.cassette.segments import Policy, segments
from harness.cassette.tape import Cassette, Cursor
from harness.trace import Place

URL = "https://h/v1/chat/completions"
PLACE = Place(node="classify", step=1, visit=1)
USAGE = {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 12}}
TOOLS = [{"type": "function", "function": {"name": "lookup", "description": "Look up."}}]


def body(system: str = "Sort the ticket into one of four teams.", text: str = "I was charged twice", **fields: Any) -> dict[str, Any]:
    """Return the body of a chat request."""
    return {"model": "m", "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}], "tools": TOOLS, **fields}


def request(given: dict[str, Any], url: str = URL) -> Request:
    """Return a request with this body."""
    return Request("POST", url, json.dumps(given).encode())


def miss(asked: dict[str, Any], *recorded: dict[str, Any], policy: Policy = "semantic", prompts: dict[str, str] | None = None) -> Miss:
    """Return what is said of a request where these were recorded."""
    exchanges = tuple(Exchange(request(given), Response(200, json.dumps(USAGE).encode())) for given in recorded)
    stored = {name: {"v1": text} for name, text in (prompts or {}).items()}
    return explain(request(asked), Cursor(Cassette(exchanges), policy), PLACE, Known(stored))


@pytest.mark.parametrize(
    ("change", "part", "cause", "words"),
    [
        ({"model": "n"}, "model", "model m -> n", ("m", "n")),
        ({"system": "Sort the ticket into one of five teams."}, "system", "system prompt changed", ("four", "five")),
        ({"text": "I was billed twice"}, "messages", "messages: changed text of role user", ("charged", "billed")),
        ({"tools": [{**TOOLS[0], "strict": True}]}, "tools", "tool schema lookup", ("strict",)),
        ({"response_format": {"type": "json_object"}}, "response_format", "response format", ("json_object",)),
    ],
)
def test_what_changed(change, part, cause, words):
    """One change is named, with its cause, the words that differ and what the call costs."""
    found = miss(body(**change), body())

    assert (0, (part,), cause, 42) == (found.nearest, found.differs, found.cause, found.tokens)
    assert all(word in found.diff for word in words), found.diff


def test_several_changes():
    """All parts that differ are named; the diff shows the first."""
    found = miss(body(system="Another.", model="n"), body())

    assert found.differs == ("model", "system")
    assert found.cause == "model m -> n; system prompt changed"


def test_a_parameter():
    """A parameter is a cause under the strict policy only."""
    found = miss(body(temperature=1), body(), policy="strict")

    assert (found.differs, found.cause) == (("sampling",), "library default temperature: absent -> 1")


def test_another_endpoint():
    """Where nothing of the endpoint is recorded, that is the cause; the endpoint is named."""
    tape = Cursor(Cassette((Exchange(request(body()), Response(200)),)), "semantic")
    found = explain(request(body(), "https://h/v2/chat/completions"), tape, PLACE, Known())

    assert found.cause == "no exchange of this endpoint (POST /v2/chat/completions) is recorded"


def test_the_endpoint_weighs_most():
    """An endpoint that was recorded is never called missing, however alike another endpoint's request is."""
    recorded = (
        Exchange(request(body(), "https://h/v2/chat/completions"), Response(200)),
        Exchange(request({"messages": ["x"]}), Response(200)),
    )
    found = explain(request(body()), Cursor(Cassette(recorded), "semantic"), PLACE, Known())

    assert found.nearest == 1
    assert "endpoint" not in found.differs


def test_an_empty_cassette():
    """An empty cassette has no nearest exchange."""
    found = miss(body())

    assert (found.nearest, found.differs, found.cause, found.tokens) == (None, (), "the cassette is empty", None)


def test_an_exhausted_request():
    """A request that was recorded but is asked too often says so."""
    tape = Cursor(Cassette((Exchange(request(body()), Response(200)),)), "semantic")
    tape.take(segments(request(body())).digests(), None)

    assert explain(request(body()), tape, PLACE, Known()).cause.startswith("asked more often than recorded")


PROMPT = """You are the {role} of {company}.
Read the ticket below and name the team that should answer it.

Teams: {teams}. Answer with one word, "billing" for instance.
"""


def filled(text: str = PROMPT, **fields: str) -> str:
    """Return the prompt, filled in."""
    return text.format(**{"role": "dispatcher", "company": "Example Ltd", "teams": "billing, sales and support", **fields})


@pytest.mark.parametrize("prompt", [PROMPT, "Read the ticket below and name the team that should answer it."])
def test_one_word_of_a_prompt(prompt):
    """The prompt is named of which one word changed, be it a line or many lines with places to fill."""
    now = prompt.replace("below", "above")
    others = {"answer": "Write a friendly answer to the customer, in their language.", "judge": "Is the answer right? Say yes or no."}
    found = miss(body(filled(now)), body(filled(prompt)), prompts={**others, "triage": now})

    assert found.cause == "prompt triage (v1) edited"
    assert "below" in found.diff
    assert "above" in found.diff


def test_a_prompt_in_a_message():
    """A prompt that is sent as a user's message is named too."""
    now = PROMPT.replace("below", "above")
    found = miss(body(text=filled(now)), body(text=filled(PROMPT)), prompts={"triage": now})

    assert found.cause == "prompt triage (v1) edited"


def test_the_prompt_that_changed_is_named():
    """Of two prompts in one system message the one is named that changed, not the longer one."""
    long, short = filled(PROMPT), "Always answer in English, whatever the language of the ticket."
    now = short.replace("English", "French")
    found = miss(body(long + now), body(long + short), prompts={"base": PROMPT, "language": now})

    assert found.cause == "prompt language (v1) edited"


def test_no_prompt_is_guessed():
    """A system prompt that is none of the known ones is not given the name of one."""
    found = miss(
        body("Sort the ticket into one of five teams."), body(), prompts={"other": "Tell the reader a joke about some old teapots."}
    )

    assert found.cause == "system prompt changed"


def test_the_nearest_among_many():
    """Among hundreds of alike exchanges the nearest is found, wherever it stands."""
    words = random.Random(1)  # noqa: S311, a fixed text
    texts = [" ".join(words.choices(["order", "refund", "late", "parcel", "broken", "invoice", "login"], k=30)) for _ in range(400)]
    asked = texts[350].replace("parcel", "package", 1)

    assert miss(body(text=asked), *(body(text=text) for text in texts)).nearest == 350


def test_the_nearest_of_two_prompts():
    """Two nodes that send the same messages are told apart by their prompts."""
    recorded = [body("Write a friendly answer."), body("Sort the ticket into one of four teams.")]
    found = miss(body("Sort the ticket into one of five teams."), *recorded)

    assert found.nearest == 1


def test_an_unplayed_exchange_is_nearer():
    """Of two equally alike exchanges the one that is not played yet is compared."""
    tape = Cursor(Cassette(tuple(Exchange(request(body()), Response(200)) for _ in range(2))), "semantic")
    tape.take(segments(request(body())).digests(), None)

    assert explain(request(body(model="n")), tape, PLACE, Known()).nearest == 1


def test_the_cost_is_bounded():
    """A miss against a thousand exchanges of 20 kB is explained within two seconds of computing."""
    words = random.Random(1)  # noqa: S311, a fixed text
    letters = "".join(words.choices("abcdefghijk lmnopq rstuvw xyz", k=40_000))
    recorded = [body(text=letters[index : index + 20_000]) for index in range(0, 20_000, 20)]
    exchanges = tuple(Exchange(request(given), Response(200)) for given in recorded)
    tape = Cursor(Cassette(exchanges), "semantic")
    started = time.process_time()
    found = explain(request(body(text=letters[9_000:29_000] + "!")), tape, PLACE, Known({"triage": {"v1": PROMPT}}))

    assert time.process_time() - started < 2
    assert found.nearest == 450


def test_a_miss_reads_as_a_sentence():
    """The text of a miss names the place, the cause, the diff and the thread."""
    text = str(miss(body(model="n"), body()).model_copy(update={"thread": "T-1"}))

    assert text.startswith("node 'classify' (visit 1, step 1) asked for something that is not on the cassette: model m -> n")
    assert text.endswith("[from thread 'T-1']")


def test_unscripted():
    """A request that no rule answers says so."""
    assert unscripted(request(body()), PLACE).cause == "no rule of the script answers it"
