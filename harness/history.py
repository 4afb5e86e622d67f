"""Time travel: the states that a trial went through, and a fork of it from one of them."""

from typing import Self

from pydantic import JsonValue

from harness.delta import Change
from harness.errors import UsageError
from harness.experiment import suite_name
from harness.schema import Value, read_json
from harness.trace import Crash

_OPENS_JSON = ("{", "[", '"')


class Snapshot(Value):
    """The state after a superstep, 0 being the input; `after` names the nodes that ran in it, `next` those that follow."""

    step: int
    after: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    state: JsonValue = None
    interrupts: tuple[JsonValue, ...] = ()


class History(Value):
    """All states of a trial as it runs now; `notes` say how that differs from what the experiment ran."""

    suite: str
    variant: str
    case: str
    repeat: int = 1
    notes: tuple[str, ...] = ()
    states: tuple[Snapshot, ...] = ()

    @property
    def name(self) -> str:
        """Return the suite's name, with `@variant` unless it is the default one."""
        return suite_name(self.suite, self.variant)


class Assignment(Value):
    """A value for one place of a state."""

    path: tuple[str, ...]
    value: JsonValue = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `key=value` or `key.inner=value`; the value is JSON, or text that does not look like it."""
        key, equals, value = text.partition("=")
        path = tuple(key.strip().split("."))
        if not equals or not all(path):
            message = f"--set {text!r}: write key=value, or key.inner=value for a place inside of it"
            raise UsageError(message)
        return cls(path=path, value=_value(text, value.strip()))

    def __str__(self) -> str:
        return ".".join(self.path)


def _value(text: str, value: str) -> JsonValue:
    try:
        found: JsonValue = read_json(value)
    except ValueError as error:
        if value.startswith(_OPENS_JSON):
            message = f"--set {text!r}: the value is not JSON: {error}"
            raise UsageError(message) from None
        return value
    return found


class Fork(Value):
    """A trial that went on from an edited state: where it went then, and before; how it ended, and what differs in the final state.

    `misses` say what it asked that is not on the cassette.
    """

    suite: str
    variant: str
    case: str
    repeat: int = 1
    notes: tuple[str, ...] = ()
    at: int
    after: tuple[str, ...] = ()
    assignments: tuple[Assignment, ...]
    path: tuple[str, ...] = ()
    path_before: tuple[str, ...] = ()
    ends: str = "answer"
    ends_before: str = "answer"
    crash: Crash | None = None
    misses: tuple[str, ...] = ()
    differs: tuple[Change, ...] = ()
    state: JsonValue = None
    text: str | None = None

    @property
    def name(self) -> str:
        """Return the suite's name, with `@variant` unless it is the default one."""
        return suite_name(self.suite, self.variant)
