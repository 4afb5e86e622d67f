"""What trials spent, in dollars or in tokens."""

from array import array

from harness.experiment import Trial
from harness.trace import Trace, WireCall


class Spent:
    """Amounts of one kind: of trials that were measured in full, and of those `aside`, which count in totals alone.

    One unknown amount makes a figure unknown; `silent` are the models that do not say.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.whole = array("d")
        self.aside = array("d")
        self.unknown = 0
        self.unknown_aside = 0
        self._silent: set[str] = set()
        self._silent_aside: set[str] = set()

    def add(self, trial: Trial, *, whole: bool) -> None:
        """Count what one trial spent."""
        amount = trial.trace.cost_usd if self._kind == "cost_usd" else trial.trace.total_tokens
        if amount is not None:
            (self.whole if whole else self.aside).append(amount)
            return
        self.unknown += whole
        self.unknown_aside += not whole
        (self._silent if whole else self._silent_aside).update(self._silent_models(trial.trace))

    def silent(self, *, aside: bool) -> tuple[str, ...]:
        """Return the models that do not say what they took, in trials aside too if asked."""
        return tuple(sorted(self._silent | self._silent_aside if aside else self._silent))

    def _silent_models(self, trace: Trace) -> set[str]:
        paid = (call for call in trace.calls if call.kind != "http" and call.answered)
        unknown = (call for call in paid if (call.cost_usd if self._kind == "cost_usd" else call.usage) is None)
        return {_model(call) for call in unknown}


def _model(call: WireCall) -> str:
    return call.answered_model or call.model or "a call that names no model"
