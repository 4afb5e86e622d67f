"""Time travel on a terminal: the states of a trial, and a fork of it."""

from collections.abc import Iterator

from pydantic import JsonValue

from harness.delta import Change, changes
from harness.history import Fork, History, Snapshot
from harness.report.layout import WIDTH, Part, Text, rendered
from harness.report.text import excerpt
from harness.schema import canonical_json

_SHOWN = 200
_MARKS = {"added": "+ ", "removed": "- ", "changed": "~ "}


def show_states(history: History, *, whole: bool, width: int = WIDTH, colour: bool = False) -> str:
    """Return every state: whole, or what each superstep changed."""
    repeat = f", repeat {history.repeat}" if history.repeat > 1 else ""
    count = len(history.states)
    title = f"{history.name}, case {history.case!r}{repeat}: {count} {'state' if count == 1 else 'states'}"
    parts: list[Part] = [Text(title, style="bold"), *_notes(history.notes)]
    before: JsonValue = {}
    for snapshot in history.states:
        parts += [Text(""), Text(_heading(snapshot), style="bold")]
        parts += _whole(snapshot.state) if whole else _changed(before, snapshot.state)
        parts += [Text(f"interrupt {canonical_json(payload)}", 2) for payload in snapshot.interrupts]
        before = snapshot.state
    return rendered(parts, width, colour=colour)


def show_fork(fork: Fork, *, width: int = WIDTH, colour: bool = False) -> str:
    """Return where a fork went, how it ended, and what differs."""
    edits = ", ".join(f"{edit} = {canonical_json(edit.value)}" for edit in fork.assignments)
    where = f"after step {fork.at}{_nodes(fork.after or ('the input',))}"
    parts: list[Part] = [Text(f"{fork.name}, case {fork.case!r}, forked {where}: {edits}", style="bold"), *_notes(fork.notes)]
    parts += [Text(""), Text(f"path before: {_path(fork.path_before)}, ended as {fork.ends_before}")]
    parts += [Text(f"path now:    {_path(fork.path)}, {_ended(fork)}")]
    if fork.misses:
        parts += [Text(miss, 2, mark="- ") for miss in fork.misses]
        parts += [Text(""), Text("a fork is not recorded; to go on from here live, make it a case with such inputs and record that")]
    else:
        parts += [Text(""), Text("what differs in the final state", style="bold"), *(_lines(fork.differs) or [Text("nothing", 2)])]
        parts += [Text(""), Text("final state", style="bold"), *_whole(fork.state)]
    return rendered(parts, width, colour=colour)


def _ended(fork: Fork) -> str:
    if fork.misses:
        return "stale: it asks what no recorded trial asked"
    return f"ended as {fork.ends}" + (f" ({fork.crash.type}: {fork.crash.message})" if fork.crash else "")


def _notes(notes: tuple[str, ...]) -> Iterator[Part]:
    yield from (Text(f"note: {note}") for note in notes)


def _heading(snapshot: Snapshot) -> str:
    return f"step {snapshot.step}{_nodes(snapshot.after or ('the input',))}, next: {', '.join(snapshot.next) or 'nothing'}"


def _nodes(nodes: tuple[str, ...]) -> str:
    return f" ({', '.join(nodes)})"


def _path(nodes: tuple[str, ...]) -> str:
    return " → ".join(nodes) or "(no node)"


def _changed(before: JsonValue, state: JsonValue) -> list[Part]:
    return _lines(tuple(changes(before, state))) or [Text("nothing changed", 2)]


def _lines(found: tuple[Change, ...]) -> list[Part]:
    return [Text(excerpt(_line(change), _SHOWN), 2, mark=_MARKS[change.kind]) for change in found]


def _line(change: Change) -> str:
    place = change.path or "the state"
    match change.kind:
        case "added":
            return f"{place} = {canonical_json(change.after)}"
        case "removed":
            return f"{place} = {canonical_json(change.before)}"
        case "changed":
            return f"{place} = {canonical_json(change.after)}, was {canonical_json(change.before)}"


def _whole(state: JsonValue) -> list[Part]:
    if not isinstance(state, dict):
        return [Text(canonical_json(state), 2)]
    return [Text(f"{key} = {canonical_json(value)}", 2) for key, value in state.items()] or [Text("empty", 2)]
