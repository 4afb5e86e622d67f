"""The kinds of secrets: what each looks like. The text may be JSON, or JSON in JSON: no escape in it is ever cut.

Shapes are those that the providers document, or that their own scanners look for; kinds without a shape of their own are told by what
stands before them.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of secret. The group `s` of its pattern, where there is one, is the secret itself.

    One of `hints` stands in every text that holds it; with `long`, in a word of at least 16 characters.
    """

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    accepts: Callable[[str], bool] | None = None
    long: bool = True

    def spans(self, text: str, words: str) -> Iterator[tuple[int, int]]:
        """Yield where the secrets of this kind begin and end; `words` are the long words of the text."""
        hinted = words if self.long else text
        if not any(hint in hinted for hint in self.hints):  # a plain search costs a hundredth of a pattern's
            return
        if self.name == EMAIL:
            yield from _addresses(text, self.pattern)
        elif self.name == NAMED:
            yield from _named(text, self.pattern)
        else:
            group = "s" if "s" in self.pattern.groupindex else 0
            for match in self.pattern.finditer(text):
                if self.accepts is None or self.accepts(match.group(group)):
                    yield match.span(group)


def long_words(text: str) -> str:
    """Return the words of a text that could be a key, one a line."""
    return "\n".join(word for word in text.split() if len(word) >= _SHORTEST_WORD)


_SHORTEST_WORD = 16
EMAIL = "email"
NAMED = "named-secret"
_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-")
_LONGEST_NAME = 64
_LONGEST_TELLING = 20
_ESCAPE = re.compile(r"[bfnrt]|u[0-9a-fA-F]{4}")


