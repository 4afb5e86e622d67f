"""A suite held against its baseline: what moved and where to look, what was changed, what it costs."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from harness.baseline import Baseline
from harness.compare import MOVEMENTS, CasePair, Comparison, compare
from harness.difference import differences
from harness.experiment import Experiment, SuiteProvenance, Trial, suite_name
from harness.report.compared import sentence
from harness.report.html.evidence import Evidence, PromptTexts
from harness.report.html.pointer import divergence, router_step, suspect
from harness.report.html.rows import REASON
from harness.report.html.transcripts import Transcripts
from harness.schema import Value
from harness.standing import Spending, Standings

LISTED = 200
_UNTOLD = frozenset({"suite", "variant", "cases", "prompts", "shape", "selected"})
_ENTRIES = {"parameters": "parameter", "gate": "bound of", "routes": "router", "latencies": "latency of", "quarantine": "quarantine of"}


class Paired(NamedTuple):
    """A suite's comparison with its baseline."""

    baseline: Baseline
    comparison: Comparison
    now: Standings


def pair(head: Experiment, baseline: Baseline, now: Standings) -> Paired:
    """Pair a suite with its baseline, case by case."""
    return Paired(baseline, compare(baseline.standings, now, price_tables=(baseline.price_table, head.price_table)), now)


def section(paired: Paired, evidence: Evidence, transcripts: Transcripts) -> dict[str, Any]:
    """Return the comparison as plain data; the baseline's transcripts go where its experiment is still there."""
    baseline, comparison, now = paired
    pairs = sorted((one for one in comparison.pairs if one.movement != "same" or one.drift), key=_rank)
    told = frozenset(one.case for one in pairs[:LISTED])
    sides = ((baseline.experiment, baseline.standings.name), (evidence.head.id, now.name))
    before, after = (_first_trials(evidence, experiment, told, suite) for experiment, suite in sides)
    return {
        "experiment": baseline.experiment,
        "commit": baseline.commit,
        "finished_at": baseline.finished_at,
        "forced": baseline.forced,
        "blessed": evidence.blessed,
        "base": baseline.standings.name,
        "sentence": sentence(comparison.model_copy(update={"base": "the baseline"})),
        "unlike": list(comparison.unlike),
        "counts": comparison.counts,
        "cases": len(comparison.pairs),
        "measured": comparison.measured,
        "transcripts": bool(before),
        "movements": _movements(pairs),
        "moved": [_moved(one, before.get(one.case), after.get(one.case), transcripts) for one in pairs[:LISTED]],
        "more": max(0, len(pairs) - LISTED),
        "flips": {router: [[*labels, number] for labels, number in comparison.flips(router).items()] for router in comparison.routers},
        "changed": list(changed(baseline.standings.provenance, now.provenance, evidence.prompts)),
        "spent": spent(baseline.standings.nodes, now.nodes),
    }


def _movements(pairs: list[CasePair]) -> dict[str, list[str]]:
    """Return every case that moved or did otherwise, by its movement."""
    found: dict[str, list[str]] = {}
    for one in pairs:
        found.setdefault(one.movement, []).append(one.case)
    return found


def _rank(one: CasePair) -> tuple[int, str]:
    return MOVEMENTS.index(one.movement), one.case


def _first_trials(evidence: Evidence, experiment: str, cases: frozenset[str], suite: str) -> dict[str, Trial]:
    trials = evidence.trials_of(experiment, cases) if cases else ()
    return {one.case: one for one in trials if one.repeat == 1 and suite_name(one.suite, one.variant) == suite}


def _moved(one: CasePair, before: Trial | None, after: Trial | None, transcripts: Transcripts) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "case": one.case,
        "movement": one.movement,
        "before": _outcomes(one.base.outcomes if one.base else {}),
        "after": _outcomes(one.candidate.outcomes if one.candidate else {}),
        "flips": [[router, *decisions] for router, decisions in one.flips.items()],
        "drift": list(one.drift),
        "step": _step(one, after),
        "why": "" if after is None else next(iter(after.reasons), "")[:REASON],
    }
    if before is None or after is None:
        return entry
    parted = None if "stale" in {before.outcome, after.outcome} else divergence(before.trace, after.trace)
    return entry | {
        "base": transcripts.add_side(before),
        "parted": parted.model_dump(mode="json") if parted else None,
        "step": parted.step if parted else entry["step"],
        "differences": [difference.model_dump(mode="json") for difference in differences(before, after)],
    }


def _outcomes(outcomes: Mapping[str, int]) -> str:
    return ", ".join(word if number == 1 else f"{number} {word}" for word, number in outcomes.items()) or "not run"


def _step(one: CasePair, after: Trial | None) -> int | None:
    """Return the step to look at, as far as the standing knows: that of the first router that decided otherwise."""
    if after is None:
        return None
    steps = (router_step(after, router) for router in one.flips)
    return next((step for step in steps if step is not None), suspect(after))


def changed(before: SuiteProvenance, after: SuiteProvenance, prompts: PromptTexts) -> Iterator[dict[str, Any]]:
    """Yield what is not as it was: prompts with their difference first, then all else that was run."""
    for name in sorted({*before.prompts, *after.prompts}):
        old, new = before.prompts.get(name), after.prompts.get(name)
        if old != new:
            texts = (prompts.held(name, old) if old else "", prompts.held(name, new) if new else "")
            yield {"what": "prompt", "name": name, "before": old, "after": new, "lines": lines_of(*texts)}
    for field in sorted(SuiteProvenance.model_fields.keys() - _UNTOLD):
        yield from _otherwise(field, getattr(before, field), getattr(after, field))


def _otherwise(field: str, before: object, after: object) -> Iterator[dict[str, Any]]:
    """Yield how one field of the provenance is not as it was; a mapping entry by entry."""
    what = _ENTRIES.get(field, field.replace("_", " "))
    pairs = {"": (before, after)}
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = {name: (before.get(name), after.get(name)) for name in sorted({*before, *after})}
    for name, (old, new) in pairs.items():
        if old != new:
            yield {"what": what, "name": name, "before": _said(old), "after": _said(new)}


def _said(value: object) -> str | None:
    if isinstance(value, Value):
        return ", ".join(f"{name} {each}" for name, each in value.model_dump(mode="json", exclude_none=True).items())
    return None if value is None else ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def lines_of(before: str | None, after: str | None) -> list[list[str]] | None:
    """Return two texts as lines that stay (` `), went (`-`) or came (`+`); None where one is not to be had."""
    if before is None or after is None:
        return None
    old, new = before.splitlines(), after.splitlines()
    found: list[list[str]] = []
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        kept = tag == "equal"
        found += [[" " if kept else "-", line] for line in old[start:end]]
        found += [] if kept else [["+", line] for line in new[new_start:new_end]]
    return found


def spent(before: Mapping[str, Spending], after: Mapping[str, Spending]) -> list[dict[str, Any]]:
    """Return what each node spent then and now."""
    none = Spending()
    return [
        {"node": node, "before": before.get(node, none).model_dump(mode="json"), "after": after.get(node, none).model_dump(mode="json")}
        for node in sorted({*before, *after})
    ]
