"""What LangChain traces of a call to a chat model: its settings, its conversation, its answers and its times."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.foreign.traces.messages import Unshown, fields_of

_NOT_SENT = frozenset(
    {"_type", "model", "model_name", "base_url", "openai_api_base", "azure_endpoint", "azure_deployment", "response_format"}
)
_STREAM = frozenset({"stream", "stream_options"})  # a trace shows the whole answer, which is streamed where that is asked for

Run = Mapping[str, Any]


class Said(NamedTuple):
    """An answer of a model: the fields of its message, and what LangChain tells beside them."""

    message: dict[str, Any]
    generation: Mapping[str, Any]


def table(value: Any) -> dict[str, Any]:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def params_of(run: Run) -> dict[str, Any]:
    """Return the settings that a model was called with."""
    return table(table(run.get("extra")).get("invocation_params"))


def client_of(run: Run) -> dict[str, Any]:
    """Return the arguments that the model's client was made with."""
    return table(table(run.get("serialized")).get("kwargs"))


def model_of(run: Run) -> Any:
    """Return the name of the model, None where it is not told."""
    params = params_of(run)
    return params.get("model") or params.get("model_name")


def settings(run: Run) -> dict[str, Any]:
    """Return what was sent beside model, messages and the form of the answer; it is the same whether a stream was asked for."""
    return {name: value for name, value in params_of(run).items() if name not in _NOT_SENT | _STREAM and value is not None}


def conversation(run: Run) -> list[dict[str, Any]]:
    """Return the messages of the one conversation that a run holds; LangChain has lists of them."""
    given = table(run.get("inputs")).get("messages")
    conversations = given if isinstance(given, list) and given and isinstance(given[0], list) else [given]
    messages = conversations[0]
    if len(conversations) != 1 or not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
        message = "it holds no list of messages, or several"
        raise Unshown(message)
    return messages


def answers(run: Run) -> list[Said]:
    """Return the answers of a chat model; Unshown where there is none."""
    given = table(run.get("outputs")).get("generations")
    every = given[0] if isinstance(given, list) and len(given) == 1 and isinstance(given[0], list) else given
    if not isinstance(every, list) or not every or not all(isinstance(one, dict) and isinstance(one.get("message"), dict) for one in every):
        message = "it holds no answer of a chat model"
        raise Unshown(message)
    return [Said(fields_of(one["message"]), one) for one in every]


def moment(text: Any) -> dt.datetime | None:
    """Return a time that a run tells, which is one of UTC if it names no zone; None where it tells none."""
    try:
        found = dt.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def begun_at(run: Run) -> int:
    """Return when a run began, in seconds since 1970; 0 where it does not tell."""
    started = moment(run.get("start_time"))
    return 0 if started is None else int(started.timestamp())
