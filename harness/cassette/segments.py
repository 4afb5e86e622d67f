"""The key of a request: a separate digest of each part of what it asks, never of its order, its host or its volatile ids."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from harness.cassette.exchange import Request, steady
from harness.cassette.normalise import Normaliser, normalised
from harness.schema import canonical_json, digest, read_json

Policy = Literal["strict", "semantic", "messages"]
Kind = Literal["chat", "embedding", "http"]

NAMES = ("endpoint", "model", "system", "messages", "tools", "response_format", "sampling")
MATCHED: dict[Policy, tuple[str, ...]] = {
    "strict": NAMES,
    "semantic": NAMES[:6],
    "messages": NAMES[:4],
}
_NOTHING = digest("null")
_STREAMING = frozenset({"stream", "stream_options"})
_SYSTEM_ROLES = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Segments:
    """What a request asks, part by part, as plain JSON values.

    No part of the key are `streamed`, whether a stream is asked for, and `usage_asked`, whether it is to end with its usage.
    `anywhere` is the endpoint by its last part alone, for what was recorded at an address that is known no more.
    `normalised` names the normalisers that changed a part.
    """

    kind: Kind
    parts: dict[str, Any]
    streamed: bool = False
    usage_asked: bool = False
    anywhere: str | None = None
    normalised: tuple[str, ...] = ()
    _texts: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def model(self) -> str | None:
        """Return the model asked for, if the request names one."""
        model = self.parts["model"]
        return model if isinstance(model, str) else None

    def text(self, name: str) -> str:
        """Return one part as canonical JSON."""
        if name not in self._texts:
            self._texts[name] = canonical_json(self.parts[name])
        return self._texts[name]

    def digests(self) -> dict[str, str]:
        """Return the digest of each part; the Unicode forms of one text, composed and decomposed, have one digest."""
        return {name: _NOTHING if self.parts[name] is None else digest(_composed(self.text(name))) for name in NAMES}

    def without_address(self) -> "Segments":
        """Return the same request to a known API wherever that is."""
        if self.anywhere is None:
            return self
        return replace(self, parts={**self.parts, "endpoint": self.anywhere}, _texts={})


def _composed(text: str) -> str:
    """Return canonical JSON with its texts in composed form, by which its keys are sorted anew."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return canonical_json(read_json(unicodedata.normalize("NFC", text)))


def match_key(digests: dict[str, str], policy: Policy) -> str:
    """Return the look-up key of a request under a match policy."""
    return "".join(digests[name] for name in MATCHED[policy])


def segments(request: Request, normalisers: tuple[Normaliser, ...] = ()) -> Segments:
    """Take a request apart, its texts normalised. Bodies that no provider is asked with are one opaque part, matched by every policy."""
    return _normalised(_segments(request), normalisers) if normalisers else _segments(request)


def _normalised(asked: Segments, normalisers: tuple[Normaliser, ...]) -> Segments:
    applied: set[str] = set()
    parts = {name: part if name in {"endpoint", "model"} else normalised(part, normalisers, applied) for name, part in asked.parts.items()}
    pieces = re.split(r"([/?&= ])", str(asked.parts["endpoint"]))  # a URL's path is no file's
    parts["endpoint"] = "".join(normalised(pieces, normalisers, applied))
    names = tuple(normaliser.name for normaliser in normalisers if normaliser.name in applied)
    anywhere = asked.anywhere and "".join(normalised(re.split(r"([/?&= ])", asked.anywhere), normalisers, applied))
    return replace(asked, parts=parts, normalised=names, anywhere=anywhere, _texts={})


def _segments(request: Request) -> Segments:
    url = urlsplit(request.url)
    query = urlencode(sorted(parse_qsl(url.query, keep_blank_values=True)))
    endpoint = f"{request.method.upper()} {url.path}" + (f"?{query}" if query else "")
    body = _json_container(request.body)
    try:
        if body is not None:
            return _taken_apart(request.method.upper(), url.path, endpoint, body)
    except (ValueError, RecursionError):  # nested too deeply
        pass
    return Segments("http", _parts(endpoint, messages=steady(request).body.decode("utf-8", "surrogateescape")))


def _taken_apart(method: str, path: str, endpoint: str, body: dict[str, Any] | list[Any]) -> Segments:
    if isinstance(body, list):
        asked = Segments("http", _parts(endpoint, messages=body))
        asked.text("messages")
        return asked
    streamed = body.get("stream") is True
    options = body.get("stream_options")
    usage_asked = isinstance(options, dict) and options.get("include_usage") is True
    suffix, kind, split = _splitter(path, body)
    anywhere = f"{method} …{suffix}" if suffix else None
    asked = Segments(kind, _parts(endpoint, **split(body)), streamed, usage_asked, anywhere)
    for name in NAMES:
        asked.text(name)
    return asked


def _parts(endpoint: str, **parts: Any) -> dict[str, Any]:
    return {"endpoint": endpoint, **{name: parts.get(name) for name in NAMES[1:]}}


def _json_container(body: bytes) -> dict[str, Any] | list[Any] | None:
    try:
        value = read_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


Splitter = Callable[[dict[str, Any]], dict[str, Any]]


def _splitter(path: str, body: dict[str, Any]) -> tuple[str, Kind, Splitter]:
    """Return how to take a body apart: a provider's way only where it holds what that provider calls its question."""
    for suffix, questions, kind, split in _PROVIDERS:
        if path.endswith(suffix) and not questions.isdisjoint(body):
            return suffix, kind, split
    return "", "http", _split_other


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _split_chat(body: dict[str, Any]) -> dict[str, Any]:
    system, messages = _split_system(_items(body.pop("messages", None)))
    response_format = body.pop("response_format", None)
    if isinstance(response_format, dict) and isinstance(response_format.get("json_schema"), dict):
        response_format = {**response_format, "json_schema": _said_once(response_format["json_schema"])}
    return _split_rest(body, system, messages, response_format=response_format)


