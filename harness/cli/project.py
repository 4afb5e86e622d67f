"""The project that a command works on, and the options that select of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.cassette.redact import Redactor
    from harness.config import Project, Suite
    from harness.runner.plan import Plan


def open_project(config_path: Path | None) -> "Project":
    """Load the config: the one that is named, or the nearest."""
    from harness import config

    return config.load(config_path or config.find(Path.cwd()))


def find_root(config_path: Path | None) -> Path:
    """Return the folder that experiments lie in; commands on experiments work without a config too."""
    from harness import config
    from harness.errors import ConfigError

    if config_path is not None:
        return config_path.resolve().parent
    try:
        return config.find(Path.cwd()).parent
    except ConfigError:
        return Path.cwd()


def redaction(config_path: Path | None) -> "tuple[Redactor, Path]":
    """Return the redactor of the project and its folder; the built-in one where there is no config."""
    from harness import config
    from harness.cassette.redact import BUILT_IN
    from harness.errors import ConfigError

    if config_path is None:
        try:
            config_path = config.find(Path.cwd())
        except ConfigError:
            return BUILT_IN, Path.cwd()
    from harness.runner.rules import redactor_of

    project = config.load(config_path)
    return redactor_of(project), project.root


def prompts_folder(config_path: Path | None) -> str:
    """Return the folder of prompts, as the config names it; the default one where there is no config."""
    from harness.config import Config
    from harness.errors import ConfigError

    try:
        return open_project(config_path).config.prompts_dir
    except ConfigError:
        if config_path is not None:
            raise
        return str(Config.model_fields["prompts_dir"].default)


FAIL_ON = click.option(
    "--fail-on",
    type=click.Choice(["fail", "inconclusive"]),
    default="inconclusive",
    help="With `fail`, an inconclusive verdict exits with 0; it fails by default.",
)

CONFIG_HERE = click.option("--config", "config_here", type=click.Path(path_type=Path), help="The config file.")


def selecting_cases(command: Any) -> Any:
    """Add the options that select cases."""
    options = [
        click.argument("suites", nargs=-1, metavar="[SUITE]..."),
        CONFIG_HERE,
        click.option("--variant", "variants", multiple=True, metavar="V", help="A variant to run; may be given several times."),
        click.option("--filter", "expression", default="", metavar="EXPR", help="Cases whose id or tags match, as pytest -k."),
        click.option("--tag", "tags", multiple=True, metavar="T", help="Cases with this tag; may be given several times."),
        click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N cases a suite."),
        click.option("--failing", metavar="EXPERIMENT", help="Cases that did not pass in this experiment."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def suites_that(project: "Project", named: tuple[str, ...], *, problem: "Callable[[str, Suite], str]") -> tuple[str, ...]:
    """Return the suites that a command can be used on: all that have no problem, or those named, none of which may have one."""
    problems = {name: problem(name, project.suite(name)) for name in named or project.config.suites}
    for name in named or (() if "" in problems.values() else problems):
        if problems[name]:
            message = f"{project.where(name, 'graph')}: {problems[name]}"
            raise UsageError(message)
    return tuple(name for name, why in problems.items() if not why)


def make_plan(project: "Project", repeat: int, selecting: dict[str, Any]) -> "Plan":
    """Return the plan of what the options select."""
    from harness.cli.flags import parse_faults
    from harness.runner.plan import prepare
    from harness.runner.selection import Selection

    failing = selecting["failing"]
    return prepare(
        project,
        Selection(
            suites=selecting["suites"],
            variants=selecting["variants"],
            expression=selecting["expression"],
            tags=selecting["tags"],
            limit=selecting["limit"],
            failing=None if failing is None else _failing_cases(project.root, failing),
            repeat=repeat,
            faults=parse_faults(selecting.get("faults", ())),
            clock=selecting.get("clock", "virtual"),
        ),
    )


def _failing_cases(root: Path, name: str) -> frozenset[tuple[str, str]]:
    from harness import store

    return frozenset((trial.suite, trial.case) for trial in store.open_experiment(root, name).trials() if trial.outcome != "pass")
