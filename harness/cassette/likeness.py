"""Likeness: which exchange of a cassette is nearest to a request that it does not answer."""

import difflib
from collections.abc import Collection

from harness.cassette.segments import Segments
from harness.cassette.tape import Cassette

_WEIGHTS = {"endpoint": 16, "messages": 4, "system": 3, "model": 2, "tools": 2, "response_format": 1, "sampling": 1}
_COMPARED = 100
_COMPARED_CHARACTERS = 2000


def nearest(asked: Segments, cassette: Cassette, *, among: Collection[int], played: Collection[int]) -> int:
    """Return the exchange with most equal parts; among those the one whose prompt and messages are most alike, unplayed, the first."""
    digests = asked.digests()
    points = {
        index: sum(weight for name, weight in _WEIGHTS.items() if cassette.digests[index][name] == digests[name]) for index in sorted(among)
    }
    most = max(points.values())
    best = [index for index, value in points.items() if value == most]
    if len(best) == 1:
        return best[0]
    text = _said(asked)
    others = {index: _said(cassette.taken_apart(cassette.exchanges[index].request)) for index in best}
    words = set(text.split())
    best.sort(key=lambda index: -_shared(words, set(others[index].split())))
    return max(best[:_COMPARED], key=lambda index: (_likeness(text, others[index]), index not in played, -index))


def parting(one: str, other: str) -> int:
    """Return where two texts begin to differ."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _said(asked: Segments) -> str:
    return f"{asked.text('system')} {asked.text('messages')}"


def _shared(words: set[str], others: set[str]) -> float:
    return 2 * len(words & others) / max(1, len(words) + len(others))


def _likeness(one: str, other: str) -> tuple[float, float]:
    """Return how much of two texts is equal: by their words, then by the letters around the place where they part."""
    start = max(0, parting(one, other) - _COMPARED_CHARACTERS // 2)
    end = start + _COMPARED_CHARACTERS
    letters = difflib.SequenceMatcher(None, one[start:end], other[start:end], autojunk=False)
    return _shared(set(one.split()), set(other.split())), letters.quick_ratio()
