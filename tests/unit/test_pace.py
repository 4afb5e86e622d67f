"""How fast requests are sent, and when one that was turned down is sent again."""

import pytest

from harness.wire.pace import Pace, is_transient


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_a_busy_or_broken_server_is_asked_again(status):
    """Statuses that may pass are waited out, twice as long each time."""
    pace = Pace()
    assert is_transient(status)
    assert [pace.pause_s(status, {}, attempt=attempt, waited_s=0) for attempt in (1, 2, 3)] == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [200, 400, 401, 404, 409, 501, 505])
def test_every_other_answer_stands(status):
    """What waiting does not mend is not waited for."""
    assert Pace().pause_s(status, {"retry-after": "1"}, attempt=1, waited_s=0) is None


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Wed, 01 Jan 2020 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, 0.5),
        ({"retry-after": "-3"}, 0.5),
        ({"retry-after": "nan"}, 0.5),
        ({"x-should-retry": "false"}, None),
    ],
    ids=["seconds", "none", "milliseconds", "a date", "no number", "negative", "not a number", "told not to"],
)
def test_the_server_says_how_long(headers, pause):
    """`retry-after` is honoured in every form; what cannot be read is passed over."""
    assert Pace().pause_s(429, headers, attempt=1, waited_s=0) == pause


def test_attempts_and_waiting_are_bounded():
    """Neither a server that is always busy nor one that asks for an hour holds a recording."""
    pace = Pace(attempts=3, wait_s=10)
    assert pace.pause_s(429, {}, attempt=3, waited_s=0) is None
    assert pace.pause_s(429, {"retry-after": "3600"}, attempt=1, waited_s=0) is None
    assert pace.pause_s(429, {"retry-after": "6"}, attempt=2, waited_s=5) is None


def test_turns_are_spaced():
    """A rate of so many a minute gives each request its turn, whichever worker asks."""
    pace = Pace(per_minute=0.06)
    assert pace.turn_s() == 0.0
    assert 900 < pace.turn_s() <= 1000
    assert 1900 < pace.turn_s() <= 2000
    assert Pace().turn_s() == 0.0
