"""Moments: seconds of a trial as times of day, and times of day as LangSmith writes them."""

import datetime as dt

from harness.errors import ExperimentUnreadable
from harness.trace import Trace


def moment(text: str, *, experiment: str) -> dt.datetime:
    """Return a time of an experiment's head."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        message = f"experiment {experiment!r}: {text!r} is no time in ISO 8601"
        raise ExperimentUnreadable(message) from None
    return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)


def after(start: dt.datetime, seconds: float) -> dt.datetime:
    """Return the moment so many seconds later, to the microsecond."""
    return start + dt.timedelta(microseconds=round(seconds * 1_000_000))


def written_moment(when: dt.datetime) -> str:
    """Return a moment as a field of a run has it."""
    return when.isoformat(timespec="microseconds")


def in_order(when: dt.datetime) -> str:
    """Return a moment as a dotted order has it."""
    return when.strftime("%Y%m%dT%H%M%S%fZ")


def milliseconds(when: dt.datetime) -> int:
    """Return the milliseconds since 1970."""
    return (when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


def seen_s(trace: Trace) -> float:
    """Return how many seconds a trial took; where that is not known, at least so many as what was seen of it."""
    steps, calls, tools = ([(one.start_s, one.duration_s) for one in part] for part in (trace.steps, trace.calls, trace.tools))
    ends = [start_s + (duration_s or 0.0) for start_s, duration_s in (*steps, *calls, *tools) if start_s is not None]
    return max([0.0, *ends]) if trace.duration_s is None else trace.duration_s
