"""What a check may know besides the case and the trace."""

from collections.abc import Callable
from typing import TypeAlias

from harness.dataset import Case, Limits
from harness.schema import Value
from harness.score import Score
from harness.trace import Trace

NEXT = "@next"


class CheckContext(Value):
    """What the suite says of a trial.

    `routes` maps a router node to the state key that holds its decision, or to `@next`; `confidence` maps one to the state key that says
    how sure it is, from 0 to 1; `limits` are the suite's, already overridden by
    the case's; `nodes` names the graph's nodes, those of subgraphs as `sub/inner`; empty means unknown.
    """

    routes: dict[str, str] = {}
    confidence: dict[str, str] = {}
    limits: Limits = Limits()
    nodes: tuple[str, ...] = ()


Check: TypeAlias = Callable[[Case, Trace, CheckContext], tuple[Score, ...]]
"""A check keeps nothing, reads nothing and returns one score for each thing that it looked at, none if nothing is expected."""
