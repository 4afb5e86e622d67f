"""Datasets: three spellings of the same cases, LangSmith's names, and what is said of mistakes."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dataset import Case, Limits, parse
from harness.errors import DatasetError

CASES = [
    {
        "id": "a",
        "inputs": {"question": "Où?", "n": 3},
        "expected": {"route": {"classify": "billing"}, "output": {"text": "x"}},
        "tags": ["t", "u"],
    },
    {"id": "7", "inputs": {"question": 'a, "b"\nc'}, "expected": {"limits": {"steps": 4}, "ends": "limit"}, "metadata": {"source": "x"}},
]
CSV = """id,inputs.question,inputs.n,expected.route.classify,expected.output.text,tags,expected.limits.steps,expected.ends,metadata.source
a,Où?,3,billing,x,"[""t"",""u""]",,,
7,"a, ""b""
c",,,,,4,limit,x
"""
JSONL = "".join(json.dumps(case) + "\n" for case in CASES)


def load(text: str, path: str = "d.jsonl"):
    """Return the cases of a dataset."""
    return parse(text, name="d", path=path).cases


def test_three_spellings():
    """JSON lines, YAML and CSV give the same cases and the same digest."""
    found = [
        parse(text, name="d", path=f"d.{suffix}")
        for suffix, text in [("jsonl", JSONL), ("yaml", yaml.safe_dump(CASES)), ("yml", json.dumps(CASES)), ("csv", CSV)]
    ]

    assert all(dataset == found[0] for dataset in found)
    assert len({dataset.digest for dataset in found}) == 1
    assert [case.id for case in found[0].cases] == ["a", "7"]


def test_the_digest_is_of_the_content():
    """Key order, blank lines and fields at their default do not change the digest; any content and the order of cases do."""
    base = parse(JSONL, name="d", path="d.jsonl").digest
    spelled = "\ufeff\r\n".join(
        ["", *(json.dumps({"tags": [], **dict(reversed(case.items()))}, ensure_ascii=False) for case in CASES)]
    ).replace("\ufeff\r\n", "\r\n")

    assert base == parse(spelled, name="other", path="e.jsonl").digest
    assert base != parse(JSONL.replace("billing", "sales"), name="d", path="d.jsonl").digest
    assert base != parse("\n".join(reversed(JSONL.splitlines())), name="d", path="d.jsonl").digest


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(VALUES, max_size=4))
@settings(deadline=None, max_examples=100)
def test_any_input_survives(inputs):
    """Whatever JSON the inputs are, U+2028 and the like in it, they are read as they are."""
    rows = [{"id": str(index), "inputs": value} for index, value in enumerate(inputs)]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)

    assert inputs == [case.inputs for case in load(text)]


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\x0cb"])
def test_line_breaks_that_are_none(text):
    """Only a line feed ends a case, whatever Unicode calls a line break."""
    (case,) = load(json.dumps({"id": "a", "inputs": text}, ensure_ascii=False))

    assert text == case.inputs


def one(row: dict) -> Case:
    """Return the case of one row."""
    (case,) = load(json.dumps({"id": "a", "inputs": {}, **row}))
    return case


def test_langsmith_names():
    """LangSmith's `outputs` are the reference, `split` is a tag, `metadata` stays; empty fields of an export are left out."""
    case = one({"outputs": {"answer": "Paris"}, "split": "test", "tags": ["t"], "metadata": {"a": 1}})

    assert (case.expected.reference, case.tags, case.metadata) == ({"answer": "Paris"}, ("t", "test"), {"a": 1})
    assert one({"split": ["x", "y"]}).tags == ("x", "y")
    assert one({"split": "x", "tags": None}).tags == ("x",)
    assert one({"outputs": None, "metadata": None, "split": None}) == one({})


@pytest.mark.parametrize(
    "outputs",
    [
        {"output": "Paris"},
        {"output": {"role": "assistant", "content": "x"}},
        {"route": "billing"},
        {"tools": ["search"]},
        {"path": None},
        {"x": 1, "output": {}},
        "text",
    ],
)
def test_outputs_that_only_sound_like_ours(outputs):
    """A target's own outputs are the reference, even where they are called as our expectations are."""
    if outputs == "text":
        with pytest.raises(DatasetError, match=r"expected\.reference"):
            one({"outputs": outputs})
    else:
        assert outputs == one({"outputs": outputs}).expected.reference


