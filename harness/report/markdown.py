"""The Markdown summary for a CI job and a pull request's comment: what decided, what got worse, how to look closer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from harness.compare import MOVEMENTS, CasePair, Comparison
from harness.experiment import SuiteProvenance
from harness.gate import Summary, overall_verdict
from harness.report.compared import moved_metrics, sentence
from harness.report.failing import Alike, failing
from harness.report.figure import UNKNOWN, count, dollars, figure, percent
from harness.report.markdown_details import details
from harness.report.markup import bullets, command, escaped, table
from harness.report.text import excerpt, shell_word
from harness.tally import counted
from harness.terms import Bound

LIMIT = 60_000
"""Characters of a whole summary: GitHub takes 65,536 of a comment and 1 MiB of a job's summary."""

_PLAIN = re.compile(r"(?!(and|or|not)\Z)[\w.-]*\w")  # what --filter takes as one name
_ADDRESS = ":/?&=%,.~-"
_CASES_SHOWN = 20
_REASONS_SHOWN = 3
_SENTENCES_SHOWN = 20
_SENTENCE = 500


def markdown(
    experiment: str,
    summaries: Sequence[Summary],
    comparisons: Mapping[str, Comparison] | None = None,
    links: Mapping[str, str] | None = None,
) -> str:
    """Return summary.md; `comparisons` with the baseline and `links` into LangSmith are by the suite's name.

    What does not fit in is left out, and that is said.
    Its first line is a comment that is the same whenever these suites run: by it, a comment on a pull request is found again.
    """
    verdict = overall_verdict(summary.verdict for summary in summaries)
    head = [marker(summaries), f"# {verdict}: experiment {escaped(experiment)}", *_overview(summaries), *_linked(links or {})]
    told = [(summary, list(_suite(summary, experiment, (comparisons or {}).get(summary.provenance.name)))) for summary in summaries]
    room = LIMIT - _length(head) - _SENTENCE
    lines, left_out = list(head), 0
    for summary, suite in told:
        room -= _length(suite)
        lines += suite if room >= 0 else []
        left_out += room < 0
        folded = list(details(summary))
        if room >= _length(folded):
            room -= _length(folded)
            lines += folded
        else:
            left_out += 1
    return "\n".join([*lines, *_left_out(left_out, experiment)]) + "\n"


def marker(summaries: Sequence[Summary]) -> str:
    """Return the hidden line that a summary of these suites starts with."""
    names = re.sub(r"[^\w@., ]", "_", ", ".join(summary.provenance.name for summary in summaries))
    return f"<!-- harness summary: {names} -->"


def _length(lines: Sequence[str]) -> int:
    return sum(len(text) + 1 for text in lines)


def _left_out(sections: int, experiment: str) -> Iterator[str]:
    if sections:
        yield from ("", f"{counted(sections, 'section')} did not fit in here. All of it:")
        yield from command(f"harness show {shell_word(experiment)}")


def _overview(summaries: Sequence[Summary]) -> list[str]:
    head = ("suite", "verdict", "trials", "pass", "fail", "error", "stale", "unscored", "route accuracy", "tokens", "cost")
    return list(table(head, [_row(summary) for summary in summaries], left=2))


def _linked(links: Mapping[str, str]) -> Iterator[str]:
    if links:
        told = (f"[{escaped(name)}](<{quote(address, safe=_ADDRESS)}>)" for name, address in sorted(links.items()))
        yield from ("", f"In LangSmith: {', '.join(told)}")


def _row(summary: Summary) -> tuple[str, ...]:
    tally, metrics = summary.tally, summary.tally.metrics()
    numbers = (tally.trials, tally.passed, tally.failed, tally.errors, tally.stale, tally.unscored)
    tokens = metrics["tokens.total"].value
    return (
        escaped(summary.provenance.name),
        f"**{summary.verdict.verdict}**",
        *(count(number) for number in numbers),
        percent(metrics["route.accuracy"].value),
        count(None if tokens is None else round(tokens)),
        dollars(metrics["cost_usd.total"].value),
    )


def _suite(summary: Summary, experiment: str, comparison: Comparison | None) -> Iterator[str]:
    verdict = summary.verdict
    yield from ("", f"## {escaped(summary.provenance.name)}: {verdict.verdict}")
    yield from _sentences(verdict.reasons)
    if comparison is not None:
        yield from _against(comparison)
    yield from _failing(summary, experiment)
    yield from _bounds(summary)
    if verdict.notes:
        yield from ("", "Notes:", *_sentences(verdict.notes))


