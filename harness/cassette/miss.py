"""A miss: a request that is not on the cassette, what it differs in from the nearest exchange, and what that means."""

import difflib
import itertools
import re
from collections.abc import Mapping

from harness.cassette.answer import read
from harness.cassette.exchange import Request
from harness.cassette.segments import MATCHED, Segments, segments
from harness.cassette.tape import Cursor
from harness.schema import Value
from harness.trace import Place

_WEIGHTS = {"endpoint": 16, "messages": 4, "system": 3, "model": 2, "tools": 2, "response_format": 1, "sampling": 1}
_SHOWN = 60
_ALIKE = 0.6
_COMPARED = 100
_COMPARED_CHARACTERS = 2000
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_ESCAPE = re.compile(r"\\[nrt\"]")


class Miss(Value):
    """A request that the cassette does not answer.

    `differs` names the parts of the nearest exchange that differ, `cause` says what that means,
    `tokens` estimates what re-recording the call costs, by the nearest exchange.
    """

    place: Place
    request: str
    model: str | None = None
    nearest: int | None = None
    differs: tuple[str, ...] = ()
    diff: str = ""
    cause: str = ""
    tokens: int | None = None
    thread: str | None = None

    def __str__(self) -> str:
        diff = f": {self.diff}" if self.diff else ""
        thread = f" [from thread {self.thread!r}]" if self.thread else ""
        return f"{self.place} asked for something that is not on the cassette: {self.cause}{diff}{thread}"


def explain(request: Request, cursor: Cursor, place: Place, prompts: Mapping[str, str], *, thread: str | None = None) -> Miss:
    """Compare a request with the nearest exchange of the cassette."""
    asked = cursor.cassette.taken_apart(request)
    shown = f"{request.method} {request.url.partition('?')[0]}"
    base = Miss(place=place, request=shown, model=asked.model, thread=thread)
    if not cursor.cassette.exchanges:
        return base.model_copy(update={"cause": "the cassette is empty"})
    if cursor.holds(asked.digests()):
        cause = "every recorded answer to this request is already played; the graph asks it more often than it did"
        return base.model_copy(update={"cause": cause})
    index = _nearest(asked, cursor)
    recorded = cursor.cassette.taken_apart(cursor.cassette.exchanges[index].request)
    differs = tuple(name for name in MATCHED[cursor.policy] if asked.text(name) != recorded.text(name))
    usage = read(cursor.cassette.exchanges[index].response).usage
    return base.model_copy(
        update={
            "nearest": index,
            "differs": differs,
            "diff": _first_difference(recorded, asked, differs[0]) if differs else "",
            "cause": _cause(recorded, asked, differs, prompts),
            "tokens": usage.total_tokens if usage else None,
        }
    )


def unscripted(request: Request, place: Place) -> Miss:
    """Return the miss of a request that no rule of a script answers and that has no cassette."""
    shown = f"{request.method} {request.url}"
    return Miss(place=place, request=shown, model=segments(request).model, cause="no rule of the script answers it")


def _nearest(asked: Segments, cursor: Cursor) -> int:
    """Return the exchange with most equal parts; among those the one whose prompt and messages are most alike, unplayed, the first."""
    exchanges, digests = cursor.cassette.exchanges, asked.digests()
    points = [sum(weight for name, weight in _WEIGHTS.items() if recorded[name] == digests[name]) for recorded in cursor.cassette.digests]
    most = max(points)
    best = [index for index, value in enumerate(points) if value == most]
    if len(best) == 1:
        return best[0]
    text = _said(asked)
    others = {index: _said(cursor.cassette.taken_apart(exchanges[index].request)) for index in best}
    words = set(text.split())
    best.sort(key=lambda index: -_shared(words, set(others[index].split())))
    return max(best[:_COMPARED], key=lambda index: (_likeness(text, others[index]), index not in cursor.played, -index))


def _said(asked: Segments) -> str:
    return f"{asked.text('system')} {asked.text('messages')}"


def _shared(words: set[str], others: set[str]) -> float:
    return 2 * len(words & others) / max(1, len(words) + len(others))


def _likeness(one: str, other: str) -> tuple[float, float]:
    """Return how much of two texts is equal: by their words, then by the letters around the place where they part."""
    start = max(0, _parting(one, other) - _COMPARED_CHARACTERS // 2)
    end = start + _COMPARED_CHARACTERS
    letters = difflib.SequenceMatcher(None, one[start:end], other[start:end], autojunk=False)
    return _shared(set(one.split()), set(other.split())), letters.quick_ratio()


def _parting(one: str, other: str) -> int:
    """Return where two texts begin to differ."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _first_difference(recorded: Segments, asked: Segments, name: str) -> str:
    """Show the first place where a part differs, with a little of what stands around it."""
    before, after = recorded.text(name), asked.text(name)
    start = max(0, _parting(before, after) - 15)
    return f"recorded {_excerpt(before, start)}, now {_excerpt(after, start)}"


def _excerpt(text: str, start: int) -> str:
    end = start + _SHOWN
    return repr(("…" if start else "") + text[start:end] + ("…" if end < len(text) else ""))


def _cause(recorded: Segments, asked: Segments, differs: tuple[str, ...], prompts: Mapping[str, str]) -> str:
    if "endpoint" in differs:
        return f"no exchange of this endpoint ({asked.parts['endpoint']}) is recorded"
    causes = [_cause_of(name, recorded, asked, prompts) for name in differs]
    return "; ".join(causes)


def _cause_of(name: str, recorded: Segments, asked: Segments, prompts: Mapping[str, str]) -> str:
    if name == "model":
        return f"the model changed from {recorded.model!r} to {asked.model!r}"
    if name == "system":
        prompt = _prompt_in(asked.text("system"), recorded.text("system"), prompts)
        return f"the system prompt changed (prompt {prompt!r})" if prompt else "the system prompt changed"
    if name == "messages":
        prompt = _prompt_in(asked.text("messages"), recorded.text("messages"), prompts)
        return f"the messages changed (prompt {prompt!r} or what it is filled with)" if prompt else "the messages changed"
    plain = {"tools": "the tools offered changed", "response_format": "the response format changed", "sampling": "a parameter changed"}
    return plain[name]


def _prompt_in(asked: str, recorded: str, prompts: Mapping[str, str]) -> str | None:
    """Return the name of the prompt that was asked with: of those that changed since the recording, the one most of which is there."""
    now, then = (_pairs([text, *re.findall(r"\w+", text)]) for text in (asked, recorded))
    shares = []
    for name in sorted(prompts):
        pairs = _pairs(_PLACEHOLDER.split(prompts[name]))
        share = len(pairs & now) / max(1, len(pairs))
        if share >= _ALIKE:
            shares.append((len(pairs & then) / len(pairs) < share, share, name))
    return max(shares, key=lambda found: found[:2])[2] if shares else None


def _pairs(texts: list[str]) -> set[tuple[str, ...]]:
    """Return the pairs of words that follow each other, and the word itself where a text has but one."""
    pairs: set[tuple[str, ...]] = set()
    for text in texts:
        words = re.findall(r"\w+", _ESCAPE.sub(" ", text))
        pairs |= set(itertools.pairwise(words)) if len(words) > 1 else {(word,) for word in words}
    return pairs
