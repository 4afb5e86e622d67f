"""The gate: one pure function from the figures of a suite to its verdict.

What fails without a bound: a failed check, a crash, a stale case, a missing case, a must-pass case that did not pass, nothing measured.
A bound covers the failures that its metric counts, once it can be evaluated: then it decides instead of the single case.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness.cassette.miss import price_of, record_command
from harness.errors import ExitCode, ExperimentUnreadable
from harness.experiment import OVER_BUDGET, Bound, Experiment, SuiteProvenance, Trial, suite_name
from harness.metric import Tally
from harness.schema import Value, nearest
from harness.tally import counted

Verdict = Literal["pass", "fail", "inconclusive", "stale", "error"]

SEVERITY = (
    ExitCode.INTERRUPTED,
    ExitCode.USAGE,
    ExitCode.CRASHED,
    ExitCode.STALE,
    ExitCode.GATE_FAILED,
    ExitCode.BUDGET,
    ExitCode.NOTHING_RAN,
    ExitCode.INCONCLUSIVE,
    ExitCode.PUSH_INCOMPLETE,
    ExitCode.PASS,
)
FAIL_ON: frozenset[Verdict] = frozenset({"fail", "inconclusive", "stale", "error"})

_VERDICTS: dict[ExitCode, Verdict] = {
    ExitCode.PASS: "pass",
    ExitCode.INCONCLUSIVE: "inconclusive",
    ExitCode.STALE: "stale",
    ExitCode.CRASHED: "error",
}
_RANK: tuple[Verdict, ...] = ("error", "stale", "fail", "inconclusive", "pass")
_TOLERANCE = 1e-12
_SHOWN = 5
_CAUSES_SHOWN = 10

Baseline = Mapping[str, float | None]


class SuiteVerdict(Value):
    """A gate's answer for one suite: why, the most severe first; what was skipped; the cases that decided it."""

    verdict: Verdict
    exit_code: ExitCode
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """One suite under one variant: what was run, its figures, its verdict."""

    provenance: SuiteProvenance
    tally: Tally
    verdict: SuiteVerdict


class _Finding(NamedTuple):
    code: ExitCode
    reason: str
    cases: tuple[str, ...] = ()


def judge(
    provenance: SuiteProvenance,
    tally: Tally,
    *,
    baseline: Baseline | None = None,
    repeats: int = 1,
    fail_on: frozenset[Verdict] = FAIL_ON,
    stopped: str = "",
) -> SuiteVerdict:
    """Give the verdict of one suite.

    `baseline` holds the baseline's figures over the same cases, by metric name. `provenance.cases` is the number of cases that were
    selected to run, each `repeats` times. `stopped` says why a budget stopped the run: what lacks then, and bounds over what there is,
    decide nothing. `fail_on` without `inconclusive` makes that one exit 0, and changes nothing else.
    """
    lacking = tally.missing(provenance.cases, max(repeats, tally.repeats))[0] if stopped else 0
    if lacking:
        stop = _Finding(ExitCode.BUDGET, f"{counted(lacking, 'trial')} did not run: {stopped}")
        return _judge_stopped(provenance, tally, baseline, stop, fail_on)
    if not tally.trials:
        return _settle([_Finding(ExitCode.NOTHING_RAN, f"no trial ran, {counted(provenance.cases, 'case')} should have")], (), fail_on)
    findings = [
        *_crashed(provenance, tally),
        *_stale(provenance, tally),
        *_missing(provenance, tally, repeats),
        *_must_pass(provenance, tally),
        *_failed_checks(provenance, tally, baseline),
        *_broken_bounds(provenance, tally, baseline),
        *_unscored(provenance, tally),
        *_nothing_scored(tally),
    ]
    return _settle(findings, (*_faults(provenance), *_notes(provenance, tally, baseline)), fail_on)


def _judge_stopped(
    provenance: SuiteProvenance, tally: Tally, baseline: Baseline | None, stop: _Finding, fail_on: frozenset[Verdict]
) -> SuiteVerdict:
    """Give the verdict of a suite that the budget of the run cut short: only what single trials show counts."""
    findings = [*_crashed(provenance, tally), *_stale(provenance, tally), *_failed_checks(provenance, tally, baseline), stop]
    notes = ("bounds not evaluated: the run was stopped by its budget",) if provenance.gate else ()
    return _settle(findings, notes, fail_on)


