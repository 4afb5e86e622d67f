"""The cursor over a cassette: who is answered with what, in which order, at what cost."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.segments import Policy, segments
from harness.cassette.tape import Cassette, Cursor, drift_details

URL = "https://h/v1/chat/completions"


def request(text: str = "hi", **fields: Any) -> Request:
    """Return a chat request."""
    return Request("POST", URL, json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **fields}).encode())


def exchange(text: str = "hi", *, place: str | None = None, variants: tuple[str, ...] = (), **fields: Any) -> Exchange:
    """Return an exchange of a chat request."""
    return Exchange(request(text, **fields), Response(200), place=place, variants=variants)


def cursor(*exchanges: Exchange, policy: Policy = "semantic") -> Cursor:
    """Return a fresh cursor."""
    return Cursor(Cassette(exchanges), policy)


def take(tape: Cursor, text: str = "hi", *, place: str | None = None, **fields: Any) -> int | None:
    """Ask for an answer and return the exchange's index."""
    match = tape.take(segments(request(text, **fields)).digests(), place)
    return None if match is None else match.index


def test_equal_requests_in_recorded_order():
    """Equal requests are answered in the order of the recording, each exchange once, then not at all."""
    tape = cursor(exchange(), exchange("ho"), exchange())

    assert [take(tape), take(tape), take(tape), take(tape, "ho"), take(tape, "ho")] == [0, 2, None, 1, None]


def test_order_between_different_requests_does_not_matter():
    """A request is found by what it asks, whatever was asked before."""
    tape = cursor(exchange("a"), exchange("b"), exchange("c"))

    assert [take(tape, text) for text in "cab"] == [2, 0, 1]


def test_place_breaks_ties():
    """Among equal requests the one recorded at the same place answers."""
    tape = cursor(exchange(place="x"), exchange(place="y"), exchange(place="z"))

    assert [take(tape, place=place) for place in "zxy"] == [2, 0, 1]


def test_a_new_place_takes_the_first():
    """A request from a place that was not recorded gets the first exchange that is left."""
    tape = cursor(exchange(place="x"), exchange(place="y"))

    assert [take(tape, place=place) for place in ("q", "x", "y")] == [0, 1, None]


def test_exact_before_drifted():
    """The exchange that is equal in full goes before one that differs in a parameter, whatever their order and place."""
    tape = cursor(exchange(temperature=1, place="x"), exchange(temperature=2, place="y"))

    assert [take(tape, temperature=2, place="x"), take(tape, temperature=2, place="x")] == [1, 0]


def test_drift_is_named():
    """What differs within the policy is named, and nothing where all is equal."""
    tape = cursor(exchange(temperature=1), exchange(temperature=1))
    first = tape.take(segments(request(temperature=1)).digests(), None)
    second = tape.take(segments(request(temperature=2)).digests(), None)

    assert first is not None
    assert second is not None
    assert (first.drift, second.drift) == ((), ("sampling",))


@pytest.mark.parametrize(
    ("change", "policies"),
    [
        ({}, {"strict", "semantic", "messages"}),
        ({"temperature": 2}, {"semantic", "messages"}),
        ({"tools": [{"type": "function"}]}, {"messages"}),
        ({"response_format": {"type": "text"}}, {"messages"}),
        ({"model": "n"}, set()),
    ],
)
@pytest.mark.parametrize("policy", ["strict", "semantic", "messages"])
def test_policies(policy, change, policies):
    """Each policy tolerates what it says and nothing else."""
    assert (0 if policy in policies else None) == take(cursor(exchange(), policy=policy), **change)


def test_holds():
    """An exchange that is played is still known to be on the cassette."""
    tape = cursor(exchange())
    take(tape)

    assert tape.holds(segments(request()).digests())
    assert not tape.holds(segments(request("ho")).digests())


def test_cursors_are_independent():
    """Two trials of one cassette do not use up each other's exchanges."""
    cassette = Cassette((exchange(),))

    assert [take(Cursor(cassette, "semantic")) for _ in range(2)] == [0, 0]


def test_unused_by_variant():
    """Unused are the exchanges of the trial's own variant that it did not ask for; one without variants is everyone's."""
    tape = cursor(
        exchange("a", variants=("default",)), exchange("b", variants=("v2",)), exchange("c"), exchange("d", variants=("v2", "v3"))
    )
    take(tape, "c")

    assert tuple(list(tape.unused(variant)) for variant in ("default", "v2", "v3")) == ([0], [1, 3], [3])
    assert frozenset({2}) == tape.played


class CountingDict(dict[Any, Any]):
    """Counts the look-ups."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.count = 0

    def get(self, *arguments: Any) -> Any:
        """Look up and count."""
        self.count += 1
        return super().get(*arguments)


class CountingSet(set[int]):
    """Counts the steps over exchanges that are played."""

    count = 0

    def __contains__(self, item: object) -> bool:
        self.count += 1
        return super().__contains__(item)


@pytest.mark.parametrize("places", [1, 100, 10_000])
def test_the_cost_of_a_look_up_is_constant(places):
    """Ten thousand equal requests take a number of steps that is linear in them, at one place or at many."""
    count = 10_000
    recorded = exchange()
    cassette = Cassette(())
    cassette.exchanges = tuple(Exchange(recorded.request, recorded.response, place=str(index % places)) for index in range(count))
    cassette.digests = (segments(recorded.request).digests(),) * count
    tape = Cursor(cassette, "semantic")
    tape._played = steps = CountingSet()
    tape._next = look_ups = CountingDict()
    digests = cassette.digests[0]
    for index in range(count):
        assert tape.take(digests, str((index * 7) % places)) is not None

    assert tape.take(digests, "0") is None
    assert steps.count < 6 * count
    assert look_ups.count < 6 * count


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 1)), max_size=12), st.randoms())
@settings(deadline=None, max_examples=80)
def test_a_replay_of_the_recording_plays_everything(recorded, random):
    """The recorded requests, asked again in any order, are all answered, each exchange once and each with its own content."""
    tape = cursor(*(exchange(text, place=place, temperature=heat) for text, place, heat in recorded), policy="strict")
    asked = list(recorded)
    random.shuffle(asked)
    played = [take(tape, text, place=place, temperature=heat) for text, place, heat in asked]

    assert sorted(index for index in played if index is not None) == list(range(len(recorded)))
    assert all(recorded[index] == ask for index, ask in zip(played, asked, strict=True))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"temperature": 1}, {"temperature": 2}, ("sampling.temperature",)),
        ({"n": 1, "seed": 3}, {"top_p": 1, "seed": 3}, ("sampling.n", "sampling.top_p")),
        ({"logprobs": True}, {"logprobs": 1}, ("sampling.logprobs",)),
        ({"tools": [{"type": "function"}]}, {}, ("tools",)),
    ],
)
def test_drift_details(before, after, expected):
    """Drift is named by its keys, or by the part alone where it has none; true is not 1."""
    recorded, asked = segments(request(**before)), segments(request(**after))
    names = tuple(name for name in recorded.parts if recorded.digests()[name] != asked.digests()[name])

    assert expected == drift_details(recorded, asked, names)
