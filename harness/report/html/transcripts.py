"""The transcripts that a report holds: those of trials that did not pass whole, those of passing ones up to stated limits."""

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
    """Fills one block after the other."""

    def __init__(self, blocks: list[str]) -> None:
        self._blocks = blocks
        self._open: list[str] = []
        self._length = 0
        self.held: dict[int, int] = {}

    def put(self, text: str) -> Slot:
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
            self.held[self._number] = len(self._open)
        self._open, self._length = [], 0


class Transcripts:
    """Keeps transcripts in compressed blocks; `left_out` counts the passing trials that found no room.

    A block without text was dropped: its transcripts are left out.
    """

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.left_out = 0
        self._passing, self._whole = _Shelf(self.blocks), _Shelf(self.blocks)

    def add(self, trial: Trial) -> Slot | None:
        """Keep a trial's transcript; None where a passing one is over the limit of one transcript."""
        if trial.outcome != "pass":
            return self.add_whole(trial)
        text = _shortened(_told(trial))
        if len(text) > TRANSCRIPT_LIMIT:
            self.left_out += 1
            return None
        return self._passing.put(text)

    def add_whole(self, trial: Trial) -> Slot:
        """Keep a transcript, however long it is."""
        return self._whole.put(_told(trial))

    def close(self) -> None:
        """Finish the last blocks, and drop those of passing trials that are over the limit of all transcripts, the last ones first."""
        self._passing.close()
        self._whole.close()
        size = sum(map(len, self.blocks))
        for number in sorted(self._passing.held, reverse=True):
            if size <= TOTAL_LIMIT:
                break
            size -= len(self.blocks[number])
            self.blocks[number] = ""
            self.left_out += self._passing.held[number]


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