def judge_experiment(
    experiment: Experiment,
    trials: Iterable[Trial],
    *,
    baselines: Mapping[str, Baseline] | None = None,
    fail_on: frozenset[Verdict] = FAIL_ON,
) -> tuple[Summary, ...]:
    """Give the verdict of every suite of an experiment; `baselines` is by suite name (`suite@variant`)."""
    tallies = {suite.name: Tally(shape=suite.to_cover) for suite in experiment.suites}
    for trial in trials:
        name = suite_name(trial.suite, trial.variant)
        if name not in tallies:
            message = f"experiment {experiment.id!r} has a trial of case {trial.case!r} of suite {name!r}, which it does not name"
            raise ExperimentUnreadable(message)
        tallies[name].add(trial)
    return tuple(
        Summary(
            suite,
            tallies[suite.name],
            judge(
                suite,
                tallies[suite.name],
                baseline=(baselines or {}).get(suite.name),
                repeats=experiment.repeat,
                fail_on=fail_on,
                stopped=experiment.stopped,
            ),
        )
        for suite in experiment.suites
    )


def most_severe(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code that decides; nothing at all is `NOTHING_RAN`."""
    return min(codes, key=SEVERITY.index, default=ExitCode.NOTHING_RAN)


def overall(verdicts: Iterable[SuiteVerdict]) -> ExitCode:
    """Return the exit code of several suites: the most severe one decides."""
    return most_severe(verdict.exit_code for verdict in verdicts)


def overall_verdict(verdicts: Iterable[SuiteVerdict]) -> Verdict:
    """Return the verdict of several suites: that of the most severe one; no suite at all fails."""
    words: Iterator[Verdict] = (verdict.verdict for verdict in verdicts)
    return min(words, key=_RANK.index, default="fail")


def left_to_bounds(provenance: SuiteProvenance, trial: Trial) -> bool:
    """Tell whether a failed trial decides nothing by itself: every check that failed has a bound, and the case is no must-pass."""
    deciding = {name for name, bound in provenance.gate.items() if _decides(name, bound, None)}
    covered = all(key.check != OVER_BUDGET and _covers(deciding, key.check, key.circumstance) for key in Tally((trial,)).failing)
    return trial.outcome == "fail" and trial.case not in provenance.must_pass and covered


def _settle(findings: list[_Finding], notes: tuple[str, ...], fail_on: frozenset[Verdict]) -> SuiteVerdict:
    ordered = sorted(findings, key=lambda finding: SEVERITY.index(finding.code))
    code = ordered[0].code if ordered else ExitCode.PASS
    forgiven = code is ExitCode.INCONCLUSIVE and "inconclusive" not in fail_on
    return SuiteVerdict(
        verdict=_VERDICTS.get(code, "fail"),
        exit_code=ExitCode.PASS if forgiven else code,
        reasons=tuple(finding.reason for finding in ordered),
        notes=notes,
        cases=tuple(sorted({case for finding in ordered if finding.code is not ExitCode.PASS for case in finding.cases})),
    )


def _crashed(provenance: SuiteProvenance, tally: Tally) -> Iterator[_Finding]:
    bound = provenance.gate.get("error.rate", Bound())
    ceiling = 0.0 if bound.max is None else bound.max
    rate = tally.metric("error.rate").value
    if rate is not None and rate > ceiling + _TOLERANCE:
        crashed = f"{tally.errors} of {counted(tally.measured, 'measured trial')} crashed"
        reason = f"error.rate is {_figure(rate, ceiling)}, above max {_figure(ceiling, rate)}: {crashed}"
        yield _finding(ExitCode.CRASHED, reason, tally.cases("error"))


def _stale(provenance: SuiteProvenance, tally: Tally) -> Iterator[_Finding]:
    if not tally.stale:
        return
    causes = tally.stale_causes
    for cause in causes[:_CAUSES_SHOWN]:
        count = len(cause.cases)
        yield _finding(ExitCode.STALE, f"{counted(count, 'case')} {'is' if count == 1 else 'are'} stale, {cause.cause}", cause.cases)
    if len(causes) > _CAUSES_SHOWN:
        rest = tuple(sorted({case for cause in causes[_CAUSES_SHOWN:] for case in cause.cases}))
        yield _finding(ExitCode.STALE, f"{len(causes) - _CAUSES_SHOWN} more causes of stale cases", rest)
    yield _Finding(ExitCode.STALE, _remedy(provenance, tally))


def _remedy(provenance: SuiteProvenance, tally: Tally) -> str:
    """Say how many calls are stale of themselves, how many follow from them, the command that records them and what it will cost."""
    renewal, stale = tally.renewal, tally.cases("stale")
    command = record_command(provenance.cassettes or provenance.suite, provenance.variant, stale[0] if len(stale) == 1 else None)
    of_themselves = "1 call is stale of itself" if renewal.own == 1 else f"{renewal.own:,} calls are stale of themselves"
    own = f"{of_themselves}, {renewal.follow:,} {'follows' if renewal.follow == 1 else 'follow'}; " if renewal.follow else ""
    price = price_of(renewal.tokens, renewal.cost_usd)
    return f"{own}record what is missing with `{command}`, {price}"


def _missing(provenance: SuiteProvenance, tally: Tally, repeats: int) -> Iterator[_Finding]:
    wanted = max(repeats, tally.repeats)
    count, partial = tally.missing(provenance.cases, wanted)
    if count:
        expected = counted(provenance.cases * wanted, "trial")
        of = f" ({counted(provenance.cases, 'case')}, {wanted} times each)" if wanted > 1 else ""
        yield _finding(ExitCode.GATE_FAILED, f"{count:,} of {expected}{of} did not run", partial)


def _must_pass(provenance: SuiteProvenance, tally: Tally) -> Iterator[_Finding]:
    absent = tuple(case for case in provenance.must_pass if not tally.trials_of(case))
    broken = tuple(case for case in provenance.must_pass if set(tally.outcomes_of(case)) - {"pass"})
    if broken:
        yield _finding(ExitCode.GATE_FAILED, f"{counted(len(broken), 'must-pass case')} did not pass", broken)
    if absent and not provenance.selected:
        yield _finding(ExitCode.GATE_FAILED, f"{counted(len(absent), 'must-pass case')} did not run", absent)


def _failed_checks(provenance: SuiteProvenance, tally: Tally, baseline: Baseline | None) -> Iterator[_Finding]:
    deciding = {name for name, bound in provenance.gate.items() if _decides(name, bound, baseline)}
    failed: dict[str, set[str]] = {}
    for key, cases in tally.failing.items():
        covered = key.check != OVER_BUDGET and _covers(deciding, key.check, key.circumstance)
        if key.circumstance != "error" and not covered:
            failed.setdefault(key.check, set()).update(cases)
    for check, found in failed.items():
        if check == OVER_BUDGET:
            cases = tuple(sorted(found))
            yield _finding(ExitCode.BUDGET, f"{counted(len(found), 'case')} stopped by the budget of a trial", cases)
            continue
        yield _finding(ExitCode.GATE_FAILED, f"check {check!r} failed in {counted(len(found), 'case')}", tuple(sorted(found)))


def _decides(name: str, bound: Bound, baseline: Baseline | None) -> bool:
    """Tell whether a bound can be evaluated: an absolute one always, a relative one against a baseline that has the metric."""
    if bound.min is not None or bound.max is not None:
        return True
    point = bound.max_drop is not None or bound.max_rise_pct is not None
    return point and (baseline or {}).get(name) is not None


def _covers(bounded: set[str], check: str, circumstance: str) -> bool:
    if "pass.rate" in bounded or f"{check}.pass_rate" in bounded:
        return True
    if check == "route":
        return "route.accuracy" in bounded or f"{circumstance}.accuracy" in bounded
    return circumstance == "limit" and "limit_hit.rate" in bounded


def _broken_bounds(provenance: SuiteProvenance, tally: Tally, baseline: Baseline | None) -> Iterator[_Finding]:
    """Evaluate the bounds; where no trial was measured at all, that is the reason, not each bound once more."""
    if not tally.measured:
        return
    metrics = tally.metrics()
    for name, bound in sorted(provenance.gate.items()):
        metric = metrics.get(name) or tally.metric(name)
        if metric.value is None:
            if not provenance.selected and (_decides(name, bound, baseline) or (bound.relative and (baseline or {}).get(name) is not None)):
                yield _finding(ExitCode.GATE_FAILED, f"{name} has no value, so its bound cannot hold: {metric.reason}")
            continue
        for reason in _broken(name, bound, metric.value, (baseline or {}).get(name)):
            yield _finding(ExitCode.GATE_FAILED, f"{reason}{_not_taken(name, tally)}", tally.deciding(name))
        if bound.non_inferiority is not None and (baseline or {}).get(name) is not None:
            yield _Finding(ExitCode.INCONCLUSIVE, f"non_inferiority of {name} is not evaluated by this version")


def _not_taken(name: str, tally: Tally) -> str:
    """Name what of the graph no trial took, for a metric of its coverage."""
    missing = next((found.missing for kind, found in tally.coverage.items() if name == f"{kind}.coverage"), ())
    return f", not taken: {_listed(missing)}" if missing else ""


def _broken(name: str, bound: Bound, value: float, before: float | None) -> Iterator[str]:
    if bound.min is not None and value < bound.min - _TOLERANCE:
        yield f"{name} is {_figure(value, bound.min)}, below min {_figure(bound.min, value)}"
    if bound.max is not None and name != "error.rate" and value > bound.max + _TOLERANCE:
        yield f"{name} is {_figure(value, bound.max)}, above max {_figure(bound.max, value)}"
    if before is None:
        return
    if bound.max_drop is not None and before - value > bound.max_drop + _TOLERANCE:
        yield f"{name} fell from {_figure(before, value)} to {_figure(value, before)}, more than max_drop {bound.max_drop:g}"
    if bound.max_rise_pct is not None and value > before * (1 + bound.max_rise_pct / 100) + _TOLERANCE:
        yield f"{name} rose from {_figure(before, value)} to {_figure(value, before)}, more than max_rise_pct {bound.max_rise_pct:g}"


def _unscored(provenance: SuiteProvenance, tally: Tally) -> Iterator[_Finding]:
    """Tell of trials in which something expected could not be measured: they fail, unless a bound allows a share of them."""
    if not tally.unscored:
        return
    decided_elsewhere = "unscored.rate" in provenance.gate or tally.passed + tally.failed == 0
    code = ExitCode.PASS if decided_elsewhere else ExitCode.GATE_FAILED
    yield _finding(code, f"{counted(tally.unscored, 'trial')} could not be scored", tally.cases("unscored"))


def _nothing_scored(tally: Tally) -> Iterator[_Finding]:
    if tally.passed + tally.failed == 0:
        yield _Finding(ExitCode.NOTHING_RAN, "no trial passed or failed, so the suite cannot pass")


def _faults(provenance: SuiteProvenance) -> Iterator[str]:
    if provenance.faults:
        yield f"every case ran with {', '.join(provenance.faults)}"


def _notes(provenance: SuiteProvenance, tally: Tally, baseline: Baseline | None) -> Iterator[str]:
    if not tally.measured and provenance.gate:
        yield "bounds not evaluated: no trial was measured"
    for name, bound in sorted(provenance.gate.items()):
        for part in bound.relative:
            if baseline is None:
                yield f"{part} of {name} skipped: no baseline"
            elif baseline.get(name) is None:
                yield f"{part} of {name} skipped: the baseline has no value of it"
    if provenance.selected:
        unmeasured = [name for name in sorted(provenance.gate) if tally.metric(name).value is None]
        yield from (f"the bound of {name} is not evaluated: the selected cases do not measure it" for name in unmeasured)
    else:
        never = sorted(provenance.latencies.keys() - tally.executed)
        yield from (f"`latencies` names tool {name!r}, which no trial executed{nearest(name, tally.executed)}" for name in never)
    yield from _left_to_bounds(provenance, tally, baseline)
    for drift in tally.drift:
        yield f"drift: {drift.part} in {counted(drift.calls, 'call')} of {counted(len(drift.cases), 'case')}: {_listed(drift.cases)}"
    if tally.unused:
        exchanges = counted(sum(tally.unused.values()), "recorded exchange")
        yield f"{exchanges} not asked for in {counted(len(tally.unused), 'case')}: {_listed(tuple(tally.unused))}"
    for check, (cases, reason) in tally.unscored_checks.items():
        yield f"check {check!r} could not measure {counted(len(cases), 'case')} ({reason}): {_listed(cases)}"


def _left_to_bounds(provenance: SuiteProvenance, tally: Tally, baseline: Baseline | None) -> Iterator[str]:
    """Say which failed checks do not fail the suite by themselves."""
    deciding = {name for name, bound in provenance.gate.items() if _decides(name, bound, baseline)}
    failed: dict[str, set[str]] = {}
    for key, cases in tally.failing.items():
        if key.circumstance != "error" and key.check != OVER_BUDGET and _covers(deciding, key.check, key.circumstance):
            failed.setdefault(key.check, set()).update(cases)
    for check, found in failed.items():
        yield f"check {check!r} failed in {counted(len(found), 'case')}, which its bound decides"


def _finding(code: ExitCode, reason: str, cases: tuple[str, ...] = ()) -> _Finding:
    return _Finding(code, f"{reason}: {_listed(cases)}" if cases else reason, cases)


def _listed(cases: tuple[str, ...]) -> str:
    rest = len(cases) - _SHOWN
    return ", ".join(cases[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _figure(value: float, beside: float) -> str:
    """Show a figure in six digits, or in as many as tell it from the one beside it."""
    short = f"{value:.6g}"
    return short if value == beside or short != f"{beside:.6g}" else f"{value:.12g}"
