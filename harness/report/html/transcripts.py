"""The transcripts that a report holds: those of trials that did not pass whole, those of passing ones cut, all up to stated limits."""

import base64
import json
import re
import zlib
from typing import Any, NamedTuple

from harness.experiment import Trial
from harness.schema import canonical_json

TEXT_LIMIT = 2_000
TRANSCRIPT_LIMIT = 64_000
TOTAL_LIMIT = 7_000_000
SIDES_LIMIT = 2_000_000

_BLOCK = 192_000
_LEVEL = 6
_LISTED = 100
_MAY_BE_LONG = re.compile(rf'[^"]{{{TEXT_LIMIT}}}')
_UNSHOWN: Any = {
    "scores": {"__all__": {"detail"}},
    "trace": {
        "steps": {"__all__": {"state_digest", "update_digest"}},
        "calls": {"__all__": {"exchange"}},
        "streamings": True,
        "recoveries": True,
    },
}

LIMITS = {"text": TEXT_LIMIT, "transcript": TRANSCRIPT_LIMIT, "total": TOTAL_LIMIT}


class Slot(NamedTuple):
    """Where a transcript lies: the number of its block, and its place in there."""

    block: int
    place: int


def packed(text: str) -> str:
    """Return JSON text compressed (raw deflate) and in base64, the same for the same text; unpaired surrogates become JSON's escapes."""
    encoder = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(encoder.compress(text.encode("utf-8", "backslashreplace")) + encoder.flush()).decode()


class _Shelf:
    """Fills one block after the other; what comes when there is more than all transcripts may take is left out."""

    def __init__(self, blocks: list[str]) -> None:
        self._blocks = blocks
        self._open: list[str] = []
        self._length = 0
        self._held: dict[int, int] = {}
        self.size = 0
        self.left_out = 0

    def put(self, text: str) -> Slot | None:
        if self.size > TOTAL_LIMIT:
            self.left_out += 1
            return None
        if not self._open:
            self._number = len(self._blocks)
            self._blocks.append("")
        self._open.append(text)
        self._length += len(text)
        slot = Slot(self._number, len(self._open) - 1)
        if self._length >= _BLOCK:
            self.close()
        return slot

    def close(self) -> None:
        if self._open:
            self._blocks[self._number] = packed(f"[{','.join(self._open)}]")
            self._held[self._number] = len(self._open)
            self.size += len(self._blocks[self._number])
        self._open, self._length = [], 0

    def shrink(self, limit: int) -> None:
        """Drop blocks, the last ones first, until the others are within the limit."""
        while self._held and self.size > limit:
            number, held = self._held.popitem()
            self.size -= len(self._blocks[number])
            self._blocks[number] = ""
            self.left_out += held


class Transcripts:
    """Keeps transcripts in compressed blocks.

    A block without text was dropped: its transcripts are left out.
    """

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self._passing, self._whole, self._sides = (_Shelf(self.blocks) for _ in range(3))

    def add(self, trial: Trial) -> Slot | None:
        """Keep a trial's transcript; None where it found no room."""
        if trial.outcome != "pass":
            return self._whole.put(_told(trial))
        text = _shortened(_told(trial))
        if len(text) > TRANSCRIPT_LIMIT:
            self._passing.left_out += 1
            return None
        return self._passing.put(text)

    def add_side(self, trial: Trial) -> Slot | None:
        """Keep the transcript of the baseline's side, however long it is; None where it found no room."""
        return self._sides.put(_told(trial))

    def close(self, room: int = TOTAL_LIMIT) -> None:
        """Finish the last blocks, and drop what is over the limits, the last ones first: passing trials give way to all others."""
        for shelf in (self._passing, self._whole, self._sides):
            shelf.close()
        limit = min(room, TOTAL_LIMIT)
        self._sides.shrink(min(SIDES_LIMIT, limit))
        self._whole.shrink(limit - self._sides.size)
        self._passing.shrink(limit - self._sides.size - self._whole.size)

    @property
    def left_out(self) -> dict[str, int]:
        """Return how many transcripts found no room: of passing trials, of other trials, of the baseline's side."""
        return {"passing": self._passing.left_out, "others": self._whole.left_out, "sides": self._sides.left_out}


def _told(trial: Trial) -> str:
    return trial.model_dump_json(exclude_defaults=True, exclude=_UNSHOWN)


def _shortened(text: str) -> str:
    """Return the JSON of a trial with its long texts and lists cut, and how much was cut said in their place."""
    may_be_long = len(text) > TRANSCRIPT_LIMIT or _MAY_BE_LONG.search(text)
    return canonical_json(_cut(json.loads(text))) if may_be_long else text


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else f"{value[:TEXT_LIMIT]}… [{len(value) - TEXT_LIMIT:,} more characters]"
    if isinstance(value, list):
        more = [f"… [{len(value) - _LISTED:,} more]"] if len(value) > _LISTED else []
        return [*map(_cut, value[:_LISTED]), *more]
    return {key: _cut(inner) for key, inner in value.items()} if isinstance(value, dict) else value
