"""What the models of a trial were asked and said: each text once for the trial, system prompts once for all trials."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from harness.cassette.exchange import Exchange
from harness.experiment import Trial
from harness.report.exchanged import Texts, asked, played, said
from harness.report.html.cutting import LISTED, cut
from harness.tally import counted

SHARED_LIMIT = 500_000
_KEPT = 64  # the repeats of a case stand together


class Shared:
    """Numbers the texts that trials share, until they are too long together: what comes then stands with its trial."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._length = 0

    def number(self, text: str) -> int | None:
        """Return the number of a text; None where there is no room for it."""
        if text not in self._numbers and self._length + len(text) <= SHARED_LIMIT:
            self._numbers[text] = len(self._numbers)
            self._length += len(text)
        return self._numbers.get(text)

    @property
    def texts(self) -> list[str]:
        """Return the texts, each at its number."""
        return list(self._numbers)


def talk(trial: Trial, exchanges: Sequence[Exchange], shared: Shared, *, whole: bool) -> dict[str, Any] | None:
    """Return the messages and answers of each call, as labels with numbers; None where nothing is known of any.

    The text of number 0 and above is the trial's own; -1 is the first of those shared, -2 the second. Not `whole`, it is cut.
    """
    own: dict[str, int] = {}

    def numbered(texts: Texts) -> list[list[Any]]:
        found: list[list[Any]] = []
        for label, full in texts:
            text = full if whole else cut(full)
            number = shared.number(text) if label == "system" else None
            found.append([label, own.setdefault(text, len(own)) if number is None else -1 - number])
        return found

    calls: list[Any] = []
    for call in trial.trace.calls:
        exchange = played(call, exchanges)
        calls.append([numbered(texts) for texts in _told(exchange, whole=whole)] if exchange else None)
    return {"texts": list(own), "calls": calls} if any(calls) else None


@lru_cache(_KEPT)
def _told(exchange: Exchange, *, whole: bool) -> tuple[Texts, Texts]:
    """Return what was asked, of many messages the last ones where it is not to be `whole`, and what was said."""
    system, messages = asked(exchange)
    earlier = len(messages) - LISTED
    if not whole and earlier > 0:
        messages = (("…", counted(earlier, "earlier message")), *messages[-LISTED:])
    return (*system, *messages), said(exchange)
