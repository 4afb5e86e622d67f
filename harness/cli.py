"""The command line: parse, call, print. Each command imports what it needs, so that none pays for another."""

import contextlib
import datetime as dt
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import __version__
from harness.errors import ExitCode, HarnessError, UsageError

if TYPE_CHECKING:
    from harness.config import Project
    from harness.experiment import Experiment, Trial
    from harness.gate import Summary
    from harness.runner.plan import Plan
    from harness.store import ExperimentFolder


class Commands(click.Group):
    """Turns every problem that the user can mend into one line and its exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and exit with what it returns."""
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs) or ExitCode.PASS)
        except HarnessError as error:
            _complain(str(error), error.exit_code)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(ExitCode.USAGE)
        except click.ClickException as error:
            context = error.ctx if isinstance(error, click.UsageError) else None
            hint = f" (see `{context.command_path} --help`)" if context else ""
            _complain(f"{error.format_message().rstrip('.')}{hint}", ExitCode.USAGE)
        except (KeyboardInterrupt, click.Abort):
            _complain("interrupted", ExitCode.INTERRUPTED)
        except OSError as error:
            _complain(f"{error.filename or 'file'}: {error.strerror or error}", ExitCode.USAGE)
        except Exception:  # noqa: BLE001, ours: it must not end as 1, which says that a gate failed
            traceback.print_exc()
            _complain("this is an error of the harness itself; please report it with the lines above", ExitCode.CRASHED)


def _complain(message: str, code: ExitCode) -> None:
    click.echo(f"harness: {message}", err=True)
    sys.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="The config file; by default the nearest harness.toml or pyproject.toml.",
)
@click.version_option(__version__, prog_name="harness")
@click.pass_context
def main(context: click.Context, config_path: Path | None) -> None:
    """Regression tests for LangGraph agents: replay, check, gate."""
    context.obj = config_path


def _project(config_path: Path | None) -> "Project":
    from harness import config

    return config.load(config_path or config.find(Path.cwd()))


def _root(config_path: Path | None) -> Path:
    """Return the folder that experiments lie in; commands on experiments work without a config too."""
    from harness import config
    from harness.errors import ConfigError

    if config_path is not None:
        return config_path.resolve().parent
    try:
        return config.find(Path.cwd()).parent
    except ConfigError:
        return Path.cwd()


_CONFIG_HERE = click.option("--config", "config_here", type=click.Path(path_type=Path), help="The config file.")


def _selecting(command: Any) -> Any:
    """Add the options that select cases."""
    options = [
        click.argument("suites", nargs=-1, metavar="[SUITE]..."),
        _CONFIG_HERE,
        click.option("--variant", "variants", multiple=True, metavar="V", help="A variant to run; may be given several times."),
        click.option("--filter", "expression", default="", metavar="EXPR", help="Cases whose id or tags match, as pytest -k."),
        click.option("--tag", "tags", multiple=True, metavar="T", help="Cases with this tag; may be given several times."),
        click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N cases a suite."),
        click.option("--failing", metavar="EXPERIMENT", help="Cases that did not pass in this experiment."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@_selecting
@click.option("--repeat", type=click.IntRange(min=1), default=None, metavar="N", help="Run each case N times.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Worker processes.")
@click.option("--resume", metavar="EXPERIMENT", help="Go on with an experiment that was interrupted.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a report: .md, .xml (JUnit), .csv or .json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, on standard output.")
@click.pass_obj
def run(
    config_path: Path | None,
    /,
    *,
    config_here: Path | None,
    repeat: int | None,
    jobs: int,
    resume: str | None,
    outputs: tuple[Path, ...],
    as_json: bool,
    **selecting: Any,
) -> int:
    """Replay, check, gate."""
    from harness.report.progress import Progress
    from harness.runner import run as runner

    _check_outputs(outputs)
    project = _project(config_here or config_path)

    with contextlib.redirect_stdout(sys.stderr), runner.sealed_without_keys() as tracing_was_on:
        if tracing_was_on:
            click.echo("harness: LangSmith tracing is switched off while trials run", err=True)
        plan, folder = _resumed(project, resume) if resume else _started(project, repeat or 1, selecting)
        for note in plan.notes():
            click.echo(f"harness: {note}", err=True)
        progress = Progress(sys.stderr, renew=sys.stderr.isatty() and not os.environ.get("CI"))
        try:
            runner.execute(plan, folder, jobs=jobs, progress=progress)
        except KeyboardInterrupt:
            progress.close()
            _complain(f"interrupted; go on with `harness run --resume {folder.path.name}`", ExitCode.INTERRUPTED)
        progress.close()
    head, summaries = runner.finish(folder, now=_now())
    for path in (folder.path / "summary.md", folder.path / "junit.xml", *outputs):
        _write_report(path, folder, head, summaries)
    return _show_verdict(folder, head, summaries, as_json=as_json)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _started(project: "Project", repeat: int, selecting: dict[str, Any]) -> "tuple[Plan, ExperimentFolder]":
    from harness import store
    from harness.runner import run as runner

    if selecting["failing"] is not None:
        selecting = {**selecting, "failing": store.open_experiment(project.root, selecting["failing"]).path.name}
    plan = _plan(project, repeat, selecting)
    return plan, runner.begin(plan, now=_now(), command=_command_line(repeat, selecting))


def _command_line(repeat: int, selecting: dict[str, Any]) -> tuple[str, ...]:
    """Return the selection as JSON, so that --resume selects the same."""
    return (json.dumps({**selecting, "repeat": repeat}, sort_keys=True),)


def _resumed(project: "Project", name: str) -> "tuple[Plan, ExperimentFolder]":
    from harness import store
    from harness.runner import run as runner

    folder = store.open_experiment(project.root, name)
    head = folder.head()
    selecting = json.loads(head.command[0])
    repeat = selecting.pop("repeat")
    plan = _plan(project, repeat, selecting)
    runner.check_resumable(plan, head, name)
    return plan, folder


def _plan(project: "Project", repeat: int, selecting: dict[str, Any]) -> "Plan":
    from harness.runner.plan import Selection, prepare

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
        ),
    )


