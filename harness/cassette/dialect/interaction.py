"""An interaction: one request and its response as plain values, in every form, made an exchange."""

from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from harness.cassette.dialect.body import body_of
from harness.cassette.dialect.unredacted import plain, url_of
from harness.cassette.exchange import DRAWS_AT_MOST, Exchange, Request, Response, lean_request, plain_response
from harness.errors import CassetteError

_OTHER_PROTOCOLS = (("direction", "a web socket's message"), ("request_sample", "a gRPC call"))


def exchange(item: Any, line: int) -> Exchange:
    """Return the exchange of an interaction; what we noted of it stands under `harness`, which only our own files have."""
    item = _table(item, "interaction")
    _refuse_other_protocols(item)
    noted = _table(item.get("harness") or {}, "harness")
    sent, answered = _table(item.get("request"), "request"), _table(item.get("response"), "response")
    request = _request(sent)
    response = plain_response(_response(answered)) if "harness" in item else plain(_response(answered))
    return Exchange(
        request=replace(request, url=url_of(request.url, request.body, response.body)),
        response=response,
        latency_s=_seconds(noted, "latency_s"),
        ttft_s=_seconds(noted, "ttft_s"),
        place=_text_or_none(noted.get("place"), "place"),
        variants=_texts(noted.get("variants") or [], "variants"),
        recorded_at=_text_or_none(noted.get("recorded_at"), "recorded_at"),
        scripted=bool(noted.get("scripted")),
        draw=_draw(noted.get("draw", 1)),
        line=line,
    )


def _seconds(noted: dict[str, Any], name: str) -> float | None:
    return None if noted.get(name) is None else float(noted[name])


def _draw(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= DRAWS_AT_MOST:
        message = f"'draw' is {value!r}, not a number from 1 to {DRAWS_AT_MOST}"
        raise TypeError(message)
    return value


def _refuse_other_protocols(item: dict[str, Any]) -> None:
    for key, name in _OTHER_PROTOCOLS:
        if key in item and "request" not in item:
            message = f"not an HTTP exchange but {name} ({key!r}), which is not replayed"
            raise CassetteError(message)


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
    url = _text(item["url"] if "url" in item else item["uri"], "uri")
    urlsplit(url)  # raises for what is no URL
    return lean_request(Request(_text(item["method"], "method"), url, body_of(item), _headers(item.get("headers"))))


def _response(item: dict[str, Any]) -> Response:
    headers = _headers(item.get("headers"))
    if "status_code" in item:  # what vcrpy wrote for httpx before version 6
        return Response(int(item["status_code"]), body_of(item, "content"), headers)
    status = item.get("status")
    return Response(int(status if isinstance(status, int) else _table(status, "status")["code"]), body_of(item), headers)


def _headers(headers: Any) -> tuple[tuple[str, str], ...]:
    named = _table(headers or {}, "headers")
    return tuple(
        (_text(name, "header"), value) for name, values in named.items() if values is not None for value in _texts(values, "header")
    )
