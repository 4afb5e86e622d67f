"""`harness push`: a stored experiment into LangSmith."""

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.experiments import stored
from harness.cli.group import main
from harness.cli.numbers import Number
from harness.cli.output import shown, write_beside
from harness.cli.parcels import Packing
from harness.cli.project import CONFIG_HERE
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.mirror import Call, Mirror
    from harness.sinks.arrival import Arrival
    from harness.sinks.push import Push
    from harness.store import PushFolder

WITHIN = click.option(
    "--within", type=Number(min=1), default=600.0, metavar="SECONDS", help="Give up after so many seconds in all; 600 by default."
)


@main.command()
@CONFIG_HERE
@click.argument("experiment", default="latest")
@click.option("--dry-run", is_flag=True, help="Print the requests, one a line as JSON, and send none.")
@click.option("--resume", is_flag=True, help="Go on with a push that was cut off; what was acknowledged is not sent again.")
@click.option("--failing", is_flag=True, help="Only trials that did not pass, as an experiment of their own.")
@click.option("--tag", "tags", multiple=True, metavar="T", help="Only cases with this tag; may be given several times.")
@click.option("--baseline", is_flag=True, help="Make it the baseline of its dataset there, once all of it has arrived.")
@click.option("--compare-with", metavar="EXPERIMENT", help="Compare it there with another that was pushed, once all of it has arrived.")
@WITHIN
@click.pass_obj
def push(
    config_path: Path | None,
    /,
    *,
    config_here: Path | None,
    experiment: str,
    dry_run: bool,
    resume: bool,
    failing: bool,
    tags: tuple[str, ...],
    baseline: bool,
    compare_with: str | None,
    within: float,
) -> int:
    """Put a stored experiment into LangSmith: its dataset, its run trees, its scores. The verdict stays what it is."""
    if (baseline or compare_with) and (failing or tags):
        option = "--baseline" if baseline else "--compare-with"
        message = f"{option} is for whole experiments, not for --failing or --tag"
        raise UsageError(message)
    config = config_here or config_path
    found, base = stored(config, experiment), stored(config, compare_with) if compare_with else None
    packing = Packing(config, found, failing=failing, tags=frozenset(tags), baseline=baseline, base=base)
    if dry_run:
        return _print_requests(packing)
    flags = {"--failing": failing, "--baseline": baseline, "--compare-with": compare_with}
    options = [word for name, value in flags.items() if value for word in ([name] if value is True else [name, str(value)])]
    again = shlex.join(["harness", "push", packing.head.id, *options, *(word for tag in tags for word in ("--tag", tag))])
    return _send(packing, config, resume=resume, within_s=within, again=again)


def _print_requests(packing: Packing) -> int:
    """Print what would be sent to a workspace that has none of it yet."""
    from harness.mirror import written
    from harness.sinks.langsmith import LangSmith, has_key

    remote = LangSmith() if has_key() else None
    parcels = packing.parcels(remote.owner if remote else "", remote.place if remote else None)
    for call in _once(call for parcel in parcels for call in parcel.calls({})):
        click.echo(written(call))
    return int(ExitCode.PASS)


def _send(packing: Packing, config: Path | None, *, resume: bool, within_s: float, again: str) -> int:
    """Send it, say what became of it, and keep what did not go; `again` is the command that goes on."""
    from harness import store
    from harness.sinks.langsmith import LangSmith
    from harness.sinks.push import Push
    from harness.sinks.reading import Reading
    from harness.sinks.sender import Sender

    remote = LangSmith()
    kept = store.PushFolder(packing.folder.path, remote.place)
    if resume and not kept.is_begun:
        message = f"no push of experiment {packing.head.id!r} was begun; push it without --resume"
        raise UsageError(message)
    known = kept.acknowledged() if resume else frozenset()
    sender = Sender(remote, within_s=within_s, clock=time.monotonic)
    parcels = packing.parcels(remote.owner, remote.place)
    with kept.noting():
        pushes = [Push(parcel, sender, kept, known) for parcel in parcels]
        remote.learn(Reading(sender))
        try:
            for one in pushes:
                one.run()
        finally:  # interrupted, too
            waiting = _keep(packing, pushes, kept, config)
    for one in pushes:
        _tell(one.mirror, one.arrival)
    if all(one.arrival.is_complete for one in pushes):
        return int(ExitCode.PASS)
    _tell_incomplete([one.arrival for one in pushes], waiting, kept, again)
    return int(ExitCode.PUSH_INCOMPLETE)


def _keep(packing: Packing, pushes: "Sequence[Push]", kept: "PushFolder", config: Path | None) -> int:
    """Keep what did not go, and return how many requests; note what was redacted, and where whole suites have arrived.

    By that reports lead there, and other experiments are compared with them.
    """
    from harness import store
    from harness.mirror import written

    waiting = kept.write_spool(map(written, _once(call for one in pushes if not one.arrival.is_complete for call in one.lacking())))
    kept.write_redacted([list(one) for one in packing.redactions.found])
    before = store.pages(packing.folder.path)
    for one in pushes:
        if one.arrival.is_complete and not packing.selection:
            kept.note_page(one.mirror.suite.name, store.Page(one.mirror.id, one.arrival.url))
    if store.pages(packing.folder.path) != before:
        write_beside(packing.folder, packing.head, packing.summaries, config)
    return waiting


def _once(calls: "Iterable[Call]") -> "Iterator[Call]":
    """Yield each call once: those that make a dataset are the same for all experiments over it."""
    seen: set[str] = set()
    for call in calls:
        if call.key not in seen:
            seen.add(call.key)
            yield call


def _tell(mirror: "Mirror", arrival: "Arrival") -> None:
    where = f": {arrival.url}" if arrival.url else ""
    sent = f" ({arrival.sent:,} sent now)" if arrival.changes else " (nothing had to be sent)" if arrival.is_complete else ""
    state = "were taken by" if arrival.is_believed else "are in"
    click.echo(f"{mirror.suite.name}: {arrival.there:,} of {arrival.expected:,} traces {state} LangSmith{sent}{where}")


def _tell_incomplete(arrivals: "Sequence[Arrival]", waiting: int, kept: "PushFolder", again: str) -> None:
    from harness.cassette.redact import BUILT_IN

    there, expected = sum(one.there for one in arrivals), sum(one.expected for one in arrivals)
    state = "were taken" if any(one.is_believed for one in arrivals) else "are there"
    problem = next(one.problem for one in arrivals if one.problem)
    wait = "1 request waits" if waiting == 1 else f"{waiting:,} requests wait"
    spool = f"; {wait} in {shown(kept.spool_path)}" if waiting else ""
    line = f"push incomplete: {there:,} of {expected:,} traces {state}: {problem}{spool}; go on with `{again}`"
    click.echo(f"harness: {BUILT_IN.text(line)}", err=True)
