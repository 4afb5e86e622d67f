"""The cassette file: VCR YAML, version 1, which stock vcrpy and pytest-recording read too.

JSON bodies are written indented, for review. What we note beside `request` and `response` stands under `harness`.
"""

import json
import re
import reprlib
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from harness.cassette.exchange import Exchange, Request, Response, lean_request, plain_response
from harness.errors import CassetteError

VERSION = 1
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 1000
_DEEP_AT = 20_000
_LARGEST_VALUE = 1_000_000
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
    """Read the exchanges of a cassette file; every error names the path and, where there is one, the line."""
    node, document = _parse(text, path)
    if document is None:
        return ()
    if not isinstance(document, dict):
        message = f"{path}:1: not a cassette: the document is a {type(document).__name__}, not a mapping with 'interactions'"
        raise CassetteError(message)
    _check_version(document.get("version", VERSION), path)
    interactions = document.get("interactions")
    if not isinstance(interactions, list):
        message = f"{path}: not a cassette: 'interactions' is missing or is not a list"
        raise CassetteError(message)
    lines = _interaction_lines(node)
    return tuple(_exchange(item, path, lines[index] if index < len(lines) else 1) for index, item in enumerate(interactions))


def _check_version(version: Any, path: str) -> None:
    if not isinstance(version, int):
        shown = reprlib.repr(version) if isinstance(version, str) else type(version).__name__
        message = f"{path}: not a cassette: 'version' is {shown}, not a number"
        raise CassetteError(message)
    if version > VERSION:
        newest = f"{VERSION}, the newest this harness reads; upgrade langgraph-harness"
        message = f"{path}: cassette format version {version} is newer than {newest}"
        raise CassetteError(message)


def _parse(text: str, path: str) -> tuple[yaml.Node | None, Any]:
    loader = None
    try:
        _refuse_depth(text)
        loader = _LOADER(text)
        node = loader.get_single_node()
        _refuse_merges(node)
        return node, None if node is None else loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        position = error.position if isinstance(error.position, int) else 0
        message = f"{path}:{text.count(chr(10), 0, position) + 1}: not a cassette: {str(error).splitlines()[0]}"
        raise CassetteError(message) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        problem = (error.problem or "not YAML").splitlines()[0]
        message = f"{path}{line}: cannot be read: {problem}"
        raise CassetteError(message) from None
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        message = f"{path}: cannot be read: {type(error).__name__}: {error}"  # PyYAML's own failures at odd scalars
        raise CassetteError(message) from None
    finally:
        if loader is not None:
            loader.dispose()


def _refuse_depth(text: str) -> None:
    """Refuse nesting at which the parser, written in C, would break the process; only a large text can hold it."""
    if text.count("[") + text.count("{") + text.count("- ") + text.count("? ") + text.count(": ") < _DEEP_AT:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            mark: Any = event.start_mark  # the C parser's marks have a class of their own
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)


def _refuse_merges(root: yaml.Node | None) -> None:
    """Refuse `<<`: no cassette needs it, and a few lines of it can grow without end."""
    for key, _ in _pairs(root):
        if key.tag == "tag:yaml.org,2002:merge":
            raise yaml.MarkedYAMLError(problem="'<<' is not read in a cassette", problem_mark=key.start_mark)


def _pairs(root: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Yield every key with its value, anywhere below `root`; what is referred to again is walked once."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield from node.value
            waiting += [part for pair in node.value for part in pair]
        else:
            waiting += node.value


def _interaction_lines(root: yaml.Node | None) -> list[int]:
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    lists = [value for key, value in pairs if key.value == "interactions" and isinstance(value, yaml.SequenceNode)]
    return [item.start_mark.line + 1 for item in lists[-1].value] if lists else []


def _exchange(item: Any, path: str, line: int) -> Exchange:
    try:
        item = _table(item, "interaction")
        noted = _table(item.get("harness") or {}, "harness")
        latency_s = noted.get("latency_s")
        return Exchange(
            request=_request(_table(item.get("request"), "request")),
            response=_response(_table(item.get("response"), "response")),
            latency_s=None if latency_s is None else float(latency_s),
            place=_text_or_none(noted.get("place"), "place"),
            variants=_texts(noted.get("variants") or [], "variants"),
            recorded_at=_text_or_none(noted.get("recorded_at"), "recorded_at"),
            scripted=bool(noted.get("scripted")),
            line=line,
        )
    except CassetteError as error:
        message = f"{path}:{line}: {error}"
        raise CassetteError(message) from None
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        message = f"{path}:{line}: not an interaction: {problem}"
        raise CassetteError(message) from None


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = f"{name!r} is missing or is not a mapping"
        raise TypeError(message)
    return value


def _text(value: Any, name: str) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str | int | float | date):
        message = f"{name!r} is not a text but {type(value).__name__}"
        raise TypeError(message)
    return str(value)


def _text_or_none(value: Any, name: str) -> str | None:
    return None if value is None else _text(value, name)


def _texts(values: Any, name: str) -> tuple[str, ...]:
    return tuple(_text(value, name) for value in (values if isinstance(values, list | tuple) else [values]))


def _request(item: dict[str, Any]) -> Request:
    url = _text(item["uri"], "uri")
    urlsplit(url)  # raises for what is no URL
    return lean_request(Request(_text(item["method"], "method"), url, _bytes(item.get("body")), _headers(item.get("headers"))))


def _response(item: dict[str, Any]) -> Response:
    if "status_code" in item:  # what vcrpy wrote for httpx before version 6
        return plain_response(Response(int(item["status_code"]), _bytes(item.get("content")), _headers(item.get("headers"))))
    body = item.get("body")
    content = body.get("string") if isinstance(body, dict) else body
    return plain_response(Response(int(_table(item.get("status"), "status")["code"]), _bytes(content), _headers(item.get("headers"))))


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    _refuse_large(value)
    return json.dumps(value).encode()


def _refuse_large(value: Any) -> None:
    """Refuse a value that grows beyond bounds when it is written out: a few references can stand for billions of copies."""
    waiting, count = [value], 0
    while waiting and count < _LARGEST_VALUE:
        part = waiting.pop()
        count += 1
        waiting += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    if waiting:
        message = f"a body holds more than {_LARGEST_VALUE} values"
        raise ValueError(message)


def _headers(headers: Any) -> tuple[tuple[str, str], ...]:
    named = _table(headers or {}, "headers")
    return tuple(
        (_text(name, "header"), value) for name, values in named.items() if values is not None for value in _texts(values, "header")
    )


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
        "place": exchange.place,
        "variants": list(exchange.variants),
        "recorded_at": exchange.recorded_at,
        "scripted": exchange.scripted,
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
