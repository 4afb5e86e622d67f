"""An index of texts by their words: which of them share most with a question; rare words count more."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"[a-z_]+|[=!?<>.:%]{2,}")


def words_of(text: str) -> frozenset[str]:
    """Words and operators in small letters, without a plural's s."""
    found = _WORD.findall(text.lower())
    return frozenset(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in found)  # noqa: PLR2004  # "is", "this" stay


class WordIndex:
    """Finds texts by the words that they share with a question, as much as each of them says."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._words = [words_of(text) for text in texts]
        frequency = Counter(word for words in self._words for word in words)
        self._weight = {word: math.log(1 + len(texts) / (1 + count)) for word, count in frequency.items()}

    def nearest(self, question: str, *, count: int, among: Iterable[int] | None = None) -> list[int]:
        """The places of the texts that share most, the best one first; the first of equals comes first."""
        asked = words_of(question)
        places = range(len(self._words)) if among is None else among
        return sorted(places, key=lambda place: -self._shared(asked, self._words[place]))[:count]

    def _shared(self, asked: frozenset[str], words: frozenset[str]) -> float:
        """The weight of the shared words; exact sums, so that the order of a set has no say."""
        return math.fsum(self._weight[word] for word in asked & words) / math.sqrt(math.fsum(self._weight[word] for word in words))
