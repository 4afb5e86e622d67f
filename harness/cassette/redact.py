"""Redaction: secrets become stable tokens, before anything is hashed or written. The text may be JSON: no escape in it is ever cut."""

import hashlib
import re
from collections.abc import Iterator


def _key(start: str, rest: str) -> str:
    """Return the pattern of a key that no letter or digit stands before; the `n` of an escaped line end is none."""
    return rf"{start}(?:(?<![A-Za-z0-9]{start})|(?<=\\[bfnrt]{start})|(?<=\\u[0-9a-fA-F]{{4}}{start})|(?<=%[0-9a-fA-F]{{2}}{start})){rest}"


_PATTERNS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "private-key",
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----)){0,8192}-----END [A-Z ]{0,40}PRIVATE KEY-----",
    ),
    ("anthropic-key", ("sk-ant-",), _key("sk-ant-", r"[A-Za-z0-9_-]{16,}")),
    ("openai-key", ("sk-",), _key("sk-", r"(?!ant-)(?=[A-Za-z0-9_-]{0,40}[A-Z0-9])[A-Za-z0-9_-]{20,}")),  # small letters alone are a name
    ("langsmith-key", ("lsv2_",), _key("lsv2_", r"[a-z]{2}_[A-Za-z0-9_]{20,}")),
    ("aws-key", ("AKIA", "ASIA"), _key("A[KS]IA", r"[0-9A-Z]{16}(?![A-Za-z0-9])")),
    ("github-token", ("gho_", "ghp_", "ghr_", "ghs_", "ghu_"), _key("gh[pousr]_", r"[A-Za-z0-9]{30,}")),
    ("github-token", ("github_pat_",), _key("github_pat_", r"[A-Za-z0-9_]{40,}")),
    ("google-key", ("AIza",), _key("AIza", r"[0-9A-Za-z_-]{35}(?![A-Za-z0-9_-])")),
    ("slack-token", ("xox",), _key("xox[abprs]-", r"[A-Za-z0-9-]{10,}")),
    ("huggingface-token", ("hf_",), _key("hf_", r"[A-Za-z0-9]{30,}")),
    ("groq-key", ("gsk_",), _key("gsk_", r"[A-Za-z0-9]{30,}")),
    ("stripe-key", ("k_live_", "k_test_"), _key("[sr]k_(?:live|test)_", r"(?<!\\rk_(?:live|test)_)[A-Za-z0-9]{16,}")),
    ("jwt", ("eyJ",), _key("eyJ", r"[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")),
    ("bearer", ("earer ",), r"(?<=[Bb]earer )(?=[A-Za-z0-9._~+/-]{0,40}[A-Z0-9])[A-Za-z0-9._~+/-]{20,}=*"),
    ("email", ("@", "%40"), r"(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}"),  # the name before it: _name_start
    (
        "query-secret",
        ("=",),
        r"(?:(?<=[?&])|(?<=\\u0026))(?i:api[-_]?key|key|token|access_token|sig|signature)=[^&\s\"'<>\\]{8,}",
    ),
)
_COMPILED = tuple((kind, hints, re.compile(pattern)) for kind, hints, pattern in _PATTERNS)
_HINTS = tuple(dict.fromkeys(hint for _, hints, _ in _PATTERNS for hint in hints))
_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-")
_LONGEST_NAME = 64
_ESCAPE = re.compile(r"[bfnrt]|u[0-9a-fA-F]{4}")


def redact(text: str) -> str:
    """Return `text` with every secret replaced by `<kind-xxxxxx>`; the same secret gives the same token, tokens stay as they are."""
    if not any(map(text.__contains__, _HINTS)):  # a plain search costs a hundredth of a pattern's
        return text
    redacted = _redacted_once(text)
    while redacted != text:  # a token may part what was one word
        text, redacted = redacted, _redacted_once(redacted)
    return text


def _redacted_once(text: str) -> str:
    for kind, hints, pattern in _COMPILED:
        if any(hint in text for hint in hints):
            text = _replaced(text, kind, pattern)
    return text


def _replaced(text: str, kind: str, pattern: re.Pattern[str]) -> str:
    pieces, done = [], 0
    for start, end in _spans(text, kind, pattern):
        pieces += [text[done:start], _token(kind, text[start:end])]
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _spans(text: str, kind: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yield where the secrets of one kind begin and end."""
    done = 0
    for match in pattern.finditer(text):
        start = _name_start(text, match.start(), done) if kind == "email" else match.start()
        if kind == "email" and start == match.start():
            continue
        done = match.end()
        yield start, done


def _name_start(text: str, at: int, floor: int) -> int:
    """Return where the name before an `@` begins, which is not inside an escape of JSON."""
    start = at
    while start > max(floor, at - _LONGEST_NAME) and text[start - 1] in _NAME:
        start -= 1
    escape = _ESCAPE.match(text, start, at) if text[start - 1 : start] == "\\" else None
    return escape.end() if escape else start


def redact_bytes(data: bytes) -> bytes:
    """Redact UTF-8 text; what is not text is returned as it is."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    redacted = redact(text)
    return data if redacted == text else redacted.encode()


def secrets_in(text: str) -> list[str]:
    """Return the kinds of the secrets that stand in `text`, each as often as it does."""
    return [kind for kind, hints, pattern in _COMPILED if any(hint in text for hint in hints) for _ in _spans(text, kind, pattern)]


def _token(kind: str, secret: str) -> str:
    fingerprint = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    name = f"{secret.partition('=')[0]}=" if kind == "query-secret" else ""
    return f"{name}<{kind}-{fingerprint}>"
