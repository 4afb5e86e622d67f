"""`harness prompts …`: the versions of prompts, and which of them is active."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.output import screen
from harness.cli.project import CONFIG_HERE, open_project
from harness.errors import ExitCode, PromptError, UsageError

if TYPE_CHECKING:
    from harness.config import Project
    from harness.prompt import Active, Prompt, Prompts
    from harness.store import Change


@main.group()
def prompts() -> None:
    """Look at the versions of prompts, and say which is active."""


@prompts.command("list")
@CONFIG_HERE
@click.pass_obj
def list_versions(config_path: Path | None, /, *, config_here: Path | None) -> int:
    """List every version of every prompt; a star marks the one that variants take which name none."""
    from harness.prompt import Prompt, choose
    from harness.report.layout import Table, rendered

    stored, active, _ = _stored(config_here or config_path)
    held = choose(stored, {}, active, where="")
    versions = [Prompt(name=name, version=version, text=text) for name in sorted(stored) for version, text in stored[name].items()]
    rows = tuple((one.name, one.version, "*" if held[one.name] == one else "", one.digest, f"{len(one.text):,}") for one in versions)
    table = Table(("prompt", "version", "active", "digest", "characters"), rows, numbers=frozenset({"characters"}))
    click.echo(rendered([table], **screen()), nl=False)
    return int(ExitCode.PASS)


@prompts.command()
@CONFIG_HERE
@click.argument("prompt", metavar="NAME[@VERSION]")
@click.pass_obj
def show(config_path: Path | None, /, *, config_here: Path | None, prompt: str) -> int:
    """Print the text of a prompt, of its active version unless another is named."""
    stored, active, _ = _stored(config_here or config_path)
    click.echo(_named(stored, active, prompt).text, nl=False)
    return int(ExitCode.PASS)


@prompts.command()
@CONFIG_HERE
@click.argument("name")
@click.argument("base")
@click.argument("candidate", required=False)
@click.pass_obj
def diff(config_path: Path | None, /, *, config_here: Path | None, name: str, base: str, candidate: str | None) -> int:
    """Show what differs between two versions of a prompt; without CANDIDATE, between BASE and the active one."""
    stored, active, _ = _stored(config_here or config_path)
    old = _named(stored, active, f"{name}@{base}")
    new = _named(stored, active, f"{name}@{candidate}" if candidate else name)
    lines = difflib.unified_diff(
        old.text.splitlines(),
        new.text.splitlines(),
        f"{name}@{old.version} {old.digest}",
        f"{name}@{new.version} {new.digest}",
        lineterm="",
    )
    for line in lines:
        click.echo(line)
    return int(ExitCode.PASS)


@prompts.command()
@CONFIG_HERE
@click.argument("name")
@click.argument("version")
@click.pass_obj
def activate(config_path: Path | None, /, *, config_here: Path | None, name: str, version: str) -> int:
    """Make a version the one that variants take which name none; commit the file that says so."""
    from harness.prompt import activated, find

    stored, active, project = _stored(config_here or config_path)
    return _hold(project, stored, active, activated(active, find(stored, name, version, where="harness prompts activate")), name)


@prompts.command()
@CONFIG_HERE
@click.argument("name")
@click.pass_obj
def rollback(config_path: Path | None, /, *, config_here: Path | None, name: str) -> int:
    """Go back to what was active before the last activation of a prompt."""
    from harness.prompt import rolled_back

    stored, active, project = _stored(config_here or config_path)
    _versions(stored, name)
    return _hold(project, stored, active, rolled_back(active, name), name)


@prompts.command()
@CONFIG_HERE
@click.argument("name", required=False)
@click.pass_obj
def log(config_path: Path | None, /, *, config_here: Path | None, name: str | None) -> int:
    """Show from git who changed which version when, and what was activated."""
    from harness import store

    stored, _, project = _stored(config_here or config_path)
    if name is not None:
        _versions(stored, name)
    folder = project.config.prompts_dir
    paths = (store.active_path(folder), f"{folder}/{name}" if name else folder)
    for change in store.changes(project.root, paths):
        click.echo(f"{change.commit} {change.date} {change.author}: {change.subject}")
        for line in _told(project, change):
            click.echo(f"    {line}")
    return int(ExitCode.PASS)


@prompts.command()
@CONFIG_HERE
@click.argument("address", metavar="OWNER/NAME[:COMMIT]")
@click.option("--as", "wanted", metavar="NAME[@VERSION]", help="What to call it here; by default its name, and hub-COMMIT.")
@click.pass_obj
def pull(config_path: Path | None, /, *, config_here: Path | None, address: str, wanted: str | None) -> int:
    """Fetch a version from LangSmith's prompt hub; nothing that is there is overwritten."""
    from harness import store
    from harness.prompt import Prompt
    from harness.sinks import hub
    from harness.sinks.langsmith import LangSmith

    project = open_project(config_here or config_path)
    there = hub.parse_address(address)
    name, _, version = (wanted or there.name).partition("@")
    _check_name(name, version or "latest")
    commit = hub.pull(LangSmith(), there)
    prompt = Prompt(name=name, version=version or f"hub-{commit.hash[:8]}", text=commit.template.text)
    origin = {"hub": str(there), "commit": commit.hash, "role": commit.template.role, "template_format": commit.template.form}
    folder = project.config.prompts_dir
    is_new = store.write_version(project.root, folder, prompt, origin)
    stored, active, _ = _stored(config_here or config_path)
    held = _named(stored, active, name).version
    did = f"is {there}:{commit.hash[:8]}" if is_new else "is there already"
    click.echo(f"{folder}/{name}/{prompt.version}.md ({prompt.digest}) {did}; variants that name no version take {held}")
    return int(ExitCode.PASS)


