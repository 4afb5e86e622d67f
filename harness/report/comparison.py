"""A comparison as people read it in a terminal: the verdict, what got worse and how, whether that is chance, what it cost."""

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from harness.compare import MOVEMENTS, CasePair, Movement
from harness.difference import Difference
from harness.gate import overall, overall_verdict
from harness.report.compared import (
    METRICS,
    SPENDING,
    TOLD,
    Compared,
    Group,
    difference,
    drifted,
    flip_table,
    groups,
    metric_rows,
    sentence,
    spending_rows,
    title,
    unmeasured,
)
from harness.report.figure import count
from harness.report.layout import WIDTH, Part, Table, Text, rendered
from harness.tally import counted

_GROUPS_SHOWN = 8
_NAMES_SHOWN = 12
_DIFFERENCES_SHOWN = 6
_WIDE = 100
_STYLES: dict[Movement, str] = {"worse": "bold red", "crashed": "bold red", "stale": "magenta", "unscored": "yellow", "better": "green"}


def show(compared: Sequence[Compared], *, label: str = "verdict", width: int = WIDTH, colour: bool = False) -> str:
    """Return the comparison of each suite for a terminal."""
    word = overall_verdict(one.verdict for one in compared)
    parts: list[Part] = [Text(f"{label}: {word}", style=word)]
    for one in compared:
        parts += [Text(""), *_suite(one, width=width, alone=len(compared) == 1)]
    return rendered(parts, width, colour=colour)


def _suite(compared: Compared, *, width: int, alone: bool) -> Iterator[Part]:
    comparison, verdict = compared.comparison, compared.verdict
    yield Text(title(compared), style="bold")
    if not alone:
        yield Text(f"verdict: {verdict.verdict}", 2, style=verdict.verdict)
    yield Text(sentence(comparison), 2)
    yield from (Text(reason, 2, mark="- ") for reason in verdict.reasons)
    yield from (Text(f"not alike: {what}", 2, mark="- ") for what in comparison.unlike)
    yield from (Text(""), Table(("cases", *MOVEMENTS), (("", *map(count, comparison.counts.values())),), frozenset(MOVEMENTS)))
    if unmeasured(comparison):
        yield Text(f"of those that are the same, not measured on both sides: {unmeasured(comparison)}", 2)
    for movement in TOLD:
        yield from _moved(movement, [pair for pair in comparison.pairs if pair.movement == movement], compared.differences)
    if drifted(comparison):
        yield from (Text(""), Text(drifted(comparison)))
    for router in comparison.routers:
        table = flip_table(router, comparison)
        if table:
            yield from (Text(""), Table(*table, frozenset(table[0][1:])))
    yield from _metrics(compared, width)
    yield from _spending(compared)
    if verdict.notes:
        yield Text("")
        yield from (Text(f"note: {note}", mark="- ") for note in verdict.notes)


def _moved(movement: Movement, pairs: Sequence[CasePair], differences: Mapping[str, Sequence[Difference]]) -> Iterator[Part]:
    if not pairs:
        return
    found = groups(pairs)
    yield from (Text(""), Text(f"{movement}: {counted(len(pairs), 'case')}", style=_STYLES.get(movement, "bold")))
    for group in found[:_GROUPS_SHOWN]:
        yield from _group(group, differences, told=movement != "better")
    if len(found) > _GROUPS_SHOWN:
        left = sum(len(group.pairs) for group in found[_GROUPS_SHOWN:])
        yield Text(f"and {counted(left, 'case')} that moved in other ways", 2)


def _group(group: Group, differences: Mapping[str, Sequence[Difference]], *, told: bool) -> Iterator[Part]:
    drift = f"; drift: {group.drift}" if group.drift else ""
    rest = f" and {len(group.cases) - _NAMES_SHOWN:,} more" if len(group.cases) > _NAMES_SHOWN else ""
    yield Text(f"{counted(len(group.pairs), 'case')}: {group.what}{drift}", 2)
    yield Text(f"{', '.join(group.cases[:_NAMES_SHOWN])}{rest}", 4)
    example = next((case for case in group.cases if differences.get(case)), None)
    if told and example is not None:
        found = differences[example]
        yield Text(f"in {example}:" if len(group.cases) > 1 else "differences:", 4)
        yield from (Text(difference(one), 6) for one in found[:_DIFFERENCES_SHOWN])
        if len(found) > _DIFFERENCES_SHOWN:
            yield Text(f"and {counted(len(found) - _DIFFERENCES_SHOWN, 'more difference')}", 6)


def _metrics(compared: Compared, width: int) -> Iterator[Part]:
    rows, rest = metric_rows(compared.comparison.metrics)
    kept = [name for name in METRICS if width >= _WIDE or name not in {"rose", "fell"}]
    places = [METRICS.index(name) for name in kept]
    yield from (Text(""), Table(tuple(kept), tuple(tuple(row[place] for place in places) for row in rows), frozenset(kept[1:])))
    if rest:
        yield Text(rest)


def _spending(compared: Compared) -> Iterator[Part]:
    rows = tuple(spending_rows(compared))
    if rows:
        yield from (Text(""), Table(SPENDING, rows, frozenset()))


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
        "base_from": compared.origins[0],
        "candidate_from": compared.origins[1],
        "verdict": verdict.verdict,
        "exit_code": int(verdict.exit_code),
        "sentence": sentence(comparison),
        "shown": comparison.shown,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "unlike": list(comparison.unlike),
        "counts": dict(comparison.counts),
        "measured": comparison.measured,
        "metrics": {change.name: change.model_dump(mode="json", exclude={"name"}) for change in comparison.metrics},
        "routes": {
            router: [{"before": before, "after": after, "cases": number} for (before, after), number in comparison.flips(router).items()]
            for router in comparison.routers
        },
        "nodes": _nodes(compared),
        "cases": {pair.case: _case(pair, compared.differences) for pair in comparison.pairs if pair.changed},
    }


def _nodes(compared: Compared) -> JsonValue:
    sides = [{node: spent.model_dump(mode="json") for node, spent in side.items()} for side in compared.spent]
    return {node: {"base": sides[0].get(node), "candidate": sides[1].get(node)} for node in sorted({*sides[0], *sides[1]})}


def _case(pair: CasePair, differences: Mapping[str, Sequence[Difference]]) -> dict[str, JsonValue]:
    return {
        "movement": pair.movement,
        "base": dict(pair.base.outcomes) if pair.base else None,
        "candidate": dict(pair.candidate.outcomes) if pair.candidate else None,
        "flips": {router: list(flip) for router, flip in pair.flips.items()},
        "drift": list(pair.drift),
        "differences": [one.model_dump(mode="json") for one in differences.get(pair.case, ())],
    }
