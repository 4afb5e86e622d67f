"""Real time, read and waited for as a virtual clock is."""

import asyncio
import time

_MICRO = 6


class RealClock:
    """Begins when it is made; what passes on it is waited for."""

    is_virtual = False

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        """Return the real seconds since the trial began, to the microsecond."""
        return round(time.perf_counter() - self._began, _MICRO)

    def pass_time(self, seconds: float) -> None:
        """Wait in the calling thread."""
        time.sleep(max(0.0, seconds))

    async def pass_time_async(self, seconds: float) -> None:
        """Wait in the calling task."""
        await asyncio.sleep(max(0.0, seconds))
