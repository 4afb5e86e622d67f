"""How the execution of an agent ended, in this process or behind a URL."""

from dataclasses import dataclass, field
from typing import Any

from harness.dataset import End
from harness.trace import CachedAnswer, Interrupt, Unseen


@dataclass(slots=True)
class Ended:
    """How it ended, before anything is derived from it."""

    ends: End = "answer"
    state: Any = None
    interrupts: tuple[Interrupt, ...] = ()
    crash: BaseException | None = None
    cached: list[tuple[CachedAnswer, str]] = field(default_factory=list)
    unseen: tuple[Unseen, ...] = ()
    duration_s: float | None = None
    real_time: bool = False
    recursion_limit: int | None = None
    answers: list[Any] = field(default_factory=list)
    turns: list[Any] = field(default_factory=list)
