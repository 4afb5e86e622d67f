"""What an experiment is in LangSmith, value by value: ids, forms, examples, feedback, redaction; and the ledger of what was sent."""

import email
import json
import uuid

import pytest
from trials import trial

from harness.cassette.redact import BUILT_IN, Redactor
from harness.dataset import Case, Dataset, parse
from harness.errors import ExperimentUnreadable, RedactionError
from harness.mirror import EXAMPLES_AT_ONCE, Call, Collection, Part, Redactions, case_rows, encoded
from harness.mirror.examples import difference, example_of
from harness.mirror.feedback import key_of, said_of
from harness.mirror.ids import dataset_id, run_id
from harness.mirror.spans import spans_of
from harness.score import failed, passed
from harness.store import PushFolder
from harness.trace import NodeStep, Place, ToolCall, Trace


def test_ids_of_runs_have_the_form_of_version_7():
    """Their first 48 bits are the milliseconds, the rest a hash: the same run has the same id, the next one another."""
    first = run_id("s", "case", 1, "call/0", start_ms=1_795_262_400_123)

    assert (uuid.UUID(first).version, uuid.UUID(first).variant) == (7, uuid.RFC_4122)
    assert int(first.replace("-", "")[:12], 16) == 1_795_262_400_123
    assert first == run_id("s", "case", 1, "call/0", start_ms=1_795_262_400_123)
    others = [("t", "case", 1, "call/0"), ("s", "other", 1, "call/0"), ("s", "case", 2, "call/0"), ("s", "case", 1, "call/1")]
    assert len({first, *(run_id(*other, start_ms=1_795_262_400_123) for other in others)}) == 5


def test_two_workspaces_never_share_the_id_of_a_dataset():
    """Ids are unique in all of LangSmith, and names are not."""
    assert dataset_id("one", "d") != dataset_id("other", "d")


def test_a_form_is_read_as_it_was_written():
    """Any reader of MIME finds the parts with their lengths; the same call has the same bytes."""
    call = Call("k", "POST", "/runs/multipart", parts=(Part("a", {"ü": "\r\n--x"}), Part("b", "text")), sized=True)

    body = encoded(call)
    message = email.message_from_bytes(f"Content-Type: {body.content_type}\r\n\r\n".encode() + body.data)

    found = [(part.get_param("name", header="content-disposition"), part.get_payload(decode=True)) for part in message.get_payload()]
    assert [(name, json.loads(data)) for name, data in found] == [("a", {"ü": "\r\n--x"}), ("b", "text")]
    assert [int(part["content-length"]) for part in message.get_payload()] == [len(data) for _, data in found]
    assert encoded(call) == body