def test_outputs_that_are_ours():
    """Our own expectations may be written under LangSmith's name; a mistake in them is still an error."""
    assert one({"outputs": {"route": {"r": "x"}, "output": {"state.a": 1}, "ends": "limit"}}).expected.route == {"r": "x"}
    with pytest.raises(DatasetError, match=r"expected\.ends"):
        one({"outputs": {"ends": "soon"}})


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (
            "d.jsonl",
            '{"id": "a", "inputs": 1}\n\n{"id": "b", "input": 1}',
            r"d\.jsonl:3: unknown key 'input'; did you mean 'inputs'\?|d\.jsonl:3: inputs",
        ),
        ("d.jsonl", '{"id": "b", "inputs": 1, "tag": []}', r"d\.jsonl:1: unknown key 'tag'; did you mean 'tags'\?"),
        (
            "d.jsonl",
            '{"id": "b", "inputs": 1, "expected": {"limits": {"step": 1}}}',
            r"unknown key 'expected\.limits\.step'; did you mean 'steps'\?",
        ),
        ("d.jsonl", '{"id": "b", "inputs": 1, "faults": [{"at": {"model_cal": 1}, "fault": "timeout"}]}', r"did you mean 'model_call'\?"),
        ("d.jsonl", '{"id": 1, "inputs": 1}', r"d\.jsonl:1: id: .*got 1"),
        ("d.jsonl", '{"id": "", "inputs": 1}', r"d\.jsonl:1: id"),
        ("d.jsonl", '{"id": "a"}', r"d\.jsonl:1: inputs: field required"),
        ("d.jsonl", '\n{"id": "a"', r"d\.jsonl:2: not JSON"),
        ("d.jsonl", '{"id": "a", "inputs": NaN}', r"d\.jsonl:1: not JSON"),
        ("d.jsonl", '{"id": "a", "inputs": ' + "[" * 100_000, r"d\.jsonl:1: not JSON"),
        ("d.jsonl", "[1]", r"d\.jsonl:1: a case is an object"),
        ("d.jsonl", '{"id": "a", "inputs": 1}\n{"id": "a", "inputs": 2}', r"d\.jsonl:2: case id 'a' stands twice"),
        ("d.yaml", "- {id: a, inputs: 1}\n\n- id: b\n  inputs: 1\n  tag: []", r"d\.yaml:3: unknown key 'tag'"),
        ("d.yaml", "- id: a\n  inputs: [", r"d\.yaml:3: not YAML"),
        ("d.yaml", "- {id: a, inputs: 2026-11-01}", r"d\.yaml:1: not representable as JSON"),
        ("d.yaml", "id: a", r"d\.yaml: a YAML dataset is a list"),
        ("d.yaml", "- !!python/name:os.system", r"d\.yaml:1: not YAML"),
        ("d.csv", "id,inputs\na,1\nb,1,2", r"d\.csv:3: more cells than columns"),
        ("d.csv", "id,inputs,inputs.q\na,1,2", r"d\.csv:2: column 'inputs.q' is inside another column"),
        ("d.csv", 'id,inputs\na,"1', r"d\.csv:2: not CSV"),
        ("d.csv", "id,inputs,expected.ends\na,1,soon", r"d\.csv:2: expected\.ends"),
        ("d.txt", "", r"d\.txt: a dataset is a \.jsonl, \.yaml or \.csv file"),
    ],
)
def test_errors_name_the_place(path, text, message):
    """A mistake is named with path, line, field and the nearest key."""
    with pytest.raises(DatasetError, match=message):
        load(text, path)


@pytest.mark.parametrize(
    ("cell", "value"), [("007", "007"), ("12", 12), ("NaN", "NaN"), ("[1]", [1]), ("a b", "a b"), ('"12"', "12"), ("1e999", "1e999")]
)
def test_csv_cells(cell, value):
    """A cell is JSON where it can be, text otherwise; a byte order mark of a spreadsheet is not part of the first column."""
    text = "\ufeffid,inputs.q\na," + ('"' + cell.replace('"', '""') + '"') + "\n"

    assert [{"q": value}] == [case.inputs for case in load(text, "d.csv")]


@pytest.mark.parametrize("path", ["d.jsonl", "d.yaml", "d.csv"])
def test_an_empty_dataset(path):
    """An empty file is a dataset without cases."""
    assert load("", path) == ()


def test_limits_override():
    """A case's limits override the suite's key by key, visits node by node; what it does not set stays."""
    suite = Limits(steps=15, tokens=8000, visits={"a": 1, "b": 2})

    assert Limits(steps=3, tokens=8000, visits={"a": 1, "b": 9, "c": 3}) == suite.override(Limits(steps=3, visits={"b": 9, "c": 3}))
    assert suite == suite.override(Limits())
    assert suite == Limits().override(suite)
    assert Limits(steps=0).steps == suite.override(Limits(steps=0)).steps


@pytest.mark.parametrize("at", [{}, {"model_call": 1, "embedding": 1}, {"model_call": 0}])
def test_faults_need_one_place(at):
    """A fault says where it strikes, once."""
    with pytest.raises(DatasetError, match=r"faults\.0\.at"):
        one({"faults": [{"at": at, "fault": "timeout"}]})


@pytest.mark.parametrize("key", ["category", "stat.category", ""])
def test_an_output_key_that_names_no_place_is_refused(key):
    """An expectation that could never be looked at is an error of the dataset, not a score."""
    with pytest.raises(DatasetError, match=r"a\.jsonl:1: expected\.output: .*neither 'text' nor 'state"):
        parse(json.dumps({"id": "a", "inputs": {}, "expected": {"output": {key: 1}}}), name="a", path="a.jsonl")