def _addresses(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    done = 0
    for match in pattern.finditer(text):
        start = _name_start(text, match.start(), done)
        if start != match.start():
            done = match.end()
            yield start, done


def _name_start(text: str, at: int, floor: int) -> int:
    """Return where the name before an `@` begins, which is not inside an escape of JSON."""
    start = at
    while start > max(floor, at - _LONGEST_NAME) and text[start - 1] in _NAME:
        start -= 1
    escape = _ESCAPE.match(text, start, at) if text[start - 1 : start] == "\\" else None
    return escape.end() if escape else start


def _key(starts: str, rest: str) -> str:
    """Return the pattern of a key that no letter or digit stands before; the `n` of an escaped line end is none.

    `starts` are patterns of a fixed width, parted by spaces: a key is looked for by its start, and only then at what stands before it.
    """
    return "|".join(
        rf"{start}(?:(?<![A-Za-z0-9]{start})|(?<=\\[bfnrt]{start})|(?<=\\u[0-9a-fA-F]{{4}}{start})|(?<=%[0-9a-fA-F]{{2}}{start})){rest}"
        for start in starts.split()
    )


def _mixed(text: str) -> bool:
    """Tell a random text of small letters, capitals and digits from a hash or a word."""
    return bool(re.search("[a-z]", text) and re.search("[A-Z]", text) and re.search("[0-9]", text))


def _has_digit(text: str) -> bool:
    return re.search("[0-9]", text) is not None and not text.startswith(("$", "%", "***"))


def _credentials(text: str) -> bool:
    """Tell whether a text is `name:password` in base64."""
    try:
        return ":" in base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False


_NO_WORD = r"(?=[A-Za-z0-9_-]{0,40}[A-Z0-9])"  # small letters alone are a name
_TELLING = (
    *("apikey", "apitoken", "apisecret", "accesskey", "accesstoken", "refreshtoken", "idtoken", "authtoken", "bearertoken", "sessiontoken"),
    *("securitytoken", "clientsecret", "secretkey", "secretaccesskey", "appsecret", "signingsecret", "webhooksecret", "sharedsecret"),
    *("privatekey", "accountkey", "encryptionkey", "subscriptionkey", "password", "passwd", "passphrase", "pwd", "secret", "credential"),
    *("credentials", "authorization", "cookie"),
)
_NAME_MARKS = str.maketrans("", "", "_-. $")


def is_telling(name: str) -> bool:
    """Tell the name of a field whose value is a secret."""
    return name.lower().translate(_NAME_MARKS).endswith(_TELLING)


_NAME_ENDS = ("key", "token", "secret", "password", "passwd", "passphrase", "pwd", "cookie", "credential", "credentials", "authorization")


def _named(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yield the values that stand behind a telling name and `=` or `:`."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters are two in small
        lower = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    found = set()
    for ending in _NAME_ENDS:
        at = lower.find(ending)
        while at >= 0:
            end = at + len(ending)
            value = pattern.match(text, end)
            if value and is_telling(text[max(0, at - _LONGEST_TELLING) : end]) and _has_digit(value.group("s")):
                found.add(value.span("s"))
            at = lower.find(ending, end)
    yield from sorted(found)


_QUERY_NAMES = (
    r"(?i:[a-z0-9_.-]{0,40}?(?:api[-_]?key|apikey|key|token|auth|sig|signature|password|passwd|pwd|secret|credential|security-token)|"
    r"accesstoken|clientsecret|refreshtoken|appid|sas)"
)

_TABLE: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("anthropic-key", ("sk-ant-",), _key("sk-ant-", r"[A-Za-z0-9_-]{16,}")),
    ("openrouter-key", ("sk-or-",), _key("sk-or-", r"[A-Za-z0-9_-]{16,}")),
    ("langfuse-key", ("sk-lf-",), _key("sk-lf-", r"[A-Za-z0-9_-]{16,}")),
    ("openai-key", ("sk-",), _key("sk-", rf"(?!ant-|or-|lf-){_NO_WORD}[A-Za-z0-9_-]{{20,}}")),
    ("langsmith-key", ("lsv2_",), _key("lsv2_", r"[a-z]{2}_[A-Za-z0-9_]{20,}")),
    ("langsmith-key", ("ls__",), _key("ls__", r"[A-Za-z0-9]{20,}")),
    ("aws-key", ("AKIA", "ASIA"), _key("A[KS]IA", r"[0-9A-Z]{16}(?![A-Za-z0-9])")),
    ("aws-bedrock-key", ("ABSKQmVkcm9ja0FQSUtleS",), r"ABSKQmVkcm9ja0FQSUtleS[A-Za-z0-9+/=]{20,}"),
    ("github-token", ("gho_", "ghp_", "ghr_", "ghs_", "ghu_"), _key("gh[pousr]_", r"[A-Za-z0-9]{30,}")),
    ("github-token", ("github_pat_",), _key("github_pat_", r"[A-Za-z0-9_]{40,}")),
    (
        "gitlab-token",
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "gloas-"),
        _key("glpat- gldt- glrt- glcbt- glptt- gloas-", r"[A-Za-z0-9_-]{18,}"),
    ),
    ("google-key", ("AIza",), _key("AIza", r"[0-9A-Za-z_-]{35}(?![A-Za-z0-9_-])")),
    ("google-oauth", ("ya29.",), _key(r"ya29\.", r"[0-9A-Za-z_-]{20,}")),
    ("google-secret", ("GOCSPX-",), _key("GOCSPX-", r"[0-9A-Za-z_-]{20,}")),
    ("google-refresh", ("1//0",), _key("1//0", r"[0-9A-Za-z_-]{40,}")),
    ("slack-token", ("xox", "xapp-"), _key("xox[abeoprs]- xapp-", r"[A-Za-z0-9-]{10,}")),
    (
        "slack-webhook",
        ("hooks.slack.com",),
        r"hooks\.slack\.com(?:\\?/|%2F){1}(?:services|workflows|triggers)\\?/(?P<s>[A-Za-z0-9_/\\]{20,})",
    ),
    ("discord-webhook", ("api/webhooks/",), r"api/webhooks/(?P<s>[0-9]{16,20}/[A-Za-z0-9_-]{40,})"),
    (
        "discord-token",
        ("MT", "MD", "Mj", "Mz", "ND", "NT", "Nj", "Nz", "OD", "OT"),
        r"(?<![A-Za-z0-9_-])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}(?![A-Za-z0-9_-])",
    ),
    ("telegram-token", (":AA",), r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{32,33}(?![A-Za-z0-9_-])"),
    ("huggingface-token", ("hf_", "api_org_"), _key("hf_ api_org_", r"[A-Za-z0-9]{30,}")),
    ("groq-key", ("gsk_",), _key("gsk_", r"[A-Za-z0-9]{30,}")),
    ("perplexity-key", ("pplx-",), _key("pplx-", r"(?=[a-z0-9]{0,40}[A-Z0-9])[A-Za-z0-9]{24,}")),
    ("xai-key", ("xai-",), _key("xai-", r"[A-Za-z0-9]{40,}")),
    ("replicate-key", ("r8_",), _key("r8_", r"[A-Za-z0-9]{30,}")),
    ("fireworks-key", ("fw_",), _key("fw_", r"[A-Za-z0-9]{20,}")),
    ("together-key", ("tgp_v1_",), _key("tgp_v1_", r"[A-Za-z0-9_-]{30,}")),
    ("nvidia-key", ("nvapi-",), _key("nvapi-", r"[A-Za-z0-9_-]{30,}")),
    ("cerebras-key", ("csk-",), _key("csk-", r"[a-z0-9]{40,}")),
    ("voyage-key", ("pa-",), _key("pa-", r"[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")),
    ("jina-key", ("jina_",), _key("jina_", r"[A-Za-z0-9_-]{40,}")),
    ("tavily-key", ("tvly-",), _key("tvly-", rf"{_NO_WORD}[A-Za-z0-9_-]{{20,}}")),
    ("firecrawl-key", ("fc-",), _key("fc-", r"[0-9a-f]{32}(?![A-Za-z0-9])")),
    ("pinecone-key", ("pcsk_",), _key("pcsk_", r"[A-Za-z0-9_]{40,}")),
    ("databricks-token", ("dapi",), _key("dapi", r"[0-9a-f]{32}(?:-[0-9])?(?![A-Za-z0-9])")),
    ("stripe-key", ("k_live_", "k_test_"), _key("[sr]k_(?:live|test)_", r"(?<!\\rk_(?:live|test)_)[A-Za-z0-9]{16,}")),
    ("stripe-key", ("whsec_",), _key("whsec_", r"[A-Za-z0-9+/]{24,}")),
    ("twilio-key", ("SK", "AC"), _key("(?:SK|AC)", r"[0-9a-f]{32}(?![A-Za-z0-9])")),
    ("sendgrid-key", ("SG.",), _key(r"SG\.", r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}")),
    ("mailgun-key", ("key-",), _key("key-", r"[0-9a-f]{32}(?![A-Za-z0-9])")),
    ("mailchimp-key", ("-us",), r"(?<![A-Za-z0-9])[0-9a-f]{32}-us[0-9]{1,2}(?![A-Za-z0-9])"),
    ("npm-token", ("npm_",), _key("npm_", r"[A-Za-z0-9]{36}(?![A-Za-z0-9])")),
    ("pypi-token", ("pypi-",), _key("pypi-", r"A[A-Za-z0-9_-]{50,}")),
    ("rubygems-key", ("rubygems_",), _key("rubygems_", r"[0-9a-f]{48}")),
    ("digitalocean-token", ("_v1_",), _key("do[opr]_v1_", r"[0-9a-f]{64}")),
    ("shopify-token", ("shp",), _key("shp(?:at|ca|pa|ss)_", r"[0-9a-fA-F]{32}")),
    ("linear-key", ("lin_",), _key("lin_api_ lin_oauth_", r"[A-Za-z0-9]{40,}")),
    ("notion-token", ("ntn_",), _key("ntn_", r"[A-Za-z0-9]{40,}")),
    ("figma-token", ("figd_",), _key("figd_", r"[A-Za-z0-9_-]{36,}")),
    ("vault-token", ("hvs.", "hvb."), _key(r"hv[sb]\.", r"[A-Za-z0-9_-]{24,}")),
    ("doppler-token", ("dp.",), _key(r"dp\.(?:pt|st|ct|sa)\.", r"[A-Za-z0-9._-]{40,}")),
    ("supabase-key", ("sbp_", "sb_secret_"), _key("sbp_ sb_secret_", r"[A-Za-z0-9_-]{20,}")),
    ("sentry-token", ("sntry",), _key("sntry[su]_", r"[A-Za-z0-9+/=_-]{40,}")),
    ("grafana-token", ("glsa_", "glc_"), _key("glsa_ glc_", r"[A-Za-z0-9+/=_]{32,}")),
    ("newrelic-key", ("NRAK-",), _key("NRAK-", r"[A-Z0-9]{27}")),
    ("postman-key", ("PMAK-",), _key("PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}")),
    ("atlassian-token", ("ATATT3", "ATCTT3"), _key("AT[AC]TT3", r"[A-Za-z0-9_=-]{60,}")),
    ("airtable-token", ("pat",), _key("pat", r"[A-Za-z0-9]{14}\.[0-9a-f]{64}")),
    ("docker-token", ("dckr_",), _key("dckr_(?:pat|oat)_", r"[A-Za-z0-9_-]{20,}")),
    ("age-key", ("AGE-SECRET-KEY-1",), _key("AGE-SECRET-KEY-1", r"[A-Z0-9]{40,}")),
    ("jwt", ("eyJ",), _key("eyJ", r"[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")),
    ("azure-key", ("JQQJ99",), r"(?<![A-Za-z0-9])[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{18,30}(?![A-Za-z0-9])"),
    ("azure-secret", ("Q~",), r"(?:(?<![A-Za-z0-9_~.-])|(?<=\\[bfnrt]))[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~-])"),
    ("azure-key", ("AccountKey=", "AccessKey="), r"Acc(?:ount|ess)Key=(?P<s>[A-Za-z0-9+/%]{20,}={0,2})"),
)
_CONTEXTUAL: tuple[tuple[str, tuple[str, ...], str, Callable[[str], bool] | None], ...] = (
    (
        "private-key",
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,8192}-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----",
        None,
    ),
    (
        "aws-secret",
        ("aws", "AWS", "ecret", "ECRET"),
        r"(?i:aws|secret)[^\n]{0,40}?[^A-Za-z0-9/+\n](?P<s>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        _mixed,
    ),
    ("bearer", ("earer ",), r"(?<=[Bb]earer )(?=[A-Za-z0-9._~+/-]{0,40}[A-Z0-9])[A-Za-z0-9._~+/-]{20,}=*", None),
    ("basic-auth", ("asic ",), r"(?<=[Bb]asic )[A-Za-z0-9+/]{6,}={0,2}(?![A-Za-z0-9+/=])", _credentials),
    (
        "url-password",
        ("://", ":\\/\\/", "%3A%2F%2F"),
        r"(?::\\?/\\?/|%3A%2F%2F)[^\s/?#@:\"'<>\\]{0,64}(?::|%3A)(?P<s>[^\s/\"'<>\\]{1,128}?)(?:@|%40)(?=[A-Za-z0-9.-]{0,253}(?:[:/?#\\\"'\s)>,;]|$))",
        None,
    ),
    ("url-password", ("://",), r"://(?P<s>[^\s/?#@:\"'<>\\]{12,128})@(?=[A-Za-z0-9])", _has_digit),
    (EMAIL, ("@", "%40"), r"(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}", None),  # the name: _name_start
    (
        "query-secret",
        ("=",),
        rf"(?:(?<=[?&;])|(?<=\\u0026)|(?<=\\u003[fF])){_QUERY_NAMES}=(?P<s>[^&;\s\"'<>\\]{{6,}})",
        None,
    ),
    (NAMED, ("=", ":"), r"\\{0,7}[\"']?\s{0,3}[=:]\s{0,3}\\{0,7}[\"']?(?P<s>[^\s\"'&,;<>(){}\[\]\\]{8,1024})", None),  # the name: _named
)
_WORDS = tuple(Kind(name, hints, re.compile(pattern)) for name, hints, pattern in _TABLE)
_OTHERS = tuple(Kind(name, hints, re.compile(pattern), accepts, long=False) for name, hints, pattern, accepts in _CONTEXTUAL)
_HINTS = tuple(dict.fromkeys(hint for kind in _WORDS for hint in kind.hints))
NAMES = tuple(dict.fromkeys(kind.name for kind in (*_WORDS, *_OTHERS)))
"""The names of the built-in kinds."""


def kinds_for(words: str) -> tuple[Kind, ...]:
    """Return the kinds that may stand in a text of these long words, in the order in which they are looked for."""
    return (*_WORDS, *_OTHERS) if any(map(words.__contains__, _HINTS)) else _OTHERS


def none_in(text: str, words: str) -> bool:
    """Tell that no built-in kind stands in a text as it is, nor a name that tells of a secret. Cheap for what is harmless."""
    lower = text.lower()
    if any(any(map(is_telling, _before(lower, ending))) for ending in _NAME_ENDS if ending in lower):
        return False
    return all(next(kind.spans(text, words), None) is None for kind in kinds_for(words) if kind.name != NAMED)


def _before(lower: str, ending: str) -> Iterator[str]:
    """Yield each occurrence of an ending with what stands before it."""
    at = lower.find(ending)
    while at >= 0:
        yield lower[max(0, at - _LONGEST_TELLING) : at + len(ending)]
        at = lower.find(ending, at + len(ending))


def key_kinds(words: str) -> tuple[Kind, ...]:
    """Return the kinds with a shape so strict that they are looked for in bytes that are no text too."""
    return _WORDS if any(map(words.__contains__, _HINTS)) else ()
