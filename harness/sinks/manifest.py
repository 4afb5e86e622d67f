"""Manifests of LangSmith's prompt hub: a template with one message is told as its text, others are not.

A manifest is a LangChain object as JSON. It is never loaded, which would run what its author chose: only its text is read.
"""

import copy
import string
from typing import Any, NamedTuple

from harness.errors import SinkError

_CHAT = ("ChatPromptTemplate",)
_PLAIN = "PromptTemplate"
_ROLES = {"SystemMessagePromptTemplate": "system", "HumanMessagePromptTemplate": "human", "AIMessagePromptTemplate": "ai"}
_FORMATS = ("f-string", "mustache")


class Template(NamedTuple):
    """The text of a template, verbatim, with the role of its message and the format of its variables."""

    text: str
    role: str
    form: str


def template_of(manifest: Any, *, where: str) -> Template:
    """Return the only text of a manifest; SinkError for what cannot be told as one text."""
    role, prompt = _only(manifest, where)
    kwargs = prompt["kwargs"]
    text, form = kwargs.get("template"), kwargs.get("template_format") or _FORMATS[0]
    if not isinstance(text, str) or form not in _FORMATS:
        raise _untold(where, f"its template is {form}" if isinstance(text, str) else "it has no text")
    if text != text.encode("utf-8", "replace").decode():
        raise _untold(where, "it holds half a pair of surrogates")
    return Template(text, role, form)


def manifest_of(text: str, *, like: Any = None, where: str) -> dict[str, Any]:
    """Return the manifest of a text: that of a system message, or with the form of `like`, which holds another text."""
    form, variables = _form(text, where)
    manifest = copy.deepcopy(like) if like is not None else _system()
    _, prompt = _only(manifest, where)
    prompt["kwargs"] |= {"template": text, "template_format": form, "input_variables": variables}
    if prompt is not manifest:
        manifest["kwargs"]["input_variables"] = variables
    return manifest


def _form(text: str, where: str) -> tuple[str, list[str]]:
    """Return the format that leaves a text as it is, and its variables: braces around names, or else mustache's, where none are."""
    try:
        names = [name for _, name, spec, conversion in string.Formatter().parse(text) if name is not None and not spec and not conversion]
        fields = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    except ValueError:
        names, fields = [], [""]
    if names == fields and all(name.isidentifier() for name in names):
        return "f-string", sorted(set(names))
    if "{{" not in text:
        return "mustache", []
    message = f"{where}: its braces are neither variables such as {{question}} nor plain text: `{{{{` stands beside other braces"
    raise SinkError(message)


def _only(manifest: Any, where: str) -> tuple[str, dict[str, Any]]:
    """Return the role and the part with the text of a manifest that has one."""
    name, kwargs = _named(manifest)
    if name == _PLAIN:
        return "", manifest
    if name not in _CHAT:
        raise _untold(where, f"it is a {name}" if name else "it is no template of LangChain")
    messages = kwargs.get("messages")
    if not isinstance(messages, list) or len(messages) != 1:
        raise _untold(where, f"it has {len(messages) if isinstance(messages, list) else 'no'} messages, not one")
    kind, inner = _named(messages[0])
    prompt = inner.get("prompt")
    if kind not in _ROLES or not isinstance(prompt, dict) or _named(prompt)[0] != _PLAIN:
        raise _untold(where, f"its message is a {kind or 'part'} without a plain text")
    return _ROLES[kind], prompt


def _named(value: Any) -> tuple[str, dict[str, Any]]:
    """Return the class of a serialised object and its arguments."""
    names, kwargs = (value.get("id"), value.get("kwargs")) if isinstance(value, dict) else (None, None)
    return (str(names[-1]), kwargs) if isinstance(names, list) and names and isinstance(kwargs, dict) else ("", {})


def _untold(where: str, why: str) -> SinkError:
    return SinkError(f"{where} cannot be told as one text: {why}; a version here is a text, so copy what you need of it by hand")


def _object(*path: str, **kwargs: Any) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", *path], "kwargs": kwargs}


def _system() -> dict[str, Any]:
    prompt = _object("prompt", "PromptTemplate")
    return _object("chat", "ChatPromptTemplate", messages=[_object("chat", "SystemMessagePromptTemplate", prompt=prompt)])
