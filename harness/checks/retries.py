"""Requests that were asked again after an error that does not pass by itself."""

from collections.abc import Iterator
from itertools import pairwise

from harness.trace import Trace, WireCall

_PERMANENT = frozenset({400, 401, 403, 404, 405, 413, 422})


def vain_retries(trace: Trace) -> Iterator[WireCall]:
    """Yield the requests that failed for good and after which the same model was asked again in the same visit of the node."""
    for failed, following in pairwise(trace.model_calls):
        if failed.status in _PERMANENT and (failed.place, failed.model) == (following.place, following.model):
            yield failed
