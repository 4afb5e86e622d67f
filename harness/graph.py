"""Graphs: loading the user's own, building it for a variant, and telling how it can be called."""

import copy
import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from langgraph.pregel import Pregel

from harness.errors import GraphError, WireStop
from harness.schema import canonical_json, digest, nearest

_GIVEN = ("prompts", "model", "checkpointer")
PLACEHOLDER_KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "GOOGLE_API_KEY",
    "MISTRAL_API_KEY",
    "GROQ_API_KEY",
    "COHERE_API_KEY",
    "TOGETHER_API_KEY",
    "FIREWORKS_API_KEY",
    "TAVILY_API_KEY",
)
PLACEHOLDER = "replayed-no-key-needed"
_TRACING = ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGCHAIN_TRACING")


def give_placeholder_keys() -> None:
    """Give absent provider keys a placeholder: SDKs refuse to be built without one, and replay needs none."""
    for name in PLACEHOLDER_KEYS:
        if not os.environ.get(name):
            os.environ[name] = PLACEHOLDER


def silence_tracing() -> bool:
    """Switch LangSmith tracing off and tell whether it had been on."""
    was_on = any(os.environ.get(name, "").lower() in {"true", "1"} for name in _TRACING)
    for name in _TRACING:
        os.environ[name] = "false"
    return was_on


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a variant asks of a factory; `prompts_named` tells that the config names versions, so the factory has to take them."""

    prompts: Mapping[str, str]
    parameters: Mapping[str, Any]
    model: str | None = None
    prompts_named: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What the config's `graph` names: a compiled graph, or a factory of one."""

    reference: str
    value: Any

    @property
    def is_factory(self) -> bool:
        """Tell whether the graph is built anew by calling the value."""
        return not isinstance(self.value, Pregel)

    def takes(self, name: str) -> bool:
        """Tell whether the factory takes a parameter of this name."""
        return name in self._taken()[0]

    def check(self, wanted: Wanted) -> None:
        """Refuse a variant that asks for what the factory does not take."""
        asked = [*wanted.parameters, *(["model"] if wanted.model else []), *(["prompts"] if wanted.prompts_named else [])]
        taken, takes_all = self._taken()
        for name in asked:
            if name not in taken and not takes_all:
                kind = (
                    f"factory {self.reference!r} takes no {name!r}{nearest(name, taken)}"
                    if self.is_factory
                    else "a compiled graph takes no parameters; use a factory"
                )
                message = f"graph {self.reference!r}: {kind}"
                raise GraphError(message)
        required = [name for name, parameter in self._signature().items() if _is_required(parameter)]
        for name in required:
            if name not in {*_GIVEN, *wanted.parameters}:
                message = f"graph {self.reference!r}: the factory wants {name!r}, which no variant gives; set it under parameters"
                raise GraphError(message)

    def build(self, wanted: Wanted, checkpointer: Callable[[], Any]) -> Pregel[Any, Any, Any, Any]:
        """Build the graph; `checkpointer` is called only if the factory takes one."""
        if not self.is_factory:
            return self.value  # type: ignore[no-any-return]  # told by is_factory
        taken, takes_all = self._taken()
        given: dict[str, Any] = copy.deepcopy(dict(wanted.parameters))
        if "prompts" in taken and (wanted.prompts or _is_required(self._signature()["prompts"])):
            given["prompts"] = dict(wanted.prompts)
        if wanted.model and ("model" in taken or takes_all):
            given["model"] = wanted.model
        if "checkpointer" in taken:
            given["checkpointer"] = checkpointer()
        graph = self.value(**given)
        if inspect.iscoroutine(graph):
            graph.close()
            message = f"graph {self.reference!r}: the factory is async; give a plain function that returns the compiled graph"
            raise GraphError(message)
        compiled = graph.compile() if hasattr(graph, "compile") and not isinstance(graph, Pregel) else graph
        if not isinstance(compiled, Pregel):
            message = f"graph {self.reference!r}: the factory returned {type(graph).__name__}, not a compiled graph"
            raise GraphError(message)
        return compiled

    def _signature(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.value).parameters if self.is_factory else {}

    def _taken(self) -> tuple[list[str], bool]:
        parameters = self._signature()
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
        return [name for name, parameter in parameters.items() if parameter.kind in kinds], takes_all


