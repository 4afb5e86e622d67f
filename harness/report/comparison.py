"""A comparison as people read it: what moved, whether that is chance, where, and what it cost."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from harness.compare import MOVEMENTS, CasePair, Comparison, MetricChange, Movement
from harness.difference import Difference
from harness.gate import SuiteVerdict, overall, overall_verdict
from harness.report.figure import UNKNOWN, count, dollars, figure, percent
from harness.report.layout import WIDTH, Part, Table, Text, rendered
from harness.report.text import excerpt
from harness.standing import Spending
from harness.tally import counted

_SIGNIFICANT = 0.05
_CASES_SHOWN = 10
_NAMES_SHOWN = 20
_DIFFERENCES_SHOWN = 3
_EXCERPT = 160
_TOLD: tuple[Movement, ...] = ("worse", "crashed", "unscored", "only in base", "only in candidate", "better")


class Compared(NamedTuple):
    """One suite compared: the pairing, the gate's answer with the base as the baseline, and what single cases did differently."""

    comparison: Comparison
    verdict: SuiteVerdict
    spent: tuple[Mapping[str, Spending], Mapping[str, Spending]] = ({}, {})
    differences: Mapping[str, Sequence[Difference]] = {}


def sentence(comparison: Comparison) -> str:
    """Return what a reviewer needs to know, in one sentence."""
    change = next((change for change in comparison.metrics if change.name == "pass.rate"), None)
    if change is None or not change.cases:
        return "nothing was compared: no case is on both sides"
    moved = f"{change.rose} better, {change.fell} worse of {counted(change.cases, 'case')}"
    if change.p_value is not None and change.p_value <= _SIGNIFICANT and change.rose != change.fell:
        word = "better" if change.rose > change.fell else "worse"
        return f"{comparison.candidate} is {word} than {comparison.base}: {moved} ({_p(change.p_value)})"
    if not change.rose and not change.fell:
        return f"no case moved: {moved}; {_power(change)}"
    return f"no difference is shown: {moved} ({_p(change.p_value)}); {_power(change)}"


def _power(change: MetricChange) -> str:
    if change.detectable_drop is None:
        return "so few cases cannot show any drop"
    return f"so many cases show a drop of {percent(change.detectable_drop)} four times in five"


def _p(value: float | None) -> str:
    return UNKNOWN if value is None else "p < 0.001" if value < 0.001 else f"p = {value:.3f}"  # noqa: PLR2004


def show(compared: Sequence[Compared], *, width: int = WIDTH, colour: bool = False) -> str:
    """Return the comparison of each suite for a terminal."""
    parts: list[Part] = []
    for one in compared:
        parts += [*([Text("")] if parts else []), *_suite(one)]
    word = overall_verdict(one.verdict for one in compared)
    return rendered([*parts, Text(""), Text(f"verdict: {word}", style=word)], width, colour=colour)


def _suite(compared: Compared) -> Iterator[Part]:
    comparison = compared.comparison
    yield Text(f"{comparison.base} → {comparison.candidate}")
    yield Text(sentence(comparison), 2)
    yield from (Text(f"not alike: {what}", 2, mark="- ") for what in comparison.unlike)
    yield Text("")
    yield Table(MOVEMENTS, (tuple(count(number) for number in comparison.counts.values()),), frozenset(MOVEMENTS))
    yield from (Text(""), _metrics(comparison.metrics))
    for router in comparison.routers:
        yield from _flips(router, comparison.flips(router))
    yield from _spending(*compared.spent)
    for movement in _TOLD:
        yield from _moved(movement, [pair for pair in comparison.pairs if pair.movement == movement], compared.differences)
    yield from _drifted(comparison)
    verdict = compared.verdict
    yield from (Text(""), Text(f"gate: {verdict.verdict}", style=verdict.verdict))
    yield from (Text(reason, 2, mark="- ") for reason in verdict.reasons)
    yield from (Text(f"note: {note}", 2, mark="- ") for note in verdict.notes)


def _metrics(changes: Sequence[MetricChange]) -> Table:
    head = ("metric", "base", "candidate", "mean difference", "95 % interval", "rose", "fell", "p")
    return Table(head, tuple(_metric(change) for change in changes if _tells(change)), frozenset(head[1:]))


def _tells(change: MetricChange) -> bool:
    return change.base != change.candidate or bool(change.rose or change.fell) or change.name == "pass.rate"


def _metric(change: MetricChange) -> tuple[str, ...]:
    low, high = change.interval or (None, None)
    return (
        change.name,
        figure(change.name, change.base),
        figure(change.name, change.candidate),
        _signed(change.name, change.difference),
        UNKNOWN if low is None else f"{_signed(change.name, low)} … {_signed(change.name, high)}",
        count(change.rose),
        count(change.fell),
        UNKNOWN if change.p_value is None else _p(change.p_value).removeprefix("p ").removeprefix("= "),
    )


