"""Derived ids: the same experiment gets the same ids, whoever sends it and however often."""

import hashlib
from uuid import NAMESPACE_URL, UUID, uuid5

from harness.schema import canonical_json

_HARNESS = uuid5(NAMESPACE_URL, "urn:langgraph-harness")
_RANDOM_BITS = 80
_TIME_BITS = 48


def dataset_id(owner: str, name: str) -> str:
    """Return the id of a dataset that is to be made; `owner` tells workspaces apart, for ids are unique in all of LangSmith."""
    return _named("dataset", owner, name)


def example_id(dataset: str, case: str) -> str:
    """Return the id of a case's example: an edited case keeps it, and becomes a new version."""
    return _named("example", dataset, case)


def session_id(dataset: str, name: str, digest: str) -> str:
    """Return the id of an experiment: other trials give another one, as what is sent cannot be changed."""
    return _named("experiment", dataset, name, digest)


def feedback_id(owner: str, key: str, number: int = 1) -> str:
    """Return the id of the feedback on a run or an experiment under a key; `number` tells several under one key apart."""
    return _named("feedback", owner, key, number)


def comparative_id(dataset: str, session: str, base: str) -> str:
    """Return the id of the comparison of two experiments."""
    return _named("comparison", dataset, session, base)


def pair_id(comparison: str, case: str, repeat: int) -> str:
    """Return the id by which the feedback on both runs of a pair belongs together."""
    return _named("pair", comparison, case, repeat)


def run_id(session: str, case: str, repeat: int, path: str, *, start_ms: int) -> str:
    """Return the id of a run, of the form that UUIDs of version 7 have: its time, and bits of a hash where others have random ones."""
    hashed = hashlib.sha256(canonical_json([session, case, repeat, path]).encode("utf-8", "surrogatepass")).digest()
    bits = int.from_bytes(hashed[: _RANDOM_BITS // 8], "big")
    number = (start_ms % 2**_TIME_BITS) << _RANDOM_BITS | bits
    number = number & ~(0xF << 76) | 7 << 76  # the version
    return str(UUID(int=number & ~(0b11 << 62) | 0b10 << 62))  # the variant


def _named(*parts: str | int) -> str:
    return str(uuid5(_HARNESS, hashlib.sha256(canonical_json(parts).encode("utf-8", "surrogatepass")).hexdigest()))
