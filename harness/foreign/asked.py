"""Runs of models as exchanges: what was asked and answered on the wire, as far as the run shows it."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from harness.cassette.exchange import UNKNOWN_HOST, Exchange, Request, Response
from harness.foreign.messages import Unshown, answered_message, asked_message

_CHAT, _EMBEDDING = "/chat/completions", "/embeddings"
_OF_THE_CLIENT = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})
_NOT_SENT = frozenset({"_type", "model_name", "base_url", "openai_api_base", "azure_endpoint"})
_STREAM = frozenset({"stream", "stream_options"})  # a trace shows the whole answer, which is streamed where that is asked for
_COMPATIBLE = frozenset({"openai-chat", "azure-openai-chat"})
_NOTHING_KEPT = frozenset({"status", "finish_reason"})
_JSON = (("content-type", "application/json"),)
_ERROR = 400

Run = Mapping[str, Any]


def exchange_of(run: Run) -> Exchange:
    """Return the exchange that a run of a model shows; Unshown with what it lacks."""
    inputs, outputs = _object(run.get("inputs")), _object(run.get("outputs"))
    metadata = _object(_object(run.get("extra")).get("metadata"))
    if metadata.get("cached") is True:
        message = "it was answered from a cache"
        raise Unshown(message)
    status = metadata.get("status") if "url" in metadata else None
    refused = isinstance(status, int) and status >= _ERROR
    if run.get("error") and not refused:
        message = "it failed, and what the server answered is not in it"
        raise Unshown(message)
    if not inputs or not outputs or outputs.keys() <= _NOTHING_KEPT:
        message = "what was asked or answered is not in it"
        raise Unshown(message)
    if "generations" in outputs:
        return _exchange(run, _CHAT, _asked(run, inputs), _answered(run, outputs), 200)
    path = _EMBEDDING if "input" in inputs and "messages" not in inputs else _CHAT
    if not refused and ("data" if path == _EMBEDDING else "choices") not in outputs:
        message = "it is no chat completion and no embedding of the OpenAI-compatible form"
        raise Unshown(message)
    return _exchange(run, path, _as_sent(inputs), outputs, status if isinstance(status, int) and status else 200)


def _exchange(run: Run, path: str, asked: dict[str, Any], answered: dict[str, Any], status: int) -> Exchange:
    started, ended = moment(run.get("start_time")), moment(run.get("end_time"))
    return Exchange(
        Request("POST", _url(run, path), json.dumps(asked, ensure_ascii=False).encode(), (("accept", "application/json"), *_JSON)),
        Response(status, json.dumps(answered, ensure_ascii=False).encode(), _JSON),
        latency_s=_between(started, ended),
        ttft_s=_between(started, _first_token(run)),
        recorded_at=None if started is None else started.astimezone(dt.UTC).isoformat(timespec="seconds"),
    )


def _url(run: Run, path: str) -> str:
    """Return the address that a run tells; where it tells none, one that stands for any."""
    extra = _object(run.get("extra"))
    known = _object(extra.get("metadata")).get("url")
    if isinstance(known, str) and known.startswith("http"):
        return known
    told = {**_object(_object(run.get("serialized")).get("kwargs")), **_object(extra.get("invocation_params"))}
    bases = (told.get(name) for name in ("base_url", "openai_api_base"))
    base = next((base for base in bases if isinstance(base, str) and base.startswith("http")), f"https://{UNKNOWN_HOST}")
    return base.rstrip("/") + path


def _as_sent(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that the arguments of an OpenAI client make."""
    sent = {name: value for name, value in inputs.items() if name not in _OF_THE_CLIENT | _STREAM and value is not None}
    if "messages" in sent:
        sent["messages"] = _messages(sent["messages"])
    return sent | _object(inputs.get("extra_body"))


