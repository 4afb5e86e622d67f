"""The config: suites, variants, gates and prices, read from harness.toml or from [tool.harness] of pyproject.toml."""

import datetime as dt
import json
import re
import tomllib
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from harness.cassette import normalise, secrets
from harness.cassette.redact import token
from harness.cassette.segments import Policy
from harness.cell import SweepSettings
from harness.checks import BUILT_IN
from harness.dataset import Backend, Budget, Limits
from harness.errors import ConfigError
from harness.metric import names as metric_names
from harness.price import Price
from harness.schema import Value, first_problem, nearest, problem_place
from harness.terms import Bound, Gate, Quarantine, is_passed_share, is_share

DEFAULT = "default"
_OPEN_METRIC = re.compile(
    r"route\.[^.]+\.(?:accuracy|ece)|node\..+\.duration_s\.p(50|95)"
)  # a router may be named in cases only, nodes are the graph's
_SHARES = "pass.rate, <check>.pass_rate, route.accuracy or route.<node>.accuracy"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LOOPBACK = re.compile(r"(?:127(?:\.\d{1,3}){3}|localhost|\[::1\]):\d{1,5}")
_RULE_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class Variant(Value):
    """One way to build the graph: prompt versions by name, a model, parameters of the factory."""

    prompts: dict[str, str] = {}
    model: str | None = None
    parameters: dict[str, JsonValue] = {}


class Freeze(Value):
    """What stands still inside a trial: the clock at an ISO 8601 `time`, UUIDs, and `random` by a seed."""

    time: str | None = None
    uuid: bool = False
    random: int | None = Field(default=None, ge=0)

    @field_validator("time")
    @classmethod
    def _with_zone(cls, time: str | None) -> str | None:
        if time is not None and dt.datetime.fromisoformat(time).tzinfo is None:
            message = "say the time zone too: 2026-01-01T00:00:00Z"
            raise ValueError(message)
        return time


class Suite(Value):
    """What is tested: graph, dataset, checks and gate. See the configuration guide for each key."""

    graph: str
    start: str | None = None
    wire: str | None = None
    dataset: str
    cassettes: str | None = None
    match: Policy = "semantic"
    mode: Literal["auto", "invoke", "ainvoke"] = "auto"
    build: Literal["trial", "worker"] = "trial"
    allow_hosts: tuple[str, ...] = ()
    ignore_hosts: tuple[str, ...] = ()
    script: str | None = None
    checks: tuple[str, ...] | None = None
    routes: dict[str, str] = {}
    confidence: dict[str, str] = {}
    checkpointers: tuple[Backend, ...] = Field(default=("memory",), min_length=1)
    recursion_limit: int | None = Field(default=None, ge=1)
    limits: Limits = Limits()
    budget: Budget = Budget()
    must_pass: tuple[str, ...] = ()
    variants: dict[str, Variant] = {}
    gate: Gate = Gate()
    quarantine: dict[str, Quarantine] = {}
    normalise: tuple[str, ...] = ()
    freeze: Freeze = Freeze()
    latencies: dict[str, Annotated[float, Field(ge=0)]] = {}
    sweep: SweepSettings = SweepSettings()

    @property
    def is_deployed(self) -> bool:
        """Tell whether the agent is behind a URL, in a process of its own."""
        return self.graph.startswith(("http://", "https://"))

    @property
    def serves_one(self) -> bool:
        """Tell whether there is one agent behind a URL for all workers, so that one trial runs at a time."""
        return self.is_deployed and "{port}" not in self.graph

    @model_validator(mode="after")
    def _default_variant(self) -> "Suite":
        self.variants.setdefault(DEFAULT, Variant())
        return self


class Redact(Value):
    """What is a secret besides the built-in kinds, by name and expression or by function; `allow` is what is none."""

    patterns: dict[str, str] = {}
    callables: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()


