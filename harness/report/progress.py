"""Progress on standard error: a line that renews itself on a terminal, now and then a plain line elsewhere."""

import time
from typing import TextIO

_EVERY_S = 10.0


class Progress:
    """Told how many trials (or what `noun` says) are done; says so without flooding a log."""

    def __init__(self, stream: TextIO, *, renew: bool, noun: str = "trials") -> None:
        self._stream = stream
        self._terminal = renew
        self._noun = noun
        self._last = time.monotonic()
        self._open = False

    def __call__(self, done: int, total: int) -> None:
        """Say how far the run is, if it is time to."""
        now = time.monotonic()
        if self._terminal and (now - self._last > 0.1 or done == total):  # noqa: PLR2004, ten times a second is enough
            self._stream.write(f"\r{done}/{total} {self._noun}")
            self._open = True
        elif not self._terminal and now - self._last > _EVERY_S:
            self._stream.write(f"{done}/{total} {self._noun}\n")
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
