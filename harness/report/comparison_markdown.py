"""A comparison as Markdown, for a pull request's comment or the summary of a job."""

from collections.abc import Iterable, Iterator, Sequence

from harness.compare import MOVEMENTS, Movement
from harness.gate import overall_verdict
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
from harness.report.markup import escaped
from harness.tally import counted

_GROUPS_SHOWN = 8
_NAMES_SHOWN = 20
_DIFFERENCES_SHOWN = 6


def markdown(compared: Sequence[Compared]) -> str:
    """Return the comparison of each suite."""
    verdict = overall_verdict(one.verdict for one in compared)
    lines = [f"# Comparison: {verdict}"]
    for one in compared:
        lines += ["", f"## {escaped(title(one))}: {one.verdict.verdict}", "", *_suite(one)]
    return "\n".join(lines) + "\n"


def _suite(compared: Compared) -> Iterator[str]:
    comparison, verdict = compared.comparison, compared.verdict
    yield f"**{escaped(sentence(comparison))}**"
    yield from _bullets([*verdict.reasons, *(f"not alike: {what}" for what in comparison.unlike)])
    yield from ("", *_table(MOVEMENTS, [tuple(map(count, comparison.counts.values()))], left=0))
    if unmeasured(comparison):
        yield from ("", f"Of those that are the same, not measured on both sides: {escaped(unmeasured(comparison))}.")
    for movement in TOLD:
        yield from _moved(movement, compared)
    if drifted(comparison):
        yield from ("", f"{escaped(drifted(comparison))}.")
    for router in comparison.routers:
        found = flip_table(router, comparison)
        if found:
            yield from ("", *_table(found[0], found[1], left=1))
    rows, rest = metric_rows(comparison.metrics)
    yield from ("", *_table(METRICS, rows, left=1))
    if rest:
        yield from ("", escaped(rest))
    spent = list(spending_rows(compared))
    if spent:
        yield from ("", *_table(SPENDING, spent, left=1))
    if verdict.notes:
        yield from ("", "Notes:", *_bullets(verdict.notes))


def _moved(movement: Movement, compared: Compared) -> Iterator[str]:
    pairs = [pair for pair in compared.comparison.pairs if pair.movement == movement]
    if not pairs:
        return
    found = groups(pairs)
    yield from ("", f"### {movement}: {counted(len(pairs), 'case')}", "")
    for group in found[:_GROUPS_SHOWN]:
        yield from _group(group, compared, told=movement != "better")
    if len(found) > _GROUPS_SHOWN:
        left = sum(len(group.pairs) for group in found[_GROUPS_SHOWN:])
        yield f"- and {counted(left, 'case')} that moved in other ways"


def _group(group: Group, compared: Compared, *, told: bool) -> Iterator[str]:
    drift = f"; drift: {group.drift}" if group.drift else ""
    rest = f" and {len(group.cases) - _NAMES_SHOWN:,} more" if len(group.cases) > _NAMES_SHOWN else ""
    names = ", ".join(escaped(case) for case in group.cases[:_NAMES_SHOWN])
    yield f"- {counted(len(group.pairs), 'case')}: {escaped(group.what)}{drift}: {names}{rest}"
    example = next((case for case in group.cases if compared.differences.get(case)), None)
    if told and example is not None:
        shown = compared.differences[example][:_DIFFERENCES_SHOWN]
        left = len(compared.differences[example]) - len(shown)
        told_of = [*(escaped(difference(one)) for one in shown), *([f"and {left:,} more"] if left else [])]
        yield f"  - in {escaped(example)}: {'<br>'.join(told_of)}"


def _bullets(texts: Iterable[str]) -> Iterator[str]:
    items = [f"- {escaped(text)}" for text in texts]
    if items:
        yield from ("", *items)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> Iterator[str]:
    """Return a table whose first `left` columns are foreign text and the others our own figures."""
    yield f"| {' | '.join(map(escaped, head))} |"
    yield f"| {' | '.join('---' if column < left else '---:' for column in range(len(head)))} |"
    for row in rows:
        yield f"| {' | '.join([*map(escaped, row[:left]), *(figure.replace('<', '&lt;') for figure in row[left:])])} |"