class Config(Value):
    """All suites of a project. `prompts_dir` is relative to the config's folder."""

    suites: dict[str, Suite] = {}
    prices: dict[str, Price] = {}
    prompts_dir: str = "prompts"
    postgres_env: str = "HARNESS_POSTGRES"
    redact: Redact = Redact()
    normalise: dict[str, str] = {}


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
    _check_rules(config, lambda *place: f"{shown}{_line(text, [*prefix, *place])}")
    return Project(config, Path(shown), path.resolve().parent)


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _validated(document: dict[str, Any], text: str, shown: str, prefix: list[str]) -> Config:
    try:
        return Config.model_validate_json(json.dumps(document, allow_nan=False, default=_spelled))
    except ValidationError as error:
        place = [*prefix, *(str(part) for part in problem_place(error))]
        message = f"{shown}{_line(text, place)}: {first_problem(error, Config)}"
        raise ConfigError(message) from None
    except ValueError:
        message = f"{shown}: a number is nan or inf, which nothing can be held to"
        raise ConfigError(message) from None


def _spelled(moment: dt.datetime | dt.date | dt.time) -> str:
    """Return a date or a time of TOML, the only values that JSON has no form for, as the text that it was."""
    return moment.isoformat()


def _line(text: str, place: list[str]) -> str:
    """Return `:line` of a key, by the table headers and keys above it; nothing where it cannot be told."""
    best, depth = 0, 0
    for number, found in enumerate(_keys(text), start=1):
        length = min(len(found), len(place))
        shared = length if found[:length] == place[:length] else 0
        if shared > depth:
            best, depth = number, shared
    return f":{best}" if best else ""


@lru_cache(maxsize=1)
def _keys(text: str) -> list[list[str]]:
    """Return the whole key of each line, or the name of the table that begins there; nothing where neither does."""
    keys: list[list[str]] = []
    table: list[str] = []
    for line in text.splitlines():
        header = re.match(r"\s*\[+([^\]]+)\]", line)
        key = re.match(r"\s*([\w.\-\"' ]+?)\s*=", line)
        table = _key_parts(header.group(1)) if header else table
        keys.append(table if header else [*table, *_key_parts(key.group(1))] if key else [])
    return keys


def _key_parts(key: str) -> list[str]:
    return [part[0] or part[1] for part in re.findall(r"[\"']([^\"']+)[\"']|([\w-]+)", key)]


def is_name(text: str) -> bool:
    """Tell whether a suite or a variant may be called so."""
    return _NAME.fullmatch(text) is not None


def _check_names(config: Config, text: str, shown: str) -> None:
    if not config.suites:
        message = f"{shown}: no suites; add a table [suites.NAME] with graph and dataset"
        raise ConfigError(message)
    for name, suite in config.suites.items():
        for named in (name, *suite.variants):
            if not is_name(named):
                message = f"{shown}{_line(text, ['suites', name])}: {named!r} cannot be a name; use letters, digits, '.', '_' and '-'"
                raise ConfigError(message)
        place = f"{shown}{_line(text, ['suites', name])}: suites.{name}"
        _check_agent(suite, place)
        if suite.cassettes is not None and (
            suite.cassettes == name or getattr(config.suites.get(suite.cassettes), "cassettes", "") is not None
        ):
            message = f"{place}.cassettes: {suite.cassettes!r} is no suite with cassettes of its own"
            raise ConfigError(message)
        _check_gate(name, suite, text, shown)
        _check_quarantine(name, suite, text, shown)


def _check_agent(suite: Suite, place: str) -> None:
    """Refuse what does not go together with an agent behind a URL, or with none."""
    is_url = suite.is_deployed
    set_up = any(variant != Variant() for variant in suite.variants.values())
    problems = (
        (not is_url and (suite.start or suite.wire), "start", "`start` and `wire` are for an agent behind a URL, whose `graph` is one"),
        (
            is_url and not (suite.start or suite.wire),
            "graph",
            "say `start`, the command that starts the agent, or `wire`, where its models are",
        ),
        (is_url and ("{port}" in suite.graph) > bool(suite.start), "graph", "{port} is for an agent that `start` starts"),
        (suite.wire and not _LOOPBACK.fullmatch(suite.wire), "wire", f'{suite.wire!r} is not like "127.0.0.1:8377", on loopback'),
        (is_url and set_up, "variants", "an agent behind a URL takes no prompts, model or parameters; give each deployment its own suite"),
        (is_url and suite.latencies, "latencies", "the tools of an agent behind a URL are out of reach"),
        (is_url and suite.freeze != Freeze(), "freeze", "nothing can be frozen in the process of an agent behind a URL"),
    )
    for is_so, key, problem in problems:
        if is_so:
            message = f"{place}.{key}: {problem}"
            raise ConfigError(message)


