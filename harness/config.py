"""The config: suites, variants, gates and prices, read from harness.toml or from [tool.harness] of pyproject.toml."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, ValidationError, model_validator

from harness.cassette.segments import Policy
from harness.checks import BUILT_IN
from harness.dataset import Limits
from harness.errors import ConfigError
from harness.experiment import Bound
from harness.metric import names as metric_names
from harness.price import Price
from harness.schema import Value, first_problem, nearest, problem_place
from harness.sweep import SweepSettings

DEFAULT = "default"
_ROUTER_METRIC = re.compile(r"route\.[^.]+\.accuracy")  # a router may be named in cases only
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Variant(Value):
    """One way to build the graph: prompt versions by name, a model, parameters of the factory."""

    prompts: dict[str, str] = {}
    model: str | None = None
    parameters: dict[str, JsonValue] = {}


class Suite(Value):
    """What is tested: graph, dataset, checks and gate. See the configuration guide for each key."""

    graph: str
    dataset: str
    match: Policy = "semantic"
    mode: Literal["auto", "invoke", "ainvoke"] = "auto"
    build: Literal["trial", "worker"] = "trial"
    allow_hosts: tuple[str, ...] = ()
    script: str | None = None
    checks: tuple[str, ...] | None = None
    routes: dict[str, str] = {}
    recursion_limit: int | None = Field(default=None, ge=1)
    limits: Limits = Limits()
    must_pass: tuple[str, ...] = ()
    variants: dict[str, Variant] = {}
    gate: dict[str, Bound] = {}
    sweep: SweepSettings = SweepSettings()

    @model_validator(mode="after")
    def _default_variant(self) -> "Suite":
        self.variants.setdefault(DEFAULT, Variant())
        return self


class Config(Value):
    """All suites of a project. `prompts_dir` is relative to the config's folder."""

    suites: dict[str, Suite] = {}
    prices: dict[str, Price] = {}
    prompts_dir: str = "prompts"


@dataclass(frozen=True, slots=True)
class Project:
    """A config with where it stands; every relative path starts at `root`."""

    config: Config
    path: Path
    root: Path

    def suite(self, name: str) -> Suite:
        """Return a suite, or say which name was meant."""
        if name not in self.config.suites:
            message = f"{self.path}: there is no suite {name!r}{nearest(name, self.config.suites)}"
            raise ConfigError(message)
        return self.config.suites[name]

    def where(self, suite: str, key: str) -> str:
        """Return the place of a suite's key, for errors."""
        return f"{self.path}: suites.{suite}.{key}"


def find(start: Path) -> Path:
    """Return the config file of `start` or of the nearest folder above it."""
    for folder in (start.absolute(), *start.absolute().parents):
        for name in ("harness.toml", "pyproject.toml"):
            path = folder / name
            if path.is_file() and (name == "harness.toml" or _has_table(path)):
                return path
    where = f"neither {start} nor a folder above it has a harness.toml or a pyproject.toml with [tool.harness]"
    message = f"no config: {where}; write one or use --config PATH"
    raise ConfigError(message)


def _has_table(path: Path) -> bool:
    return re.search(r"^\s*\[+tool\.harness[\].]", path.read_text("utf-8", "replace"), re.MULTILINE) is not None


def load(path: Path) -> Project:
    """Read and check a config; errors name the file, the line and the key."""
    shown = _shown(path)
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        message = f"{shown}: there is no such config file"
        raise ConfigError(message) from None
    except OSError as error:
        message = f"{shown}: cannot be read: {error.strerror or error}"
        raise ConfigError(message) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{shown}: not TOML: {error}"
        raise ConfigError(message) from None
    prefix = ["tool", "harness"] if path.name == "pyproject.toml" else []
    for key in prefix:
        document = document.get(key, {})
    config = _validated(document, text, shown, prefix)
    _check_names(config, text, shown)
    return Project(config, Path(shown), path.resolve().parent)


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _validated(document: dict[str, Any], text: str, shown: str, prefix: list[str]) -> Config:
    try:
        return Config.model_validate_json(json.dumps(document, allow_nan=False))
    except ValidationError as error:
        place = [*prefix, *(str(part) for part in problem_place(error))]
        message = f"{shown}{_line(text, place)}: {first_problem(error, Config)}"
        raise ConfigError(message) from None
    except (TypeError, ValueError) as error:
        message = f"{shown}: {error}"
        raise ConfigError(message) from None


def _line(text: str, place: list[str]) -> str:
    """Return `:line` of a key, by the table headers and keys above it; nothing where it cannot be told."""
    best, depth = 0, 0
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+([^\]]+)\]", line)
        if header:
            table = _key_parts(header.group(1))
            found = table
        else:
            key = re.match(r"\s*([\w.\-\"' ]+?)\s*=", line)
            found = [*table, *_key_parts(key.group(1))] if key else []
        length = min(len(found), len(place))
        shared = length if found[:length] == place[:length] else 0
        if shared > depth:
            best, depth = number, shared
    return f":{best}" if best else ""


def _key_parts(key: str) -> list[str]:
    return [part[0] or part[1] for part in re.findall(r"[\"']([^\"']+)[\"']|([\w-]+)", key)]


def _check_names(config: Config, text: str, shown: str) -> None:
    if not config.suites:
        message = f"{shown}: no suites; add a table [suites.NAME] with graph and dataset"
        raise ConfigError(message)
    for name, suite in config.suites.items():
        for named in (name, *suite.variants):
            if not _NAME.fullmatch(named):
                message = f"{shown}{_line(text, ['suites', name])}: {named!r} cannot be a name; use letters, digits, '.', '_' and '-'"
                raise ConfigError(message)
        _check_gate(name, suite, text, shown)


def _check_gate(name: str, suite: Suite, text: str, shown: str) -> None:
    known = metric_names(suite.routes, _check_names_of(suite))
    for metric, bound in suite.gate.items():
        place = f"{shown}{_line(text, ['suites', name, 'gate', metric])}: suites.{name}.gate"
        if metric not in known and not _ROUTER_METRIC.fullmatch(metric):
            message = f"{place}: unknown metric {metric!r}{nearest(metric, known)}"
            raise ConfigError(message)
        if bound == Bound():
            message = f"{place}: the bound of {metric!r} is empty; give min, max, max_drop or max_rise_pct"
            raise ConfigError(message)


def _check_names_of(suite: Suite) -> tuple[str, ...]:
    """Return the names of the checks that may score a case: those named, or every built-in one."""
    if suite.checks is None:
        return tuple(BUILT_IN)
    return tuple(check.rpartition(":")[2] for check in suite.checks)
