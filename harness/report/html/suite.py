"""What the page knows of one suite."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from harness.experiment import Trial
from harness.gate import Summary
from harness.report.coverage import sentence as coverage
from harness.report.figure import percent
from harness.report.html import comparing, figures
from harness.report.html.comparing import Paired
from harness.report.html.drawing import Drawing
from harness.report.html.evidence import Evidence, Past, PromptTexts
from harness.report.html.transcripts import Transcripts
from harness.standing import Roll, Standings
from harness.stats import Calibration, wilson
from harness.sweep import Sweep

_PROMPT = "prompt"


class Gathered:
    """What is gathered of one suite, trial by trial."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self._roll = Roll()
        self._drawing = Drawing(summary.provenance.shape)
        self._stale: set[tuple[str, str | None, str | None]] = set()

    def add(self, trial: Trial) -> tuple[str, ...]:
        """Take one trial in, and return the edges that it took."""
        self._roll.add(trial)
        causes = (cause for miss in trial.misses for cause in miss.causes if cause.kind == _PROMPT and cause.name)
        self._stale.update((str(cause.name), cause.before, cause.after) for cause in causes)
        return self._drawing.add(trial)

    def standings(self) -> Standings:
        """Return what each case came to."""
        values = {name: metric.value for name, metric in self.summary.tally.metrics().items()}
        return Standings(provenance=self.summary.provenance, metrics=values, nodes=self._roll.nodes(), cases=self._roll.cases())

    def document(self, evidence: Evidence, transcripts: Transcripts) -> dict[str, Any]:
        """Return all of it as plain data."""
        name, tally, verdict = self.summary.provenance.name, self.summary.tally, self.summary.verdict
        now, past = self.standings(), evidence.past.get(name, ())
        baseline = evidence.baselines.get(name)
        paired = comparing.pair(evidence.head, baseline, now) if baseline else None
        return {
            "name": name,
            "verdict": verdict.model_dump(mode="json"),
            "counts": {word: getattr(tally, word) for word in ("trials", "passed", "failed", "errors", "stale", "unscored")},
            "provenance": self.summary.provenance.model_dump(mode="json", exclude={"shape", "gate"}),
            "comparison": comparing.section(paired, evidence, transcripts) if paired else None,
            "edited": list(_edited(self._stale, evidence.prompts)),
            "metrics": figures.metrics(self.summary, now.cases, past, _comparison(paired)),
            "past": [_past(one) for one in past],
            "costs": figures.spending(tally.ledger),
            "routers": [_router(self.summary, router) for router in tally.routing.routers],
            "calibration": [_calibration(router, tally.routing.calibration(router)) for router in tally.routing.sure_routers],
            "coverage": coverage(tally),
            "graph": self._drawing.drawn(),
            "unplayed": evidence.unplayed.get(name, ""),
            "sweep": _sweep(evidence.sweeps.get(name)),
        }


def _comparison(paired: Paired | None) -> Any:
    return paired.comparison if paired else None


def _past(one: Past) -> dict[str, Any]:
    return {"experiment": one.experiment, "commit": one.commit, "finished_at": one.finished_at, "verdict": one.verdict}


def _edited(stale: set[tuple[str, str | None, str | None]], prompts: PromptTexts) -> Iterator[dict[str, Any]]:
    """Yield the prompts that stale requests differ in: their versions, and what was changed as far as the texts are to be had."""
    for name, before, after in sorted(stale, key=str):
        old = prompts.held(name, before) if before else prompts.committed(name, after or "")
        new = prompts.held(name, after) if after else None
        yield {"what": "prompt", "name": name, "before": before, "after": after, "lines": comparing.lines_of(old, new)}


def _router(summary: Summary, router: str) -> dict[str, Any]:
    confusion = summary.tally.routing.confusion(router)
    right = sum(number for (wanted, actual), number in confusion.counts if wanted == actual)
    interval = wilson(right, confusion.total)
    return {
        "name": router,
        "right": right,
        "total": confusion.total,
        "accuracy": percent(confusion.accuracy),
        "interval": [percent(end) for end in interval] if interval else None,
        "labels": list(confusion.labels),
        "counts": [[wanted, actual, number] for (wanted, actual), number in confusion.counts],
        "figures": [
            [one.route, one.expected, one.routed, one.right, percent(one.precision), percent(one.recall)] for one in confusion.figures()
        ],
    }


def _calibration(router: str, found: Calibration) -> dict[str, Any]:
    bins = [[one.low, one.high, one.decisions, one.mean_confidence, percent(one.accuracy)] for one in found.bins if one.decisions]
    return {"router": router, "decisions": found.decisions, "ece": found.ece, "bins": bins}


def _sweep(sweep: Sweep | None) -> dict[str, Any] | None:
    """Return the last sweep: for each fault at each call, how the cases ended."""
    if sweep is None:
        return None
    ordered = sorted(sweep.cells, key=lambda cell: (cell.label, cell.place))
    cells = [
        {"fault": fault, "place": place, "cells": [[cell.case, cell.outcome, "; ".join(cell.broken), cell.reason] for cell in found]}
        for (fault, place), found in groupby(ordered, key=lambda cell: (cell.label, cell.place))
    ]
    return {"cells": cells, "broken": len(sweep.broken), "total": len(sweep.cells), "skipped": sweep.skipped}
