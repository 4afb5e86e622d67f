"""Calls of the Responses API as LangChain traces them: the body that was asked and the one that was answered."""

import re
from collections.abc import Mapping
from typing import Any

from harness.foreign.traces.items import answered_items, asked_items
from harness.foreign.traces.messages import Unshown
from harness.foreign.traces.seen import Run, answers, client_of, conversation, model_of, params_of, settings, table

_ONLY_THERE = frozenset({"context_management", "include", "previous_response_id", "reasoning", "text", "truncation"})
_PREFERRED = re.compile(r"gpt-[\d.]+-pro|codex")
_TOLD = ("created_at", "id", "incomplete_details", "metadata", "service_tier", "status", "user")
_DETAILS = (
    ("input_tokens_details", "cached_tokens", "input_token_details", "cache_read"),
    ("input_tokens_details", "cache_write_tokens", "input_token_details", "cache_creation"),
    ("output_tokens_details", "reasoning_tokens", "output_token_details", "reasoning"),
)
_LIMITS = ("max_tokens", "max_completion_tokens")


def is_asked(run: Run) -> bool:
    """Tell whether a run of LangChain's client for OpenAI asked the Responses API: by its answer, its client, or what is asked for."""
    given = table(run.get("outputs")).get("generations")
    first = answers(run)[0].message if given and any(given) else {}
    told = table(first.get("response_metadata"))
    if told.get("object") in {"response", "chat.completion"} or str(told.get("id")).startswith("resp_"):
        return told.get("object") != "chat.completion"
    chosen = client_of(run).get("use_responses_api")
    if isinstance(chosen, bool):
        return chosen
    params = params_of(run)
    own = any(table(tool).get("type", "function") != "function" for tool in params.get("tools") or ())
    return own or not _ONLY_THERE.isdisjoint(params) or bool(_PREFERRED.search(str(model_of(run))) and run.get("error"))


def asked(run: Run, form: dict[str, Any] | None) -> dict[str, Any]:
    """Return the body that was sent, `form` being the form of the answer that was asked for; Unshown where not all of it was."""
    if client_of(run).get("use_previous_response_id"):
        message = "it goes on from a response that the server kept"
        raise Unshown(message)
    given = settings(run)
    body = {name: value for name, value in given.items() if name not in {"stop", "extra_body", "verbosity", "tools", "tool_choice"}}
    _rename(body, str(model_of(run)))
    if form is not None:
        body.pop("strict", None)
    text = table(given.get("text")) | ({} if form is None else {"format": {"type": form.get("type"), **table(form.get("json_schema"))}})
    text |= {"verbosity": given["verbosity"]} if "verbosity" in given else {}
    body |= {"text": text} if text else {}
    body |= {"tools": [_flat(tool) for tool in given["tools"]]} if given.get("tools") else {}
    body |= {"tool_choice": _flat(given["tool_choice"])} if given.get("tool_choice") else {}
    items = asked_items(conversation(run), is_stored=given.get("store") is not False)
    return {"model": model_of(run) or params_of(run).get("azure_deployment"), **body, "input": items, **table(given.get("extra_body"))}


def _rename(body: dict[str, Any], model: str) -> None:
    """Give settings of chat completions the names that they have here, and leave out what is not sent."""
    for name in _LIMITS:
        if name in body:
            body["max_output_tokens"] = body.pop(name)
    if "reasoning_effort" in body and "reasoning" not in body:
        body["reasoning"] = {"effort": body.pop("reasoning_effort")}
    effort = table(body.get("reasoning")).get("effort")
    if model.startswith("gpt-5") and "chat" not in model and effort != "none":
        body.pop("temperature", None)


def _flat(tool: Any) -> Any:
    """Return a function as it is named here: its fields stand beside its type."""
    if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
        return tool
    return {"type": "function", **tool["function"], **{name: value for name, value in tool.items() if name not in {"type", "function"}}}


def answered(run: Run, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response to a request of this body; Unshown where the answer is kept in another form than the one of the API."""
    message = answers(run)[0].message
    told = table(message.get("response_metadata"))
    if told.get("status") not in {"completed", "incomplete"}:
        lack = "how its answer ended is not in it"
        raise Unshown(lack)
    return {
        "object": "response",
        "error": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **{name: told.get(name) for name in _TOLD},
        "model": told.get("model_name") or model_of(run),
        "output": answered_items(message, status=str(told["status"])),
        **({"text": body["text"]} if "text" in body else {}),
        **_usage(table(message.get("usage_metadata")), str(told.get("service_tier"))),
    }


def _usage(counted: Mapping[str, Any], tier: str) -> dict[str, Any]:
    usage = usage_of(counted, tier)
    return {"usage": usage} if usage else {}


def usage_of(counted: Mapping[str, Any], tier: str = "") -> dict[str, Any]:
    """Return tokens in the form of a response from those in LangChain's, which names some by the tier of service; nothing uncounted."""
    if not counted:
        return {}
    usage: dict[str, Any] = {name: counted.get(name) for name in ("input_tokens", "output_tokens", "total_tokens")}
    for group, name, told, counter in _DETAILS:
        known = table(counted.get(told))
        value = known.get(counter, known.get(f"{tier}_{counter}"))
        if value is not None:
            usage[group] = {**table(usage.get(group)), name: value}
    return usage
