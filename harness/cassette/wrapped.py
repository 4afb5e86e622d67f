"""Texts inside a text: the strings of JSON, what is written in percent or in base64, what is compressed. Each is shown to a function."""

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from harness.cassette.compression import MAX_BYTES

Change = Callable[[str], str]
"""Returns a text as it should be; the text itself where nothing is to change."""

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"(?P<colon>\s*:)?', re.DOTALL)
_PERCENT_RUN = re.compile(r"(?<![A-Za-z0-9._~+%-])[A-Za-z0-9._~+-]*%[0-9A-Fa-f]{2}[A-Za-z0-9._~+%-]*")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/_-]{20,}(?:\r?\n[A-Za-z0-9+/]{20,76})*(?:\r?\n[A-Za-z0-9+/]{2,76})?={0,2}")
_SHORTEST_BASE64 = 20
_GZIP, _ZLIB = b"\x1f\x8b", (b"x\x01", b"x\x9c", b"x\xda", b"x^")


def is_json(text: str) -> bool:
    """Tell a JSON object or list."""
    if text.lstrip()[:1] not in {"{", "["}:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def json_strings(text: str, change: Callable[[str, str | None], str]) -> str:
    """Return JSON with its strings changed, and nothing else of it; `change` is given each with the name of its field, None for a name."""
    name, end = None, 0

    def changed(match: re.Match[str]) -> str:
        nonlocal name, end
        colon = match.group("colon") or ""
        token = match.group().removesuffix(colon)
        value = json.loads(token, strict=False)
        is_value = not colon and text[end : match.start()].strip() in {"", "["}
        new = change(value, name if is_value else None)
        name, end = (value if colon else None), match.end()
        return match.group() if new == value else json.dumps(new, ensure_ascii=token.isascii() or "\\u" in token) + colon

    return _JSON_STRING.sub(changed, text)


def percent_runs(text: str, change: Change) -> str:
    """Return the text with what is percent-encoded in it changed."""
    if "%" not in text:
        return text

    def changed(match: re.Match[str]) -> str:
        for decode, encode, safe in ((unquote, quote, "<>+"), (unquote_plus, quote_plus, "<>")):
            plain = decode(match.group(), errors="surrogateescape")
            new = change(plain)
            if new != plain:
                return encode(new, safe=safe, errors="surrogateescape")
        return match.group()

    return _PERCENT_RUN.sub(changed, text)


def base64_runs(text: str, hides: Callable[[str], str | None]) -> str:
    """Return the text with a token in the place of every base64 run that hides something: `hides` is given the plain text."""

    def changed(match: re.Match[str]) -> str:
        run = match.group()
        whole = _replaced(run, hides)
        if whole != run:
            return whole
        return "".join(_replaced(part, hides) for part in re.split(r"([/\n])", run)) if "/" in run or "\n" in run else run

    return _BASE64_RUN.sub(changed, text)


def hides_nothing(text: str, words: str) -> bool:
    """Tell that no text hides in another: nothing is escaped, percent-encoded or in base64. `words` are its long words."""
    escaped = "\\u00" in text or "\\/" in text or ("%" in text and _PERCENT.search(text))
    return not escaped and base64_runs(words, lambda plain: f"<{plain}>") == words


def _replaced(run: str, hides: Callable[[str], str | None]) -> str:
    plain = _decoded(run) if len(run) >= _SHORTEST_BASE64 else None
    return run if plain is None else hides(plain) or run


def _decoded(run: str) -> str | None:
    """Return the text that a base64 run stands for, compressed or not; None where it stands for none."""
    compact = "".join(run.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
        return (decompressed(data) or data).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def decompressed(data: bytes) -> bytes | None:
    """Return what gzip or zlib bytes hold, all their members, up to the largest body that is read; None where they are neither."""
    if not data.startswith((_GZIP, *_ZLIB)):
        return None
    plain, rest = bytearray(), data
    while rest.startswith((_GZIP, *_ZLIB)) and len(plain) < MAX_BYTES:
        member = zlib.decompressobj(47)
        try:
            plain += member.decompress(rest, MAX_BYTES - len(plain))
        except zlib.error:
            return bytes(plain) or None
        rest = member.unused_data
    return bytes(plain)


def compressed_like(data: bytes, original: bytes) -> bytes:
    """Compress bytes as `original` is; the same bytes give the same."""
    return gzip.compress(data, mtime=0) if original.startswith(_GZIP) else zlib.compress(data)
