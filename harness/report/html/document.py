"""The document that the page shows: plain data in one versioned form, and the blocks of transcripts beside it."""

from typing import Any, NamedTuple

from harness.experiment import suite_name
from harness.gate import overall, overall_verdict
from harness.report.html.evidence import Evidence
from harness.report.html.rows import Rows
from harness.report.html.suite import Gathered
from harness.report.html.transcripts import LIMITS, Transcripts, packed
from harness.schema import canonical_json

FORMAT = 1  # 1: the first
PACKED_LIMIT = 9_700_000


class Document(NamedTuple):
    """The head, the packed blocks that its rows lead into, and the packed texts that many of these share."""

    head: dict[str, Any]
    blocks: tuple[str, ...]
    texts: str


def document(evidence: Evidence) -> Document:
    """Read the trials once and return what the page needs. The same evidence gives the same document."""
    suites = {summary.provenance.name: Gathered(summary) for summary in evidence.summaries}
    rows, transcripts = Rows(), Transcripts()
    for trial in evidence.trials:
        edges = suites[suite_name(trial.suite, trial.variant)].add(trial)
        rows.add(trial, edges, transcripts.add(trial, evidence.played_of))
    sections = [gathered.document(evidence, transcripts) for gathered in suites.values()]
    verdicts = [summary.verdict for summary in evidence.summaries]
    head: dict[str, Any] = {
        "format": FORMAT,
        "experiment": evidence.head.model_dump(mode="json", exclude={"suites", "command", "format"}),
        "verdict": overall_verdict(verdicts),
        "exit_code": int(overall(verdicts)),
        "suites": sections,
        "rows": rows.columns(),
    }
    transcripts.close(PACKED_LIMIT - len(packed(canonical_json(head))))
    head["limits"] = {**LIMITS, "left_out": transcripts.left_out}
    return Document(head, tuple(transcripts.blocks), transcripts.texts)
