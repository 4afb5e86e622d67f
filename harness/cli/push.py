"""`harness push`: a stored experiment into LangSmith."""

import shlex
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.experiments import judged, stored
from harness.cli.group import main
from harness.cli.numbers import Number
from harness.cli.output import shown, write_beside
from harness.cli.project import CONFIG_HERE, prompts_folder, redaction
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from harness.cassette.exchange import Exchange
    from harness.dataset import Dataset
    from harness.experiment import Experiment, SuiteProvenance, Trial
    from harness.gate import Summary
    from harness.mirror import Call, Mirror
    from harness.sinks.parcel import Compared, Parcel
    from harness.sinks.push import Arrival, Push
    from harness.store import ExperimentFolder, PushFolder

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
    folder, head = stored(config, experiment)
    project = _Pushed(config, folder, head, failing=failing, tags=frozenset(tags))
    base = stored(config, compare_with) if compare_with else None
    if dry_run:
        return project.print_requests(baseline=baseline, base=base)
    flags = {"--failing": failing, "--baseline": baseline, "--compare-with": compare_with}
    options = [word for name, value in flags.items() if value for word in ([name] if value is True else [name, str(value)])]
    again = shlex.join(["harness", "push", head.id, *options, *(word for tag in tags for word in ("--tag", tag))])
    return project.send(resume=resume, baseline=baseline, base=base, within_s=within, again=again)


class _Pushed:
    """What is pushed of an experiment, with what it has to be read from."""

    def __init__(self, config: Path | None, folder: "ExperimentFolder", head: "Experiment", *, failing: bool, tags: frozenset[str]) -> None:
        from harness.mirror import Redactions

        self._config = config
        self._folder = folder
        self._head = head
        self._failing = failing
        self._tags = tags
        redactor, self._root = redaction(config)
        self._prompts_dir = prompts_folder(config)
        self._redactions = Redactions(redactor)
        self._summaries: Sequence[Summary] = ()
        self._tagged: dict[str, frozenset[str]] = {}

    def print_requests(self, *, baseline: bool, base: "tuple[ExperimentFolder, Experiment] | None") -> int:
        """Print what would be sent to a workspace that has none of it yet."""
        from harness.mirror import written
        from harness.sinks.langsmith import LangSmith, has_key

        remote = LangSmith() if has_key() else None
        parcels = self._parcels(remote.owner if remote else "", remote.place if remote else None, baseline=baseline, base=base)
        for call in _once(call for parcel in parcels for call in parcel.calls({})):
            click.echo(written(call))
        return int(ExitCode.PASS)

    def send(self, *, resume: bool, baseline: bool, base: "tuple[ExperimentFolder, Experiment] | None", within_s: float, again: str) -> int:
        """Send it, say what became of it, and keep what did not go; `again` is the command that goes on."""
        from harness import store
        from harness.mirror import written
        from harness.sinks.langsmith import LangSmith
        from harness.sinks.push import Push
        from harness.sinks.reading import Reading
        from harness.sinks.sender import Sender

        remote = LangSmith()
        kept = store.PushFolder(self._folder.path, remote.place)
        if resume and not kept.is_begun:
            message = f"no push of experiment {self._head.id!r} was begun; push it without --resume"
            raise UsageError(message)
        known = kept.acknowledged() if resume else frozenset()
        sender = Sender(remote, within_s=within_s, clock=time.monotonic)
        parcels = self._parcels(remote.owner, remote.place, baseline=baseline, base=base)
        before = store.pages(self._folder.path)
        with kept.noting():
            pushes = [Push(parcel, sender, kept, known) for parcel in parcels]
            remote.learn(Reading(sender))
            arrivals = [push.run() for push in pushes]
            lacking = (call for push in pushes if not push.arrival.is_complete for call in push.lacking())
            waiting = kept.write_spool(map(written, _once(lacking)))
            kept.write_redacted([list(one) for one in self._redactions.found])
            self._note_pages(pushes, kept)
        if store.pages(self._folder.path) != before:
            write_beside(self._folder, self._head, self._summaries, self._config)
        for parcel, arrival in zip(parcels, arrivals, strict=True):
            _tell(parcel.mirror, arrival)
        if all(arrival.is_complete for arrival in arrivals):
            return int(ExitCode.PASS)
        _tell_incomplete(arrivals, waiting, kept, again)
        return int(ExitCode.PUSH_INCOMPLETE)

    def _parcels(
        self, owner: str, place: str | None, *, baseline: bool, base: "tuple[ExperimentFolder, Experiment] | None"
    ) -> "list[Parcel]":
        """Return what is to be sent for the workspace of an owner; at `place` the other experiment has to be."""
        from harness.sinks.parcel import Parcel

        mirrors, exchanges = self._mirrors(owner), self._exchanges()
        compared = _compared(base, place, mirrors) if base else {}
        return [
            Parcel(mirror, partial(self._trials, mirror.suite), exchanges, is_first and baseline, compared.get(mirror.suite.name))
            for mirror, is_first in _first_of_dataset(mirrors)
        ]

    def _note_pages(self, pushes: "Sequence[Push]", kept: "PushFolder") -> None:
        """Note where whole suites have arrived: by that reports lead there, and other experiments are compared with them."""
        from harness import store

        for push in pushes:
            if push.arrival.is_complete and not self._selection():
                kept.note_page(push.mirror.suite.name, store.Page(push.mirror.id, push.arrival.url))

    def _mirrors(self, owner: str) -> "list[Mirror]":
        from harness.mirror import Collection, Mirror, dataset_id, survey
        from harness.sinks.langsmith import hidden_here

        _refuse_namesakes(self._head.suites)
        self._summaries = judged(self._config, self._folder, self._head)
        verdicts = {summary.provenance.name: summary.verdict for summary in self._summaries}
        mirrors = []
        for suite in self._head.suites:
            dataset = self._dataset(suite)
            found = survey(self._trials(suite))
            verdict = verdicts[suite.name]
            collection = Collection(dataset_id(owner, dataset.name), dataset, self._redactions)
            prompts = tuple(self._address(name, version) for name, version in sorted(suite.prompts.items()))
            said = (verdict.verdict, tuple(verdict.reasons), self._selection(), prompts, hidden_here())
            mirrors.append(Mirror(self._head, suite, collection, found, *said))
        wanted = [mirror for mirror in mirrors if mirror.survey.trials]
        if not wanted:
            message = f"experiment {self._head.id!r} has no trial to push{f' ({self._selection()})' if self._selection() else ''}"
            raise UsageError(message)
        return wanted

    def _address(self, name: str, version: str) -> str:
        """Return a prompt as LangSmith names it: by its commit in the hub if its text was pulled from there, and is so still."""
        from harness import store
        from harness.prompt import Prompt

        label, _, held = version.rpartition("@")
        origin = store.read_origin(self._root, self._prompts_dir, name, label)
        text = store.read_prompts(self._root, self._prompts_dir).get(name, {}).get(label)
        if {"hub", "commit"} <= origin.keys() and text is not None and Prompt(name=name, version=label, text=text).digest == held:
            return f"{origin['hub']}:{origin['commit'][:8]}"
        return f"{name}:{version}"

    def _dataset(self, suite: "SuiteProvenance") -> "Dataset":
        """Return the dataset that a suite was run on; UsageError where it has changed since."""
        from harness import store
        from harness.dataset import parse

        if suite.mode == "none":
            message = f"experiment {self._head.id!r} was imported: its inputs are not known, so it cannot be pushed"
            raise UsageError(message)
        text = store.read_dataset_text(self._root, suite.dataset)
        dataset = parse(text, name=Path(suite.dataset).stem, path=suite.dataset)
        if dataset.digest != suite.dataset_digest:
            message = f"{suite.dataset}: it has changed since experiment {self._head.id!r}, whose inputs it held; run the suite again"
            raise UsageError(message)
        self._tagged[suite.name] = frozenset(case.id for case in dataset.cases if self._tags & set(case.tags))
        return dataset

    def _selection(self) -> str:
        return ", ".join((*(["failing"] if self._failing else []), *sorted(f"tag {tag}" for tag in self._tags)))

    def _wants(self, trial: "Trial") -> bool:
        from harness.experiment import suite_name

        is_tagged = not self._tags or trial.case in self._tagged[suite_name(trial.suite, trial.variant)]
        return is_tagged and not (self._failing and trial.outcome == "pass")

    def _trials(self, suite: "SuiteProvenance") -> "Iterator[Trial]":
        return filter(self._wants, self._folder.trials_in(suite.suite, suite.variant))

    def _exchanges(self) -> "Callable[[Trial], Sequence[Exchange]]":
        """Return what reads the exchanges that a trial was played from; none where the cassettes are others now."""
        from harness import store

        played = store.Played(self._root, self._head, self._folder.cases())
        return lambda trial: played.exchanges(trial)[0]


