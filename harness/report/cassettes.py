"""Cassettes for a terminal and as JSON: what their upkeep found, what changed in them, what they hold."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from harness.cassette.change import Change, Difference, FileChanges
from harness.cassette.redact import BUILT_IN
from harness.cassette.upkeep import CassetteFile, Finding, Pruning
from harness.errors import ExitCode
from harness.report.figure import count
from harness.report.text import excerpt, line

_HEAD = ("suite", "files", "exchanges", "unused", "copies", "unknown", "orphans", "unreadable", "size")
_LARGEST = 3
_SHOWN = 240
_LIST = 1000
_KILO = 1000


def exit_code(found: Sequence[Finding]) -> ExitCode:
    """Return 2 where a file cannot be read, 1 where there is something to mend, else 0; warnings do not count."""
    severities = {finding.severity for finding in found}
    return ExitCode.USAGE if "error" in severities else ExitCode.GATE_FAILED if "finding" in severities else ExitCode.PASS


def check(files: Sequence[CassetteFile], found: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of a check: a table by suite, the largest files, one line a finding, how it ended."""
    if files:
        yield from _aligned([_HEAD, *_rows(files, found)])
        yield ""
        largest = sorted(files, key=lambda file: (-file.size_bytes, file.shown))[:_LARGEST]
        yield "largest: " + ", ".join(f"{line(file.shown)} ({size(file.size_bytes)})" for file in largest)
    for finding in found:
        at = f":{finding.line}" if finding.line else ""
        mark = "warning: " if finding.severity == "warning" else ""
        yield f"{mark}{finding.kind}: {line(finding.path)}{at}: {excerpt(finding.message, _LIST)}"
    yield _ended(files, found)


def _ended(files: Sequence[CassetteFile], found: Sequence[Finding]) -> str:
    if not files:
        return "no cassettes"
    warnings = sum(finding.severity == "warning" for finding in found)
    to_mend = len(found) - warnings
    read = f"{count(len(files))} {'file' if len(files) == 1 else 'files'}, {size(sum(file.size_bytes for file in files))}"
    return f"{read}: {count(to_mend) if to_mend else 'nothing'} to mend, {count(warnings)} {'warning' if warnings == 1 else 'warnings'}"


def _rows(files: Sequence[CassetteFile], found: Sequence[Finding]) -> Iterator[tuple[str, ...]]:
    for suite, numbers in _counts(files, found).items():
        *counts, size_bytes = numbers.values()
        yield (suite or "(none)", *(count(number) for number in counts), size(size_bytes))


def _counts(files: Sequence[CassetteFile], found: Sequence[Finding]) -> dict[str, dict[str, int]]:
    counted = {}
    for suite in dict.fromkeys(file.suite for file in files):
        own = [file for file in files if file.suite == suite]
        kinds = [finding.kind for finding in found if finding.suite == suite]
        counted[suite] = {
            "files": len(own),
            "exchanges": sum(len(file.exchanges or ()) for file in own),
            "unused": kinds.count("unused"),
            "copies": kinds.count("duplicate"),
            "unknown": sum(len(file.exchanges or ()) for file in own if file.unknown),
            "orphans": kinds.count("orphan"),
            "unreadable": kinds.count("unreadable"),
            "bytes": sum(file.size_bytes for file in own),
        }
    return counted


def check_json(files: Sequence[CassetteFile], found: Sequence[Finding]) -> str:
    """Return the document of a check."""
    code = exit_code(found)
    verdict = {ExitCode.USAGE: "unreadable", ExitCode.GATE_FAILED: "findings"}.get(code, "clean")
    document = {
        "verdict": verdict,
        "exit_code": int(code),
        "suites": _counts(files, found),
        "files": [{"path": file.shown, "bytes": file.size_bytes, "exchanges": len(file.exchanges or ())} for file in files],
        "findings": [_finding(finding) for finding in found],
    }
    return _json(document)


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "path": finding.path,
        "line": finding.line,
        "exchanges": [index + 1 for index in finding.exchanges],
        "message": finding.message,
    }


def pruning(plan: Sequence[Pruning], left: Sequence[str]) -> Iterator[str]:
    """Yield what is to be removed, file by file, and what is left alone."""
    for item in plan:
        what = "the whole file" if item.whole else f"exchange {', '.join(str(index + 1) for index in item.indices)}"
        yield f"{line(item.file.shown)}: {what} ({line(item.why)})"
    for reason in left:
        yield f"kept: {excerpt(reason, _LIST)}"


def diff(found: Sequence[FileChanges]) -> Iterator[str]:
    """Yield what changed, file by file, exchange by exchange, part by part."""
    kinds: list[str] = []
    for file in found:
        yield line(file.name) if file.name else "the cassette"
        if file.problem:
            yield f"  cannot be compared: {excerpt(file.problem, _LIST)}"
        for change in file.changes:
            kinds.append(change.kind)
            yield from _change_lines(change)
    told = ", ".join(f"{count(kinds.count(kind))} {kind}" for kind in ("added", "removed", "changed", "noted") if kind in kinds)
    yield told or "nothing changed"


def _change_lines(change: Change) -> Iterator[str]:
    yield f"  {change.kind} {_number(change)} {_title(change.exchange.place, change.exchange.request.method, change.exchange.request.url)}"
    for side, differences in (("request", change.request), ("answer", change.answer)):
        for each in differences:
            yield f"    {side} {line(each.part)}: {_quoted(each.before)} -> {_quoted(each.after)}"
    if change.notes:
        yield f"    notes: {', '.join(change.notes)}"


def _number(change: Change) -> str:
    before, after = change.before, change.after
    if before is None or after is None or before == after:
        return f"#{(after if after is not None else before or 0) + 1}"
    return f"#{before + 1} -> #{after + 1}"


def _title(place: str | None, method: str, url: str) -> str:
    """Return place, method and address of an exchange."""
    return " ".join(line(BUILT_IN.text(part)) for part in (place, method, url) if part)


def _quoted(text: str) -> str:
    return f"'{line(BUILT_IN.text(text))}'"


def diff_json(found: Sequence[FileChanges], *, base: str) -> str:
    """Return the document of a comparison."""
    kinds = [change.kind for file in found for change in file.changes]
    counts = {kind: kinds.count(kind) for kind in ("added", "removed", "changed", "noted")}
    files = [{"path": file.name, "problem": file.problem, "exchanges": [_change(change) for change in file.changes]} for file in found]
    return _json({"base": base, **counts, "files": files})


def _change(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "before": None if change.before is None else change.before + 1,
        "after": None if change.after is None else change.after + 1,
        "place": change.exchange.place,
        "request": [_sides(each) for each in change.request],
        "answer": [_sides(each) for each in change.answer],
        "notes": list(change.notes),
    }


def _sides(difference: Difference) -> dict[str, str]:
    return {"part": difference.part, "before": BUILT_IN.text(difference.before), "after": BUILT_IN.text(difference.after)}


def size(size_bytes: int) -> str:
    """Return a size in B, kB or MB."""
    if size_bytes < _KILO:
        return f"{size_bytes} B"
    return f"{size_bytes / _KILO:.1f} kB" if size_bytes < _KILO**2 else f"{size_bytes / _KILO**2:.1f} MB"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows in columns: the first to the left, the others to the right."""
    shown = [tuple(line(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    for row in shown:
        yield " ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
