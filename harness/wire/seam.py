"""The seam: what is asked, what is answered, and who answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.cassette.exchange import Request, Response
from harness.cassette.segments import Segments
from harness.trace import Place, Source

Position = Callable[[], tuple[Place, str]]
"""Where the calling code stands in the graph, and the raw id of that execution of the node ("" where unknown)."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as the layers see it: redacted, taken apart, placed. `number` counts the trial's requests of its kind, from 1."""

    request: Request
    segments: Segments
    digests: dict[str, str]
    place: Place
    number: int
    number_in_node: int


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request was answered: by a response, or by an exception that the client library is to raise.

    `fits` tells that the response was given to a request of this very form, whole or streamed; `cut` that the connection is lost after it;
    `delay_s` is the part of the latency that a fault adds before the first byte, `ttft_s` when that came of a streamed answer.
    """

    source: Source
    response: Response | None = None
    failure: str | None = None
    fault: str | None = None
    exchange: int | None = None
    latency_s: float | None = None
    ttft_s: float | None = None
    drift: tuple[str, ...] = ()
    fits: bool = False
    cut: bool = False
    delay_s: float = 0.0


class Layer(Protocol):
    """Answers a request, or leaves it to the next layer by returning None."""

    def __call__(self, ask: Ask) -> Reply | None:
        """Answer `ask` or return None."""


class Live(Protocol):
    """Decides about the requests that no layer answers, and keeps what the real servers answer."""

    def admit(self, ask: Ask) -> None:
        """Let a request pass to the real server, or raise RecordingStopped."""

    def keep(self, ask: Ask, response: Response, latency_s: float, ttft_s: float | None) -> int | None:
        """Keep an answer and return its index, None if it is not kept, or raise RecordingStopped; the times are the last attempt's."""


class Clock(Protocol):
    """What the recorded latencies of a trial pass on."""

    @property
    def is_virtual(self) -> bool:
        """Tell whether waiting on it takes no real time."""

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the trial began, to the microsecond."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass in the calling thread."""

    async def pass_time_async(self, seconds: float) -> None:
        """Let time pass in the calling task."""
