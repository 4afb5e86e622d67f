"""The document that `--json` prints."""

import json
from collections.abc import Sequence

from pydantic import JsonValue

from harness.errors import ExitCode
from harness.gate import Summary, overall, overall_verdict
from harness.ledger import Ledger, Spent
from harness.stats import Calibration


def document(experiment: str, summaries: Sequence[Summary], *, exit_code: ExitCode | None = None) -> dict[str, JsonValue]:
    """Return the document; `exit_code` is the command's where it knows better than the gate (a budget stop, say)."""
    verdicts = [summary.verdict for summary in summaries]
    return {
        "verdict": overall_verdict(verdicts),
        "exit_code": int(overall(verdicts) if exit_code is None else exit_code),
        "experiment": experiment,
        "suites": {summary.provenance.name: _suite(summary) for summary in summaries},
    }


def render(experiment: str, summaries: Sequence[Summary], *, exit_code: ExitCode | None = None) -> str:
    """Return the document as JSON text; it is ASCII, so that any standard output can take it."""
    return json.dumps(document(experiment, summaries, exit_code=exit_code), indent=2, allow_nan=False) + "\n"


def _suite(summary: Summary) -> dict[str, JsonValue]:
    tally, verdict = summary.tally, summary.verdict
    metrics = tally.metrics()
    return {
        "verdict": verdict.verdict,
        "trials": tally.trials,
        "passed": tally.passed,
        "failed": tally.failed,
        "errors": tally.errors,
        "stale": tally.stale,
        "unscored": tally.unscored,
        "metrics": {name: metric.value for name, metric in metrics.items()},
        "metric_reasons": {name: metric.reason for name, metric in metrics.items() if metric.value is None},
        "costs": _costs(tally.ledger),
        "coverage": {kind: covered.model_dump(mode="json") for kind, covered in tally.coverage.items()} or None,
        "calibration": {router: _calibration(tally.routing.calibration(router)) for router in tally.routing.sure_routers},
        "drift": {drift.part: {"calls": drift.calls, "cases": len(drift.cases)} for drift in tally.drift},
        "quarantine": {case: dict(outcomes.items()) for case, outcomes in sorted(tally.set_aside.items())},
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
    }


def _costs(ledger: Ledger) -> dict[str, JsonValue]:
    dearest: list[JsonValue] = [
        {"case": spent.case, "repeat": spent.repeat, "tokens": spent.tokens, "cost_usd": -spent.minus_usd} for spent in ledger.dearest
    ]
    return {
        "by_node": {name: _spent(spent) for name, spent in ledger.by_node.items()},
        "by_model": {name: _spent(spent) for name, spent in ledger.by_model.items()},
        "dearest": dearest,
    }


def _spent(spent: Spent) -> dict[str, JsonValue]:
    return {"calls": spent.calls, "cached": spent.cached, "tokens": spent.tokens, "cost_usd": spent.cost_usd}


def _calibration(calibration: Calibration) -> dict[str, JsonValue]:
    bins: list[JsonValue] = [
        {
            "low": one.low,
            "high": one.high,
            "decisions": one.decisions,
            "right": one.right,
            "mean_confidence": one.mean_confidence,
        }
        for one in calibration.bins
    ]
    return {"decisions": calibration.decisions, "ece": calibration.ece, "bins": bins}
