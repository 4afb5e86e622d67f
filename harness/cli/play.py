"""Playing a trial: its moments are printed at their recorded pace."""

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from harness.cli.output import screen

if TYPE_CHECKING:
    from harness.cassette.exchange import Exchange
    from harness.experiment import Trial

_RENEW_S = 0.1
_SHORT_S = 0.5


def play(trial: "Trial", exchanges: "tuple[Exchange, ...]", *, speed: float, whole: bool) -> None:
    """Print what happened in a trial, moment by moment, `speed` times as fast as it was recorded."""
    from harness.report import trial as report
    from harness.report.moments import moments

    how = screen()
    click.echo(report.show_heading(trial, **how))
    started = time.monotonic()
    for moment in moments(trial, exchanges):
        if moment.at_s is not None:
            _wait(started, moment.at_s, speed)
        click.echo(report.show_moment(moment, whole=whole, **how), nl=False)
        sys.stdout.flush()


def _wait(started: float, until_s: float, speed: float) -> None:
    """Wait for a moment; a wait that is long is counted on a terminal."""
    counting = sys.stderr.isatty() and not os.environ.get("CI")
    left_s = until_s / speed - (time.monotonic() - started)
    shown = counting and left_s > _SHORT_S
    while left_s > 0:
        if shown:
            now_s = (time.monotonic() - started) * speed
            click.echo(f"\r{now_s:8.1f} s of {until_s:.1f} s", nl=False, err=True)
        time.sleep(min(left_s, _RENEW_S) if shown else left_s)
        left_s = until_s / speed - (time.monotonic() - started)
    if shown:
        click.echo("\r\x1b[K", nl=False, err=True)
