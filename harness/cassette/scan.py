"""The scan of a cassette file: what in its text still looks like a secret, and where."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.cassette.dialect.file import read_file
from harness.cassette.entropy import random_words
from harness.cassette.exchange import Exchange
from harness.cassette.redact import Redactor, Secret, is_secret_value
from harness.cassette.secrets import NAMED, is_telling

HIGH_ENTROPY = "high-entropy"
_NO_ONES = ("__cf_bm=", "_cfuvid=")  # cookies that tell clients of a network apart, and log no one in
_HEADER = re.compile(
    r"^[ \t]*[\"']?(?P<name>[A-Za-z][A-Za-z0-9_-]*)[\"']?:[ \t]*\n[ \t]*- +[\"']?(?P<value>[^\s\"']+(?: [^\s\"']+)?)", re.MULTILINE
)

_BINARY = re.compile(r"!!binary \|-?\n(?:[ \t]*[A-Za-z0-9+/=]+\n)+")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something like a secret in a file; the secret itself is not in it."""

    path: str
    line: int
    kind: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind} ({self.fingerprint}…)"


def scan(data: bytes, path: str, redactor: Redactor) -> tuple[Finding, ...]:
    """Return what looks like a secret in a cassette file of any dialect; CassetteError if it cannot be read as one."""
    text = text_of(data)
    inside = tuple(_inside(read_file(data, path), text, path, redactor))
    placed = {(finding.kind, finding.fingerprint) for finding in inside}
    standing = (finding for finding in scan_text(text, path, redactor) if (finding.kind, finding.fingerprint) not in placed)
    return tuple(sorted({*standing, *inside}))


def text_of(data: bytes) -> str:
    """Return the text of a file, none where it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def scan_text(text: str, path: str, redactor: Redactor) -> tuple[Finding, ...]:
    """Return what looks like a secret in a text, as it stands there."""
    secrets = [*redactor.secrets_in_text(text), *_headers(text)]
    random = [
        Secret(HIGH_ENTROPY, word) for _, word in random_words(_without_binary(text)) if not any(word in secret.text for secret in secrets)
    ]
    kept = [secret for secret in (*secrets, *random) if not redactor.allows(secret.text)]
    return tuple(sorted({Finding(path, _line(text, secret), secret.kind, secret.fingerprint) for secret in kept}))


def _headers(text: str) -> Iterator[Secret]:
    for match in _HEADER.finditer(text):
        if is_telling(match.group("name")) and is_secret_value(match.group("value")) and not match.group("value").startswith(_NO_ONES):
            yield Secret(NAMED, match.group("value"))


def _line(text: str, secret: Secret) -> int:
    """Return the first line that the secret stands in; what is encoded there has none of its own."""
    return text.count("\n", 0, max(0, text.find(secret.text))) + 1


def _without_binary(text: str) -> str:
    """Return YAML without its blocks of base64, line for line: what they hold is looked at where they are read."""
    return _BINARY.sub(lambda block: "\n" * block.group().count("\n"), text)


def _inside(exchanges: tuple[Exchange, ...], text: str, path: str, redactor: Redactor) -> Iterator[Finding]:
    """Yield what stands in the file in another form than its own: escaped, split, compressed or encoded."""
    for exchange in exchanges:
        for body in _parts(exchange):
            for secret in redactor.secrets_in(body):
                if secret.text not in text:
                    yield Finding(path, exchange.line, secret.kind, secret.fingerprint)


def _parts(exchange: Exchange) -> Iterator[str | bytes]:
    for message in (exchange.request, exchange.response):
        yield message.body
        yield from (value for _, value in message.headers)
    yield exchange.request.url
    yield exchange.place or ""
