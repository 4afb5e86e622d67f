"""Normalisers replace what changes from run to run, and nothing else."""

import json

import pytest

from harness.cassette.exchange import Request
from harness.cassette.normalise import BUILT_IN, replacing
from harness.cassette.segments import segments

CHANGED = [
    ("uuid", "id 550e8400-e29b-41d4-a716-446655440000.", "id <uuid>."),
    ("uuid", "550E8400-E29B-41D4-A716-446655440000", "<uuid>"),
    ("timestamp", "System time: 2026-11-21T09:45:12.123456+00:00", "System time: <timestamp>"),
    ("timestamp", "at 2026-11-21 09:45:12 UTC.", "at <timestamp>."),
    ("timestamp", "Sat, 21 Nov 2026 09:45:12 GMT", "<timestamp>"),
    ("timestamp", "Sat Nov 21 11:28:17 UTC 2026", "<timestamp>"),
    ("timestamp", "Saturday, November 21, 2026 at 09:45", "<timestamp>"),
    ("date", "Today is 2026-11-21.", "Today is <date>."),
    ("date", "Today is November 21, 2026", "Today is <date>"),
    ("path", "read /home/jane/project/a.txt now", "read <path> now"),
    ("path", r"read C:\Users\jane\a.txt", "read <path>"),
]
SAME = [
    ("uuid", "550e8400-e29b-41d4-a716"),
    ("timestamp", "version 2026-11-21, ratio 09:45, phone 555-12-34"),
    ("date", "call 555-2026-11-21-7"),
    ("path", "https://example.com/a/b/c and and/or and 1/2/3"),
]


@pytest.mark.parametrize(("name", "text", "changed"), CHANGED)
def test_what_is_replaced(name, text, changed):
    """The built-in normalisers know the usual forms."""
    assert BUILT_IN[name].change(text) == changed
    assert BUILT_IN[name].change(changed) == changed


@pytest.mark.parametrize(("name", "text"), SAME)
def test_what_stays(name, text):
    """What only looks like it stays."""
    assert BUILT_IN[name].change(text) == text


def asked(text, path="/v1/chat/completions"):
    """Return a request that says a text."""
    return Request("POST", f"https://h{path}", json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode())


def test_the_key_shows_the_normaliser():
    """The part that was normalised has the name in it, and the request tells which normalisers changed it."""
    found = segments(asked("order ORD-17"), (replacing("order-id", "ORD-[0-9]+"), BUILT_IN["uuid"]))

    assert "<order-id>" in found.text("messages")
    assert found.normalised == ("order-id",)
    assert found.digests() == segments(asked("order ORD-18"), (replacing("order-id", "ORD-[0-9]+"),)).digests()


def test_the_endpoint_is_no_file():
    """A URL's path keeps its words, whatever is normalised; an id in it does not count."""
    everything = tuple(BUILT_IN.values())
    one = segments(asked("x", "/v1/threads/550e8400-e29b-41d4-a716-446655440000/chat/completions"), everything)

    assert one.parts["endpoint"] == "POST /v1/threads/<uuid>/chat/completions"
    assert segments(asked("x")).parts["endpoint"] == segments(asked("x"), everything).parts["endpoint"]
