"""`harness serve`."""

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.output import now
from harness.cli.project import CONFIG_HERE, open_project
from harness.cli.signals import catch_stop, wait_for
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.runner.serve import ServedTrial, Service
    from harness.wire.server import WireServer
    from harness.wire.upstream import Upstream

_OPENAI = "https://api.openai.com/v1"


@main.command()
@click.argument("suites", nargs=-1, metavar="[SUITE]...")
@CONFIG_HERE
@click.option("--replay", is_flag=True, help="Answer from the cassettes; the default.")
@click.option("--record", "recording", is_flag=True, help="Ask the real server for what the cassettes lack, and store it.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The loopback address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, metavar="N", help="The port; 0 takes a free one.")
@click.option("--upstream", metavar="URL", help="With --record: the real server; by default OPENAI_BASE_URL, else OpenAI's.")
@click.option("--force", is_flag=True, help="With --record: record although the variable CI is set.")
@click.pass_obj
def serve(
    config_path: Path | None,
    /,
    *,
    suites: tuple[str, ...],
    config_here: Path | None,
    replay: bool,
    recording: bool,
    host: str,
    port: int,
    upstream: str | None,
    force: bool,
) -> int:
    """Be the wire for agents in other processes: their base URL names suite and case."""
    from harness.runner.serve import Service
    from harness.wire.server import WireServer

    if replay and recording:
        message = "--replay and --record exclude each other"
        raise UsageError(message)
    if recording and os.environ.get("CI") and not force:
        message = "refused to record in CI, where no one reviews the cassettes; say --force to record all the same"
        raise UsageError(message)
    real = _upstream(upstream, recording=recording)
    project = open_project(config_here or config_path)
    service = Service(project, suites, now=(lambda: now().isoformat(timespec="seconds")) if recording else None)
    _serve_until_stopped(WireServer(service, host=host, port=port, upstream=real), path=real.path if real else "/v1")
    service.close()
    return _tell(service)


def _upstream(url: str | None, *, recording: bool) -> "Upstream | None":
    from harness.wire.upstream import Upstream

    if url and not recording:
        message = "--upstream is for --record; a replay asks no one"
        raise UsageError(message)
    return Upstream(url or os.environ.get("OPENAI_BASE_URL") or _OPENAI) if recording else None


def _serve_until_stopped(server: "WireServer", *, path: str) -> None:
    """Serve until the process is asked to end; a second request ends it at once."""
    stop = catch_stop()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    mode = "record" if server.upstream else "replay"
    click.echo(f"harness: ready port={server.port} mode={mode} base_url={server.origin}/SUITE/CASE{path}", err=True)
    sys.stderr.flush()
    wait_for(stop)
    server.stop()


def _tell(service: "Service") -> int:
    """Say of which trials something is missing or was not used, and return the exit code that it means."""
    from harness.report.text import line

    trials = service.trials()
    for trial in trials:
        if trial.wire.misses or trial.unused or trial.faults.unstruck():
            click.echo(line(_summary(trial)))
    for problem in service.problems:
        click.echo(f"harness: {line(problem)}", err=True)
    if service.problems:
        return int(ExitCode.USAGE)
    return int(ExitCode.STALE if any(trial.wire.misses for trial in trials) else ExitCode.PASS)


def _summary(trial: "ServedTrial") -> str:
    counts = trial.report()
    told = (
        ", ".join(f"{counts[name]} {name}" for name in ("asked", "played", "recorded", "missed", "unused") if counts[name])
        or "nothing asked"
    )
    told += "".join(f", fault {fault!r} never struck" for fault in counts["unstruck"])
    cause = f": {trial.wire.misses[0][0]}" if trial.wire.misses else ""
    return f"{trial.address}: {told}{cause}"
