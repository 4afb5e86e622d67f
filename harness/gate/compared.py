"""The verdict of a comparison: the candidate's gate with the base as its baseline, and what the comparison itself shows."""

import datetime as dt
from collections.abc import Iterator

from harness.baseline import Baseline
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


def judge_candidate(
    base: Baseline, candidate: Standings, tally: Tally, *, repeats: int = 1, stopped: str = "", today: dt.date | None = None
) -> SuiteVerdict:
    """Give the verdict of one suite compared with another.

    A suite without a bound on a share that is relative to a baseline still fails where fewer cases pass and that is no chance. Where no
    case was measured on both sides, nothing was compared, and that is no pass.
    """
    against = Against(base, candidate.cases, candidate.metrics)
    verdict = judge(candidate.provenance, tally, against=against, repeats=repeats, stopped=stopped, today=today)
    origin = next(relative.notes(against))
    told = verdict.model_copy(update={"notes": tuple(note for note in verdict.notes if note != origin)})
    return with_findings(told, [*_nothing_paired(base.standings, candidate), *_worse(base.standings, candidate, tally.quarantined)])


def _nothing_paired(base: Standings, candidate: Standings) -> Iterator[Finding]:
    pairs = [(base.cases[case], candidate.cases[case]) for case in {*base.cases} & {*candidate.cases}]
    if not any(_is_evidence(before) and _is_evidence(after) for before, after in pairs):
        yield Finding(ExitCode.NOTHING_RAN, "no case was measured on both sides, so nothing was compared")


def _is_evidence(standing: Standing) -> bool:
    """Tell whether a trial of the case passed or failed: a crash on both sides compares nothing."""
    return standing.had("pass") or standing.had("fail")


def _worse(base: Standings, candidate: Standings, aside: frozenset[str]) -> Iterator[Finding]:
    """Tell of a share of passes that is shown to be less; what is not measured of the candidate counts as no pass."""
    if _bounds_decide(candidate.provenance):
        return
    moved = {
        case: after.values["pass.rate"] - base.cases[case].values["pass.rate"]
        for case, after in _paired(base, candidate)
        if case not in aside
    }
    rose, fell = (tuple(sorted(case for case, by in moved.items() if by * sign > 0)) for sign in (1, -1))
    if len(fell) > len(rose) and mcnemar(len(rose), len(fell)) <= SIGNIFICANT:
        what = f"the candidate passes fewer cases: {len(rose):,} better, {len(fell):,} worse of {counted(len(moved), 'case')}"
        lost = any(not candidate.cases[case].measured or candidate.cases[case].had("error") for case in fell)
        counting = ", what crashed or was not measured among them" if lost else ""
        yield finding(ExitCode.GATE_FAILED, f"{what}{counting}, which is no chance (p ≤ {SIGNIFICANT:g})", fell)


def _paired(base: Standings, candidate: Standings) -> Iterator[tuple[str, Standing]]:
    for case, after in candidate.cases.items():
        if case in base.cases and base.cases[case].measured:
            yield case, after


def _bounds_decide(provenance: SuiteProvenance) -> bool:
    return any(is_share(name) and bound.relative for name, bound in provenance.gate.items())