CASES = (
    Case(id="plain", inputs={"q": "?"}),
    Case(id="a text", inputs="only a text", tags=("base",)),
    Case(id="null", inputs=None, tags=("one", "two"), metadata={"why": "w"}),
    Case(id="half", inputs={"q": "ü\u2028"}, turns=({"q": "more"},), resume=(True,), variants=("v1",)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_survives_the_way_there_and_back(case):
    """Whatever it is, LangSmith's example of it is known as the same, and makes the same case again."""
    example = example_of(case, "d")
    served = {"id": example.id, "inputs": example.inputs, "outputs": example.outputs or None}
    served["metadata"] = {**example.metadata, "dataset_split": sorted(example.split)}

    (row,) = case_rows([served])

    assert difference(example, served) == ""
    assert parse(json.dumps(row), name="d", path="d.jsonl").cases == (case,)


def test_many_examples_go_in_groups_of_a_size_that_is_taken():
    """A group has at most a hundred, and fewer where they are large."""
    small = [Case(id=f"s{number}", inputs={}) for number in range(EXAMPLES_AT_ONCE + 1)]
    large = [Case(id=f"l{number}", inputs={"text": "x" * 4_000_000}) for number in range(3)]

    def sizes(cases):
        return [len(call.parts) // 3 for call in Collection("i", Dataset(name="d", cases=tuple(cases)), Redactions(Redactor())).adding()]

    assert (sizes(small), sizes(large), sizes([])) == ([EXAMPLES_AT_ONCE, 1], [2, 1], [])


def test_scores_of_one_name_are_told_apart():
    """Two scores of one name are two pieces of feedback; a name that is too long is cut to what LangSmith takes."""
    long = "x" * 300
    said = said_of(trial("a", "fail", passed("c", "same"), failed("d", "same", "no"), passed("e", long), passed("e", f"{long}y")))

    assert [one.key for one in said[:3]] == ["outcome", "same", "same"]
    assert len({said[3].key, said[4].key}) == 2
    assert len(key_of(long)) == 180


def test_ids_and_times_are_never_redacted():
    """A rule of the user that would replace them finds nothing in them, and everything else is replaced and noted."""
    redactions = Redactions(Redactor({"digits": r"[0-9]{4}(?![0-9a-f-]*>)"}))
    call = Call("k", "POST", "/x", {"id": "1234", "start_time": "2026-11-21", "name": "n 1234", "inputs": {"id": "1234"}})

    clean = redactions.call(call).document

    assert (clean["id"], clean["start_time"]) == ("1234", "2026-11-21")
    assert "1234" not in json.dumps([clean["name"], clean["inputs"]])
    assert {one.kind for one in redactions.found} == {"digits"}


def test_a_secret_is_replaced_in_every_form():
    """A key in an error, in a comment or under a telling name does not leave."""
    key = "sk-proj-" + "aB3dE6gH9jK2" * 4
    call = Call("k", "POST", "/x", parts=(Part("post.1.error", f"with {key}"), Part("feedback.1", {"comment": key, "api_key": "hunter22"})))

    clean = Redactions(BUILT_IN).call(call)

    assert key.encode() not in encoded(clean).data
    assert b"hunter22" not in encoded(clean).data


class Breaking(Redactor):
    """A redactor that leaves no JSON."""

    def text(self, text):
        """Return half of it."""
        return text[: len(text) // 2]


def test_a_redactor_that_breaks_a_document_is_an_error():
    """Nothing of it is sent."""
    with pytest.raises(RedactionError, match="leave no JSON of 'k'"):
        Redactions(Breaking()).call(Call("k", "POST", "/x", {"a": "b"}))


def test_a_call_goes_to_the_visit_that_was_running():
    """A subgraph's node that is visited twice: what has a time belongs to the visit of that time."""
    outer = [NodeStep(place=Place(node="sub", step=step, visit=step), start_s=step * 10.0, duration_s=5.0) for step in (1, 2)]
    inner = NodeStep(place=Place(node="in", step=1, namespace=("sub",), visit=2), start_s=21.0, duration_s=1.0)
    tool = ToolCall(place=Place(node="in", step=9, namespace=("sub",)), name="t", start_s=21.5, duration_s=0.1)
    lost = ToolCall(place=Place(node="gone", step=9, namespace=("sub", "deeper")), name="l", start_s=12.0, duration_s=0.1)

    found = {span.path: span.inside for span in spans_of(Trace(steps=(*outer, inner), tools=(tool, lost)))}

    assert found == {"step/0": "", "step/1": "", "step/2": "step/1", "tool/0": "step/2", "tool/1": "step/0"}


def test_two_pushes_at_one_time_keep_each_others_lines(tmp_path):
    """Each appends: neither writes over what the other has noted meanwhile."""
    one, other = PushFolder(tmp_path, "here"), PushFolder(tmp_path, "here")
    with one.noting(), other.noting():
        for number in range(3):
            one.note(f"one {number}")
            other.note(f"other {number}")

    assert one.acknowledged() == {f"{name} {number}" for name in ("one", "other") for number in range(3)}


def test_a_ledger_outlives_a_line_that_was_cut_off(tmp_path):
    """Half a line counts as nothing, and what is noted later stands on a line of its own."""
    ledger = PushFolder(tmp_path, "here")
    with ledger.noting():
        ledger.note("a")
        ledger.note("b")
    path = tmp_path / "push" / "ledger.jsonl"
    path.write_text(path.read_text()[:-5])

    assert ledger.acknowledged() == {"a"}
    with ledger.noting():
        ledger.note("c")
    assert ledger.acknowledged() == {"a", "c"}


def test_what_another_address_has_acknowledged_does_not_count(tmp_path):
    """The ledger is of one workspace; what is missing there does not count either."""
    here, there = PushFolder(tmp_path, "here"), PushFolder(tmp_path, "there")
    with here.noting():
        here.note("a")
        here.note("b")
        here.note("b", "missing")
    with there.noting():
        there.note("c")

    assert (here.acknowledged(), there.acknowledged()) == ({"a"}, {"c"})


def test_a_ledger_that_is_none_is_an_error(tmp_path):
    """The error names file and line."""
    (tmp_path / "push").mkdir()
    (tmp_path / "push" / "ledger.jsonl").write_text('{"to":"here","key":"a"}\n{}\n')

    with pytest.raises(ExperimentUnreadable, match=r"ledger\.jsonl:2: not a line of a ledger"):
        PushFolder(tmp_path, "here").acknowledged()
