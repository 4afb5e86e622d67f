"""Redaction: secrets become stable tokens, before anything is hashed or written.

The same secret gives the same token wherever it stands, and tokens stay as they are: redacting twice is redacting once.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import ValidationError

from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.secrets import NAMED, Kind, is_telling, key_kinds, kinds_for, long_words, none_in
from harness.cassette.streams import change_joined, change_lines, is_stream
from harness.cassette.wrapped import base64_runs, compressed_like, decompressed, hides_nothing, is_json, json_strings, percent_runs
from harness.errors import RedactionError
from harness.schema import Value, first_problem

ValueT = TypeVar("ValueT", bound=Value)
_TOKEN = re.compile(r"<[A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-f]{6}>")
_ROUNDS = 8
_DEEPEST = 8
_MASKS = frozenset({"string", "str", "null", "none", "true", "false", "required", "optional", "redacted", "hidden", "secret", "password"})


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that was found: its kind and its text."""

    kind: str
    text: str

    @property
    def fingerprint(self) -> str:
        """Return the six hexadecimal digits that stand for it."""
        return fingerprint(self.text)


def fingerprint(text: str) -> str:
    """Return the first six hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def token(kind: str, secret: str) -> str:
    """Return what stands in the place of a secret."""
    return f"<{kind}-{fingerprint(secret)}>"


class Redactor:
    """Finds and replaces secrets: the built-in kinds, the user's patterns by name, and the user's callables, in this order.

    `allow` are expressions of what is no secret, though it looks like one.
    """

    def __init__(
        self,
        patterns: Mapping[str, str] | None = None,
        callables: Mapping[str, Callable[[str], str]] | None = None,
        allow: Sequence[str] = (),
    ) -> None:
        self._patterns = tuple(
            Kind(name, ("",), re.compile(pattern), accepts=None, long=False) for name, pattern in (patterns or {}).items()
        )
        self._callables = tuple((callables or {}).items())
        self._allow = tuple(re.compile(pattern) for pattern in allow)

    def text(self, text: str) -> str:
        """Return a text, JSON or a stream of events without its secrets."""
        return _Pass(self._patterns, self._callables, self._allow).text(text)

    def data(self, body: bytes) -> bytes:
        """Return a body without its secrets: text of any form, compressed or not; in other bytes, keys of a strict shape."""
        return _Pass(self._patterns, self._callables, self._allow).data(body)

    def request(self, request: Request) -> Request:
        """Return a request without its secrets."""
        return replace(request, url=self.text(request.url), body=self.data(request.body), headers=self._headers(request.headers))

    def response(self, response: Response) -> Response:
        """Return a response without its secrets."""
        return replace(response, body=self.data(response.body), headers=self._headers(response.headers))

    def exchange(self, exchange: Exchange) -> Exchange:
        """Return an exchange without its secrets, in its notes neither."""
        return replace(
            exchange,
            request=self.request(exchange.request),
            response=self.response(exchange.response),
            place=exchange.place and self.text(exchange.place),
            variants=tuple(map(self.text, exchange.variants)),
            recorded_at=exchange.recorded_at and self.text(exchange.recorded_at),
        )

    def value(self, value: ValueT) -> ValueT:
        """Return a stored value without the secrets in its texts."""
        text = value.to_json()
        clean = self.text(text)
        if clean == text:
            return value
        try:
            return type(value).model_validate_json(clean)
        except ValidationError as error:
            message = f"the redactors of the config change what the harness itself writes: {first_problem(error, type(value))}"
            raise RedactionError(message) from None

    def secrets_in(self, body: str | bytes) -> tuple[Secret, ...]:
        """Return the secrets that stand in a text or a body, each once."""
        found = _Pass(self._patterns, self._callables, self._allow)
        if isinstance(body, bytes):
            found.data(body)
        else:
            found.text(body)
        return tuple(dict.fromkeys(found.secrets))

    def secrets_in_text(self, text: str) -> tuple[Secret, ...]:
        """Return the secrets that stand in a text as it is, whatever its form; the user's callables are not asked."""
        found = _Pass(self._patterns, (), self._allow)
        found.plain(text)
        return tuple(dict.fromkeys(found.secrets))

    def allows(self, text: str) -> bool:
        """Tell whether the user says that a text is no secret."""
        return any(pattern.fullmatch(text) for pattern in self._allow)

    def _headers(self, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple((name, self.text(value)) for name, value in headers)


class _Pass:
    """One pass over one text; notes what it replaces."""

    def __init__(
        self, patterns: tuple[Kind, ...], callables: tuple[tuple[str, Callable[[str], str]], ...], allow: tuple[re.Pattern[str], ...]
    ) -> None:
        self._patterns = patterns
        self._callables = callables
        self._allow = allow
        self._depth = 0
        self.secrets: list[Secret] = []

    def data(self, body: bytes) -> bytes:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return self._bytes(body)
        clean = self.text(text)
        return body if clean == text else clean.encode()

    def _bytes(self, body: bytes) -> bytes:
        plain = decompressed(body)
        if plain is not None:
            clean = self.data(plain)
            return body if clean == plain else compressed_like(clean, body)
        text = body.decode("latin-1")
        for kind in key_kinds(long_words(text)):
            text = self._replaced(text, kind, "")
        return text.encode("latin-1")

    def text(self, text: str) -> str:
        if not self._patterns and not self._callables and not is_stream(text):
            words = long_words(text)
            if none_in(text, words) and hides_nothing(text, words):
                return text
        for _ in range(_ROUNDS):  # a token may part what was one word
            clean = self._once(text)
            if clean == text:
                break
            text = clean
        return text

    def _once(self, text: str) -> str:
        if is_stream(text):
            return self._by_kind(change_lines(change_joined(text, self._whole), self._whole))  # joined first: a piece may hold half a key
        return self._whole(text)

    def _whole(self, text: str) -> str:
        """Return a text that is no stream without its secrets."""
        if self._depth < _DEEPEST and text.lstrip()[:1] in {"{", "["} and is_json(text):
            self._depth += 1
            clean = json_strings(text, self._string)
            self._depth -= 1
            return self._by_kind(clean)
        return self.plain(text)

    def plain(self, text: str) -> str:
        return base64_runs(percent_runs(self._as_it_stands(text), self._as_it_stands), self._hidden)

    def _as_it_stands(self, text: str) -> str:
        text = self._by_kind(text)
        for kind in self._patterns:
            text = self._replaced(text, kind, "")
        for name, function in self._callables:
            changed = _called(name, function, text)
            if changed != text:
                self.secrets.append(Secret(name.rpartition(":")[2], text))
            text = changed
        return text

    def _by_kind(self, text: str) -> str:
        words = long_words(text)
        for kind in kinds_for(words):
            text = self._replaced(text, kind, words)
        return text

    def _string(self, value: str, field: str | None) -> str:
        """Return a string of JSON; what stands under a telling name is a secret whatever it looks like."""
        if field is not None and is_telling(field) and is_secret_value(value) and not self._allowed(value):
            return self._noted(NAMED, value)
        return self.text(value)

    def _hidden(self, plain: str) -> str | None:
        inner = _Pass(self._patterns, self._callables, self._allow)
        inner.text(plain)
        if not inner.secrets:
            return None
        self.secrets += inner.secrets
        return token(f"base64-of-{inner.secrets[0].kind}", plain)

    def _replaced(self, text: str, kind: Kind, words: str) -> str:
        pieces, done = [], 0
        for start, end in kind.spans(text, words or text):
            if start >= done and not self._allowed(text[start:end]):
                pieces += [text[done:start], self._noted(kind.name, text[start:end])]
                done = end
        return "".join([*pieces, text[done:]]) if pieces else text

    def _noted(self, kind: str, secret: str) -> str:
        self.secrets.append(Secret(kind, secret))
        return token(kind, secret)

    def _allowed(self, text: str) -> bool:
        return any(pattern.fullmatch(text) for pattern in self._allow)


def is_secret_value(value: str) -> bool:
    """Tell the value of a telling field from a token, a mask, a name of a type and a sentence."""
    plain = value.strip()
    scheme, _, rest = plain.partition(" ")
    if rest and scheme.lower() not in {"bearer", "basic", "token"}:
        return False
    return len(plain) > 3 and plain.lower() not in _MASKS and len(set(plain)) > 1 and plain[0] not in "<${" and not _TOKEN.search(plain)  # noqa: PLR2004, a pin


def _called(name: str, function: Callable[[str], str], text: str) -> str:
    """Return what a user's redactor makes of a text. Its own message is not shown: it may hold the text."""
    try:
        once = function(text)
        twice = function(once) if isinstance(once, str) else once
    except Exception as error:  # noqa: BLE001, the user's own function may raise anything
        message = f"the redactor {name!r} raised {type(error).__name__}; nothing was written"
        raise RedactionError(message) from None
    if not isinstance(once, str) or not isinstance(twice, str):
        message = f"the redactor {name!r} did not return a text but {type(once).__name__}"
        raise RedactionError(message)
    if twice != once:
        message = f"the redactor {name!r} is not idempotent: what it returns it changes again; let it leave its own tokens alone"
        raise RedactionError(message)
    return once


BUILT_IN = Redactor()
"""The redactor of a project that configures none."""
