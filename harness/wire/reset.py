"""vcrpy's resets: it puts the real classes back, for every thread of the process, while one thread makes a connection.

Another thread's request would go past the wire meanwhile, and two resets that overlap leave the real classes in place for good.
"""

import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from http import client
from typing import Any
from unittest import mock


@contextmanager
def without_resets() -> Iterator[None]:
    """Let vcrpy's stubs make their connections with everything patched; to be entered before anything is."""
    from vcr import patch  # noqa: PLC0415, as the patch

    made = client.HTTPSConnection.__init__
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(patch, "force_reset", nullcontext))
        stack.enter_context(mock.patch.object(client.HTTPSConnection, "__init__", _settled(made)))
        yield


def _settled(made: Any) -> Callable[..., None]:
    """Return the constructor of http.client's class for https, which looks that class up by name, bound to the names as they are now."""
    bound = types.FunctionType(made.__code__, dict(vars(client)), made.__name__, made.__defaults__, made.__closure__)
    bound.__kwdefaults__ = made.__kwdefaults__
    return bound
