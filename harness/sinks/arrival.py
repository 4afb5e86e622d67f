"""What becomes of a push: for whom it is told, and what is noted for the next one."""

import dataclasses
from typing import Any, Protocol


class Notes(Protocol):
    """Keeps what became of calls."""

    def note(self, key: str, state: Any = "sent") -> None:
        """Note that a call was acknowledged, or that what it brought is missing."""
        ...


@dataclasses.dataclass(slots=True)
class Arrival:
    """What became of a push: the traces that are there of those that should be, those sent now, and the first problem.

    Unless they were looked for and `is_seen`, those that are there are only known to have been taken.
    """

    expected: int
    there: int = 0
    is_seen: bool = False
    sent: int = 0
    changes: int = 0
    problem: str = ""
    url: str = ""

    @property
    def is_complete(self) -> bool:
        """Tell whether everything is there."""
        return self.there == self.expected and not self.problem

    @property
    def is_believed(self) -> bool:
        """Tell whether traces are only known to have been taken."""
        return self.there > 0 and not self.is_seen
