"""The pace of recording: how many requests a minute are sent, and when one that a busy server turned down is sent again."""

import datetime as dt
import email.utils
import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TRANSIENT = frozenset({408, 425, 429, 529})
_LASTING = frozenset({501, 505})
_SERVER_ERROR = 500
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


def shared_number() -> Any:
    """Return a number with a lock that forked workers share."""
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    return multiprocessing.get_context(method).Value("d", 0.0)


def is_transient(status: int) -> bool:
    """Tell whether a status says that the server may answer a little later."""
    return status in _TRANSIENT or (status >= _SERVER_ERROR and status not in _LASTING)


@dataclass(slots=True)
class Pace:
    """At most `attempts` of one request, at most `wait_s` seconds of waiting between them, and `per_minute` requests a minute in all."""

    attempts: int = 6
    wait_s: float = 120.0
    per_minute: float | None = None
    _next: Any = field(default_factory=shared_number)

    def turn_s(self) -> float:
        """Return how many seconds to wait until a request may be sent; its turn is taken with that."""
        if self.per_minute is None:
            return 0.0
        with self._next.get_lock():
            now = time.monotonic()
            turn: float = max(now, self._next.value)
            self._next.value = turn + 60.0 / self.per_minute
        return turn - now

    def pause_s(self, status: int, headers: Mapping[str, str], *, attempt: int, waited_s: float) -> float | None:
        """Return after how many seconds to send a request again, None where its answer stands. `attempt` counts from 1."""
        if not is_transient(status) or attempt >= self.attempts or headers.get("x-should-retry") == "false":
            return None
        asked = _retry_after_s(headers)
        pause = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S) if asked is None else asked
        return pause if waited_s + pause <= self.wait_s else None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read `retry-after-ms`, or `retry-after` in seconds or as a date; None where neither can be read."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=dt.UTC)
    return max(0.0, (aware - dt.datetime.now(dt.UTC)).total_seconds())
