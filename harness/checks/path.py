"""The check `path`: whether the trial visited the nodes that it should."""

from collections import Counter
from typing import assert_never

from harness.checks.context import CheckContext
from harness.checks.ends import what_happened
from harness.checks.pairing import first_out_of_order, longest_common
from harness.checks.quoting import arrows, listed
from harness.checks.visits import qualified
from harness.dataset import Case, Mode
from harness.score import Score, failed, passed, unscored
from harness.trace import Trace

Nodes = tuple[str, ...]


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare the nodes visited with `expected.path`.

    `strict`: all of them in order; `unordered`: all of them; `in_order`: at least those in order. In `subset` every visit must be
    expected, in `superset` every expected visit must happen; a node expected twice counts twice. Nodes of subgraphs count only where
    an expected name has a slash, `sub/inner`.
    """
    del context
    wanted = case.expected.path
    if wanted is None:
        return ()
    if not wanted.nodes and wanted.mode in {"superset", "in_order"}:
        return (unscored("path", "path", f"mode {wanted.mode!r} with no nodes asks for nothing; `strict` or `subset` would forbid them"),)
    visited = _visited(trace, wanted.nodes)
    f1 = lcs_f1(wanted.nodes, visited)
    problem = differences(wanted.mode, wanted.nodes, visited)
    if not problem:
        return (passed("path", "path", mode=wanted.mode, lcs_f1=f1),)
    ending = "" if trace.ends == "answer" else f"; {what_happened(trace)}"
    reason = f"{problem} ({wanted.mode}): expected {arrows(wanted.nodes)}; visited {arrows(visited)}{ending}"
    return (failed("path", "path", reason, mode=wanted.mode, lcs_f1=f1, expected=[*wanted.nodes], actual=[*visited]),)


def _visited(trace: Trace, wanted: Nodes) -> Nodes:
    if any("/" in node for node in wanted):
        return tuple(qualified(step.place) for step in trace.steps if step.place.node)
    return trace.nodes


def differences(mode: Mode, expected: Nodes, visited: Nodes) -> str:
    """Say how the visited nodes differ from the expected ones under `mode`; nothing if they agree."""
    missing = tuple((Counter(expected) - Counter(visited)).elements())
    extra = tuple((Counter(visited) - Counter(expected)).elements())
    match mode:
        case "strict":
            return _moved(expected, visited, missing, extra)
        case "unordered":
            return _counted(missing, extra)
        case "subset":
            return _counted((), extra)
        case "superset":
            return _counted(missing, ())
        case "in_order":
            return _unordered(expected, visited, missing)
        case _:
            assert_never(mode)


def lcs_f1(expected: Nodes, visited: Nodes) -> float:
    """Return the F1 of the longest common subsequence: 2 x its length / both lengths; 1 where both are empty."""
    total = len(expected) + len(visited)
    return round(2 * longest_common(expected, visited) / total, 6) if total else 1.0


def _counted(missing: Nodes, extra: Nodes) -> str:
    said = [f"missing: {listed(missing)}"] if missing else []
    said += [f"unexpected: {listed(extra)}"] if extra else []
    return "; ".join(said)


def _moved(expected: Nodes, visited: Nodes, missing: Nodes, extra: Nodes) -> str:
    if expected == visited:
        return ""
    shorter = min(len(expected), len(visited))
    place = next((place for place in range(shorter) if expected[place] != visited[place]), shorter)
    first = f"position {place + 1}: expected {_at(expected, place)}, visited {_at(visited, place)}"
    rest = _counted(missing, extra) or "the same nodes in another order"
    return f"{first}; {rest}"


def _at(nodes: Nodes, place: int) -> str:
    return repr(nodes[place]) if place < len(nodes) else "nothing more"


def _unordered(expected: Nodes, visited: Nodes, missing: Nodes) -> str:
    stray = first_out_of_order(len(expected), len(visited), lambda left, right: expected[left] == visited[right])
    if stray is None:
        return ""
    node, start = expected[stray[0]], stray[1]
    if node in missing and node not in visited:
        return f"{node!r} was never visited"
    after = f"after {expected[stray[0] - 1]!r} at position {start}" if start else "at all"
    return f"{node!r} was not visited {after}"
