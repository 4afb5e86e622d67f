"""Frozen trials: the clock stands still, UUIDs and `random` give the same at the same place of the graph. Only on request.

The monotonic clock goes on: time-outs, threads and event loops work as ever. UUIDs and random numbers are drawn from a stream for each
place, so that parallel branches do not race for them; within one place they come in the order in which they are asked for.
"""

import datetime as dt
import hashlib
import os
import random
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import time_machine

PlaceName = Callable[[], str]
"""Names the place of the graph where the calling code stands."""


@contextmanager
def frozen(*, time: str | None, uuids: bool, seed: int | None, case: str, place: PlaceName) -> Iterator[None]:
    """Freeze what is asked for until the block ends, then leave everything as it was; `case` tells the UUIDs of cases apart."""
    with ExitStack() as stack:
        if time is not None:
            stack.enter_context(time_machine.travel(dt.datetime.fromisoformat(time).timestamp(), tick=False))
        if uuids:
            stack.enter_context(_uuids(_Streams(case, place)))
        if seed is not None:
            stack.enter_context(_randomness(seed, place))
        yield


class _Streams:
    """Deterministic bytes for each place, counted from its first draw."""

    def __init__(self, case: str, place: PlaceName) -> None:
        self._case = case
        self._place = place
        self._drawn: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, size: int) -> bytes:
        place = self._place()
        with self._lock:
            number = self._drawn[place] = self._drawn.get(place, 0) + 1
        return hashlib.shake_128(f"{self._case}\n{place}\n{number}".encode("utf-8", "surrogatepass")).digest(size)


class _Os:
    """The module `os` as `uuid` sees it: its random bytes are ours. So uuid4 is frozen where it was imported by name, too."""

    def __init__(self, urandom: Callable[[int], bytes]) -> None:
        self.urandom = urandom

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@contextmanager
def _uuids(streams: _Streams) -> Iterator[None]:
    def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
        low = int.from_bytes(streams(16))
        fields = uuid.UUID(int=low, version=1).fields
        sequence = fields[4] if clock_seq is None else clock_seq & 0xFF
        return uuid.UUID(fields=(*fields[:4], sequence, fields[5] if node is None else node), version=1)

    with mock.patch.object(uuid, "os", _Os(streams)), mock.patch.object(uuid, "uuid1", uuid1):
        yield


@contextmanager
def _randomness(seed: int, place: PlaceName) -> Iterator[None]:
    """Let the functions of `random` draw from a generator for each place; seed what was imported by name, and numpy if it is loaded."""
    generators: dict[str, random.Random] = {}
    shared: random.Random = random.random.__self__  # type: ignore[attr-defined]  # the generator behind the module's functions

    def at_place(name: str) -> Callable[..., Any]:
        def draw(*args: Any, **kwargs: Any) -> Any:
            where = place()
            generator = generators.setdefault(where, random.Random(f"{seed}\n{where}"))  # noqa: S311, no secret is made
            return getattr(generator, name)(*args, **kwargs)

        return draw

    names = [name for name in random.__all__ if getattr(getattr(random, name), "__self__", None) is shared]
    numpy: Any = sys.modules.get("numpy")
    state, numpy_state = shared.getstate(), numpy.random.get_state() if numpy else None
    shared.seed(seed)
    if numpy:
        numpy.random.seed(seed % 2**32)
    try:
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(mock.patch.object(random, name, at_place(name)))
            yield
    finally:
        shared.setstate(state)
        if numpy:
            numpy.random.set_state(numpy_state)
