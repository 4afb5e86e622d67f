"""The gate: one pure function from the figures of a suite to its verdict.

What fails without a bound: a failed check, a crash, a stale case, a missing case, a must-pass case that did not pass, nothing measured.
A bound covers the failures that its metric counts, once it can be evaluated: then it decides instead of the single case.
"""

from collections.abc import Iterable, Iterator, Mapping

from harness.baseline import Baseline
from harness.cassette.miss import price_of, record_command
from harness.errors import ExitCode, ExperimentUnreadable
from harness.experiment import OVER_BUDGET, Bound, Experiment, SuiteProvenance, Trial, suite_name
from harness.gate import against as relative
from harness.gate.against import Against
from harness.gate.bounds import TOLERANCE, broken, covers, decides, deciding, moved_too_far, shown
from harness.gate.verdict import Finding, SuiteVerdict, Summary, finding, listed, settle
from harness.metric import Tally
from harness.schema import nearest
from harness.standing import Roll
from harness.tally import Failing, counted

_CAUSES_SHOWN = 10


def judge(
    provenance: SuiteProvenance,
    tally: Tally,
    *,
    against: Against | None = None,
    repeats: int = 1,
    forgiving: bool = False,
    stopped: str = "",
) -> SuiteVerdict:
    """Give the verdict of one suite, also against a baseline where there is one.

    `provenance.cases` is the number of cases that were selected to run, each `repeats` times. `stopped` says why a
    budget stopped the run: what lacks then, and bounds over what there is, decide nothing. A `forgiving` gate exits with 0 where it is
    inconclusive, and changes nothing else.
    """
    before = {name: against.before(name) for name in provenance.gate} if against else {}
    lacking = tally.missing(provenance.cases, max(repeats, tally.repeats))[0] if stopped else 0
    if lacking:
        stop = Finding(ExitCode.BUDGET, f"{counted(lacking, 'trial')} did not run: {stopped}")
        return _judge_stopped(provenance, tally, before, stop, forgiving=forgiving)
    if not tally.trials:
        nothing = Finding(ExitCode.NOTHING_RAN, f"no trial ran, {counted(provenance.cases, 'case')} should have")
        return settle([nothing], (), forgiving=forgiving)
    findings = [
        *_crashed(provenance, tally),
        *_stale(provenance, tally),
        *_missing(provenance, tally, repeats),
        *_must_pass(provenance, tally),
        *_failed_checks(provenance, tally, before),
        *_broken_bounds(provenance, tally, before),
        *(_broken_against(provenance, tally, against, before) if against else ()),
        *_unscored(provenance, tally),
        *_nothing_scored(tally),
    ]
    compared = relative.notes(against) if against else ()
    return settle(findings, (*_faults(provenance), *_notes(provenance, tally, against, before), *compared), forgiving=forgiving)


def _judge_stopped(
    provenance: SuiteProvenance, tally: Tally, before: Mapping[str, float | None], stop: Finding, *, forgiving: bool
) -> SuiteVerdict:
    """Give the verdict of a suite that the budget of the run cut short: only what single trials show counts."""
    findings = [*_crashed(provenance, tally), *_stale(provenance, tally), *_failed_checks(provenance, tally, before), stop]
    notes = ("bounds not evaluated: the run was stopped by its budget",) if provenance.gate else ()
    return settle(findings, notes, forgiving=forgiving)


def judge_trials(provenance: SuiteProvenance, trials: Iterable[Trial], baseline: Baseline | None = None) -> SuiteVerdict:
    """Give the verdict of one suite from its trials, each case run once."""
    tally, roll = Tally(shape=provenance.to_cover), Roll()
    for trial in trials:
        tally.add(trial)
        roll.add(trial)
    return judge(provenance, tally, against=_against(baseline, roll, tally) if baseline else None)


def judge_experiment(
    experiment: Experiment,
    trials: Iterable[Trial],
    *,
    baselines: Mapping[str, Baseline] | None = None,
    forgiving: bool = False,
) -> tuple[Summary, ...]:
    """Give the verdict of every suite of an experiment; `baselines` is by suite name (`suite@variant`)."""
    tallies = {suite.name: Tally(shape=suite.to_cover) for suite in experiment.suites}
    rolls = {name: Roll() for name in baselines or {}}
    for trial in trials:
        name = suite_name(trial.suite, trial.variant)
        if name not in tallies:
            message = f"experiment {experiment.id!r} has a trial of case {trial.case!r} of suite {name!r}, which it does not name"
            raise ExperimentUnreadable(message)
        tallies[name].add(trial)
        if name in rolls:
            rolls[name].add(trial)
    compared = {name: _against(baseline, rolls[name], tallies[name]) for name, baseline in (baselines or {}).items() if name in tallies}
    return tuple(
        Summary(
            suite,
            tallies[suite.name],
            judge(
                suite,
                tallies[suite.name],
                against=compared.get(suite.name),
                repeats=experiment.repeat,
                forgiving=forgiving,
                stopped=experiment.stopped,
            ),
        )
        for suite in experiment.suites
    )


