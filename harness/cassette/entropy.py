"""Random-looking words: what may be a secret of a kind that nobody has named. Known innocents are left out."""

import math
import re
from collections import Counter
from collections.abc import Iterator

_WORD = re.compile(r"(?<![A-Za-z0-9+/=_.%-])[A-Za-z0-9+/_-]{32,}={0,2}(?![A-Za-z0-9+/=_.%-])")
_LONGEST = 200  # what is longer is an image, an embedding or an encrypted text
_LEAST_BITS = 4.2
_HEXADECIMAL = re.compile(r"[0-9a-f]+|[0-9A-F]+|[0-9]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_IDS = (
    *("chatcmpl", "call", "msg", "resp", "rs", "fc", "run", "toolu", "srvtoolu", "req", "gen", "thread", "asst", "file", "step", "batch"),
    *("cmpl", "modr", "ftjob", "vs", "item", "ws", "mcp", "mcpr", "mcpl", "ig", "cntr", "container", "conv", "embd", "fp", "lc", "prompt"),
    *("ctc", "org", "user", "proj", "session", "event", "trace", "span", "tool", "chat", "completion", "msgbatch", "evt", "sub", "vsf"),
)
_ID = re.compile(rf"(?:{'|'.join(_IDS)})[_-]\S+", re.IGNORECASE)
_OPAQUE_FIELD = re.compile(
    r"(?:encrypted_content|signature|b64_json|thought_?signature|data|url|embedding|image|bytes|etag|digest|hash|sha\d*|checksum|integrity"
    r"|fingerprint|cf-ray|x-request-id|request[-_]id|trace\w*|_?id|responseId|report-to|content-md5|nonce|cfuvid|__cf_bm|base64,?)"
    r"[\\\"']{0,4}\s{0,3}[:=,]?\s{0,8}(?:- )?[\\\"']{0,4}[A-Za-z]{0,12}\Z",
    re.IGNORECASE,
)
_LOOKED_BACK = 48


def random_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield the random-looking words of a text with where they begin."""
    for match in _WORD.finditer(text):
        word = match.group()
        if (
            len(word) <= _LONGEST
            and _is_random(word)
            and not _OPAQUE_FIELD.search(text[max(0, match.start() - _LOOKED_BACK) : match.start()])
        ):
            yield match.start(), word


def _is_random(word: str) -> bool:
    if _HEXADECIMAL.fullmatch(word) or _UUID.search(word) or _ID.fullmatch(word):
        return False
    parts = re.split(r"[/_+-]", word.rstrip("="))
    dense = max(parts, key=len)
    mixed = re.search("[0-9]", dense) and re.search("[a-z]", dense) and re.search("[A-Z]", dense)
    return bool(mixed) and len(dense) >= 12 and _bits(word) >= _LEAST_BITS  # noqa: PLR2004, shorter parts are words and numbers


def _bits(word: str) -> float:
    """Return the Shannon entropy of a word in bits a character."""
    return -sum(count / len(word) * math.log2(count / len(word)) for count in Counter(word).values())
