"""Work that is waited for no longer than it may take."""

import threading

import pytest

from harness.sinks.timely import timely


@pytest.mark.parametrize("within_s", [60, 1e12, float("inf")], ids=["minute", "ages", "ever"])
def test_work_that_ends_in_time_is_returned(within_s):
    """However long it may take."""
    assert timely(lambda: 7, within_s=within_s) == 7


def test_an_error_of_the_work_is_raised():
    """As if it had been done here."""
    with pytest.raises(ZeroDivisionError):
        timely(lambda: 1 // 0, within_s=60)


def test_work_that_takes_longer_is_left():
    """It goes on by itself, and keeps nobody waiting."""
    over = threading.Event()

    with pytest.raises(TimeoutError):
        timely(over.wait, within_s=0.01)
    over.set()
