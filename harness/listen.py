"""Listening: a callback handler that is given to everything that runs in a context, also where code passes callbacks of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

_listener: ContextVar[BaseCallbackHandler | None] = ContextVar("harness_listener", default=None)
register_configure_hook(_listener, inheritable=True)


@contextmanager
def listening(handler: BaseCallbackHandler) -> Iterator[None]:
    """Give the handler to what is run until the block ends; never twice to the same run."""
    token = _listener.set(handler)
    try:
        yield
    finally:
        _listener.reset(token)