def _against(baseline: Baseline, roll: Roll, tally: Tally) -> Against:
    return Against(baseline, roll.cases(), {name: metric.value for name, metric in tally.metrics().items()})


def left_to_bounds(provenance: SuiteProvenance, trial: Trial) -> bool:
    """Tell whether a failed trial decides nothing by itself: every check that failed has a bound, and the case is no must-pass."""
    bounded = deciding(provenance, {})
    covered = all(_left(bounded, key) for key in Tally((trial,)).failing)
    return trial.outcome == "fail" and trial.case not in provenance.must_pass and covered


def _left(bounded: set[str], key: Failing) -> bool:
    """Tell whether a failed check is left to a bound; a budget that was overspent never is."""
    return key.check != OVER_BUDGET and covers(bounded, key.check, key.circumstance)


def _crashed(provenance: SuiteProvenance, tally: Tally) -> Iterator[Finding]:
    bound = provenance.gate.get("error.rate", Bound())
    ceiling = 0.0 if bound.max is None else bound.max
    rate = tally.metric("error.rate").value
    if rate is not None and rate > ceiling + TOLERANCE:
        crashed = f"{tally.errors} of {counted(tally.measured, 'measured trial')} crashed"
        reason = f"error.rate is {shown(rate, ceiling)}, above max {shown(ceiling, rate)}: {crashed}"
        yield finding(ExitCode.CRASHED, reason, tally.cases("error"))


def _stale(provenance: SuiteProvenance, tally: Tally) -> Iterator[Finding]:
    if not tally.stale:
        return
    causes = tally.stale_causes
    for cause in causes[:_CAUSES_SHOWN]:
        count = len(cause.cases)
        yield finding(ExitCode.STALE, f"{counted(count, 'case')} {'is' if count == 1 else 'are'} stale, {cause.cause}", cause.cases)
    if len(causes) > _CAUSES_SHOWN:
        rest = tuple(sorted({case for cause in causes[_CAUSES_SHOWN:] for case in cause.cases}))
        yield finding(ExitCode.STALE, f"{len(causes) - _CAUSES_SHOWN} more causes of stale cases", rest)
    yield Finding(ExitCode.STALE, _remedy(provenance, tally))


def _remedy(provenance: SuiteProvenance, tally: Tally) -> str:
    """Say how many calls are stale of themselves, how many follow from them, the command that records them and what it will cost."""
    renewal, stale = tally.renewal, tally.cases("stale")
    command = record_command(provenance.cassettes or provenance.suite, provenance.variant, stale[0] if len(stale) == 1 else None)
    of_themselves = "1 call is stale of itself" if renewal.own == 1 else f"{renewal.own:,} calls are stale of themselves"
    own = f"{of_themselves}, {renewal.follow:,} {'follows' if renewal.follow == 1 else 'follow'}; " if renewal.follow else ""
    price = price_of(renewal.tokens, renewal.cost_usd)
    return f"{own}record what is missing with `{command}`, {price}"


def _missing(provenance: SuiteProvenance, tally: Tally, repeats: int) -> Iterator[Finding]:
    wanted = max(repeats, tally.repeats)
    count, partial = tally.missing(provenance.cases, wanted)
    if count:
        expected = counted(provenance.cases * wanted, "trial")
        of = f" ({counted(provenance.cases, 'case')}, {wanted} times each)" if wanted > 1 else ""
        yield finding(ExitCode.GATE_FAILED, f"{count:,} of {expected}{of} did not run", partial)


def _must_pass(provenance: SuiteProvenance, tally: Tally) -> Iterator[Finding]:
    absent = tuple(case for case in provenance.must_pass if not tally.trials_of(case))
    broken = tuple(case for case in provenance.must_pass if set(tally.outcomes_of(case)) - {"pass"})
    if broken:
        yield finding(ExitCode.GATE_FAILED, f"{counted(len(broken), 'must-pass case')} did not pass", broken)
    if absent and not provenance.selected:
        yield finding(ExitCode.GATE_FAILED, f"{counted(len(absent), 'must-pass case')} did not run", absent)


def _failed_checks(provenance: SuiteProvenance, tally: Tally, before: Mapping[str, float | None]) -> Iterator[Finding]:
    bounded = deciding(provenance, before)
    failed: dict[str, set[str]] = {}
    for key, cases in tally.failing.items():
        if key.circumstance != "error" and not _left(bounded, key):
            failed.setdefault(key.check, set()).update(cases)
    for check, found in failed.items():
        if check == OVER_BUDGET:
            yield finding(ExitCode.BUDGET, f"{counted(len(found), 'case')} stopped by the budget of a trial", tuple(sorted(found)))
            continue
        yield finding(ExitCode.GATE_FAILED, f"check {check!r} failed in {counted(len(found), 'case')}", tuple(sorted(found)))


