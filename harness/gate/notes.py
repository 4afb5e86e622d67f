"""What a verdict says besides its reasons: what was skipped, what bounds decide, what is in quarantine, what drifted."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping

from harness.baseline import OLD_AFTER_DAYS
from harness.cassette.miss import record_command
from harness.experiment import Experiment, Outcome, SuiteProvenance
from harness.gate import against as relative
from harness.gate.against import Against
from harness.gate.bounds import deciding
from harness.gate.findings import is_left
from harness.gate.inferiority import reassuring
from harness.gate.verdict import listed
from harness.metric import Tally
from harness.schema import nearest
from harness.tally import counted


def quarantined(provenance: SuiteProvenance, tally: Tally, today: dt.date | None) -> Iterator[str]:
    """Say what each case in quarantine came to, or that its quarantine is over; who owns it, and why."""
    for case, one in sorted(provenance.quarantine.items()):
        who = f"owner {one.owner}: {one.reason}"
        if today is not None and today > one.until:
            yield f"the quarantine of case {case!r} expired on {one.until} ({who}): it decides again; mend it, or renew it"
        elif case in tally.set_aside:
            yield f"case {case!r} is in quarantine until {one.until} ({who}): {_came_to(tally.set_aside[case])}; that decides nothing"


_WORDS: tuple[tuple[Outcome, str], ...] = (("fail", "failed"), ("error", "crashed"), ("pass", "passed"))


def _came_to(outcomes: Counter[Outcome]) -> str:
    total = outcomes.total()
    if total == 1:
        return next(f"it {word}" for outcome, word in _WORDS if outcomes[outcome])
    return f"of {total} trials " + ", ".join(f"{outcomes[outcome]} {word}" for outcome, word in _WORDS if outcomes[outcome])


def aged(experiment: Experiment, today: dt.date | None) -> Iterator[str]:
    """Say that an experiment is old, so that what it ran may be something else by now."""
    if today is None or experiment.finished_at is None:
        return
    days = (today - dt.datetime.fromisoformat(experiment.finished_at).date()).days
    if days > OLD_AFTER_DAYS:
        yield f"the experiment is {days} days old; run the suite again to judge what there is now"


def unasked(provenance: SuiteProvenance, tally: Tally) -> Iterator[str]:
    """Say which bounds of a preset have nothing to hold."""
    for name in provenance.unasked:
        metric = tally.metric(name)
        if metric.value is None:
            yield f"the preset's bound of {name} is not evaluated: {metric.reason}"


def skipped(provenance: SuiteProvenance, tally: Tally, against: Against | None, before: Mapping[str, float | None]) -> Iterator[str]:
    """Say which bounds were not evaluated."""
    if not tally.measured:
        yield from ("bounds not evaluated: no trial was measured",) if provenance.gate else ()
        return
    for name, bound in sorted(provenance.gate.items()):
        for part in bound.relative:
            if against is None:
                yield f"{part} of {name} skipped: no baseline"
            elif before[name] is None:
                yield f"{part} of {name} skipped: the baseline has no value of it over the cases that ran"
    if provenance.selected:
        unmeasured = [name for name in sorted(provenance.gate) if tally.metric(name).value is None]
        yield from (f"the bound of {name} is not evaluated: the selected cases do not measure it" for name in unmeasured)
    else:
        never = sorted(provenance.latencies.keys() - tally.executed)
        yield from (f"`latencies` names tool {name!r}, which no trial executed{nearest(name, tally.executed)}" for name in never)


def _drawn_again(provenance: SuiteProvenance, tally: Tally) -> Iterator[str]:
    """Say that repeats replayed one recording more than once: they show how steady the agent's code is, not the model."""
    if tally.drawn_again:
        command = f"{record_command(provenance.cassettes or provenance.suite, provenance.variant, None)} --repeat {tally.repeats}"
        cases = counted(len(tally.drawn_again), "case")
        yield f"{cases} ran more often than recorded, so pass@k and pass^k tell nothing of the model there; `{command}` draws anew"


def seen(provenance: SuiteProvenance, tally: Tally) -> Iterator[str]:
    """Say what was seen that decides nothing: faults for every case, drift, what was not asked for, what was not measured."""
    if provenance.faults:
        yield f"every case ran with {', '.join(provenance.faults)}"
    yield from _drawn_again(provenance, tally)
    for drift in tally.drift:
        yield f"drift: {drift.part} in {counted(drift.calls, 'call')} of {counted(len(drift.cases), 'case')}: {listed(drift.cases)}"
    if tally.unused:
        exchanges = counted(sum(tally.unused.values()), "recorded exchange")
        yield f"{exchanges} not asked for in {counted(len(tally.unused), 'case')}: {listed(tuple(tally.unused))}"
    for check, (cases, reason) in tally.unscored_checks.items():
        yield f"check {check!r} could not measure {counted(len(cases), 'case')} ({reason}): {listed(cases)}"


def left_to_bounds(provenance: SuiteProvenance, tally: Tally, before: Mapping[str, float | None]) -> Iterator[str]:
    """Say which failed checks do not fail the suite by themselves."""
    bounded = deciding(provenance, before)
    failed: dict[str, set[str]] = {}
    for key, cases in tally.failing.items():
        if key.circumstance != "error" and is_left(bounded, key):
            failed.setdefault(key.check, set()).update(cases)
    for check, found in failed.items():
        yield f"check {check!r} failed in {counted(len(found), 'case')}, which its bound decides"


def compared(provenance: SuiteProvenance, against: Against, before: Mapping[str, float | None], today: dt.date | None) -> Iterator[str]:
    """Say what the candidate was compared with, and what was shown of it."""
    for name, bound in sorted(provenance.gate.items()):
        if bound.non_inferiority is not None and before[name] is not None:
            yield from reassuring(name, bound.non_inferiority, against)
    yield from relative.notes(against, today)
    base = against.baseline.standings.provenance
    if base.dataset_digest != provenance.dataset_digest:
        yield "the dataset has changed since the baseline"
    if base.checks != provenance.checks:
        yield "the checks have changed since the baseline"