def _sentences(texts: Sequence[str]) -> Iterator[str]:
    more = [f"and {len(texts) - _SENTENCES_SHOWN} more"] if len(texts) > _SENTENCES_SHOWN else []
    yield from bullets([*(excerpt(text, _SENTENCE) for text in texts[:_SENTENCES_SHOWN]), *more])


def _against(comparison: Comparison) -> Iterator[str]:
    """Say what moved against the baseline, the cases that got worse by name."""
    yield from ("", "### Against the baseline", "", escaped(sentence(comparison)))
    moved = (pair for pair in comparison.pairs if pair.movement not in {"same", "better"})
    told = sorted(moved, key=lambda pair: MOVEMENTS.index(pair.movement))
    if told:
        yield from table(("case", "movement", "before", "now"), map(_pair, told[:_CASES_SHOWN]), left=4)
        if len(told) > _CASES_SHOWN:
            yield from ("", f"and {len(told) - _CASES_SHOWN:,} more")
    rows = [(escaped(one.name), figure(one.name, one.base), figure(one.name, one.candidate)) for one in moved_metrics(comparison.metrics)]
    if rows:
        yield from table(("metric", "before", "now"), rows, left=1)
        cases = len(comparison.pairs)
        if comparison.measured < cases:
            yield from (
                "",
                f"These figures are of each side's own cases: {comparison.measured:,} of {counted(cases, 'case')} could be compared.",
            )


def _pair(pair: CasePair) -> tuple[str, ...]:
    sides = (
        ", ".join(word if number == 1 else f"{number} {word}" for word, number in side.outcomes.items()) if side else UNKNOWN
        for side in (pair.base, pair.candidate)
    )
    routes = ([f"{router}: {flip[number]}" for router, flip in pair.flips.items()] for number in (0, 1))
    told = ("; ".join([outcome, *routed]) for outcome, routed in zip(sides, routes, strict=True))
    return escaped(excerpt(pair.case, _SENTENCE)), pair.movement, *(escaped(excerpt(text, _SENTENCE)) for text in told)


def _failing(summary: Summary, experiment: str) -> Iterator[str]:
    groups = failing(summary)
    if not groups:
        return
    yield from ("", "### Cases that did not pass")
    yield from table(("cases", "outcome", "why"), map(_failing_row, groups[:_CASES_SHOWN]), left=3)
    left = sum(len(group.cases) for group in groups[_CASES_SHOWN:])
    if left:
        yield from ("", f"and {counted(left, 'case')} more")
    yield from command(*_closer(summary.provenance, experiment, groups[0].cases[0]))


def _closer(of: SuiteProvenance, experiment: str, case: str) -> tuple[str, ...]:
    """Return the commands that show a case: from this experiment, or at one's desk, where it is replayed first."""
    show = f"harness show {shell_word(experiment)} {shell_word(case)}"
    if not _PLAIN.fullmatch(case):
        return (show,)
    variant = "" if of.variant == "default" else f" --variant {shell_word(of.variant)}"
    replayed = f"harness run {shell_word(of.suite)}{variant} --filter {case}; harness show latest {case}"
    return show, "# or, without this experiment:", replayed


def _failing_row(group: Alike) -> tuple[str, str, str]:
    more = [f"and {len(group.reasons) - _REASONS_SHOWN} more"] if len(group.reasons) > _REASONS_SHOWN else []
    told = [*(escaped(excerpt(reason, 300)) for reason in group.reasons[:_REASONS_SHOWN]), *more]
    return ", ".join(escaped(excerpt(case, 200)) for case in group.named), ", ".join(group.outcomes), "<br>".join(told)


def _bounds(summary: Summary) -> Iterator[str]:
    metrics = summary.tally.metrics()
    rows = [
        (escaped(name), figure(name, metrics[name].value if name in metrics else None), escaped(_asked(bound)))
        for name, bound in summary.provenance.gate.items()
    ]
    if rows:
        yield from ("", "### What the gate asks")
        yield from table(("metric", "value", "bound"), rows, left=1)


def _asked(bound: Bound) -> str:
    asked = bound.model_dump(exclude_none=True)
    return ", ".join(f"{name} {' '.join(map(str, value.values())) if isinstance(value, dict) else value}" for name, value in asked.items())
