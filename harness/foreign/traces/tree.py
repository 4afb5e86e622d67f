"""The runs of one trace as a tree: which is the root, which are inside of it, and of one another."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from harness.errors import UsageError
from harness.foreign.records import Record, at
from harness.foreign.traces.seen import Run


class Tree:
    """The runs of one trace in the order in which they began: the root, and those inside of it. `place` is where the root stands."""

    def __init__(self, place: str, root: Run, inside: Iterable[Run]) -> None:
        self.place, self.root = place, root
        self.inside = tuple(sorted(inside, key=_began))

    @cached_property
    def _runs(self) -> dict[str, Run]:
        return {run["id"]: run for run in (self.root, *self.inside)}

    def of_kind(self, *kinds: str) -> tuple[Run, ...]:
        """Return the runs of these kinds, but for those that hold another: that is the same call, seen from further away."""
        found = [run for run in (self.root, *self.inside) if run["run_type"] in kinds]
        outer = {around["id"] for run in found for around in self.around(run)}
        return tuple(run for run in found if run["id"] not in outer)

    @cached_property
    def missing(self) -> int:
        """Return how many runs are told of that are not there."""
        told = (run.get("child_run_ids") for run in (self.root, *self.inside))
        return len({name for names in told if isinstance(names, list) for name in names if isinstance(name, str)} - self._runs.keys())

    def around(self, run: Run) -> Iterator[Run]:
        """Yield the runs that a run is inside of, the innermost first."""
        while run.get("parent_run_id") is not None:
            run = self._runs[run["parent_run_id"]]
            yield run

    def nodes_around(self, run: Run) -> tuple[Run, ...]:
        """Return the visits of nodes that a run is inside of, the outermost first."""
        return tuple(outer for outer in self.around(run) if is_node(outer))[::-1]


def is_node(run: Run) -> bool:
    """Tell the visit of a node of LangGraph."""
    return run["run_type"] == "chain" and run.get("name") is not None and at(dict(run), "extra.metadata.langgraph_node") == run["name"]


def _began(run: Run) -> tuple[str, str]:
    return str(run.get("start_time") or ""), str(run.get("dotted_order") or "")


def trees(records: Iterable[Record]) -> Iterator[Tree]:
    """Yield the traces that these runs are of; UsageError for what is no run, is there twice, or lacks the run around it."""
    places: dict[str, str] = {}
    runs: dict[str, dict[str, Any]] = {}
    for record in (inner for outer in records for inner in _flat(outer)):
        name = record.value.get("id")
        if not isinstance(name, str) or not isinstance(record.value.get("run_type"), str):
            message = f"{record.place}: not a run of LangSmith: it has no id or no run_type"
            raise UsageError(message)
        if not isinstance(record.value.get("parent_run_id"), str | None):
            message = f"{record.place}: the parent_run_id of run {name} is no id"
            raise UsageError(message)
        if name in runs:
            message = f"{record.place}: run {name} stands at {places[name]} already"
            raise UsageError(message)
        places[name], runs[name] = record.place, dict(record.value)
    roots = _Roots(runs, places)
    inside: dict[str, list[Run]] = {}
    for name, run in runs.items():
        inside.setdefault(roots.of(name), []).append(run)
    for root, found in inside.items():
        yield Tree(places[root], runs[root], (run for run in found if run["id"] != root))


def _flat(record: Record) -> Iterator[Record]:
    """Yield a run and those that the SDK has put into it."""
    waiting = [record]
    while waiting:
        place, run = waiting.pop()
        children = run.get("child_runs")
        yield Record(place, {name: value for name, value in run.items() if name != "child_runs"})
        inner = [child for child in children if isinstance(child, dict)] if isinstance(children, list) else []
        waiting += [Record(place, {"parent_run_id": run.get("id"), **child}) for child in reversed(inner)]


class _Roots:
    """Finds the root of each run, every step up once."""

    def __init__(self, runs: Mapping[str, Run], places: Mapping[str, str]) -> None:
        self._runs, self._places = runs, places
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return the root of a run; UsageError where a run around it is not there, or is inside of it."""
        way = [name]
        while way[-1] not in self._known and (parent := self._runs[way[-1]].get("parent_run_id")) is not None:
            if parent not in self._runs:
                message = f"{self._places[way[-1]]}: run {way[-1]} is inside of run {parent}, which is not there; export the whole trace"
                raise UsageError(message)
            if parent in way:
                message = f"{self._places[way[-1]]}: run {way[-1]} is inside of run {parent}, which is inside of it"
                raise UsageError(message)
            way.append(parent)
        root = self._known.get(way[-1], way[-1])
        self._known |= dict.fromkeys(way, root)
        return root
