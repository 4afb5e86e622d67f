"""Seconds."""

from types import SimpleNamespace

import pytest

from harness.checks import duration
from harness.trace import Trace


@pytest.mark.parametrize(("taken", "status"), [(45.0, "pass"), (45.1, "fail")])
def test_a_duration_is_bounded(case, context, taken, status):
    """Reaching the bound is fine."""
    (score,) = duration.check(case(), SimpleNamespace(duration_s=taken), context(duration_s=45.0))
    assert (score.status, score.value) == (status, taken)
    assert (score.reason == "took 45.1 s, limits.duration_s = 45") == (status == "fail")


def test_a_bound_on_an_unknown_duration_is_unscored(case, context):
    """A limit that cannot be looked at is no pass."""
    (score,) = duration.check(case(), SimpleNamespace(duration_s=None), context(duration_s=45.0))
    assert score.status == "unscored"


def test_no_bound_gives_no_score(case, context):
    """Durations are only scored if bounded."""
    assert duration.check(case(), Trace(), context()) == ()