def _is_required(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    return parameter.default is inspect.Parameter.empty and not variadic


def load(reference: str, *, root: Path, where: str) -> Target:
    """Load `module:attribute`, `path/to/file.py:attribute` or a name of langgraph.json; `where` is the config's place, for errors."""
    found = reference if ":" in reference else _declared(reference, root, where)
    module_name, _, attribute = found.rpartition(":")
    value = load_attribute(module_name, attribute, root=root, where=f"{where}: graph {reference!r}")
    if isinstance(value, Pregel) or callable(value):
        return Target(reference, value)
    if hasattr(value, "compile"):
        return Target(reference, value.compile())
    message = f"{where}: graph {reference!r} is a {type(value).__name__}, neither a compiled graph nor a factory"
    raise GraphError(message)


def load_attribute(module_name: str, attribute: str, *, root: Path, where: str) -> Any:
    """Import a module, by name or by file, and return one of its attributes."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    module = _module(module_name, root, where)
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        message = f"{where}: module {module_name!r} has no {attribute!r}{nearest(attribute, public)}"
        raise GraphError(message)
    return getattr(module, attribute)


def _module(name: str, root: Path, where: str) -> ModuleType:
    try:
        if name.endswith(".py"):
            return _module_of_file(root / name, root)
        return importlib.import_module(name)
    except (Exception, WireStop, SystemExit) as error:  # the user's own import may raise anything
        message = f"{where}: {name} cannot be imported: {_blame(error)}"
        raise GraphError(message) from error


def _module_of_file(path: Path, root: Path) -> ModuleType:
    name = f"harness_graph_{digest(str(path.relative_to(root)))}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(path.name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _blame(error: BaseException) -> str:
    """Return the error with the place in the user's code that raised it."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and not frame.filename.startswith("<")
    ]
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename).name}:{error.lineno})"
    if frames and Path(frames[-1].filename).resolve() != Path(__file__).resolve():
        return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
    return text


def _declared(name: str, root: Path, where: str) -> str:
    path = root / "langgraph.json"
    if name.endswith(".py"):
        message = f"{where}: graph {name!r} names a file only; write {name + ':NAME'!r}, NAME being the graph or its factory"
        raise GraphError(message)
    if not path.is_file():
        message = f"{where}: graph {name!r} is neither 'module:attribute' nor declared in a langgraph.json"
        raise GraphError(message)
    try:
        graphs = json.loads(path.read_text("utf-8"))["graphs"]
    except (ValueError, KeyError, TypeError):
        message = f"{path}: not a langgraph.json: it has no 'graphs'"
        raise GraphError(message) from None
    if name not in graphs:
        message = f"{where}: langgraph.json declares no graph {name!r}{nearest(name, graphs)}"
        raise GraphError(message)
    declared = graphs[name]
    return str(declared["path"] if isinstance(declared, dict) else declared).removeprefix("./")


def has_sync_form(graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Tell whether every node, router and subgraph can be called without an event loop."""
    return all(
        _runs_sync(node.bound) and all(_runs_sync(writer) for writer in node.writers) for node in graph.nodes.values()
    ) and _routers_run_sync(graph)


def _runs_sync(bound: Any) -> bool:
    if isinstance(bound, Pregel):
        return has_sync_form(bound)
    steps = getattr(bound, "steps", None)
    if steps:
        return all(_runs_sync(step) for step in steps)
    if hasattr(bound, "afunc"):
        return getattr(bound, "func", None) is not None
    return True


def _routers_run_sync(graph: Any) -> bool:
    branches = getattr(getattr(graph, "builder", None), "branches", {})
    return all(_runs_sync(branch.path) for named in branches.values() for branch in named.values())


def node_names(graph: Pregel[Any, Any, Any, Any]) -> tuple[str, ...]:
    """Return the names of the graph's nodes, those of subgraphs as `sub/inner`."""
    own = [name for name in graph.nodes if name != "__start__"]
    inner = [f"{name}/{node}" for name, subgraph in graph.get_subgraphs() for node in node_names(subgraph)]  # type: ignore[arg-type]  # compiled, as its parent is
    return (*own, *inner)


def fingerprint(graph: Pregel[Any, Any, Any, Any]) -> str:
    """Return a digest of the graph's shape: nodes, edges and what may interrupt, subgraphs included."""
    with _without_cache_keys(graph):
        drawn = graph.get_graph(xray=True)
    edges = sorted([edge.source, edge.target, bool(edge.conditional)] for edge in drawn.edges)
    return digest(canonical_json({"nodes": sorted(drawn.nodes), "edges": edges}))


@contextmanager
def _without_cache_keys(graph: Any) -> Iterator[None]:
    """Take cache policies off meanwhile: LangGraph would ask their functions for the key of an empty state."""
    graphs = [graph, *(subgraph for _, subgraph in graph.get_subgraphs(recurse=True))]
    nodes = [node for each in graphs for node in each.nodes.values() if node.cache_policy is not None]
    policies = [node.cache_policy for node in nodes]
    try:
        for node in nodes:
            node.cache_policy = None
        yield
    finally:
        for node, policy in zip(nodes, policies, strict=True):
            node.cache_policy = policy
