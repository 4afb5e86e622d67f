"""The gate: the figures of a suite, its bounds and its baseline give a verdict; pure."""

from harness.gate.against import Against
from harness.gate.compared import judge_candidate
from harness.gate.judge import judge, judge_experiment, judge_trials, left_to_bounds, left_to_quarantine
from harness.gate.verdict import (
    SEVERITY,
    SuiteVerdict,
    Summary,
    Verdict,
    most_severe,
    overall,
    overall_verdict,
)

__all__ = [
    "SEVERITY",
    "Against",
    "SuiteVerdict",
    "Summary",
    "Verdict",
    "judge",
    "judge_candidate",
    "judge_experiment",
    "judge_trials",
    "left_to_bounds",
    "left_to_quarantine",
    "most_severe",
    "overall",
    "overall_verdict",
]
