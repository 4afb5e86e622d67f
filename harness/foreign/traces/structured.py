"""Structured output that an agent asks for by a class: what a trace shows of it, and how it was sent."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from harness.foreign.records import at
from harness.foreign.traces.messages import Unshown

Api = Literal["chat", "responses", "streamed responses"]

_SENT_OTHERWISE = 'it is found with `match = "messages"` in the suite'


class ByClass(NamedTuple):
    """A class that tells the form of an answer: its name, the schema that the trace shows of it, and where that was sent."""

    name: str
    shown: Mapping[str, Any]
    api: Api


Formats = Callable[[ByClass], dict[str, Any]]
"""Return the name, `strict` and schema that a client sends for a class; Unshown where they are not known."""


def unknown(asked: ByClass) -> dict[str, Any]:
    """Know no class."""
    message = f"how the class {asked.name!r} was sent is not known"
    raise Unshown(message)


class Form(NamedTuple):
    """The form of an answer as it was sent, None where none was, and what is not known of it."""

    sent: dict[str, Any] | None
    lack: str | None = None


def form_of(run: Mapping[str, Any], api: Api, formats: Formats) -> Form:
    """Return the form of the answer that a run of LangChain asks for."""
    given = at(dict(run), "extra.invocation_params.response_format")
    if isinstance(given, dict):
        return Form(given)
    if not isinstance(given, str):
        return Form(None)
    shown = at(dict(run), "extra.options.ls_structured_output_format.schema")
    return _by_class(ByClass(class_name(given), shown if isinstance(shown, dict) else {}, api), formats)


def form_of_class(name: str, shown: Mapping[str, Any], api: Api, formats: Formats) -> Form:
    """Return the form of the answer that is asked for by a class of this name."""
    return _by_class(ByClass(name, shown, api), formats)


def _by_class(asked: ByClass, formats: Formats) -> Form:
    if not asked.shown:
        return _unshown("its schema is not in it")
    try:
        return Form({"type": "json_schema", "json_schema": formats(asked)})
    except Unshown as lack:
        return _unshown(str(lack))


def _unshown(why: str) -> Form:
    return Form(None, f"the schema of its answer is not shown as it was sent: {why}; {_SENT_OTHERWISE}")


def class_name(text: str) -> str:
    """Return the name of a class from what Python shows of it, `<class 'module.Name'>`."""
    return text.removeprefix("<class '").removesuffix("'>").rpartition(".")[2]