def _asked(run: Run, inputs: Mapping[str, Any]) -> dict[str, Any]:
    params = _object(_object(run.get("extra")).get("invocation_params"))
    kind = params.get("_type")
    if kind not in _COMPATIBLE:
        message = f"its model is called by {kind!r}, not by an OpenAI-compatible client"
        raise Unshown(message)
    if "messages" not in inputs or not params.get("model", params.get("model_name")):
        message = "its model or its messages are not in it"
        raise Unshown(message)
    settings = {name: value for name, value in params.items() if name not in _NOT_SENT | _STREAM and value is not None}
    body = settings.pop("extra_body", None)
    if lacks_schema(run):
        del settings["response_format"]
    return {"model": params.get("model_name"), **settings, "messages": _messages(inputs["messages"]), **_object(body)}


def lacks_schema(run: Run) -> bool:
    """Tell a request for a class of the agent: LangChain does not trace its schema as it was sent."""
    return isinstance(_object(_object(run.get("extra")).get("invocation_params")).get("response_format"), str)


def _messages(given: Any) -> list[dict[str, Any]]:
    """Return the messages of the one conversation that a run holds; LangChain has lists of them."""
    conversations = given if isinstance(given, list) and given and isinstance(given[0], list) else [given]
    messages = conversations[0]
    if len(conversations) != 1 or not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
        message = "it holds no list of messages, or several"
        raise Unshown(message)
    return [asked_message(message) for message in messages]


def _answered(run: Run, outputs: Mapping[str, Any]) -> dict[str, Any]:
    given = outputs["generations"]
    every = given[0] if isinstance(given, list) and len(given) == 1 and isinstance(given[0], list) else given
    if not isinstance(every, list) or not every or not all(isinstance(one, dict) and isinstance(one.get("message"), dict) for one in every):
        message = "it holds no answer of a chat model"
        raise Unshown(message)
    first = _object(every[0]["message"].get("kwargs", every[0]["message"]))
    told = {**_object(outputs.get("llm_output")), **_object(first.get("response_metadata"))}
    if told.get("object") == "response" or isinstance(first.get("content"), list):
        message = "it was answered by the Responses API, or in blocks"
        raise Unshown(message)
    params = _object(_object(run.get("extra")).get("invocation_params"))
    started = moment(run.get("start_time"))
    return {
        "id": told.get("id") or str(run.get("id")),
        "object": "chat.completion",
        "created": 0 if started is None else int(started.timestamp()),
        "model": told.get("model_name") or params.get("model"),
        "system_fingerprint": told.get("system_fingerprint"),
        "choices": [_choice(number, one) for number, one in enumerate(every)],
        **_usage(told, first),
    }


def _choice(number: int, generation: Mapping[str, Any]) -> dict[str, Any]:
    fields = _object(generation["message"].get("kwargs", generation["message"]))
    told = {**_object(fields.get("response_metadata")), **_object(generation.get("generation_info"))}
    return {
        "index": number,
        "message": answered_message(fields),
        "logprobs": told.get("logprobs"),
        "finish_reason": told.get("finish_reason"),
    }


def _usage(told: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens as the server counted them, or as LangChain tells them; nothing where nobody counted."""
    raw, counted = _object(told.get("token_usage")), _object(message.get("usage_metadata"))
    if raw or not counted:
        return {"usage": raw} if raw else {}
    cached = _object(counted.get("input_token_details")).get("cache_read")
    reasoned = _object(counted.get("output_token_details")).get("reasoning")
    usage = {new: counted.get(old) for new, old in _COUNTED.items()}
    usage |= {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"usage": usage | ({} if reasoned is None else {"completion_tokens_details": {"reasoning_tokens": reasoned}})}


_COUNTED = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens", "total_tokens": "total_tokens"}


def moment(text: Any) -> dt.datetime | None:
    """Return a time that a run tells, which is one of UTC if it names no zone; None where it tells none."""
    try:
        found = dt.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _first_token(run: Run) -> dt.datetime | None:
    events = run.get("events")
    times = (event.get("time") for event in (events if isinstance(events, list) else ()) if _object(event).get("name") == "new_token")
    return moment(run.get("first_token_time") or next(times, None))


def _between(start: dt.datetime | None, end: dt.datetime | None) -> float | None:
    if start is None or end is None or end < start:
        return None
    return round((end - start).total_seconds(), 6)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
