"""The circuit breaker of the reference graphs: closed, open, half-open."""

import threading

import pytest

from graphs.circuit_breaker import BreakerOpen, CircuitBreaker


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that a test moves."""
    now = [100.0]
    monkeypatch.setattr("graphs.circuit_breaker.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def breaker(clock):
    """Return a breaker that opens after two lost connections and cools down for a minute."""
    return CircuitBreaker(opens_after=2, cool_down_s=60, failures=(ConnectionError,))


def call(breaker, error=None):
    """Make a call that fails with this error, if with any."""
    with breaker.guarding():
        if error is not None:
            raise error


def fail(breaker, times=1, error=ConnectionError):
    """Make calls that fail."""
    for _ in range(times):
        with pytest.raises(error):
            call(breaker, error())


def test_failures_in_a_row_open_it(breaker):
    """After the second failure no call is made any more."""
    fail(breaker)
    assert breaker.state == "closed"
    fail(breaker)
    assert breaker.state == "open"
    with pytest.raises(BreakerOpen):
        call(breaker)


def test_a_success_starts_the_count_anew(breaker):
    """Failures with an answer between them do not open it."""
    fail(breaker)
    call(breaker)
    fail(breaker)
    assert breaker.state == "closed"


def test_another_error_says_that_the_service_is_there(breaker):
    """A wrong key is no failure of the service."""
    fail(breaker)
    fail(breaker, error=PermissionError)
    fail(breaker)
    assert breaker.state == "closed"


@pytest.mark.parametrize(
    ("error", "state"), [(None, "closed"), (PermissionError, "closed"), (ConnectionError, "open"), (KeyboardInterrupt, "open")]
)
def test_after_the_cool_down_one_call_tries(breaker, clock, error, state):
    """Its answer closes the breaker; its failure, or its end without either, opens it again."""
    fail(breaker, 2)
    clock[0] += 60
    with breaker.watched() as seen:
        fail(breaker, error=error) if error else call(breaker)
    assert seen == ["open", "half_open", state]


def test_the_cool_down_is_kept_to_the_second(breaker, clock):
    """A moment before its end no call is made; after another failure it begins anew."""
    fail(breaker, 2)
    clock[0] += 59.999
    fail(breaker, error=BreakerOpen)
    clock[0] += 0.001
    fail(breaker)
    clock[0] += 59.999
    fail(breaker, error=BreakerOpen)


def test_only_one_call_tries_at_a_time(breaker, clock):
    """While the one is on its way, others are not made."""
    fail(breaker, 2)
    clock[0] += 60
    with breaker.guarding():
        other = threading.Thread(target=fail, args=(breaker,), kwargs={"error": BreakerOpen})
        other.start()
        other.join()
    assert breaker.state == "closed"


def test_a_conversation_sees_what_happens_while_it_watches(breaker, clock):
    """It begins with the state as it is, and hears nothing after it has ended."""
    fail(breaker)
    with breaker.watched() as first:
        fail(breaker)
        with breaker.watched() as second:
            fail(breaker, error=BreakerOpen)
    assert (first, second) == (["closed", "open"], ["open"])
    clock[0] += 60
    call(breaker)
    assert first == ["closed", "open"]
