"""Traces of LangSmith as cases, and the calls of models in them as the exchanges that they were, as far as a trace shows them."""

from harness.foreign.traces.expected import Seen
from harness.foreign.traces.messages import Unshown
from harness.foreign.traces.structured import ByClass, Formats
from harness.foreign.traces.traced import Traced, traced
from harness.foreign.traces.tree import Tree, trees

__all__ = ["ByClass", "Formats", "Seen", "Traced", "Tree", "Unshown", "traced", "trees"]