def _split_responses(body: dict[str, Any]) -> dict[str, Any]:
    given = body.pop("input", None)
    items = [{"role": "user", "content": given}] if isinstance(given, str) else _items(given)
    system, messages = _split_system([_unmarked(item) for item in items])
    system = [*(part for part in (body.pop("prompt", None), body.pop("instructions", None)) if part), *system]
    text = body.get("text")
    response_format = text.pop("format", None) if isinstance(text, dict) else None
    if isinstance(response_format, dict):
        response_format = _said_once(response_format)
    has_previous = body.pop("previous_response_id", None) is not None
    rest = _split_rest(body, system, messages, response_format=response_format)
    if has_previous:
        rest["messages"] = ["(after a previous response)", *rest["messages"]]
    return rest


def _said_once(named: dict[str, Any]) -> dict[str, Any]:
    """Return a named JSON schema that says its name and description once: libraries say them beside the schema, in it, or in both."""
    if not isinstance(named.get("schema"), dict):
        return named
    schema = dict(named["schema"])
    if schema.get("title") == named.get("name"):
        schema.pop("title", None)
    if "description" in schema and named.get("description") in (None, schema["description"]):
        named = {**named, "description": schema.pop("description")}
    return {**named, "schema": schema}


def _unmarked(item: Any) -> Any:
    """Return an item of an earlier answer without the mark that it is complete: it comes with whole answers, not with streams."""
    if isinstance(item, dict) and item.get("status") == "completed":
        return {key: value for key, value in item.items() if key != "status"}
    return item


def _split_anthropic(body: dict[str, Any]) -> dict[str, Any]:
    system, messages = _split_system(_items(body.pop("messages", None)))
    given = _content(body.pop("system", None))
    return _split_rest(body, [*_items(given or None), *system], messages, response_format=None)


def _split_rest(body: dict[str, Any], system: list[Any], messages: list[Any], *, response_format: Any) -> dict[str, Any]:
    tools = [body.pop(name, None) for name in ("tools", "functions", "tool_choice", "function_call")]
    return {
        "model": body.pop("model", None),
        "system": system,
        "messages": messages,
        "tools": tools if any(tools) else None,
        "response_format": response_format,
        "sampling": _settings(body),
    }


def _split_embedding(body: dict[str, Any]) -> dict[str, Any]:
    given = body.pop("input", None)
    messages = [given] if isinstance(given, str) else given
    return {
        "model": body.pop("model", None),
        "messages": messages,
        "response_format": body.pop("dimensions", None),
        "sampling": _settings(body),
    }


def _split_completion(body: dict[str, Any]) -> dict[str, Any]:
    return {"model": body.pop("model", None), "messages": body.pop("prompt", None), "sampling": _settings(body)}


def _split_other(body: dict[str, Any]) -> dict[str, Any]:
    return {"messages": body}


_PROVIDERS: tuple[tuple[str, frozenset[str], Kind, Splitter], ...] = (
    ("/chat/completions", frozenset({"messages"}), "chat", _split_chat),
    ("/responses", frozenset({"input", "prompt", "previous_response_id"}), "chat", _split_responses),
    ("/messages", frozenset({"messages"}), "chat", _split_anthropic),
    ("/embeddings", frozenset({"input"}), "embedding", _split_embedding),
    ("/completions", frozenset({"prompt"}), "chat", _split_completion),
)


def _settings(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _STREAMING and value not in (None, {})}


def _split_system(items: list[Any]) -> tuple[list[Any], list[Any]]:
    """Part the system messages from the others; one that comes later leaves a mark where it stood."""
    system: list[Any] = []
    messages: list[Any] = []
    ids: dict[str, str] = {}
    for item in items:
        if isinstance(item, dict) and str(item.get("role")) in _SYSTEM_ROLES:
            content = _content(item.get("content"))
            system.append({"name": item["name"], "content": content} if item.get("name") else content)
            if messages:
                messages.append({"role": "system"})
        else:
            messages.append(_message(item, ids))
    return system, messages


_ID_KEYS = frozenset({"tool_call_id", "call_id", "tool_use_id"})
_OPAQUE_KEYS = frozenset({"input", "output"})  # what a tool is given and gives: its ids are no one's but its own


def _message(item: Any, ids: dict[str, str]) -> Any:
    """Return a message without empty fields, its ids replaced by their order of appearance."""
    if isinstance(item, list):
        return [_message(part, ids) for part in item]
    if not isinstance(item, dict):
        return item
    message = {}
    for key, value in sorted(item.items()):  # ids are numbered by where they appear, not by how a client orders its keys
        if value is None or (key == "id" and not isinstance(value, str)):
            continue
        if key in _ID_KEYS or (key == "id" and _carries_call(item)):
            message[key] = ids.setdefault(value if isinstance(value, str) else canonical_json(value), f"#{len(ids) + 1}")
        elif key == "id":
            continue
        elif key == "arguments" and isinstance(value, str):
            message[key] = _arguments(value)
        elif key in _OPAQUE_KEYS:
            message[key] = value
        elif key == "content":
            message[key] = _message(_content(value), ids)
        else:
            message[key] = _message(value, ids)
    return message


def _carries_call(item: dict[str, Any]) -> bool:
    return "function" in item or str(item.get("type")) in {"tool_use", "tool_call", "function"}


def _content(content: Any) -> Any:
    """Return a lone text part as its text: libraries differ in which form they send."""
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        part = content[0]
        if str(part.get("type")) in {"text", "input_text"} and part.keys() <= {"type", "text"}:
            return part.get("text")
    return content


def _arguments(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text
