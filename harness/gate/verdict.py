"""What a gate answers, and which of several answers decides."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness.errors import ExitCode
from harness.experiment import SuiteProvenance
from harness.metric import Tally
from harness.schema import Value

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

_VERDICTS: dict[ExitCode, Verdict] = {
    ExitCode.PASS: "pass",
    ExitCode.INCONCLUSIVE: "inconclusive",
    ExitCode.STALE: "stale",
    ExitCode.CRASHED: "error",
}
_RANK: tuple[Verdict, ...] = ("error", "stale", "fail", "inconclusive", "pass")
_SHOWN = 5


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


class Finding(NamedTuple):
    """Something that decides: the exit code that it asks for, why, and the cases that show it."""

    code: ExitCode
    reason: str
    cases: tuple[str, ...] = ()


def finding(code: ExitCode, reason: str, cases: tuple[str, ...] = ()) -> Finding:
    """Return a finding whose reason names the first of its cases."""
    return Finding(code, f"{reason}: {listed(cases)}" if cases else reason, cases)


def listed(cases: tuple[str, ...]) -> str:
    """Return the first cases, and how many more there are."""
    rest = len(cases) - _SHOWN
    return ", ".join(cases[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def settle(findings: Iterable[Finding], notes: tuple[str, ...], *, forgiving: bool) -> SuiteVerdict:
    """Return the verdict of these findings: the most severe one decides."""
    ordered = sorted(findings, key=lambda one: SEVERITY.index(one.code))
    code = ordered[0].code if ordered else ExitCode.PASS
    forgiven = code is ExitCode.INCONCLUSIVE and forgiving
    return SuiteVerdict(
        verdict=_VERDICTS.get(code, "fail"),
        exit_code=ExitCode.PASS if forgiven else code,
        reasons=tuple(one.reason for one in ordered),
        notes=notes,
        cases=tuple(sorted({case for one in ordered if one.code is not ExitCode.PASS for case in one.cases})),
    )


def with_findings(verdict: SuiteVerdict, findings: Iterable[Finding]) -> SuiteVerdict:
    """Return the verdict with findings that came after it: it can only become more severe."""
    for one in sorted(findings, key=lambda found: SEVERITY.index(found.code)):
        worse = SEVERITY.index(one.code) < SEVERITY.index(verdict.exit_code)
        changed = {
            "verdict": _VERDICTS.get(one.code, "fail") if worse else verdict.verdict,
            "exit_code": one.code if worse else verdict.exit_code,
            "reasons": (one.reason, *verdict.reasons) if worse else (*verdict.reasons, one.reason),
            "cases": tuple(sorted({*verdict.cases, *one.cases})),
        }
        verdict = verdict.model_copy(update=changed)
    return verdict


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
