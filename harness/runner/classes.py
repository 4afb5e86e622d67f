"""The classes that a suite's graph loads, by which its models are asked for structured output: how a client sends them."""

import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_function, convert_to_openai_tool
from openai import pydantic_function_tool
from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from harness import graph
from harness.config import Project
from harness.errors import GraphError
from harness.foreign import ByClass, Unshown
from harness.runner import run as runner
from harness.schema import canonical_json


class Classes:
    """Knows a class by its name and by what the trace shows of its schema. The graph's module is loaded when the first one is asked for."""

    def __init__(self, project: Project, suite: str) -> None:
        self._project, self._suite = project, suite

    def __call__(self, asked: ByClass) -> dict[str, Any]:
        """Return the name, `strict` and schema that a client sends for a class; Unshown where the graph has none, or several."""
        if self._lack:
            raise Unshown(self._lack)
        return form_of(asked)

    @cached_property
    def _lack(self) -> str:
        """Load the graph, sealed as for a replay, and return why that cannot be; nothing where it is loaded."""
        suite = self._project.suite(self._suite)
        if suite.is_deployed:
            return "the suite's graph is in another process"
        try:
            with runner.sealed_without_keys():
                graph.load(suite.graph, root=self._project.root, where=self._project.where(self._suite, "graph"))
        except GraphError as error:
            return str(error)
        return ""


def form_of(asked: ByClass) -> dict[str, Any]:
    """Return the form of the one class that is loaded by this name and has the schema of the trace."""
    found = {canonical_json(form): form for kind in _named(asked.name) for form in _sent(kind, asked)}
    if len(found) != 1:
        message = (
            f"the suite's graph loads {'several classes' if found else 'no class'} {asked.name!r} with the schema that the trace shows"
        )
        raise Unshown(message)
    return next(iter(found.values()))


def _named(name: str) -> Iterator[type[BaseModel]]:
    waiting = [BaseModel]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        waiting += kinds
        yield from (kind for kind in kinds if kind.__name__ == name and _is_held(kind))


def _is_held(kind: type) -> bool:
    """Tell a class that stands in its module, from one that a function has made or that another load of the module has left."""
    held: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        held = getattr(held, part, None)
    return held is kind


def _sent(kind: type[BaseModel], asked: ByClass) -> Iterator[dict[str, Any]]:
    """Yield the form of a class that is the one of the trace."""
    try:
        if dict(asked.shown) in _shown(kind):
            yield _streamed(kind) if asked.api == "streamed responses" else _whole(kind)
    except (PydanticUserError, TypeError, ValueError):  # another class of this name, of which there is no schema
        return


def _shown(kind: type[BaseModel]) -> tuple[Mapping[str, Any], ...]:
    """Return what libraries trace of the schema of a class: LangChain as a schema or as a tool, LangSmith's wrapper as pydantic has it."""
    tool = convert_to_openai_tool(kind)
    return convert_to_json_schema(tool), tool, kind.model_json_schema()


def _whole(kind: type[BaseModel]) -> dict[str, Any]:
    """Return how OpenAI's client sends a class of which it parses the answer."""
    tool = pydantic_function_tool(kind)["function"]
    return {"name": kind.__name__, "strict": True, "schema": tool["parameters"]}


def _streamed(kind: type[BaseModel]) -> dict[str, Any]:
    """Return how LangChain sends a class where it streams from the Responses API."""
    function = convert_to_openai_function(kind.model_json_schema(), strict=True)
    return {**{name: value for name, value in function.items() if name != "parameters"}, "schema": function["parameters"]}
