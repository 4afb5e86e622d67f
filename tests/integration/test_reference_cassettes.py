"""Cassettes of other projects: each is read or refused for a good reason, and the real client gets its answers from them again."""

import json
import os
from pathlib import Path

import exchanges
import pytest
import reference
import yaml

from harness.cassette.vcr_yaml import dumps

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder():
    """Return the folder of the collection."""
    named = os.environ.get("HARNESS_REFERENCE_DATA")
    if not named:
        pytest.skip("HARNESS_REFERENCE_DATA names no folder")
    return Path(named)


@pytest.fixture(scope="module")
def files(folder):
    """Read the collection, and send every request of OpenAI's two APIs again."""
    return reference.outcome(folder)


def test_the_table_counts_what_was_answered(tmp_path):
    """A collection of one file and one that holds no cassette: every request is sent in both ways, and the refusal named."""
    project = tmp_path / "cassettes" / "project"
    project.mkdir(parents=True)
    (project / "said.yaml").write_text(dumps((exchanges.said("Hello?", "Yes."), exchanges.said("Bye?", "No."))))
    (project / "other.json").write_text(json.dumps({"version": 1}))

    found = reference.outcome(tmp_path)

    assert reference.wrong(found) == []
    assert "| project | VCR YAML, version 1 | 1 | 1 | 0 | 2 | 2 | 2 of 2 | 2 of 2 | 0 of 0 | 0 of 0 |" in reference.table(found)
    assert [one.refused is None for one in found] == [False, True]


def test_every_file_is_read_or_rightly_refused(folder, files):
    """What is refused holds no HTTP exchange at all; everything else is read, every interaction of it."""
    assert len(files) == 403
    for one in files:
        if one.refused is None:
            assert one.exchanges, one.name
            continue
        document = yaml.safe_load((folder / "cassettes" / one.project / one.name).read_text("utf-8"))
        kinds = {frozenset(item) for item in document["interactions"]}
        assert kinds in ({frozenset({"request_sample", "response_sample"})}, {frozenset({"kind", "direction", "data"})})
        assert ("gRPC" in one.refused) == ({"request_sample", "response_sample"} in kinds), one.refused
        assert one.refused.partition(": ")[0].endswith(".yaml:3")


def test_nearly_every_request_is_answered_as_it_was(files):
    """Of the chat completions and Responses, sent synchronously, asynchronously and streamed, 99.5 % get the very answer recorded."""
    wrong = reference.wrong(files)
    for way in reference.WAYS:
        asked = sum(one.sent[way].asked for one in files)
        answered = sum(one.sent[way].answered for one in files)
        assert answered >= 0.995 * asked > 0, wrong[:5]


def test_the_table_of_the_documentation_is_true(files):
    """The page holds the table as it comes out."""
    page = (ROOT / "docs/reading-other-cassettes.md").read_text("utf-8")

    assert page == reference.put_into(page, reference.table(files))
