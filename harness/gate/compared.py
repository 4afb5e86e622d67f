"""The verdict of a comparison: the candidate's gate with the base as its baseline, and what the comparison itself shows."""

import datetime as dt
from collections.abc import Iterator

from harness.baseline import Baseline
from harness.cassette.miss import record_command
from harness.compare import SIGNIFICANT, is_share
from harness.errors import ExitCode
from harness.experiment import SuiteProvenance
from harness.gate import against as relative
from harness.gate.against import Against
from harness.gate.judge import judge
from harness.gate.verdict import Finding, SuiteVerdict, finding, with_findings
from harness.metric import Tally
from harness.standing import Standing, Standings
from harness.stats import mcnemar
from harness.tally import counted

_LEAST_SHOWN = 0.001


def judge_candidate(
    base: Baseline,
    candidate: Standings,
    tally: Tally,
    *,
    repeats: int = 1,
    forgiving: bool = False,
    stopped: str = "",
    today: dt.date | None = None,
) -> SuiteVerdict:
    """Give the verdict of one suite compared with another.

    A suite without a bound on a share that is relative to a baseline still fails where fewer cases pass than chance explains. Where no
    case was measured on both sides, nothing was compared, and that is no pass; neither is a base that is stale.
    """
    against = Against(base, candidate.cases, candidate.metrics)
    verdict = judge(candidate.provenance, tally, against=against, repeats=repeats, forgiving=forgiving, stopped=stopped, today=today)
    origin = next(relative.notes(against))
    told = verdict.model_copy(update={"notes": tuple(note for note in verdict.notes if note != origin)})
    found = (_stale_base(base.standings), _nothing_paired(base.standings, candidate), _worse(base.standings, candidate, tally.quarantined))
    return with_findings(told, [one for findings in found for one in findings])


def _stale_base(base: Standings) -> Iterator[Finding]:
    """Tell of stale cases of the base, which show nothing to hold a candidate to."""
    stale, of = tuple(sorted(case for case, standing in base.cases.items() if standing.had("stale"))), base.provenance
    if stale:
        command = record_command(of.cassettes or of.suite, of.variant, None)
        are = "is" if len(stale) == 1 else "are"
        what = f"{counted(len(stale), 'case')} of the base {are} stale, so not compared; record with `{command}`, and run the base again"
        yield finding(ExitCode.STALE, what, stale)


def _nothing_paired(base: Standings, candidate: Standings) -> Iterator[Finding]:
    pairs = [(base.cases[case], candidate.cases[case]) for case in {*base.cases} & {*candidate.cases}]
    if not any(_is_evidence(before) and _is_evidence(after) for before, after in pairs):
        yield Finding(ExitCode.NOTHING_RAN, "no case was measured on both sides, so nothing was compared")


def _is_evidence(standing: Standing) -> bool:
    """Tell whether a trial of the case passed or failed: a crash on both sides compares nothing."""
    return standing.had("pass") or standing.had("fail")


def _worse(base: Standings, candidate: Standings, aside: frozenset[str]) -> Iterator[Finding]:
    """Tell of a share of passes that is shown to be less, or may be because of what could not be scored: that counts as no pass.

    A stale trial counts as nothing: it shows nothing of the candidate, and makes the verdict stale by itself.
    """
    if _bounds_decide(candidate.provenance):
        return
    pairs = {case: after for case, after in _paired(base, candidate) if case not in aside}
    moved = {case: after.values["pass.rate"] - base.cases[case].values["pass.rate"] for case, after in pairs.items()}
    rose, fell = (tuple(sorted(case for case, by in moved.items() if by * sign > 0)) for sign in (1, -1))
    p_value = mcnemar(len(rose), len(fell))
    if len(fell) <= len(rose) or p_value > SIGNIFICANT:
        return
    unscored, crashed = (sum(pairs[case].had(outcome) for case in fell) for outcome in ("unscored", "error"))
    seen = f"{len(rose):,} better, {len(fell) - unscored:,} worse{' or crashed' if crashed else ''}"
    of = f"of {counted(len(moved), 'case')}"
    if unscored:
        what = f"the candidate may pass fewer cases: {seen}, {unscored:,} unscored {of}, and what is unscored counts as no pass"
    else:
        what = f"the candidate passes fewer cases: {seen} {of}, which chance alone seldom does (p {_shown(p_value)})"
    yield finding(ExitCode.GATE_FAILED, what, fell)


def _shown(p_value: float) -> str:
    return f"= {p_value:.3f}" if p_value >= _LEAST_SHOWN else f"< {_LEAST_SHOWN}"


def _paired(base: Standings, candidate: Standings) -> Iterator[tuple[str, Standing]]:
    for case, after in candidate.cases.items():
        if case in base.cases and base.cases[case].measured and not after.had("stale"):
            yield case, after


def _bounds_decide(provenance: SuiteProvenance) -> bool:
    return any(is_share(name) and bound.relative for name, bound in provenance.gate.items())
