"""One word of one prompt: a dry run names exactly the calls that it touches, and recording touches only those."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from openai_server import serving
from processes import forked
from regressions import copy_of

from harness.cassette import vcr_yaml
from harness.script import parse

RULES = """
- when: {}
  reply: {json: {category: general, priority: low, reasoning: x}, input_tokens: 200, output_tokens: 20}
- when: {}
  reply: {dimensions: 8}
"""
VARIANTS = ("--variant", "default", "--variant", "v1", "--variant", "v2_zero_shot")
OLD, NEW = "refunds", "repayments"


def git(root, *arguments):
    """Return what git says in a folder."""
    command = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "core.autocrlf=false", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def copy(tmp_path):
    """Return a copy of a reference suite under version control, in which one word of a prompt is changed."""
    copy_of("support_triage", tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "as recorded")
    path = tmp_path / "graphs/prompts/triage/v2.md"
    path.write_text(path.read_text("utf-8").replace(OLD, NEW), "utf-8")
    return tmp_path


def record(root, base_url, *arguments):
    """Run `harness record --json` in a process of its own and return its document."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "LANGSMITH", "LANGCHAIN"))}
    environment |= {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "a key", "CI": "", "PYTHONDONTWRITEBYTECODE": "1"}
    answer = forked(root, "record", "--json", *arguments, environment=environment)
    assert answer.stdout, answer.stderr
    return json.loads(answer.stdout)


def exchanges(root):
    """Return every exchange of the reference cassettes, by file."""
    return {
        str(path.relative_to(root)): vcr_yaml.loads(path.read_text("utf-8"), path=path.name)
        for path in sorted((root / "cassettes").rglob("*.yaml"))
    }


def asks(exchange, word):
    """Tell whether an exchange asks with a word in its prompt."""
    return exchange.request.url.endswith("/chat/completions") and word in json.loads(exchange.request.body)["messages"][0]["content"]


def test_one_word_of_one_prompt(copy):
    """The calls that ask with the prompt are named, recorded, and are all that differs in the files."""
    before = exchanges(copy)
    affected = {
        (Path(name).stem, variant)
        for name, recorded in before.items()
        for exchange in recorded
        if "support_triage" in name and asks(exchange, OLD)
        for variant in exchange.variants
    }

    with serving(parse(RULES, path="rules")) as server:
        foreseen = record(copy, server.base_url, "--dry-run", *VARIANTS, "support_triage")
        assert (server.asked, git(copy, "status", "--porcelain")) == ([], " M graphs/prompts/triage/v2.md\n")
        recorded = record(copy, server.base_url, "-j", "2", *VARIANTS, "support_triage")

    assert {(call["case"], call["variant"]) for call in foreseen["calls"]} == affected
    assert len(foreseen["calls"]) == len(affected) == 204
    assert {call["cause"] for call in foreseen["calls"]} == {"prompt triage (v2) edited"}
    assert recorded["total"]["asked"] == recorded["total"]["fix"] == len(server.asked) == 204
    after = exchanges(copy)
    for name, old in before.items():
        for one, other in zip(old, after[name], strict=True):
            assert asks(other, NEW) and other.place == one.place if asks(one, OLD) else other == one
    changed = set(git(copy, "diff", "--name-only").split())
    assert changed == {f"cassettes/support_triage/{vcr_yaml.file_name(case)}" for case, _ in affected} | {"graphs/prompts/triage/v2.md"}