def _failing_cases(root: Path, name: str) -> frozenset[tuple[str, str]]:
    from harness import store

    return frozenset((trial.suite, trial.case) for trial in store.open_experiment(root, name).trials() if trial.outcome != "pass")


def _show_verdict(folder: "ExperimentFolder", head: "Experiment", summaries: "Sequence[Summary]", *, as_json: bool) -> int:
    from harness.gate import overall
    from harness.metric import counted
    from harness.report import document, terminal

    if as_json:
        click.echo(document.render(head.id, summaries), nl=False)
    else:
        click.echo(terminal.verdicts(summaries, experiment=head.id, **_screen()), nl=False)
        played, opened = counted(head.exchanges_played, "exchange"), counted(head.sockets_opened, "socket")
        click.echo(f"{played} played, {opened} opened; experiment in {_shown(folder.path)}")
    return int(overall(summary.verdict for summary in summaries))


def _screen() -> dict[str, Any]:
    """Return the width of the terminal and whether it takes colour."""
    is_terminal = sys.stdout.isatty()
    return {"width": shutil.get_terminal_size().columns if is_terminal else 100, "colour": is_terminal and not os.environ.get("NO_COLOR")}


def _write_report(path: Path, folder: "ExperimentFolder", head: "Experiment", summaries: "Sequence[Summary]") -> None:
    from harness import store
    from harness.report import document, junit, markdown, table

    renderers: dict[str, Callable[[], str]] = {
        ".md": lambda: markdown.markdown(head.id, summaries),
        ".xml": lambda: junit.junit(head.id, summaries, folder.trials()),
        ".csv": lambda: table.table(folder.trials()),
        ".json": lambda: document.render(head.id, summaries),
    }
    store.write_text(path, renderers[path.suffix]())


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _check_outputs(outputs: Sequence[Path]) -> None:
    known = (".md", ".xml", ".csv", ".json")
    for path in outputs:
        if path.suffix not in known:
            message = f"-o {path}: a report is a {', '.join(known[:-1])} or {known[-1]} file (.xml is JUnit)"
            raise UsageError(message)


