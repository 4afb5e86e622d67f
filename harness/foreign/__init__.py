"""Trials that were run elsewhere: what their exported records say, and no more.

Nothing is made up: a record without a score is an unscored trial, and tokens, dollars and the nodes that ran are unknown where the
export does not tell them.
"""

from harness.foreign.langsmith import Feedback, Runs, feedback_in
from harness.foreign.plain import Fields, Plain
from harness.foreign.records import Record, in_document, in_lines, is_lines
from harness.foreign.traces import ByClass, Formats, Seen, Traced, Tree, Unshown, traced, trees
from harness.foreign.trials import Key, numbered, provenance

__all__ = [
    "ByClass",
    "Feedback",
    "Fields",
    "Formats",
    "Key",
    "Plain",
    "Record",
    "Runs",
    "Seen",
    "Traced",
    "Tree",
    "Unshown",
    "feedback_in",
    "in_document",
    "in_lines",
    "is_lines",
    "numbered",
    "provenance",
    "traced",
    "trees",
]
