"""Derived ids: the same experiment gets the same ids, whoever sends it and however often."""

import hashlib
from uuid import NAMESPACE_URL, UUID, uuid5

from harness.schema import canonical_json

_HARNESS = uuid5(NAMESPACE_URL, "urn:langgraph-harness")
_RANDOM_BITS = 80
_HASH_BITS = 62
_MOST = 2**12 - 1
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


def run_id(session: str, case: str, repeat: int, path: str, *, start_ms: int, number: int = 0) -> str:
    """Return the id of a run, of the form that UUIDs of version 7 have: its time, its number, bits of a hash where others have random ones.

    By the number runs that begin at one moment stay in their order, which LangSmith takes from the ids then; beyond 4,095 they do not.
    """
    hashed = hashlib.sha256(canonical_json([session, case, repeat, path]).encode("utf-8", "surrogatepass")).digest()
    bits = int.from_bytes(hashed[: _RANDOM_BITS // 8], "big") & (1 << _HASH_BITS) - 1
    version, variant = 7 << 76, 0b10 << _HASH_BITS
    return str(UUID(int=(start_ms % 2**_TIME_BITS) << _RANDOM_BITS | version | min(number, _MOST) << 64 | variant | bits))


def _named(*parts: str | int) -> str:
    return str(uuid5(_HARNESS, hashlib.sha256(canonical_json(parts).encode("utf-8", "surrogatepass")).hexdigest()))