def _check_gate(name: str, suite: Suite, text: str, shown: str) -> None:
    known = metric_names(suite.routes, _check_names_of(suite))
    for metric, bound in suite.gate.own.items():
        place = f"{shown}{_line(text, ['suites', name, 'gate', metric])}: suites.{name}.gate"
        if metric not in known and not _OPEN_METRIC.fullmatch(metric):
            message = f"{place}: unknown metric {metric!r}{nearest(metric, known)}"
            raise ConfigError(message)
        if bound == Bound():
            message = f"{place}: the bound of {metric!r} is empty; give min, max, max_drop, max_rise_pct or non_inferiority"
            raise ConfigError(message)
        if bound.non_inferiority is not None and not is_passed_share(metric):
            message = f"{place}: non_inferiority of {metric!r}: it is for shares that each case passes or not, {_SHARES}; use max_rise_pct"
            raise ConfigError(message)
        large = bound.beyond_any_share if is_share(metric) else None
        if large is not None:
            message = f"{place}: {large} = {getattr(bound, large):g} of {metric!r}, which is a share from 0 to 1: five per cent is 0.05"
            raise ConfigError(message)


def _check_quarantine(name: str, suite: Suite, text: str, shown: str) -> None:
    for case in suite.quarantine:
        if case in suite.must_pass:
            place = f"{shown}{_line(text, ['suites', name, 'quarantine', case])}: suites.{name}.quarantine"
            message = f"{place}: case {case!r} is in must_pass, too; a case that must pass cannot be in quarantine"
            raise ConfigError(message)


def _check_names_of(suite: Suite) -> tuple[str, ...]:
    """Return the names of the checks that may score a case: those named, or every built-in one."""
    if suite.checks is None:
        return tuple(BUILT_IN)
    return tuple(check.rpartition(":")[2] for check in suite.checks)


def _check_rules(config: Config, where: Callable[..., str]) -> None:
    """Refuse expressions and names of text rules that cannot be used; `where` gives the place of a key."""
    for name, pattern in config.redact.patterns.items():
        place = f"{where('redact', 'patterns', name)}: redact.patterns"
        _check_rule_name(name, secrets.NAMES, place)
        compiled = _compiled(pattern, f"{place}: {name!r}")
        if any(compiled.search(token(name, text)) for text in _SAMPLES):
            message = f"{place}: {name!r} matches its own token <{name}-012345>; say in the expression what stands before the secret"
            raise ConfigError(message)
    for pattern in config.redact.allow:
        _compiled(pattern, f"{where('redact', 'allow')}: redact.allow: {pattern!r}")
    for name in config.redact.callables:
        if not all(name.rpartition(":")):
            message = f"{where('redact', 'callables')}: redact.callables: {name!r} is not 'module:function'"
            raise ConfigError(message)
    for name, pattern in config.normalise.items():
        place = f"{where('normalise', name)}: normalise"
        _check_rule_name(name, normalise.BUILT_IN, place)
        _compiled(pattern, f"{place}: {name!r}")
    known = (*normalise.BUILT_IN, *config.normalise)
    for suite, named in ((suite, name) for suite, table in config.suites.items() for name in table.normalise):
        if named not in known and not all(named.rpartition(":")):
            place = f"{where('suites', suite, 'normalise')}: suites.{suite}.normalise"
            message = f"{place}: unknown normaliser {named!r}{nearest(named, known)}; your own are 'module:function'"
            raise ConfigError(message)


_SAMPLES = tuple(str(number) for number in range(16))


def _check_rule_name(name: str, built_in: Container[str], place: str) -> None:
    if not _RULE_NAME.fullmatch(name):
        message = f"{place}: {name!r} cannot be a name; use small letters, digits and '-'"
        raise ConfigError(message)
    if name in built_in:
        message = f"{place}: {name!r} is built in; take another name"
        raise ConfigError(message)


def _compiled(pattern: str, place: str) -> re.Pattern[str]:
    """Return an expression that can be used; one that matches nothing at all would change every text."""
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        message = f"{place} is no regular expression: {error}"
        raise ConfigError(message) from None
    if compiled.search(""):
        message = f"{place} matches the empty text; say what has to be there"
        raise ConfigError(message)
    return compiled
