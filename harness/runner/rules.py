"""The text rules of a project: redactors and normalisers, with the user's own functions imported."""

from collections.abc import Callable
from typing import Any

from harness.cassette import normalise
from harness.cassette.exchange import Exchange
from harness.cassette.normalise import Normaliser
from harness.cassette.redact import Redactor
from harness.cassette.renewal import TakenApart
from harness.cassette.tape import Cassette
from harness.config import Project
from harness.errors import ConfigError


def redactor_of(project: Project) -> Redactor:
    """Return the redactor that a config describes."""
    rules = project.config.redact
    callables = {name: _function(project, name, f"{project.path}: redact.callables") for name in rules.callables}
    return Redactor(rules.patterns, callables, rules.allow)


def normalisers_of(project: Project, suite: str) -> tuple[Normaliser, ...]:
    """Return the normalisers of a suite, in the order of its config."""
    own = {name: normalise.replacing(name, pattern) for name, pattern in project.config.normalise.items()}
    known = normalise.BUILT_IN | own
    where = project.where(suite, "normalise")
    return tuple(
        known[name] if name in known else Normaliser(name, _guarded(name, _function(project, name, where)))
        for name in project.suite(suite).normalise
    )


def taped(exchanges: tuple[Exchange, ...], redactor: Redactor, taken_apart: TakenApart) -> Cassette:
    """Return the cassette as a suite looks it up: what was recorded elsewhere, or under other rules, is redacted as requests are."""
    return Cassette(tuple(map(redactor.exchange, exchanges)), taken_apart)


def _function(project: Project, name: str, where: str) -> Callable[[str], str]:
    from harness import graph  # noqa: PLC0415, imports LangGraph

    module, _, attribute = name.rpartition(":")
    function: Any = graph.load_attribute(module, attribute, root=project.root, where=where)
    if not callable(function):
        message = f"{where}: {name!r} is a {type(function).__name__}; it has to be a function that takes a text and returns one"
        raise ConfigError(message)
    return function  # type: ignore[no-any-return]  # what it returns is looked at when it is called


def _guarded(name: str, function: Callable[[str], str]) -> Callable[[str], str]:
    """Return a user's normaliser, whose failures name it."""

    def normalised(text: str) -> str:
        try:
            changed = function(text)
        except Exception as error:  # noqa: BLE001, the user's own function may raise anything
            message = f"the normaliser {name!r} raised {type(error).__name__}"
            raise ConfigError(message) from None
        if not isinstance(changed, str):
            message = f"the normaliser {name!r} did not return a text but {type(changed).__name__}"
            raise ConfigError(message)
        return changed

    return normalised
