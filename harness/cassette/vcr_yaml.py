"""The cassette file: VCR YAML, version 1, which stock vcrpy and pytest-recording read too.

JSON bodies are written indented, for review. What we note beside `request` and `response` stands under `harness`.
"""

import json
import re
from typing import Any
from urllib.parse import quote

import yaml

from harness.cassette.dialect.document import VERSION
from harness.cassette.dialect.document import exchanges as exchanges_of
from harness.cassette.dialect.yaml_text import parsed
from harness.cassette.exchange import Exchange

_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # line breaks to YAML alone, or not printable
_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]+")


def file_name(case_id: str) -> str:
    """Return the file name of a case's cassette: the id, percent-encoded where it holds anything but `[A-Za-z0-9._-]`."""
    plain = _PLAIN_ID.fullmatch(case_id) and not case_id.startswith(".")
    encoded = case_id if plain else quote(case_id, safe="").replace("~", "%7E")
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    return f"{encoded}.yaml"


def loads(text: str, *, path: str) -> tuple[Exchange, ...]:
    """Read the exchanges of a cassette of this format; every error names the path and, where there is one, the line."""
    return exchanges_of(parsed(text, path), path)


def dumps(exchanges: tuple[Exchange, ...]) -> str:
    """Write exchanges as a cassette file; the same exchanges give the same text."""
    document = {"version": VERSION, "interactions": [_interaction(exchange) for exchange in exchanges]}
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks. It is not libyaml's, which is not there everywhere and escapes whole texts for an emoji."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Write everything out, equal or not."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = '"' if _ODD.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _interaction(exchange: Exchange) -> dict[str, Any]:
    request, response = exchange.request, exchange.response
    noted = {
        "latency_s": exchange.latency_s,
        "ttft_s": exchange.ttft_s,
        "place": exchange.place,
        "variants": list(exchange.variants),
        "recorded_at": exchange.recorded_at,
        "scripted": exchange.scripted,
        "draw": None if exchange.draw == 1 else exchange.draw,
    }
    return {
        "request": {
            "method": request.method,
            "uri": request.url,
            "body": _readable(request.body),
            "headers": _listed(request.headers),
        },
        "response": {
            "status": {"code": response.status, "message": ""},
            "headers": _listed(response.headers),
            "body": {"string": _readable(response.body)},
        },
        "harness": {name: value for name, value in noted.items() if value is not None and value is not False and value != []},
    }


def _listed(headers: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    listed: dict[str, list[str]] = {}
    for name, value in headers:
        listed.setdefault(name, []).append(value)
    return listed


def _readable(body: bytes) -> str | bytes:
    """Return JSON indented, other text as text, the rest as bytes."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    if text[:1] not in {"{", "["}:
        return text
    try:
        indented = json.dumps(json.loads(text), indent=2, ensure_ascii=False, allow_nan=False)
        indented = _ODD.sub(lambda found: f"\\u{ord(found.group()):04x}", indented)
        indented.encode()  # half a pair of surrogates can only be written escaped
    except (ValueError, RecursionError):
        return text
    return indented
