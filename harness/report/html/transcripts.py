"""The transcripts that a report holds: those of trials that did not pass whole, those of passing ones cut, all up to stated limits."""

import base64
import json
import re
import zlib
from functools import cached_property
from typing import Any, NamedTuple

from harness.experiment import Trial
from harness.report.html.cutting import TEXT_LIMIT, cut
from harness.report.html.evidence import PlayedOf
from harness.report.html.messages import Shared, talk
from harness.schema import canonical_json

TRANSCRIPT_LIMIT = 64_000
TOTAL_LIMIT = 7_000_000
SIDES_LIMIT = 2_000_000
TALKS_LIMIT = 2_000_000

_BLOCK = 192_000
_LEVEL = 6
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


_NOWHERE = Slot(-1, -1)


class Transcripts:
    """Keeps transcripts in compressed blocks, and apart from them what the models were asked and said.

    A block without text was dropped: what was in it is left out.
    """

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self._shared = Shared()
        self._sides, self._whole, self._whole_talks, self._passing, self._passing_talks = (_Shelf(self.blocks) for _ in range(5))

    def add(self, trial: Trial, played_of: PlayedOf = lambda _: ()) -> Slot | None:
        """Keep a trial's transcript, with what its models were asked and said; None where it found no room."""
        if trial.outcome != "pass":
            return self._whole.put(self._with_talk(_told(trial), trial, played_of))
        text = _shortened(_told(trial))
        if len(text) > TRANSCRIPT_LIMIT:
            self._passing.left_out += 1
            return None
        return self._passing.put(self._with_talk(text, trial, played_of))

    def _with_talk(self, text: str, trial: Trial, played_of: PlayedOf) -> str:
        """Return the JSON of a trial with the place of what its models were asked and said, which gives way to transcripts."""
        slot = self._talk(trial, played_of) if trial.trace.calls else None
        return f'{text[:-1]},"talk":[{slot.block},{slot.place}]}}' if slot else text

    def _talk(self, trial: Trial, played_of: PlayedOf) -> Slot | None:
        passes = trial.outcome == "pass"
        shelf = self._passing_talks if passes else self._whole_talks
        before = (self._whole, self._whole_talks, *((self._passing, self._passing_talks) if passes else ()))
        if sum(each.size for each in before) > TOTAL_LIMIT or (passes and shelf.size > TALKS_LIMIT):
            shelf.left_out += 1
            return _NOWHERE
        found = talk(trial, played_of(trial), self._shared, whole=not passes)
        if found is None:
            return None
        text = canonical_json(found)
        if passes and len(text) > TRANSCRIPT_LIMIT:
            shelf.left_out += 1
            return _NOWHERE
        return shelf.put(text) or _NOWHERE

    def add_side(self, trial: Trial) -> Slot | None:
        """Keep the transcript of the baseline's side, however long it is; None where it found no room."""
        return self._sides.put(_told(trial))

    def close(self, room: int = TOTAL_LIMIT) -> None:
        """Finish the last blocks, and drop what is over the limits, the last ones first: passing trials give way to all others."""
        limit = min(room, TOTAL_LIMIT) - len(self.texts)
        for shelf in (self._sides, self._whole, self._whole_talks, self._passing, self._passing_talks):
            shelf.close()
            shelf.shrink(min(SIDES_LIMIT, limit) if shelf is self._sides else limit)
            limit -= shelf.size

    @cached_property
    def texts(self) -> str:
        """The packed texts that are kept once for all trials; no trial is added after."""
        return packed(canonical_json(self._shared.texts))

    @property
    def left_out(self) -> dict[str, int]:
        """Return how much found no room: transcripts of passing trials, of other trials, of the baseline's side, and talks."""
        talks = self._whole_talks.left_out + self._passing_talks.left_out
        return {"passing": self._passing.left_out, "others": self._whole.left_out, "sides": self._sides.left_out, "talks": talks}


def _told(trial: Trial) -> str:
    return trial.model_dump_json(exclude_defaults=True, exclude=_UNSHOWN)


def _shortened(text: str) -> str:
    """Return the JSON of a trial with its long texts and lists cut, and how much was cut said in their place."""
    may_be_long = len(text) > TRANSCRIPT_LIMIT or _MAY_BE_LONG.search(text)
    return canonical_json(cut(json.loads(text))) if may_be_long else text
