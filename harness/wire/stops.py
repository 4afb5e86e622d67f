"""What ends a trial from inside the wire; no `except Exception` of the code under test takes it for an answer."""

from harness.errors import WireStop


class RecordingStopped(WireStop):
    """A request that is not sent, or whose answer is not kept: the trial cannot go on as it would have."""


class MissingExchange(WireStop):
    """A request that nothing recorded answers."""


class BudgetStop(WireStop):
    """An answer that would have gone over the trial's budget."""


class LiveConnection(WireStop):
    """A connection that was to be opened past the wire."""


class NeverAnswered(WireStop):
    """A wait, for an answer or a tool, that nothing ends."""


class Runaway(WireStop):
    """An agent that calls tools without end: nothing of its own stops it."""


class NotRedacted(WireStop):
    """A request or an answer at which a redactor or a normaliser of the user's own failed."""


class NoTrial(WireStop):
    """A request that belongs to no running trial."""
