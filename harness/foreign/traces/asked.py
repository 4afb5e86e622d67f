"""Runs of models as exchanges: what was asked and answered on the wire, as far as the run shows it."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.cassette.exchange import UNKNOWN_HOST, Exchange, Request, Response
from harness.foreign.traces import anthropic, completions, responses, wrapped_anthropic
from harness.foreign.traces.failed import ERROR, ServerAnswer, hidden_retries, server_answer
from harness.foreign.traces.messages import Unshown
from harness.foreign.traces.seen import Run, client_of, model_of, moment, params_of, table
from harness.foreign.traces.structured import Formats, form_of, unknown
from harness.foreign.traces.wrapped import wrapped

_COMPATIBLE = frozenset({"openai-chat", "azure-openai-chat"})
_NOTHING_KEPT = frozenset({"status", "finish_reason"})
_JSON = (("content-type", "application/json"),)


class Rebuilt(NamedTuple):
    """The exchange that a run of a model shows, and what is not known of it."""

    exchange: Exchange
    lacks: tuple[str, ...] = ()


class _Call(NamedTuple):
    path: str
    asked: dict[str, Any]
    answered: dict[str, Any] | None
    lack: str | None


def rebuilt(run: Run, formats: Formats = unknown) -> Rebuilt:
    """Return the exchange that a run of a model shows; Unshown with what it lacks."""
    try:
        return _rebuilt(run, formats)
    except (AttributeError, LookupError, TypeError, ValueError):
        message = "it has a shape that is not known"
        raise Unshown(message) from None


def _rebuilt(run: Run, formats: Formats) -> Rebuilt:
    outputs, metadata = table(run.get("outputs")), table(table(run.get("extra")).get("metadata"))
    if metadata.get("cached") is True:
        message = "it was answered from a cache"
        raise Unshown(message)
    if metadata.get("source") == "fault" and "url" in metadata:  # pushed from here
        message = f"its answer was injected ({metadata.get('fault')})"
        raise Unshown(message)
    failure = _failure(run, metadata)
    if not table(run.get("inputs")) or (failure is None and (not outputs or outputs.keys() <= _NOTHING_KEPT)):
        message = "it had not ended" if not outputs and run.get("end_time") is None else "what was asked or answered is not in it"
        raise Unshown(message)
    call = _call(run, formats, is_failure=failure is not None)
    answer = failure or ServerAnswer(_status(metadata) or 200, json.dumps(call.answered, ensure_ascii=False), _JSON)
    lacks = (call.lack, hidden_retries(run, answer.status) if failure else None)
    return Rebuilt(_exchange(run, call.path, call.asked, answer), tuple(lack for lack in lacks if lack))


def _failure(run: Run, metadata: Mapping[str, Any]) -> ServerAnswer | None:
    """Return what the server answered to a call that failed."""
    status = _status(metadata)
    if status is not None and status >= ERROR:
        return ServerAnswer(status, json.dumps(table(run.get("outputs")), ensure_ascii=False), _JSON)
    return server_answer(run) if run.get("error") else None


def _status(metadata: Mapping[str, Any]) -> int | None:
    """Return the status of an exchange that was pushed from here."""
    status = metadata.get("status") if "url" in metadata else None
    return status if isinstance(status, int) and status else None


def _call(run: Run, formats: Formats, *, is_failure: bool) -> _Call:
    if "_type" in params_of(run) or "generations" in table(run.get("outputs")):
        return _of_langchain(run, formats, is_failure=is_failure)
    metadata, inputs = table(table(run.get("extra")).get("metadata")), table(run.get("inputs"))
    if metadata.get("ls_provider") == "anthropic" and "url" not in metadata:
        answer = None if is_failure else wrapped_anthropic.answered(inputs, table(run.get("outputs")))
        return _Call("/v1/messages", wrapped_anthropic.asked(inputs), answer, None)
    found = wrapped(run, formats)
    if found.answered is None and not (is_failure and {"ls_provider", "url"} & metadata.keys()):
        message = "it is no chat completion, no response and no embedding of the OpenAI-compatible form"
        raise Unshown(message)
    return _Call(*found)


def _of_langchain(run: Run, formats: Formats, *, is_failure: bool) -> _Call:
    kind = params_of(run).get("_type")
    if kind not in {*_COMPATIBLE, anthropic.KIND}:
        message = f"its model is called by {kind!r}, neither by an OpenAI-compatible client nor by Anthropic's"
        raise Unshown(message)
    if "messages" not in table(run.get("inputs")) or not (model_of(run) or params_of(run).get("azure_deployment")):
        message = "its model or its messages are not in it"
        raise Unshown(message)
    if kind == anthropic.KIND:
        return _Call("/v1/messages", anthropic.asked(run), None if is_failure else anthropic.answered(run), None)
    if responses.is_asked(run):
        form = form_of(run, "streamed responses" if params_of(run).get("stream") else "responses", formats)
        asked = responses.asked(run, form.sent)
        return _Call("/responses", asked, None if is_failure else responses.answered(run, asked), form.lack)
    form = form_of(run, "chat", formats)
    return _Call("/chat/completions", completions.asked(run, form.sent), None if is_failure else completions.answered(run), form.lack)


def _exchange(run: Run, path: str, asked: dict[str, Any], answer: ServerAnswer) -> Exchange:
    started, ended = moment(run.get("start_time")), moment(run.get("end_time"))
    return Exchange(
        Request("POST", _url(run, path), json.dumps(asked, ensure_ascii=False).encode(), (("accept", "application/json"), *_JSON)),
        Response(answer.status, answer.body.encode(), answer.headers),
        latency_s=_between(started, ended),
        ttft_s=_between(started, _first_token(run)),
        recorded_at=None if started is None else started.astimezone(dt.UTC).isoformat(timespec="seconds"),
    )


def _url(run: Run, path: str) -> str:
    """Return the address that a run tells; where it tells none, one that stands for any."""
    known = table(table(run.get("extra")).get("metadata")).get("url")
    if isinstance(known, str) and known.startswith("http"):
        return known
    told = {**client_of(run), **params_of(run)}
    bases = (told.get(name) for name in ("base_url", "openai_api_base", "anthropic_api_url"))
    base = next((base for base in bases if isinstance(base, str) and base.startswith("http")), f"https://{UNKNOWN_HOST}")
    return base.rstrip("/") + path


def _first_token(run: Run) -> dt.datetime | None:
    events = run.get("events")
    times = (event.get("time") for event in (events if isinstance(events, list) else ()) if table(event).get("name") == "new_token")
    return moment(run.get("first_token_time") or next(times, None))


def _between(start: dt.datetime | None, end: dt.datetime | None) -> float | None:
    if start is None or end is None or end < start:
        return None
    return round((end - start).total_seconds(), 6)
