"""Upkeep: what there is to mend or to remove among the cassette files of a project."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.cassette.exchange import Exchange
from harness.cassette.surplus import Surplus, alike

Kind = Literal["unreadable", "orphan", "unused", "duplicate", "unknown", "shared", "alike"]
Severity = Literal["error", "finding", "warning"]

SEVERITY: dict[Kind, Severity] = {
    "unreadable": "error",
    "orphan": "finding",
    "unused": "finding",
    "duplicate": "finding",
    "unknown": "warning",
    "shared": "warning",
    "alike": "warning",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a cassette file that the user may want to mend; `exchanges` are indices from 0."""

    kind: Kind
    path: str
    message: str
    suite: str | None = None
    line: int | None = None
    exchanges: tuple[int, ...] = ()

    @property
    def severity(self) -> Severity:
        """Return how much it matters."""
        return SEVERITY[self.kind]


@dataclass(frozen=True, slots=True)
class CassetteFile:
    """A file below `cassettes/`. `case` is None for an orphan, `exchanges` for what cannot be read; `shown` is its path from the root.

    `unknown` says why it cannot be told what of it is used, `surplus` what is not.
    """

    shown: str
    size_bytes: int
    suite: str
    case: str | None = None
    orphaned: str = ""
    exchanges: tuple[Exchange, ...] | None = None
    problem: str = ""
    unknown: str = ""
    surplus: Surplus | None = None


@dataclass(frozen=True, slots=True)
class Pruning:
    """What is to go from one file: some exchanges, by their indices, or the whole file."""

    file: CassetteFile
    indices: tuple[int, ...]
    why: str

    @property
    def whole(self) -> bool:
        """Tell whether nothing of the file stays."""
        return len(self.indices) == len(self.file.exchanges or ())


def is_own(exchanges: Sequence[Exchange]) -> bool:
    """Tell whether the harness wrote a cassette: it notes when and for which variant each exchange was recorded."""
    return bool(exchanges) and all(exchange.recorded_at or exchange.variants for exchange in exchanges)


def findings(files: Sequence[CassetteFile]) -> list[Finding]:
    """Return what there is to mend, file by file, then what concerns several files."""
    found = [finding for file in files for finding in _findings_of(file)]
    read = {file.shown: file.exchanges for file in files if file.exchanges and file.case is not None}
    suites = {file.shown: file.suite for file in files}
    for names in alike(read):
        message = f"{len(names)} files hold the same requests: {', '.join(names)}"
        found.append(Finding("alike", names[0], message, suites[names[0]]))
    return found


def _findings_of(file: CassetteFile) -> Iterator[Finding]:
    if file.problem:
        line, problem = _placed(file.problem.removeprefix(f"{file.shown}:"))
        yield Finding("unreadable", file.shown, problem, file.suite, line)
    if file.orphaned:
        yield Finding("orphan", file.shown, file.orphaned, file.suite)
    if file.unknown:
        count = len(file.exchanges or ())
        yield Finding("unknown", file.shown, f"it cannot be told which of {count} exchange(s) are used: {file.unknown}", file.suite)
    if file.surplus is not None and file.exchanges is not None:
        yield from _surplus_of(file, file.surplus, file.exchanges)


def _placed(problem: str) -> tuple[int | None, str]:
    """Part `12: what is wrong` into line and problem."""
    line, mark, rest = problem.partition(":")
    return (int(line), rest.strip()) if mark and line.isdecimal() else (None, problem.strip())


def _surplus_of(file: CassetteFile, extra: Surplus, exchanges: Sequence[Exchange]) -> Iterator[Finding]:
    for index in extra.unused:
        message = f"exchange {index + 1} is played under no variant"
        yield Finding("unused", file.shown, message, file.suite, exchanges[index].line, (index,))
    for index, original in extra.duplicates:
        message = f"exchange {index + 1} is a copy of exchange {original + 1} that no trial plays"
        yield Finding("duplicate", file.shown, message, file.suite, exchanges[index].line, (index,))
    for copies in extra.shared:
        numbers = ", ".join(str(index + 1) for index in copies)
        message = f"exchanges {numbers} ask and answer the same, and no single trial plays all of them"
        yield Finding("shared", file.shown, message, file.suite, exchanges[copies[0]].line, copies)


def prunings(files: Sequence[CassetteFile]) -> tuple[list[Pruning], list[str]]:
    """Return what can be removed, and for what is left alone why."""
    plan, left = [], []
    for file in files:
        if file.problem:
            left.append(f"{file.problem}; it is left as it is")
        elif file.unknown:
            left.append(f"{file.shown}: left as it is: {file.unknown}")
        elif file.orphaned and not is_own(file.exchanges or ()):
            left.append(f"{file.shown}: left as it is: {file.orphaned}, but it was not recorded by the harness; remove it by hand")
        elif file.orphaned:
            plan.append(Pruning(file, tuple(range(len(file.exchanges or ()))), file.orphaned))
        elif file.surplus is not None and file.surplus.removable:
            plan.append(Pruning(file, tuple(sorted(file.surplus.removable)), "played under no variant"))
    return plan, left
