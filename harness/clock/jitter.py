"""Jitter: the random part of the pauses that libraries make between attempts, the same in every trial, so that durations are."""

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

_WITH_FUNCTION = ("openai._base_client", "anthropic._base_client")
_WITH_MODULE = ("langgraph.pregel._retry", "tenacity.wait")


@contextmanager
def steady_jitter() -> Iterator[None]:
    """Draw the jitter of the SDKs, of LangGraph's retries and of tenacity from a stream that begins here; threads take turns in it."""
    drawn = random.Random(0)  # noqa: S311, no secret is made
    with ExitStack() as stack:
        for names, source in ((_WITH_FUNCTION, drawn.random), (_WITH_MODULE, drawn)):
            for module in [sys.modules[name] for name in names if name in sys.modules]:
                stack.enter_context(mock.patch.object(module, "random", source))
        yield
