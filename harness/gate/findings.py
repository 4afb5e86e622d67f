"""What decides a verdict: one rule each, from the figures of a suite to findings.

What fails without a bound: a failed check, a crash, a stale case, a missing case, a must-pass case that did not pass, nothing measured.
A bound covers the failures that its metric counts, once it can be evaluated: then it decides instead of the single case.
"""

from collections.abc import Iterator, Mapping

from harness.cassette.miss import price_of, record_command
from harness.errors import ExitCode
from harness.experiment import OVER_BUDGET, SuiteProvenance
from harness.gate import against as relative
from harness.gate.against import Against
from harness.gate.bounds import TOLERANCE, broken, covers, decides, deciding, moved_too_far, shown
from harness.gate.inferiority import inferior
from harness.gate.verdict import Finding, finding, listed
from harness.metric import Tally
from harness.tally import Failing, counted
from harness.terms import Bound

_CAUSES_SHOWN = 10


def is_left(bounded: set[str], key: Failing) -> bool:
    """Tell whether a failed check is left to a bound; a budget that was overspent never is."""
    return key.check != OVER_BUDGET and covers(bounded, key.check, key.circumstance)


def crashed(provenance: SuiteProvenance, tally: Tally) -> Iterator[Finding]:
    """Tell of more crashes than `error.rate` allows: of any, without a bound."""
    bound = provenance.gate.get("error.rate", Bound())
    ceiling = 0.0 if bound.max is None else bound.max
    rate = tally.metric("error.rate").value
    if rate is not None and rate > ceiling + TOLERANCE:
        happened = f"{tally.errors} of {counted(tally.measured, 'measured trial')} crashed"
        reason = f"error.rate is {shown(rate, ceiling)}, above max {shown(ceiling, rate)}: {happened}"
        yield finding(ExitCode.CRASHED, reason, tally.cases("error"))


def stale(provenance: SuiteProvenance, tally: Tally) -> Iterator[Finding]:
    """Tell of stale cases by their cause, and what mends them; nothing forgives them."""
    if not tally.stale:
        return
    causes = tally.staleness.causes
    for cause in causes[:_CAUSES_SHOWN]:
        count = len(cause.cases)
        yield finding(ExitCode.STALE, f"{counted(count, 'case')} {'is' if count == 1 else 'are'} stale, {cause.cause}", cause.cases)
    if len(causes) > _CAUSES_SHOWN:
        rest = tuple(sorted({case for cause in causes[_CAUSES_SHOWN:] for case in cause.cases}))
        yield finding(ExitCode.STALE, f"{len(causes) - _CAUSES_SHOWN} more causes of stale cases", rest)
    yield Finding(ExitCode.STALE, _remedy(provenance, tally))


def _remedy(provenance: SuiteProvenance, tally: Tally) -> str:
    """Say how many calls are stale of themselves, how many follow from them, the command that records them and what it will cost."""
    renewal, stale = tally.staleness.renewal, tally.cases("stale")
    command = record_command(provenance.cassettes or provenance.suite, provenance.variant, stale[0] if len(stale) == 1 else None)
    of_themselves = "1 call is stale of itself" if renewal.own == 1 else f"{renewal.own:,} calls are stale of themselves"
    own = f"{of_themselves}, {renewal.follow:,} {'follows' if renewal.follow == 1 else 'follow'}; " if renewal.follow else ""
    price = price_of(renewal.tokens, renewal.cost_usd)
    return f"{own}record what is missing with `{command}`, {price}"


def missing(provenance: SuiteProvenance, tally: Tally, repeats: int) -> Iterator[Finding]:
    """Tell of trials that did not run."""
    wanted = max(repeats, tally.repeats)
    count, partial = tally.missing(provenance.cases, wanted)
    if count:
        expected = counted(provenance.cases * wanted, "trial")
        of = f" ({counted(provenance.cases, 'case')}, {wanted} times each)" if wanted > 1 else ""
        yield finding(ExitCode.GATE_FAILED, f"{count:,} of {expected}{of} did not run", partial)


def must_pass(provenance: SuiteProvenance, tally: Tally) -> Iterator[Finding]:
    """Tell of must-pass cases of which a trial did not pass or run, whatever the bounds."""
    absent = tuple(case for case in provenance.must_pass if not tally.trials_of(case))
    broken = tuple(case for case in provenance.must_pass if set(tally.outcomes_of(case)) - {"pass"})
    if broken:
        yield finding(ExitCode.GATE_FAILED, f"{counted(len(broken), 'must-pass case')} did not pass", broken)
    if absent and not provenance.selected:
        yield finding(ExitCode.GATE_FAILED, f"{counted(len(absent), 'must-pass case')} did not run", absent)


def failed_checks(provenance: SuiteProvenance, tally: Tally, before: Mapping[str, float | None]) -> Iterator[Finding]:
    """Tell of failed checks that no bound decides, and of trials that their budget stopped."""
    bounded = deciding(provenance, before)
    failed: dict[str, set[str]] = {}
    for key, cases in tally.failing.items():
        if key.circumstance != "error" and not is_left(bounded, key):
            failed.setdefault(key.check, set()).update(cases)
    for check, found in failed.items():
        if check == OVER_BUDGET:
            yield finding(ExitCode.BUDGET, f"{counted(len(found), 'case')} stopped by the budget of a trial", tuple(sorted(found)))
            continue
        yield finding(ExitCode.GATE_FAILED, f"check {check!r} failed in {counted(len(found), 'case')}", tuple(sorted(found)))


def broken_bounds(provenance: SuiteProvenance, tally: Tally, before: Mapping[str, float | None]) -> Iterator[Finding]:
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


def broken_against(provenance: SuiteProvenance, tally: Tally, against: Against, before: Mapping[str, float | None]) -> Iterator[Finding]:
    """Evaluate the bounds that compare with the baseline, over the cases that it has too."""
    yield from relative.missing_cases(provenance, against)
    yield from relative.nothing_shared(against) if tally.measured else ()
    for name, bound in sorted(provenance.gate.items()):
        base, value = before[name], against.after(name)
        if base is not None and value is not None:
            yield from (finding(ExitCode.GATE_FAILED, reason, tally.deciding(name)) for reason in moved_too_far(name, bound, base, value))
        elif base is not None and bound.relative and tally.metric(name).value is not None:
            yield Finding(ExitCode.GATE_FAILED, f"{name} has no value over the cases of the baseline, so its bound cannot hold")
        if bound.non_inferiority is not None and base is not None:
            yield from inferior(name, bound.non_inferiority, against)


def unscored(provenance: SuiteProvenance, tally: Tally) -> Iterator[Finding]:
    """Tell of trials in which something expected could not be measured: they fail, unless a bound allows a share of them."""
    if not tally.unscored:
        return
    decided_elsewhere = "unscored.rate" in provenance.gate or tally.passed + tally.failed == 0
    code = ExitCode.PASS if decided_elsewhere else ExitCode.GATE_FAILED
    yield finding(code, f"{tally.unscored:,} of {counted(tally.trials, 'trial')} could not be scored", tally.cases("unscored"))


def nothing_scored(tally: Tally) -> Iterator[Finding]:
    """Tell that there is no trial by which a suite could pass, besides those in quarantine."""
    if tally.decisive.passed + tally.decisive.failed == 0:
        besides = " but for cases in quarantine" if tally.set_aside else ""
        yield Finding(ExitCode.NOTHING_RAN, f"no trial passed or failed{besides}, so the suite cannot pass")