def _broken_bounds(provenance: SuiteProvenance, tally: Tally, before: Mapping[str, float | None]) -> Iterator[Finding]:
    """Evaluate the absolute bounds; where no trial was measured at all, that is the reason, not each bound once more."""
    if not tally.measured:
        return
    metrics = tally.metrics()
    for name, bound in sorted(provenance.gate.items()):
        metric = metrics.get(name) or tally.metric(name)
        if metric.value is not None:
            for reason in broken(name, bound, metric.value):
                yield finding(ExitCode.GATE_FAILED, f"{reason}{_not_taken(name, tally)}", tally.deciding(name))
        elif decides(name, bound, before) and not provenance.selected:
            yield finding(ExitCode.GATE_FAILED, f"{name} has no value, so its bound cannot hold: {metric.reason}")


def _not_taken(name: str, tally: Tally) -> str:
    """Name what of the graph no trial took, for a metric of its coverage."""
    missing = next((found.missing for kind, found in tally.coverage.items() if name == f"{kind}.coverage"), ())
    return f", not taken: {listed(missing)}" if missing else ""


def _broken_against(provenance: SuiteProvenance, tally: Tally, against: Against, before: Mapping[str, float | None]) -> Iterator[Finding]:
    """Evaluate the bounds that compare with the baseline, over the cases that it has too."""
    yield from relative.missing_cases(provenance, against)
    for name, bound in sorted(provenance.gate.items()):
        base, value = before[name], against.after(name)
        if base is not None and value is not None:
            yield from (finding(ExitCode.GATE_FAILED, reason, tally.deciding(name)) for reason in moved_too_far(name, bound, base, value))
        if bound.non_inferiority is not None and base is not None:
            yield from relative.inferior(name, bound.non_inferiority, against, tally.deciding(name))


def _unscored(provenance: SuiteProvenance, tally: Tally) -> Iterator[Finding]:
    """Tell of trials in which something expected could not be measured: they fail, unless a bound allows a share of them."""
    if not tally.unscored:
        return
    decided_elsewhere = "unscored.rate" in provenance.gate or tally.passed + tally.failed == 0
    code = ExitCode.PASS if decided_elsewhere else ExitCode.GATE_FAILED
    yield finding(code, f"{counted(tally.unscored, 'trial')} could not be scored", tally.cases("unscored"))


def _nothing_scored(tally: Tally) -> Iterator[Finding]:
    if tally.passed + tally.failed == 0:
        yield Finding(ExitCode.NOTHING_RAN, "no trial passed or failed, so the suite cannot pass")


def _faults(provenance: SuiteProvenance) -> Iterator[str]:
    if provenance.faults:
        yield f"every case ran with {', '.join(provenance.faults)}"


def _notes(provenance: SuiteProvenance, tally: Tally, against: Against | None, before: Mapping[str, float | None]) -> Iterator[str]:
    if not tally.measured and provenance.gate:
        yield "bounds not evaluated: no trial was measured"
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
    yield from _left_to_bounds(provenance, tally, before)
    yield from _drawn_again(provenance, tally)
    for drift in tally.drift:
        yield f"drift: {drift.part} in {counted(drift.calls, 'call')} of {counted(len(drift.cases), 'case')}: {listed(drift.cases)}"
    if tally.unused:
        exchanges = counted(sum(tally.unused.values()), "recorded exchange")
        yield f"{exchanges} not asked for in {counted(len(tally.unused), 'case')}: {listed(tuple(tally.unused))}"
    for check, (cases, reason) in tally.unscored_checks.items():
        yield f"check {check!r} could not measure {counted(len(cases), 'case')} ({reason}): {listed(cases)}"


def _drawn_again(provenance: SuiteProvenance, tally: Tally) -> Iterator[str]:
    """Say that repeats replayed one recording more than once: they show how steady the agent's code is, not the model."""
    if tally.drawn_again:
        command = f"{record_command(provenance.cassettes or provenance.suite, provenance.variant, None)} --repeat {tally.repeats}"
        cases = counted(len(tally.drawn_again), "case")
        yield f"{cases} ran more often than recorded, so pass@k and pass^k tell nothing of the model there; `{command}` draws anew"


def _left_to_bounds(provenance: SuiteProvenance, tally: Tally, before: Mapping[str, float | None]) -> Iterator[str]:
    """Say which failed checks do not fail the suite by themselves."""
    bounded = deciding(provenance, before)
    failed: dict[str, set[str]] = {}
    for key, cases in tally.failing.items():
        if key.circumstance != "error" and _left(bounded, key):
            failed.setdefault(key.check, set()).update(cases)
    for check, found in failed.items():
        yield f"check {check!r} failed in {counted(len(found), 'case')}, which its bound decides"
