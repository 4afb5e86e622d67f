"""The graph as it is drawn: its nodes and edges, and how many trials took each. Where the edges lie is the page's matter."""

from collections import Counter
from itertools import pairwise
from typing import Any

from harness.coverage import END, START, Shape, taken
from harness.experiment import Trial
from harness.tally import node_name

_SHOWN = {START: "START", END: "END"}


class Drawing:
    """Counts, trial by trial, what of one graph was visited and taken.

    A stale trial shows nothing. Where the graph does not declare its edges, the ways from each visited node to the next are drawn instead.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._visits: Counter[str] = Counter()
        self._edges: Counter[str] = Counter()
        self._seen: Counter[tuple[str, str]] = Counter()

    def add(self, trial: Trial) -> tuple[str, ...]:
        """Count one trial, and return the names of the declared edges that it took."""
        path = [node_name(step.place) for step in trial.trace.steps]
        edges = taken(trial.trace, self.shape).edges if self.shape.edges else frozenset[str]()
        if trial.outcome != "stale":
            self._visits.update(set(path))
            self._edges.update(edges)
            self._seen.update(set(pairwise([START, *path])) if path else ())
        return tuple(sorted(edges))

    def drawn(self) -> dict[str, Any]:
        """Return nodes and edges as plain data."""
        edges = [
            {"source": each.source, "target": each.target, "labels": list(each.labels), "name": str(each), "trials": self._edges[str(each)]}
            for each in self.shape.edges
        ] or [
            {"source": source, "target": target, "labels": [], "name": f"{_word(source)} → {_word(target)}", "trials": number}
            for (source, target), number in sorted(self._seen.items())
        ]
        ends = (end for edge in edges for end in (edge["source"], edge["target"]))
        nodes = dict.fromkeys([*map(str, ends), *sorted(self._visits)])
        return {
            "declared": bool(self.shape.edges),
            "unknown": self.shape.unknown,
            "nodes": [{"name": name, "trials": self._visits[name], "stops": name in self.shape.interrupts} for name in nodes],
            "edges": edges,
        }


def _word(node: str) -> str:
    return _SHOWN.get(node, node)