def _once(calls: "Iterable[Call]") -> "Iterator[Call]":
    """Yield each call once: those that make a dataset are the same for all experiments over it."""
    seen: set[str] = set()
    for call in calls:
        if call.key not in seen:
            seen.add(call.key)
            yield call


def _compared(base: "tuple[ExperimentFolder, Experiment]", there: str | None, mirrors: "Sequence[Mirror]") -> "dict[str, Compared]":
    """Return what each suite is compared with; UsageError where one of them was not pushed whole, or is the same experiment."""
    from harness import store
    from harness.sinks.parcel import Compared

    folder, head = base
    known = store.pages(folder.path, there)
    for mirror in mirrors:
        if head.id == mirror.head.id or mirror.suite.name not in known:
            why = "is the one that is pushed" if head.id == mirror.head.id else f"has no suite {mirror.suite.name!r} in LangSmith"
            message = f"--compare-with: experiment {head.id!r} {why}; push another first, whole"
            raise UsageError(message)
    return {
        mirror.suite.name: Compared(
            head, known[mirror.suite.name].session, partial(folder.trials_in, mirror.suite.suite, mirror.suite.variant)
        )
        for mirror in mirrors
    }


def _first_of_dataset(mirrors: "Sequence[Mirror]") -> "Iterator[tuple[Mirror, bool]]":
    """Yield each with whether it is the first one over its dataset, which can have one baseline."""
    seen: set[str] = set()
    for mirror in mirrors:
        yield mirror, mirror.collection.name not in seen
        seen.add(mirror.collection.name)


def _refuse_namesakes(suites: "Sequence[SuiteProvenance]") -> None:
    """Refuse datasets of one name that are several files: in LangSmith they would be one dataset."""
    paths: dict[str, str] = {}
    for suite in suites:
        other = paths.setdefault(Path(suite.dataset).stem, suite.dataset)
        if other != suite.dataset:
            message = f"{other} and {suite.dataset} have one name, and would be one dataset in LangSmith; rename one and run again"
            raise UsageError(message)


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
