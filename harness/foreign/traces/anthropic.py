"""Calls of Anthropic's API as LangChain traces them: the body that was asked and the one that was answered."""

from collections.abc import Mapping
from typing import Any

from harness.foreign.traces.messages import Unshown
from harness.foreign.traces.seen import Run, answers, client_of, conversation, model_of, params_of, table
from harness.foreign.traces.turns import answered_blocks, asked_turns

KIND = "anthropic-chat"

_OF_THE_CLIENT = frozenset(
    {"_type", "model", "model_name", "model_kwargs", "streaming", "stream", "max_retries", "default_request_timeout", "stop"}
)
_SENT_OTHERWISE = (
    "betas",
    "container",
    "context_management",
    "effort",
    "inference_geo",
    "mcp_servers",
    "output_format",
    "reasoning_effort",
    "response_format",
    "user_profile_id",
)
_TOLD = ("id", "stop_reason", "stop_sequence", "stop_details", "container", "context_management")


def asked(run: Run) -> dict[str, Any]:
    """Return the body that was sent; Unshown where the client makes something else of what it was given."""
    params, client = params_of(run), client_of(run)
    given = {**client, **table(client.get("model_kwargs")), **params}
    changed = next((name for name in _SENT_OTHERWISE if given.get(name)), None)
    if changed or any(table(tool).get("type", "custom") != "custom" for tool in params.get("tools") or ()):
        lack = f"what its client sent for {changed or 'a tool of the server'} is not in it"
        raise Unshown(lack)
    settings = {**table(params.get("model_kwargs")), **{name: value for name, value in params.items() if name not in _OF_THE_CLIENT}}
    system, turns = asked_turns(conversation(run))
    body = {**settings, "stop_sequences": params.get("stop") or client.get("stop_sequences"), "system": system or None}
    return {"model": model_of(run), **{name: value for name, value in body.items() if value is not None}, "messages": turns}


def answered(run: Run) -> dict[str, Any]:
    """Return the message that was answered; Unshown where it is not kept as it was given."""
    message = answers(run)[0].message
    told = {**table(table(run.get("outputs")).get("llm_output")), **table(message.get("response_metadata"))}
    if told.get("output_version") == "v1" or told.get("stop_reason") is None:
        lack = "its answer is not kept as it was given, or not to its end"
        raise Unshown(lack)
    return {
        "type": "message",
        "role": "assistant",
        "model": told.get("model_name") or model_of(run),
        "content": answered_blocks(message.get("content"), message.get("tool_calls")),
        **{name: told.get(name) for name in _TOLD if told.get(name) is not None},
        "id": told.get("id") or str(run.get("id")),
        "stop_sequence": told.get("stop_sequence"),
        "usage": table(told.get("usage")) or usage_of(table(message.get("usage_metadata"))),
    }


def usage_of(counted: Mapping[str, Any]) -> dict[str, Any]:
    """Return tokens in the form of the API, which counts those of a cache apart."""
    known = table(counted.get("input_token_details"))
    created = {name: known[name] for name in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens") if known.get(name)}
    read, written = known.get("cache_read") or 0, known.get("cache_creation") or sum(created.values())
    usage = {"input_tokens": (counted.get("input_tokens") or 0) - read - written, "output_tokens": counted.get("output_tokens") or 0}
    cached = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written} if read or written else {}
    return {**usage, **cached, **({"cache_creation": created} if created else {})}
