"""Draws: which one a repeat replays, how many there are, whether they say the same."""

import json
from typing import Any

import pytest

from harness.cassette import vcr_yaml
from harness.cassette.change import changes
from harness.cassette.draws import alike, draw_of, draws
from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.renewal import added, anew
from harness.cassette.segments import segments
from harness.cassette.surplus import surplus
from harness.cassette.tape import Cassette, Cursor


def exchange(draw: int = 1, *, asked: str = "hi", said: str = "ho", variants: tuple[str, ...] = ("default",), **noted: Any) -> Exchange:
    """Return an exchange of a draw."""
    request = Request(
        "POST", "https://h/v1/chat/completions", json.dumps({"model": "m", "messages": [{"role": "user", "content": asked}]}).encode()
    )
    answer = {"choices": [{"message": {"role": "assistant", "content": said}}], "created": draw}
    return Exchange(request, Response(200, json.dumps(answer).encode()), draw=draw, variants=variants, **noted)


@pytest.mark.parametrize(
    ("repeats", "drawn", "replayed"), [(3, 3, [1, 2, 3]), (3, 1, [1, 1, 1]), (5, 2, [1, 2, 1, 2, 1])], ids=["enough", "one", "fewer"]
)
def test_a_repeat_replays_its_own_draw_or_begins_again(repeats, drawn, replayed):
    """Repeats beyond the draws go through them again, each as often as the others."""
    assert [draw_of(repeat, drawn) for repeat in range(1, repeats + 1)] == replayed


def test_draws_are_counted_by_variant():
    """A variant has the draws that note it, or nobody; one that no exchange notes has those of the others."""
    recorded = [exchange(1), exchange(2), exchange(1, variants=("other",)), exchange(3, variants=())]

    assert [draws(recorded[:3], name) for name in ("default", "other", "new")] == [2, 1, 2]
    assert (draws(recorded, "other"), draws([], "default")) == (3, 1)


def test_a_cursor_plays_its_draw_alone():
    """Equal requests of several draws have an answer each; a cursor neither takes nor misses those of other draws."""
    cassette = Cassette((exchange(1), exchange(2), exchange(2, asked="more")))
    digests = segments(exchange().request).digests()
    second = Cursor(cassette, "semantic", "default", 2)

    match = second.take(digests, None)

    assert match is not None
    assert (match.index, second.take(digests, None)) == (1, None)
    assert list(second.unused("default")) == [2]


def test_a_draw_survives_the_file():
    """The note of a draw is written and read again; the first draw has none."""
    text = vcr_yaml.dumps((exchange(1), exchange(2)))

    assert text.count("draw:") == 1
    assert [each.draw for each in vcr_yaml.loads(text, path="c.yaml")] == [1, 2]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], False),
        ([exchange(2, latency_s=9.0)], True),
        ([exchange(2, said="other")], False),
        ([exchange(2), exchange(2)], False),
        ([exchange(2, asked="other")], False),
        ([exchange(2), exchange(3, said="other")], False),
    ],
    ids=["a single one", "the same", "another answer", "asked more often", "another question", "the third"],
)
def test_draws_are_alike_if_they_ask_and_answer_the_same(others, expected):
    """Ids and times do not count, every draw does."""
    assert alike([exchange(1), *others], segments) is expected


def test_copies_in_another_draw_are_no_surplus():
    """Equal answers of two draws are two observations, not a copy that could go."""
    assert surplus([exchange(1), exchange(2)], [frozenset({0}), frozenset({1})]).shared == ()
    assert surplus([exchange(1), exchange(2)], [frozenset({0})]).unused == (1,)


def test_a_removed_draw_is_removed_not_changed():
    """Comparing pairs draws of one number, even where another would be nearer."""
    (change,) = changes([exchange(1, said="a"), exchange(2, said="b")], [exchange(2, said="b")])

    assert (change.kind, change.before) == ("removed", 0)


def test_a_renewal_keeps_draws_together():
    """What is added to the first draw stands before the second: readers that play in order find the first draw first."""
    old = (exchange(1), exchange(2))
    renewal = added(old, (exchange(1, asked="new"),), {"default": frozenset({0, 2})})

    assert [each.draw for each in renewal.exchanges] == [1, 1, 2]


def test_a_changed_request_replaces_that_of_its_own_draw():
    """Where one draw asks in another form, the exchange of another draw stays, however near it is."""
    old = (exchange(1, asked="say a"), exchange(2, asked="say b now"))

    renewal = added(old, (exchange(1, asked="say b"),), {"default": frozenset({2})})

    assert renewal.exchanges == (exchange(1, asked="say b"), old[1])
    assert renewal.changes == ("fix",)


def test_an_answer_anew_is_held_against_that_of_its_own_draw():
    """A draw that says what it said is no change, though another draw was answered otherwise."""
    old = (exchange(1, said="a"), exchange(2, said="b"))

    renewal = anew(old, (exchange(2, said="b"),), frozenset({"default"}))

    assert (renewal.exchanges, renewal.changes) == ((old[1],), ("trim",))
