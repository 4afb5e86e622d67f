"""Progress on standard error: a line that renews itself on a terminal; elsewhere a plain line now and then, and one at the end."""

import time
from typing import TextIO

_EVERY_S = 10.0
_RENEW_S = 0.1
_BAR = 20
_MINUTE = 60


class Progress:
    """Told how many trials (or what `noun` says) are done; says so without flooding a log."""

    def __init__(self, stream: TextIO, *, renew: bool, noun: str = "trials") -> None:
        self._stream = stream
        self._terminal = renew
        self._noun = noun
        self._started = self._last = time.monotonic()
        self._from: int | None = None
        self._open = False

    def __call__(self, done: int, total: int) -> None:
        """Say how far the run is, if it is time to."""
        now = time.monotonic()
        self._from = done - 1 if self._from is None else self._from  # a run that is resumed starts further on
        if self._terminal and (now - self._last > _RENEW_S or done == total):
            self._stream.write(f"\r{self._bar(done, total)} {self._said(done, total, now)}\x1b[K")
            self._open = True
        elif not self._terminal and (now - self._last > _EVERY_S or done == total):
            self._stream.write(f"{self._said(done, total, now)}\n")
        else:
            return
        self._stream.flush()
        self._last = now

    def close(self) -> None:
        """Leave the line to what comes next."""
        if self._open:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._open = False

    @staticmethod
    def _bar(done: int, total: int) -> str:
        filled = _BAR * done // total
        return f"[{'#' * filled}{'-' * (_BAR - filled)}]"

    def _said(self, done: int, total: int, now: float) -> str:
        spent_s = now - self._started
        left_s = spent_s / max(done - (self._from or 0), 1) * (total - done)
        left = f", about {_time(left_s)} left" if done < total else ""
        return f"{done:,}/{total:,} {self._noun} in {_time(spent_s)}{left}"


def _time(seconds: float) -> str:
    """Return minutes and seconds."""
    return f"{int(seconds) // _MINUTE}:{int(seconds) % _MINUTE:02d}"
