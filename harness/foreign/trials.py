"""Trials made of exported records, one after another; their order, their numbers and where they come from."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from harness.errors import UsageError
from harness.experiment import SuiteProvenance
from harness.schema import canonical_json, digest
from harness.trace import Crash, Trace, Unseen

UNSEEN: tuple[Unseen, ...] = ("steps", "states", "calls", "places")
_MESSAGE_AT_MOST = 300
_NAMED = re.compile(r"(?P<type>[A-Za-z_]\w*)(?:\((?P<shown>.*)\)|: (?P<said>.+))")
"""How Python writes an exception: `ValueError('no')` or `ValueError: no`."""


class Key(NamedTuple):
    """The case of a trial, the number that its record gives it, None where it gives none, and where the record stands."""

    case: str
    repeat: int | None
    place: str


def numbered(keys: Sequence[Key]) -> list[tuple[int, int]]:
    """Return the indices of trials in the order of their cases, each with its repeat from 1.

    Repeats that are not numbered are numbered in their order; where they are counted from 0, one is added. UsageError for two alike.
    """
    first = min((key.repeat for key in keys if key.repeat is not None), default=1)
    order: dict[str, int] = {}
    seen: dict[tuple[str, int], str] = {}
    found: list[tuple[int, int, int]] = []
    counted: dict[str, int] = {}
    for index, key in enumerate(keys):
        place = order.setdefault(key.case, len(order))
        counted[key.case] = counted.get(key.case, 0) + 1
        repeat = counted[key.case] if key.repeat is None else key.repeat + (first == 0)
        if (key.case, repeat) in seen:
            message = f"{key.place}: case {key.case!r} has a trial {key.repeat} already, at {seen[key.case, repeat]}"
            raise UsageError(message)
        seen[key.case, repeat] = key.place
        found.append((place, repeat, index))
    return [(index, repeat) for _, repeat, index in sorted(found)]


def provenance(cases: Iterable[str], *, suite: str, source: str, source_digest: str, checks: tuple[str, ...]) -> SuiteProvenance:
    """Return the provenance of imported trials: where they come from, and that no graph was run."""
    names = sorted(set(cases))
    return SuiteProvenance(
        suite=suite,
        variant="default",
        cases=len(names),
        dataset=source,
        dataset_digest=digest(canonical_json(names)),
        cassettes_digest=source_digest,
        graph="imported: run elsewhere",
        graph_fingerprint="unknown",
        match="none",
        mode="none",
        build="none",
        checks=checks,
    )


def crash_of(error: JsonValue) -> Crash | None:
    """Return the crash that a record tells of; None where it says that there was none."""
    if error is None or error is False or error in ("", {}, []):
        return None
    text = error if isinstance(error, str) else "the record says that it crashed" if error is True else canonical_json(error)
    first, _, rest = text.partition("Traceback (most recent call last):")
    line = (first or rest).strip().split("\n")[0]
    named = _NAMED.fullmatch(line)
    kind, said = (named["type"], named["shown"] or named["said"] or "no message") if named else ("Error", line)
    return Crash(type=kind, message=said[:_MESSAGE_AT_MOST], traceback=rest.strip())


def ended(trace: Trace, crash: Crash | None) -> Trace:
    """Return the trace as it ended, by a crash where there was one."""
    return trace if crash is None else trace.model_copy(update={"ends": "error", "crash": crash})