def _signed(name: str, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if name.startswith("cost_usd"):
        return f"{'-' if value < 0 else '+'}{dollars(abs(value))}"
    return f"{value * 100:+.1f} %" if name.endswith((".accuracy", "rate")) else f"{value:+,.2f}"


def _flips(router: str, moved: Mapping[tuple[str, str], int]) -> Iterator[Part]:
    if all(before == after for before, after in moved):
        return
    labels = sorted({label for pair in moved for label in pair})
    rows = tuple((before, *(count(moved.get((before, after), 0)) for after in labels)) for before in labels)
    yield from (Text(""), Table((f"{router}: before ↓ / after →", *labels), rows, frozenset(labels)))


def _spending(before: Mapping[str, Spending], after: Mapping[str, Spending]) -> Iterator[Part]:
    if before == after:
        return
    none, nodes = Spending(), sorted({*before, *after})
    head = ("node", "calls", "tokens", "cost", "recorded seconds")
    rows = tuple((node, *_spent(before.get(node, none), after.get(node, none))) for node in nodes)
    yield from (Text(""), Table(head, rows, frozenset(head[1:])))


def _spent(before: Spending, after: Spending) -> tuple[str, ...]:
    return (
        _to(count(before.calls), count(after.calls)),
        _to(count(before.tokens), count(after.tokens)),
        _to(dollars(before.cost_usd), dollars(after.cost_usd)),
        _to(*(UNKNOWN if side.latency_s is None else f"{side.latency_s:.1f}" for side in (before, after))),
    )


def _to(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def _moved(movement: Movement, pairs: Sequence[CasePair], differences: Mapping[str, Sequence[Difference]]) -> Iterator[Part]:
    if not pairs:
        return
    yield from (Text(""), Text(f"{movement}: {counted(len(pairs), 'case')}"))
    if movement == "better":
        more = f" and {len(pairs) - _NAMES_SHOWN} more" if len(pairs) > _NAMES_SHOWN else ""
        yield Text(f"{', '.join(pair.case for pair in pairs[:_NAMES_SHOWN])}{more}", 2)
        return
    for pair in pairs[:_CASES_SHOWN]:
        yield Text(f"{pair.case}: {_outcomes(pair)}", 2)
        yield from (Text(f"{router}: {before} → {after}", 4) for router, (before, after) in pair.flips.items())
        found = [one for one in differences.get(pair.case, ()) if one.before or one.after]
        yield from (Text(_difference(one), 4) for one in found[:_DIFFERENCES_SHOWN])
    if len(pairs) > _CASES_SHOWN:
        yield Text(f"and {len(pairs) - _CASES_SHOWN} more", 2)


def _outcomes(pair: CasePair) -> str:
    sides = (side.outcomes if side else {} for side in (pair.base, pair.candidate))
    return " → ".join(", ".join(word if number == 1 else f"{number} {word}" for word, number in side.items()) or "–" for side in sides)  # noqa: RUF001


def _difference(one: Difference) -> str:
    place = f" {one.place}" if one.place else ""
    return excerpt(f"{one.kind}{place}: {one.before or '(nothing)'} → {one.after or '(nothing)'}", _EXCERPT)


def _drifted(comparison: Comparison) -> Iterator[Part]:
    same = [pair for pair in comparison.pairs if pair.movement == "same" and pair.drift]
    if same:
        kinds = {kind: sum(kind in pair.drift for pair in same) for pair in same for kind in pair.drift}
        told = ", ".join(f"{kind} in {number:,}" for kind, number in sorted(kinds.items()))
        yield from (Text(""), Text(f"of the cases that are the same in outcome, {len(same):,} did otherwise: {told}"))


def document(compared: Sequence[Compared]) -> str:
    """Return the comparison as one JSON document, in ASCII."""
    verdicts = [one.verdict for one in compared]
    found: dict[str, JsonValue] = {
        "verdict": overall_verdict(verdicts),
        "exit_code": int(overall(verdicts)),
        "suites": [_document(one) for one in compared],
    }
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def _document(compared: Compared) -> dict[str, JsonValue]:
    comparison, verdict = compared.comparison, compared.verdict
    return {
        "base": comparison.base,
        "candidate": comparison.candidate,
        "sentence": sentence(comparison),
        "unlike": list(comparison.unlike),
        "counts": dict(comparison.counts),
        "metrics": {change.name: change.model_dump(mode="json", exclude={"name"}) for change in comparison.metrics},
        "routes": {
            router: [{"before": before, "after": after, "cases": number} for (before, after), number in comparison.flips(router).items()]
            for router in comparison.routers
        },
        "cases": {pair.case: _case(pair, compared.differences) for pair in comparison.pairs if pair.movement != "same" or pair.drift},
        "verdict": verdict.verdict,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
    }


def _case(pair: CasePair, differences: Mapping[str, Sequence[Difference]]) -> dict[str, JsonValue]:
    return {
        "movement": pair.movement,
        "base": dict(pair.base.outcomes) if pair.base else None,
        "candidate": dict(pair.candidate.outcomes) if pair.candidate else None,
        "flips": {router: list(flip) for router, flip in pair.flips.items()},
        "drift": list(pair.drift),
        "differences": [one.model_dump(mode="json") for one in differences.get(pair.case, ())],
    }
