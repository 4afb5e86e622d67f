"""The gate: one pure function from the figures of a suite to its verdict."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harness.baseline import Baseline
from harness.errors import ExitCode, ExperimentUnreadable
from harness.experiment import Experiment, SuiteProvenance, Trial, suite_name
from harness.gate import findings, notes
from harness.gate.against import Against
from harness.gate.bounds import deciding
from harness.gate.verdict import Finding, SuiteVerdict, Summary, settle
from harness.metric import Tally
from harness.standing import Roll
from harness.tally import counted


def judge(
    provenance: SuiteProvenance,
    tally: Tally,
    *,
    against: Against | None = None,
    repeats: int = 1,
    forgiving: bool = False,
    stopped: str = "",
    today: dt.date | None = None,
) -> SuiteVerdict:
    """Give the verdict of one suite, also against a baseline where there is one.

    `provenance.cases` is the number of cases that were selected to run, each `repeats` times. `stopped` says why a
    budget stopped the run: what lacks then, and bounds over what there is, decide nothing. A `forgiving` gate exits with 0 where it is
    inconclusive, and changes nothing else. `today` tells the age of the baseline and which quarantine is over; those that count are
    the tally's.
    """
    if not tally.trials and not stopped:
        nothing = Finding(ExitCode.NOTHING_RAN, f"no trial ran, {counted(provenance.cases, 'case')} should have")
        return settle([nothing], (), forgiving=forgiving)
    asked = _in_force(provenance, tally.decisive)
    if against:
        against = against.without(tally.quarantined.union(tally.cases("stale")))
    before = {name: against.before(name) for name in asked.gate} if against else {}
    held = _Held(asked, tally, against, before)
    lacking = tally.missing(provenance.cases, max(repeats, tally.repeats))[0] if stopped else 0
    aside = (*notes.quarantined(provenance, tally, today), *notes.unasked(provenance, tally.decisive))
    if lacking:
        stop = Finding(ExitCode.BUDGET, f"{counted(lacking, 'trial')} did not run: {stopped}")
        unheld = ("bounds not evaluated: the run was stopped by its budget",) if provenance.gate else ()
        return settle([*_of_trials(held), stop], (*aside, *unheld), forgiving=forgiving)
    return settle(_of_suite(held, repeats), (*aside, *_besides(held, today)), forgiving=forgiving)


class _Held(NamedTuple):
    """What is judged, and against what; `before` holds the baseline's figures of the metrics that are bounded."""

    provenance: SuiteProvenance
    tally: Tally
    against: Against | None
    before: Mapping[str, float | None]


def _in_force(provenance: SuiteProvenance, tally: Tally) -> SuiteProvenance:
    """Return the terms without the bounds that only a preset asks for and that have nothing to hold."""
    idle = {name for name in provenance.unasked if tally.metric(name).value is None}
    return provenance.model_copy(update={"gate": {name: bound for name, bound in provenance.gate.items() if name not in idle}})


def _of_trials(held: _Held) -> list[Finding]:
    """Return what single trials show."""
    provenance, tally = held.provenance, held.tally
    return [
        *findings.crashed(provenance, tally.decisive),
        *findings.stale(provenance, tally),
        *findings.failed_checks(provenance, tally.decisive, held.before),
    ]


def _of_suite(held: _Held, repeats: int) -> list[Finding]:
    provenance, tally, against, before = held
    return [
        *findings.crashed(provenance, tally.decisive),
        *findings.stale(provenance, tally),
        *findings.missing(provenance, tally, repeats),
        *findings.must_pass(provenance, tally),
        *findings.failed_checks(provenance, tally.decisive, before),
        *findings.broken_bounds(provenance, tally.decisive, before),
        *(findings.broken_against(provenance, tally.decisive, against, before) if against else ()),
        *findings.unscored(provenance, tally),
        *findings.nothing_scored(tally),
    ]


def _besides(held: _Held, today: dt.date | None) -> tuple[str, ...]:
    provenance, tally, against, before = held
    return (
        *notes.skipped(provenance, tally.decisive, against, before),
        *notes.left_to_bounds(provenance, tally.decisive, before),
        *notes.seen(provenance, tally),
        *(notes.compared(provenance, against, before, today) if against else ()),
    )


def judge_trials(
    provenance: SuiteProvenance, trials: Iterable[Trial], baseline: Baseline | None = None, *, today: dt.date | None = None
) -> SuiteVerdict:
    """Give the verdict of one suite from its trials, each case run once."""
    tally, roll = Tally(shape=provenance.to_cover, quarantined=provenance.quarantined(today)), Roll()
    for trial in trials:
        tally.add(trial)
        roll.add(trial)
    return judge(provenance, tally, against=_against(baseline, roll, tally, provenance.name) if baseline else None, today=today)


def judge_experiment(
    experiment: Experiment,
    trials: Iterable[Trial],
    *,
    baselines: Mapping[str, Baseline] | None = None,
    forgiving: bool = False,
    today: dt.date | None = None,
) -> tuple[Summary, ...]:
    """Give the verdict of every suite of an experiment; `baselines` is by suite name (`suite@variant`)."""
    tallies = {suite.name: Tally(shape=suite.to_cover, quarantined=suite.quarantined(today)) for suite in experiment.suites}
    rolls = {name: Roll() for name in baselines or {}}
    for trial in trials:
        name = suite_name(trial.suite, trial.variant)
        if name not in tallies:
            message = f"experiment {experiment.id!r} has a trial of case {trial.case!r} of suite {name!r}, which it does not name"
            raise ExperimentUnreadable(message)
        tallies[name].add(trial)
        if name in rolls:
            rolls[name].add(trial)
    known = {name: baseline for name, baseline in (baselines or {}).items() if name in tallies}
    compared = {name: _against(baseline, rolls[name], tallies[name], name) for name, baseline in known.items()}
    return tuple(
        Summary(
            suite,
            tallies[suite.name],
            _aged(
                experiment,
                today,
                judge(
                    suite,
                    tallies[suite.name],
                    against=compared.get(suite.name),
                    repeats=experiment.repeat,
                    forgiving=forgiving,
                    stopped=experiment.stopped,
                    today=today,
                ),
            ),
        )
        for suite in experiment.suites
    )


def _aged(experiment: Experiment, today: dt.date | None, verdict: SuiteVerdict) -> SuiteVerdict:
    """Return the verdict with a note where the experiment is an old one."""
    return verdict.model_copy(update={"notes": (*verdict.notes, *notes.aged(experiment, today))})


def _against(baseline: Baseline, roll: Roll, tally: Tally, name: str) -> Against:
    if baseline.standings.name != name:
        message = f"the baseline of suite {name!r} is one of {baseline.standings.name!r}; bless an experiment of {name!r}"
        raise ExperimentUnreadable(message)
    return Against(baseline, roll.cases(), tally.figures())


def left_to_bounds(provenance: SuiteProvenance, trial: Trial, baseline: Baseline | None = None) -> bool:
    """Tell whether a failed trial decides nothing by itself: every check that failed has a bound, and the case is no must-pass."""
    bounded = deciding(provenance, baseline.standings.metrics if baseline else {})
    covered = all(findings.is_left(bounded, key) for key in Tally((trial,)).failing)
    return trial.outcome == "fail" and trial.case not in provenance.must_pass and covered


def left_to_quarantine(provenance: SuiteProvenance, trial: Trial, today: dt.date) -> bool:
    """Tell whether a trial decides nothing because its case is in quarantine."""
    return bool(Tally((trial,), quarantined=provenance.quarantined(today)).set_aside)