@prompts.command()
@CONFIG_HERE
@click.argument("name")
@click.argument("version", required=False)
@click.option("--to", metavar="OWNER/NAME", help="The prompt of the hub; by default the one of your workspace with this name.")
@click.pass_obj
def push(config_path: Path | None, /, *, config_here: Path | None, name: str, version: str | None, to: str | None) -> int:
    """Make a version, the active one by default, the newest commit of a prompt in LangSmith's prompt hub."""
    from harness.sinks import hub
    from harness.sinks.langsmith import LangSmith

    stored, active, _ = _stored(config_here or config_path)
    prompt = _named(stored, active, f"{name}@{version}" if version else name)
    there = hub.parse_address(to or name)
    if there.commit != "latest":
        message = f"--to {to!r} names a commit; a push makes a new one"
        raise UsageError(message)
    pushed = hub.push(LangSmith(), there, prompt.text)
    did = "is now" if pushed.is_new else "nothing to commit, it is"
    click.echo(f"prompt {name!r} {prompt.version} ({prompt.digest}): {did} {there}:{pushed.hash[:8]}")
    return int(ExitCode.PASS)


def _check_name(*names: str) -> None:
    """Refuse what cannot be the name of a prompt's folder or file."""
    from harness.config import is_name

    for name in names:
        if not is_name(name):
            message = f"{name!r} cannot be the name of a prompt or a version; use letters, digits, '.', '_' and '-'"
            raise UsageError(message)


def _told(project: "Project", change: "Change") -> Iterator[str]:
    from harness import store

    folder, words = project.config.prompts_dir, {"A": "added", "D": "deleted"}
    for kind, path in change.files:
        if path != store.active_path(folder):
            yield f"{path.removeprefix(f'{folder}/').removesuffix('.md').replace('/', '@')} {words.get(kind, 'changed')}"
        elif kind == "D":
            yield "nothing active"
        else:
            yield f"active: {_activations(store.text_at(project.root, change.commit, path))}"


def _activations(text: str) -> str:
    """Say what a file of active versions, as it once was, made active; it may have been written by hand."""
    from harness.schema import read_json

    try:
        return ", ".join(f"{name} {versions[-1]}" for name, versions in sorted(read_json(text).items())) or "nothing"
    except (ValueError, AttributeError, LookupError, TypeError):
        return "(unreadable)"


def _stored(config_path: Path | None) -> "tuple[Prompts, Active, Project]":
    from harness import store

    project = open_project(config_path)
    folder = project.config.prompts_dir
    stored = store.read_prompts(project.root, folder)
    if not stored:
        message = f"there is no prompt in {folder}/; a version is a file {folder}/<name>/<version>.md"
        raise PromptError(message)
    return stored, store.read_active(project.root, folder, stored), project


def _versions(stored: "Prompts", name: str) -> None:
    from harness.schema import nearest

    if name not in stored:
        message = f"there is no prompt {name!r}{nearest(name, stored)}"
        raise UsageError(message)


def _named(stored: "Prompts", active: "Active", wanted: str) -> "Prompt":
    from harness.prompt import choose

    name, _, version = wanted.partition("@")
    _versions(stored, name)
    return choose(stored, {name: version} if version else {}, active, where="harness prompts")[name]


def _hold(project: "Project", stored: "Prompts", before: "Active", after: "Active", name: str) -> int:
    from harness import store
    from harness.prompt import choose

    folder = project.config.prompts_dir
    old, new = (choose(stored, {}, active, where=folder)[name] for active in (before, after))
    if before != after:
        store.write_active(project.root, folder, after)
    was = f"it was {old.version}" if old != new else "as before"
    click.echo(f"prompt {name!r} is now {new.version} ({new.digest}), {was}; commit {store.active_path(folder)}")
    return int(ExitCode.PASS)
