"""Mirror: a stored experiment as LangSmith has it. Values to values: what is sent is decided here, nothing is sent from here."""

from harness.mirror.call import Call, Part, encoded, written
from harness.mirror.collection import EXAMPLES_AT_ONCE, Collection, commit_tag
from harness.mirror.examples import case_rows
from harness.mirror.feedback import figures_of
from harness.mirror.ids import dataset_id
from harness.mirror.pairing import Pairing
from harness.mirror.redaction import Redacted, Redactions
from harness.mirror.session import Exchanges, Mirror
from harness.mirror.survey import Survey, survey
from harness.mirror.traces import runs_in, trace_calls, trace_id

__all__ = [
    "EXAMPLES_AT_ONCE",
    "Call",
    "Collection",
    "Exchanges",
    "Mirror",
    "Pairing",
    "Part",
    "Redacted",
    "Redactions",
    "Survey",
    "case_rows",
    "commit_tag",
    "dataset_id",
    "encoded",
    "figures_of",
    "runs_in",
    "survey",
    "trace_calls",
    "trace_id",
    "written",
]
