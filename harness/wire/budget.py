"""The budget of a recording: what has been spent, and whether the next call may go over what was allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.cassette.exchange import Exchange
from harness.cassette.miss import usage_cost
from harness.price import Price, cost_usd
from harness.trace import Usage
from harness.wire.pace import shared_number
from harness.wire.seam import Ask

_CHARACTERS_A_TOKEN = 4
_USUAL_OUTPUT = 256
_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class Unpriced(Exception):
    """A model without a price, under a bound in dollars."""


@dataclass(slots=True)
class Budget:
    """Dollars spent by all workers, each call reserved at its estimate before it is sent and settled by its answer."""

    prices: Mapping[str, Price]
    max_usd: float | None = None
    spent: Any = field(default_factory=shared_number)
    _closed: Any = field(default_factory=shared_number)
    _outputs: dict[str | None, int] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        """Tell whether a call was refused: nothing more is sent then, by any worker."""
        return bool(self._closed.value)

    def reserve(self, ask: Ask) -> float | None:
        """Set a call's estimate aside and return it; None where it would go over the bound. Unpriced where a bound cannot be held."""
        estimate = self._estimate(ask)
        if estimate is None and self.max_usd is not None:
            raise Unpriced(ask.segments.model or "(unnamed)")
        with self.spent.get_lock():
            if self.max_usd is not None and (self.closed or self.spent.value + (estimate or 0.0) > self.max_usd):
                self._closed.value = 1.0
                return None
            self.spent.value += estimate or 0.0
        return estimate or 0.0

    def settle(self, reserved: float, exchange: Exchange, model: str | None) -> None:
        """Put what a call cost in the place of its estimate, which stays where the answer does not say."""
        usage, cost = usage_cost(exchange, self.prices)
        if usage is not None:
            self._outputs[model] = max(usage.output_tokens, self._outputs.get(model, 0))
        if cost is not None:
            with self.spent.get_lock():
                self.spent.value += cost - reserved

    def release(self, reserved: float) -> None:
        """Give back what was set aside for a call that cost nothing."""
        with self.spent.get_lock():
            self.spent.value -= reserved

    def _estimate(self, ask: Ask) -> float | None:
        """Estimate a call: its length, and the longest answer of its model so far, or the longest that it allows."""
        if ask.segments.kind == "http":
            return 0.0
        settings = ask.segments.parts["sampling"] or {}
        limits = [settings[name] for name in _OUTPUT_LIMITS if isinstance(settings.get(name), int)]
        output = 0 if ask.segments.kind == "embedding" else self._outputs.get(ask.segments.model) or min(limits, default=_USUAL_OUTPUT)
        usage = Usage(input_tokens=-(-len(ask.request.body) // _CHARACTERS_A_TOKEN), output_tokens=output)
        return cost_usd(usage, models=(ask.segments.model,), host=ask.request.host, own=self.prices)
