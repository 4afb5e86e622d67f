"""A sweep as a heat map: what each fault does at each call."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from harness.cell import OUTCOMES, Cell
from harness.report.figure import dollars
from harness.report.layout import WIDTH, Part, Table, Text, rendered
from harness.report.text import excerpt, line, shell_word
from harness.sweep import Change, Sweep
from harness.tally import counted

_SHOWN = 10
_EXCERPT = 160


def heat_map(sweep: Sweep, changed: Sequence[Change] | None, *, width: int = WIDTH, colour: bool = False) -> str:
    """Return the table of faults by calls, the cells that broke an invariant, and what changed since the previous sweep."""
    parts: list[Part] = [Text(f"{sweep.suite}@{sweep.variant}: {_summary(sweep)}"), Text("")]
    parts += [_table(sweep), *_broken(sweep), *_unrecorded(sweep), *_skipped(sweep), *_changed(changed)]
    return rendered(parts, width, colour=colour)


def explained(sweep: Sweep, *, width: int = WIDTH, colour: bool = False) -> str:
    """Return every cell, case by case, with the reason of its outcome and the invariants that it broke."""
    parts: list[Part] = []
    for case, cells in groupby(sweep.cells, key=lambda cell: cell.case):
        parts += [Text(""), Text(line(case), style="bold")]
        parts += [Text(_explained(cell), 2, mark="! " if cell.broken else "- ") for cell in cells]
    return rendered(parts, width, colour=colour)


def _explained(cell: Cell) -> str:
    like = f"; run once, like {cell.like}" if cell.like else ""
    broken = f"; broken: {'; '.join(cell.broken)}" if cell.broken else ""
    return excerpt(f"{cell.label} at {_at(cell)} ({cell.place}): {cell.outcome}: {cell.reason}{like}{broken}", 4 * _EXCERPT)


def _at(cell: Cell) -> str:
    return ", ".join(f"{name} {value}" for name, value in cell.at.model_dump(exclude_none=True).items())


def _summary(sweep: Sweep) -> str:
    counts = sweep.counts()
    told = [f"{counts[name]} {name}" for name in OUTCOMES if counts[name]]
    return f"{len(sweep.cells)} cells, {len(sweep.broken)} broken: {', '.join(told)}"


def _table(sweep: Sweep) -> Table:
    places = tuple(dict.fromkeys(cell.place for cell in sweep.cells))
    faults = tuple(dict.fromkeys(cell.label for cell in sweep.cells))
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in sweep.cells:
        found.setdefault((cell.label, cell.place), []).append(cell)
    rows = tuple((fault, *(_square(found.get((fault, place), [])) for place in places)) for fault in faults)
    return Table(("fault", *places), rows, whole=frozenset({"fault"}))


def _square(cells: Sequence[Cell]) -> str:
    """Say how the trials of one fault at one call ended: the outcome, or each with how often; `!` where an invariant broke."""
    counts = Counter(cell.outcome for cell in cells)
    told = [name if len(counts) == 1 else f"{counts[name]} {name}" for name in OUTCOMES if counts[name]]
    broken = "!" if any(cell.broken for cell in cells) else ""
    return f"{', '.join(told)}{broken}"


def _broken(sweep: Sweep) -> Iterator[Part]:
    yield from _listed("broken", [_told(cells, "; ".join(cells[0].broken)) for cells in _grouped(sweep.broken)])


def _grouped(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Put cells together that differ in the case alone."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.at, cell.place, cell.label, cell.outcome, cell.broken), []).append(cell)
    return list(groups.values())


def _told(cells: Sequence[Cell], what: str) -> str:
    """Say what became of cells that differ in the case alone; the reason is the first one's."""
    cell = cells[0]
    cases = cell.case if len(cells) == 1 else f"{len(cells)} cases, as {cell.case}"
    reason = f" ({excerpt(cell.reason, _EXCERPT)})" if cell.reason else ""
    return f"{cell.label} at {_at(cell)} ({cell.place}), {cases}: {what}{reason}"


def _unrecorded(sweep: Sweep) -> Iterator[Part]:
    """Say of which cells nothing is known: the agent went on to ask something that no cassette answers."""
    groups = _grouped([cell for cell in sweep.cells if cell.outcome == "unrecorded"])
    yield from _listed("not known, since the agent went on to ask what is not recorded", [_told(cells, "unrecorded") for cells in groups])
    if sweep.wanting is not None:
        variant = "" if sweep.variant == "default" else f" --variant {sweep.variant}"
        tokens = "tokens unknown" if sweep.wanting.tokens is None else f"about {counted(sweep.wanting.tokens, 'token')}"
        first = f"at least {counted(sweep.wanting.requests, 'request')}, {tokens}, {dollars(sweep.wanting.cost_usd)}"
        yield Text(f"record it with `harness sweep {shell_word(sweep.suite)}{variant} --record`: {first}", 2)


def _skipped(sweep: Sweep) -> Iterator[Part]:
    yield from _listed("skipped, since they do not run without a fault either", [f"{case}: {why}" for case, why in sweep.skipped.items()])


def _changed(changed: Sequence[Change] | None) -> Iterator[Part]:
    if changed is None:
        return
    told = [_told([change.cell], f"{change.before.outcome} -> {change.cell.outcome}") for change in sorted(changed, key=_by_weight)]
    yield from _listed("changed since the previous sweep", told) if told else (Text(""), Text("nothing changed since the previous sweep"))


def _by_weight(change: Change) -> bool:
    return not change.worse


def _listed(title: str, told: Sequence[str]) -> Iterator[Part]:
    if not told:
        return
    yield from (Text(""), Text(title, style="bold"))
    yield from (Text(excerpt(item, 3 * _EXCERPT), 2, mark="- ") for item in told[:_SHOWN])
    if len(told) > _SHOWN:
        yield Text(f"and {len(told) - _SHOWN} more", 2)
