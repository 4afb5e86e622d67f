"""A courier: brings what is lacking, and looks until it is there. What was taken is not believed to have arrived."""

import dataclasses
from collections.abc import Callable, Container, Sequence

from harness.mirror import Call
from harness.sinks.sender import Reply, Sender, Stopped

LOOKS_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""The waits before each look, since LangSmith may take its time after it has taken something."""
_TIMES = 2

There = Callable[[], Container[str]]
"""Asks which calls, by their keys, have brought what they bring."""


@dataclasses.dataclass(frozen=True)
class Courier:
    """Sends by a sender; `noted` takes each call that was acknowledged, `done` the keys of what is there."""

    sender: Sender
    noted: Callable[[Call, Reply], None]
    done: set[str]

    def send(self, call: Call) -> Reply:
        """Send a call."""
        reply = self.sender.change(call)
        self.noted(call, reply)
        self.done.add(call.key)
        return reply

    def bring(self, calls: Sequence[Call], there: There) -> None:
        """Send those calls whose effect is not there, and once more those whose effect stays away; Stopped where it does then, too."""
        lacking: Sequence[Call] = _without(calls, there())
        for _ in range(_TIMES):
            for call in lacking:
                self.send(call)
            lacking = self._awaited(lacking, there)
        if lacking:
            self.done.difference_update(call.key for call in lacking)
            message = f"{self.sender.remote.address}: {lacking[0].method} {lacking[0].path} was taken, but what it brings is not there"
            raise Stopped(message)
        self.done.update(call.key for call in calls)

    def _awaited(self, calls: Sequence[Call], there: There) -> Sequence[Call]:
        for pause_s in LOOKS_S if calls else ():
            if pause_s:
                self.sender.pause(pause_s)
            calls = _without(calls, there())
            if not calls:
                break
        return calls


def _without(calls: Sequence[Call], there: Container[str]) -> list[Call]:
    return [call for call in calls if call.key not in there]
