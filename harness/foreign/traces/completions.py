"""Chat completions as LangChain traces them: the body that was asked and the one that was answered."""

from collections.abc import Mapping
from typing import Any

from harness.foreign.traces.messages import Unshown, answered_message, asked_message
from harness.foreign.traces.seen import Run, answers, begun_at, conversation, model_of, settings, table

_COUNTED = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens", "total_tokens": "total_tokens"}
_DETAILS = (
    ("prompt_tokens_details", "cached_tokens", "input_token_details", "cache_read"),
    ("prompt_tokens_details", "audio_tokens", "input_token_details", "audio"),
    ("completion_tokens_details", "reasoning_tokens", "output_token_details", "reasoning"),
    ("completion_tokens_details", "audio_tokens", "output_token_details", "audio"),
)


def asked(run: Run, form: dict[str, Any] | None) -> dict[str, Any]:
    """Return the body that was sent, `form` being the form of the answer that was asked for."""
    given = settings(run)
    body = given.pop("extra_body", None)
    given |= {} if form is None else {"response_format": form}
    return {"model": model_of(run), **given, "messages": [asked_message(message) for message in conversation(run)], **table(body)}


def answered(run: Run) -> dict[str, Any]:
    """Return the body that was answered; Unshown where it is none of a chat completion."""
    every = answers(run)
    first = every[0].message
    told = {**table(table(run.get("outputs")).get("llm_output")), **table(first.get("response_metadata"))}
    if isinstance(first.get("content"), list):
        message = "what was said is in blocks, not of a chat completion"
        raise Unshown(message)
    return {
        "id": told.get("id") or str(run.get("id")),
        "object": "chat.completion",
        "created": begun_at(run),
        "model": told.get("model_name") or model_of(run),
        "system_fingerprint": told.get("system_fingerprint"),
        **({"service_tier": told["service_tier"]} if told.get("service_tier") else {}),
        "choices": [_choice(number, one.message, one.generation) for number, one in enumerate(every)],
        **_usage(told, first),
    }


def _choice(number: int, message: Mapping[str, Any], generation: Mapping[str, Any]) -> dict[str, Any]:
    told = {**table(message.get("response_metadata")), **table(generation.get("generation_info"))}
    return {
        "index": number,
        "message": answered_message(message),
        "logprobs": told.get("logprobs"),
        "finish_reason": told.get("finish_reason"),
    }


def _usage(told: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens as the server counted them, or as LangChain tells them; nothing where nobody counted."""
    raw = table(told.get("token_usage")) or usage_of(table(message.get("usage_metadata")))
    return {"usage": raw} if raw else {}


def usage_of(counted: Mapping[str, Any]) -> dict[str, Any]:
    """Return tokens in the form of a chat completion from those in LangChain's; nothing where nobody counted."""
    if not counted:
        return {}
    usage: dict[str, Any] = {new: counted.get(old) for new, old in _COUNTED.items()}
    for group, name, told, counter in _DETAILS:
        value = table(counted.get(told)).get(counter)
        if value is not None:
            usage[group] = {**table(usage.get(group)), name: value}
    return usage
