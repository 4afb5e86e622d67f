"""Retries: when the attempts of a request were made, and which of them were in vain."""

from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest

from harness.trace import Trace, WireCall

_PERMANENT = frozenset({400, 401, 403, 404, 405, 413, 422})


def was_answered(call: WireCall) -> bool:
    """Tell whether a model gave a whole answer."""
    return call.answered and call.error is None


def vain_retries(trace: Trace) -> Iterator[WireCall]:
    """Yield the requests that failed for good and after which the same model was asked again in the same visit of the node."""
    for failed, following in pairwise(trace.model_calls):
        if failed.status in _PERMANENT and (failed.place, failed.model) == (following.place, following.model):
            yield failed


def waits(calls: Sequence[WireCall]) -> tuple[float | None, ...]:
    """Return the seconds before each retry, from the end of the failed attempt; None where the trace does not say.

    A retry is a request to the model that failed just before it, in the same visit of the node.
    """
    again = [
        (failed, following)
        for failed, following in pairwise(calls)
        if not was_answered(failed) and (failed.place, failed.model) == (following.place, following.model)
    ]
    return tuple(_between(failed.end_s, following.start_s) for failed, following in again)


def delay_s(calls: Sequence[WireCall]) -> float | None:
    """Return the seconds that failed attempts cost; None where the trace does not say.

    Each costs the time from its start to the next request of the same visit of the node, or to its own end where it is the last.
    """
    costs = [
        _between(failed.start_s, after.start_s if after is not None and after.place == failed.place else failed.end_s)
        for failed, after in zip_longest(calls, calls[1:])
        if not was_answered(failed)
    ]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def _between(start_s: float | None, end_s: float | None) -> float | None:
    return None if start_s is None or end_s is None else end_s - start_s
