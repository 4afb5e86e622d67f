"""The layer of faults: it damages chosen requests, or the answers that the layers below have for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from harness import fault
from harness.dataset import FaultSpec, ModelFault
from harness.wire.trial import Ask, Reply

Lend = Callable[[Ask], Reply | None]
"""Returns the answer to a request without using it up: whoever asks again after a damaged answer gets it whole."""

_FAILURES = frozenset({"connect_error", "timeout", "hang"})
_USUAL_DELAY_S = 30.0


@dataclass(frozen=True, slots=True)
class Faults:
    """Damages chosen requests before anything else can answer them; `below` have the answers that are to be damaged."""

    specs: Sequence[FaultSpec]
    below: Sequence[Lend] = ()
    _struck: set[int] = field(default_factory=set)
    _damaged_before: dict[tuple[int, str], Reply] = field(default_factory=dict)

    def __call__(self, ask: Ask) -> Reply | None:
        """Return the fault that strikes this request."""
        for index, spec in enumerate(self.specs):
            reply = self._struck_by(index, spec, ask) if _is_here(spec, ask) else None
            if reply is not None:
                self._struck.add(index)
                return replace(reply, fault=spec.fault)
        return None

    def unstruck(self) -> tuple[FaultSpec, ...]:
        """Return the faults of requests that struck nothing."""
        return tuple(spec for index, spec in enumerate(self.specs) if index not in self._struck)

    def _struck_by(self, index: int, spec: FaultSpec, ask: Ask) -> Reply | None:
        name = cast("ModelFault", spec.fault)
        if name in _FAILURES:
            return Reply("fault", failure=name)
        if name == "slow":
            return self._slowed(index, ask, _USUAL_DELAY_S if spec.delay_s is None else spec.delay_s)
        error = fault.error_answer(name, ask.segments, retry_after_s=spec.retry_after_s, status=spec.status)
        return Reply("fault", error) if error else self._damaged(index, name, ask)

    def _slowed(self, index: int, ask: Ask, delay_s: float) -> Reply | None:
        whole = self._whole(index, ask)
        if whole is None or whole.response is None:
            return None
        ttft_s = None if whole.ttft_s is None else whole.ttft_s + delay_s
        return replace(whole, source="fault", latency_s=(whole.latency_s or 0.0) + delay_s, ttft_s=ttft_s, delay_s=delay_s)

    def _damaged(self, index: int, name: ModelFault, ask: Ask) -> Reply | None:
        whole = self._whole(index, ask)
        if whole is None or whole.response is None:
            return None
        answer = fault.damaged(name, whole.response, ask.segments)
        if answer is None:
            return None
        is_cut = name == "cut_stream"
        return replace(whole, source="fault", response=answer, fits=is_cut, cut=is_cut)

    def _whole(self, index: int, ask: Ask) -> Reply | None:
        """Return the answer to damage; where a fault lasts, what nothing below answers is answered as the request before was."""
        slot = (index, str(ask.segments.parts["endpoint"]))
        whole = next((reply for lend in self.below if (reply := lend(ask)) is not None), None)
        if whole is None:
            return self._damaged_before.get(slot)
        self._damaged_before[slot] = replace(whole, exchange=None)
        return whole


def _is_here(spec: FaultSpec, ask: Ask) -> bool:
    kind = "embedding" if spec.at.embedding else "chat"
    if ask.segments.kind != kind or (spec.at.node and spec.at.node != ask.place.node):
        return False
    return spec.strikes(ask.number_in_node if spec.at.node else ask.number)
