"""What a model was asked and what it answered, text by text, as the exchange that was played holds it."""

from collections.abc import Sequence

from harness.cassette.answer import read
from harness.cassette.exchange import Exchange
from harness.cassette.redact import BUILT_IN
from harness.cassette.segments import segments
from harness.schema import canonical_json
from harness.trace import WireCall

Texts = tuple[tuple[str, str], ...]
"""Labels, each with what was said."""

_FAILED = 400


def played(call: WireCall, exchanges: Sequence[Exchange]) -> Exchange | None:
    """Return the exchange that a call was answered from; None where it is not among these."""
    if call.exchange is None or call.source != "replay" or call.exchange >= len(exchanges):
        return None
    return exchanges[call.exchange]


def asked(exchange: Exchange) -> tuple[Texts, Texts]:
    """Return the system prompts of a request, and its messages."""
    parts = segments(exchange.request).parts
    system = tuple(("system", plain(one)) for one in parts["system"] or ())
    given = parts["messages"]
    if isinstance(given, list) and given and all(isinstance(one, dict) and {"type", "role"} & one.keys() for one in given):
        return system, tuple(message(one) for one in given)
    return system, ((("asked", plain(given)),) if given else ())


def said(exchange: Exchange) -> Texts:
    """Return the text of a response, what it refuses, and its error: the body where that is of no known form."""
    answer = read(exchange.response)
    error = answer.error
    if error is None and exchange.response.status >= _FAILED:
        error = exchange.response.body.decode("utf-8", "replace")
    texts = (("text", answer.text), ("refusal", answer.refusal), ("error", error))
    return tuple((label, plain(text)) for label, text in texts if text)


def message(one: dict[str, object]) -> tuple[str, str]:
    """Return who says a message, and all that it says: its text, and as JSON what else it holds, such as tool calls."""
    rest = {key: value for key, value in one.items() if key not in {"role", "type", "content"}}
    parts = (plain(one["content"]) if one.get("content") else "", canonical_json(rest) if rest else "")
    return str(one.get("role") or one.get("type") or "message"), BUILT_IN.text(" ".join(filter(None, parts)))


def plain(value: object) -> str:
    """Return a value as redacted text."""
    return BUILT_IN.text(value if isinstance(value, str) else canonical_json(value))
