"""Cutting exchanges out of a file: what stays, stays to the byte."""

import difflib
import itertools
from dataclasses import replace

import pytest
from exchanges import said
from hypothesis import given
from hypothesis import strategies as st

from harness.cassette import cut, vcr_yaml
from harness.cassette.exchange import Response
from harness.errors import CassetteError

PLAIN = "- no item\n# no comment\n  # nor this\n\n🙂\u2028\n"
ASKED = tuple(said(f"{number}?", "Yes. 🙂", latency_s=0.5) for number in range(4))
TEXT = vcr_yaml.dumps(tuple(replace(exchange, response=Response(200, f"{PLAIN}{exchange}\n\n".encode())) for exchange in ASKED))
TAPE = vcr_yaml.loads(TEXT, path="x.yaml")
FOREIGN = """\
# kept by hand
interactions:
# of the first
- request: {method: GET, uri: "https://example.com/1", body: null, headers: {}}
  response: {status: {code: 200}, headers: {}, body: {string: "one"}}
  # inside the first
# of the second
# more of it
- request: {method: GET, uri: "https://example.com/2", body: null, headers: {}}
  response: {status: {code: 200}, headers: {}, body: {string: "two"}}
# of the version
version: 1
"""


@pytest.mark.parametrize("indices", [set(some) for size in (0, 1, 2, 3) for some in itertools.combinations(range(4), size)], ids=str)
def test_only_lines_go(indices):
    """Any exchanges can be cut out; the difference is lines that went, and the rest reads as before."""
    after = cut.without(TEXT, indices, path="x.yaml")

    assert vcr_yaml.loads(after, path="x.yaml") == tuple(exchange for index, exchange in enumerate(TAPE) if index not in indices)
    assert not [row for row in difflib.ndiff(TEXT.split("\n"), after.split("\n")) if row.startswith("+")]


@given(st.integers(0, len(TEXT)), st.text(max_size=4), st.integers(0, 4), st.sets(st.integers(0, 3), max_size=3))
def test_a_damaged_file_is_cut_right_or_refused(place, inserted, dropped, indices):
    """Whatever happened to a file, cutting it either leaves what is kept as it was, or says that it cannot."""
    damaged = TEXT[:place] + inserted + TEXT[place + dropped :]

    try:
        after = cut.without(damaged, indices, path="x.yaml")
    except CassetteError:
        return
    before = vcr_yaml.loads(damaged, path="x.yaml")
    assert vcr_yaml.loads(after, path="x.yaml") == tuple(exchange for index, exchange in enumerate(before) if index not in indices)


def test_comments_go_and_stay_with_what_they_stand_above():
    """A comment right above an exchange is its own; one above another key stays."""
    after = cut.without(FOREIGN, {0}, path="x.yaml")

    assert "of the first" not in after
    assert "inside the first" not in after
    assert after.index("# of the second\n# more of it\n- request") > 0
    assert after.endswith("# of the version\nversion: 1\n")
    last = cut.without(FOREIGN, {1}, path="x.yaml")
    assert "of the second" not in last
    assert last.endswith('"one"}}\n  # inside the first\n# of the version\nversion: 1\n')


def test_line_ends_stay_as_they_are():
    """A file with line ends of two characters keeps them."""
    after = cut.without(FOREIGN.replace("\n", "\r\n"), {0}, path="x.yaml")

    assert after == cut.without(FOREIGN, {0}, path="x.yaml").replace("\n", "\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "interactions: [{request: {method: GET, uri: a}, response: &a {status: {code: 1}}}, {request: {method: P, uri: a}, response: *a}]",
        "interactions:\n- request: &a {method: GET, uri: /a}\n  response: &b {status: {code: 200}}\n- request: *a\n  response: *b\n",
    ],
    ids=["in-one-line", "referring"],
)
def test_a_file_that_cannot_be_cut_to_the_byte_is_refused(text):
    """Exchanges in one line, or that refer to one that is to go, are not touched."""
    with pytest.raises(CassetteError, match=r"x\.yaml: .* edit it by hand"):
        cut.without(text, {0}, path="x.yaml")