@main.command()
@_selecting
@click.option("--all", "everything", is_flag=True, help="Record anew what is recorded already.")
@click.pass_obj
def record(config_path: Path | None, /, *, config_here: Path | None, everything: bool, **selecting: Any) -> int:
    """Fetch what the cassettes lack from the real servers."""
    from harness.runner import run as runner

    project = _project(config_here or config_path)
    added = problems = 0
    with runner.sealed():
        plan = _plan(project, 1, selecting)
        for recorded in runner.record(plan, everything=everything, now=lambda: _now().isoformat(timespec="seconds")):
            added += recorded.added
            problems += _tell_recorded(recorded)
    click.echo(f"recorded {added} exchange(s){f'; {problems} trial(s) did not end' if problems else ''}")
    return int(ExitCode.CRASHED if problems else ExitCode.PASS)


def _tell_recorded(recorded: Any) -> int:
    problems = [trial for trial in recorded.trials if trial.outcome in {"error", "stale"}]
    if recorded.added or problems:
        click.echo(f"{recorded.suite}/{recorded.case}: {recorded.added} new, {recorded.before} before", err=True)
    if recorded.old_kept:
        click.echo("  not every request was answered: the cassette stays as it was", err=True)
    for trial in problems:
        click.echo(f"  {trial.outcome}: {trial.reasons[0] if trial.reasons else 'no reason'}", err=True)
    return len(problems)


@main.command()
@_CONFIG_HERE
@click.argument("experiment", default="latest")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def gate(config_path: Path | None, /, *, config_here: Path | None, experiment: str, as_json: bool) -> int:
    """Judge a stored experiment; no graph is loaded."""
    from harness.gate import judge_experiment

    folder, head = _stored(config_here or config_path, experiment)
    return _show_verdict(folder, head, judge_experiment(head, folder.trials()), as_json=as_json)


def _stored(config_path: Path | None, name: str) -> "tuple[ExperimentFolder, Experiment]":
    from harness import store

    folder = store.open_experiment(_root(config_path), name)
    head = folder.head()
    if head.status != "done":
        message = f"experiment {head.id!r} is not finished; go on with `harness run --resume {head.id}`"
        raise UsageError(message)
    return folder, head


@main.command()
@_CONFIG_HERE
@click.argument("experiment", default="latest")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file to write: .md, .xml (JUnit), .csv or .json; may be given several times.",
)
@click.pass_obj
def report(config_path: Path | None, /, *, config_here: Path | None, experiment: str, outputs: tuple[Path, ...]) -> int:
    """Write reports of a stored experiment."""
    from harness.gate import judge_experiment

    _check_outputs(outputs)
    folder, head = _stored(config_here or config_path, experiment)
    summaries = judge_experiment(head, folder.trials())
    for path in outputs:
        _write_report(path, folder, head, summaries)
    return int(ExitCode.PASS)


@main.command()
@_CONFIG_HERE
@click.argument("experiment", default="latest")
@click.argument("case", required=False)
@click.pass_obj
def show(config_path: Path | None, /, *, config_here: Path | None, experiment: str, case: str | None) -> int:
    """Show an experiment, or what happened in one case of it."""
    from harness.gate import judge_experiment
    from harness.report import terminal

    if case is None:
        folder, head = _stored(config_here or config_path, experiment)
        click.echo(terminal.show_experiment(head, judge_experiment(head, folder.trials()), **_screen()), nl=False)
        return int(ExitCode.PASS)
    for trial in _trials_of(config_here or config_path, experiment, case):
        click.echo(terminal.show_trial(trial, **_screen()), nl=False)
    return int(ExitCode.PASS)


def _trials_of(config_path: Path | None, experiment: str, case: str) -> "list[Trial]":
    from harness import store
    from harness.schema import nearest

    folder = store.open_experiment(_root(config_path), experiment)
    trials = [trial for trial in folder.trials() if trial.case == case]
    if not trials:
        message = f"experiment {folder.path.name!r} has no case {case!r}{nearest(case, {trial.case for trial in folder.trials()})}"
        raise UsageError(message)
    return trials


@main.command("list")
@_CONFIG_HERE
@click.pass_obj
def list_experiments(config_path: Path | None, /, *, config_here: Path | None) -> int:
    """List the stored experiments."""
    from harness import store
    from harness.report import terminal

    folder = store.experiments_folder(_root(config_here or config_path))
    heads = [store.ExperimentFolder(path.parent).head() for path in sorted(folder.glob("*/experiment.json"))]
    click.echo(terminal.show_list(heads, **_screen()), nl=False)
    return int(ExitCode.PASS)


if __name__ == "__main__":
    main()
