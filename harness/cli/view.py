"""`harness view`."""

import os
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.experiments import judged, stored
from harness.cli.group import main
from harness.cli.project import CONFIG_HERE, find_root
from harness.cli.signals import catch_stop, wait_for
from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.store import ExperimentFolder


@main.command()
@CONFIG_HERE
@click.argument("experiment", required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, metavar="N", help="The port; 0 takes a free one.")
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@click.pass_obj
def view(config_path: Path | None, /, *, config_here: Path | None, experiment: str | None, port: int, no_open: bool) -> int:
    """Show the experiments in a browser, as they run and when they are done, and play trials; until Ctrl-C."""
    from harness import store
    from harness.view.answers import Answers, address
    from harness.view.server import ViewServer

    config = config_here or config_path
    root = find_root(config)
    name = store.open_experiment(root, experiment).path.name if experiment else None
    server = ViewServer(Answers(root, lambda folder: _report(config, folder)), port=port)
    stop = catch_stop()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    url = f"{server.origin}/{address(name)}"
    click.echo(f"harness: view at {url} until Ctrl-C", err=True)
    sys.stderr.flush()
    if not no_open and sys.stderr.isatty() and not os.environ.get("CI"):
        webbrowser.open(url)
    wait_for(stop)
    server.stop()
    return int(ExitCode.PASS)


def _report(config: Path | None, folder: "ExperimentFolder") -> str:
    """Render the report of an experiment that has none beside it."""
    from harness.cli.evidence import evidence_of
    from harness.report.html import html

    _, head = stored(config, str(folder.path))
    return html(evidence_of(folder, head, judged(config, folder, head), config))
