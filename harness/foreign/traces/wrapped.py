"""Calls of an OpenAI client that LangSmith wraps: what it traces are the arguments and the answer, but for a few fields."""

from typing import Any, Literal, NamedTuple

from harness.foreign.traces import completions, responses
from harness.foreign.traces.messages import Unshown, asked_message
from harness.foreign.traces.seen import Run, table
from harness.foreign.traces.structured import Form, Formats, class_name, form_of_class

_OF_THE_CLIENT = frozenset({"extra_headers", "extra_query", "extra_body", "timeout", "stream", "stream_options", "text_format"})

Path = Literal["/chat/completions", "/responses", "/embeddings", "/completions"]


class Wrapped(NamedTuple):
    """A request and, where there is one, its answer; `lack` is what is not known of the request."""

    path: Path
    asked: dict[str, Any]
    answered: dict[str, Any] | None
    lack: str | None = None


def wrapped(run: Run, formats: Formats) -> Wrapped:
    """Return the call that a run shows; Unshown where it is of no such client."""
    inputs, outputs = table(run.get("inputs")), table(run.get("outputs"))
    path = _path(run, inputs, outputs)
    if not isinstance(inputs.get("model"), str):
        message = "its model is not in it"
        raise Unshown(message)
    form = _form(path, inputs, formats)
    asked = {name: value for name, value in inputs.items() if name not in _OF_THE_CLIENT and value is not None}
    if "messages" in asked:
        asked["messages"] = [asked_message(message) for message in _messages(asked["messages"])]
    _put(asked, path, form)
    answered = _answered(path, outputs) if _MARKS[path] in outputs else None
    return Wrapped(path, asked | table(inputs.get("extra_body")), answered, form.lack if form else None)


_MARKS: dict[Path, str] = {"/chat/completions": "choices", "/responses": "output", "/embeddings": "data", "/completions": "choices"}


def _path(run: Run, inputs: dict[str, Any], outputs: dict[str, Any]) -> Path:
    told = table(table(table(run.get("extra")).get("metadata")).get("ls_invocation_params"))
    if "messages" in inputs:
        return "/chat/completions"
    if outputs.get("object") == "response" or told.get("use_responses_api") is True:
        return "/responses"
    if "input" in inputs:
        return "/embeddings"
    if "prompt" in inputs and "choices" in outputs:
        return "/completions"
    message = "it is no chat completion, no response and no embedding of the OpenAI-compatible form"
    raise Unshown(message)


def _messages(given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        message = "it holds no list of messages"
        raise Unshown(message)
    return given


def _form(path: Path, inputs: dict[str, Any], formats: Formats) -> Form | None:
    """Return the form that a class tells, which the client makes a schema of."""
    given = inputs.get("response_format") if path == "/chat/completions" else inputs.get("text_format")
    if isinstance(given, str):
        return form_of_class(class_name(given), {}, "chat", formats)
    if path == "/responses" and isinstance(given, dict):
        return form_of_class(str(given.get("title")), given, "responses", formats)
    return None


def _put(asked: dict[str, Any], path: Path, form: Form | None) -> None:
    if form is None:
        return
    asked.pop("response_format", None)
    if form.sent and path == "/chat/completions":
        asked["response_format"] = form.sent
    elif form.sent:
        asked["text"] = {**table(asked.get("text")), "format": {"type": "json_schema", **form.sent["json_schema"]}}


def _answered(path: Path, outputs: dict[str, Any]) -> dict[str, Any]:
    """Return the body that was answered: tokens are counted in it again, and what the client has parsed of it is not in it."""
    usage = table(outputs.get("usage_metadata"))
    counted = outputs.get("usage") or (responses.usage_of(usage) if path == "/responses" else completions.usage_of(usage))
    kept = {name: _unparsed(value) for name, value in outputs.items() if name not in {"usage", "usage_metadata"}}
    if kept.get("object") == "chat.completion.chunk":  # the wrapper joins chunks, and leaves the name
        kept["object"] = "chat.completion"
    return kept | ({"usage": counted} if counted else {})


def _unparsed(value: Any) -> Any:
    if isinstance(value, list):
        return [_unparsed(part) for part in value]
    if not isinstance(value, dict):
        return value
    return {_NAMES.get(name, name): _unparsed(part) for name, part in value.items() if name != "parsed"}


_NAMES = {"schema_": "schema"}  # the SDK's name for a word that Python's models have taken
