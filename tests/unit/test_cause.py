"""What a difference between a request and a recorded one means."""

import json
from typing import Any

import pytest

from harness.cassette.cause import causes
from harness.cassette.exchange import Request
from harness.cassette.segments import NAMES, segments

V1 = "Sort the ticket: billing, technical or general. Answer with one word."
V2 = "You sort support tickets into teams.\nTeams: billing, technical, general.\nSay nothing else, {name}."
PROMPTS = {"triage": {"v2": V2, "v1": V1}, "joke": {"v1": "Tell the reader a joke about some old teapots."}}


def asked(system: str = V2, messages: tuple[Any, ...] = (("user", "hello"),), tools: tuple[Any, ...] = (), **fields: Any) -> Any:
    """Return a chat request, taken apart."""
    said = [{"role": role, "content": content} for role, content in (("system", system), *messages)]
    offered = [{"type": "function", "function": {"name": name, "description": text}} for name, text in tools]
    body = {"model": "gpt-4o", "messages": said, **({"tools": offered} if offered else {}), **fields}
    return segments(Request("POST", "https://h/v1/chat/completions", json.dumps(body).encode()))


def said(before: Any, after: Any, parameters: frozenset[str] = frozenset()) -> list[str]:
    """Return the causes in words."""
    differs = tuple(name for name in NAMES if before.text(name) != after.text(name))
    return [str(cause) for cause in causes(before, after, differs, prompts=PROMPTS, parameters=parameters)]


TOOLS = (("lookup", "Look up."), ("refund", "Pay back."))
CAUSES = {
    "another version": (asked(V1), asked(V2.format(name="please")), ["prompt triage v1 -> v2"]),
    "back to the older version": (asked(V2), asked(V1), ["prompt triage v2 -> v1"]),
    "an edited version": (asked(V2.replace("teams", "groups")), asked(V2), ["prompt triage (v2) edited"]),
    "a text of one's own": (asked("Be brief."), asked("Be terse."), ["system prompt changed"]),
    "what a prompt is filled with": (asked(V2.format(name="Ann")), asked(V2.format(name="Bob")), ["system prompt changed"]),
    "a model": (asked(), asked(model="gpt-4.1"), ["model gpt-4o -> gpt-4.1"]),
    "a tool's schema": (asked(tools=TOOLS), asked(tools=(("lookup", "Look it up."), TOOLS[1])), ["tool schema lookup"]),
    "a tool more": (asked(tools=TOOLS[:1]), asked(tools=TOOLS), ["tool refund added"]),
    "a tool less": (asked(tools=TOOLS), asked(tools=TOOLS[1:]), ["tool lookup removed"]),
    "tools at all": (asked(), asked(tools=TOOLS), ["tool lookup added", "tool refund added"]),
    "the order of tools": (asked(tools=TOOLS), asked(tools=TOOLS[::-1]), ["tool choice or order"]),
    "a turn more": (asked(), asked(messages=(("user", "hello"), ("assistant", "hi"))), ["messages: one more turn"]),
    "turns fewer": (asked(messages=(("user", "hello"),) * 3), asked(), ["messages: 2 fewer turns"]),
    "a text": (asked(), asked(messages=(("user", "bye"),)), ["messages: changed text of role user"]),
    "a response format": (asked(), asked(response_format={"type": "json_object"}), ["response format"]),
    "a default": (asked(), asked(max_tokens=80), ["library default max_tokens: absent -> 80"]),
    "a default that vanished": (asked(max_tokens=80), asked(), ["library default max_tokens: 80 -> absent"]),
    "a parameter beside a model": (asked(), asked(model="m", n=2), ["model gpt-4o -> m", "parameter n: absent -> 2"]),
}


@pytest.mark.parametrize(("before", "after", "words"), CAUSES.values(), ids=CAUSES)
def test_a_change_has_its_words(before, after, words):
    """Each kind of change is said in words of its own."""
    assert said(before, after) == words


def test_a_parameter_of_the_variant_is_no_default():
    """What the variant sets itself is its parameter."""
    assert said(asked(), asked(max_tokens=80), frozenset({"max_tokens"})) == ["parameter max_tokens: absent -> 80"]


def test_a_cause_has_fields_too():
    """Name and versions can be read without taking the words apart."""
    (cause,) = causes(asked(V1), asked(V2), ("system",), prompts=PROMPTS, parameters=frozenset())
    assert (cause.kind, cause.name, cause.before, cause.after) == ("prompt", "triage", "v1", "v2")
