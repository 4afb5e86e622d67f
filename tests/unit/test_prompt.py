"""Prompt versions: which is newest, which is chosen."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import PromptError
from harness.prompt import Prompt, choose, newest

PROMPTS = {"triage": {"v1": "one", "v2": "two", "v10": "ten"}, "answer": {"v1": "a"}}


@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True), st.sampled_from(["v", "", "2026-", "draft "]))
@settings(deadline=None, max_examples=80)
def test_versions_are_ordered_by_number(numbers, prefix):
    """The newest version is the one of the highest number: v10 comes after v9."""
    assert newest({f"{prefix}{number}": "" for number in numbers}) == f"{prefix}{max(numbers)}"


@given(
    st.dictionaries(st.text(max_size=6) | st.sampled_from(["v1", "v01", "v²", "v", "1.10", "1.9"]), st.just(""), min_size=1), st.randoms()
)
@settings(deadline=None, max_examples=100)
def test_the_newest_does_not_depend_on_the_order(versions, random):
    """Any names of versions have a newest one, whatever order they are listed in."""
    names = list(versions)
    random.shuffle(names)

    assert newest(versions) == newest(dict.fromkeys(names, ""))


def test_odd_versions():
    """Versions that are the same number, or numbers in no usual digits, still have one order."""
    assert newest({"v1": "", "v01": ""}) == newest({"v01": "", "v1": ""}) == "v1"
    assert newest({"²": "", "1": ""}) == "1"


def test_choose():
    """Every prompt is chosen, in the version wanted or in its newest, by name."""
    chosen = choose(PROMPTS, {"triage": "v2"}, {}, where="x")

    assert [(name, prompt.version) for name, prompt in chosen.items()] == [("answer", "v1"), ("triage", "v2")]
    assert choose(PROMPTS, {}, {}, where="x")["triage"].text == "ten"
    assert choose({}, {}, {}, where="x") == {}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"trige": "v1"}, "harness.toml: there is no prompt 'trige'; did you mean 'triage'?"),
        ({"triage": "v3"}, "harness.toml: prompt 'triage' has no version 'v3'; known: v1, v10, v2"),
        ({"answer": "latest"}, "harness.toml: prompt 'answer' has no version 'latest'; known: v1"),
        ({"answer": ""}, "harness.toml: prompt 'answer' has no version ''; known: v1"),
    ],
)
def test_unknown_names(wanted, message):
    """An unknown prompt or version is named with its place and the nearest known one."""
    with pytest.raises(PromptError) as caught:
        choose(PROMPTS, wanted, {}, where="harness.toml")

    assert message == str(caught.value)


def test_the_digest_is_of_the_text():
    """A version's identity is its text."""
    assert Prompt(name="a", version="v1", text="x").digest == Prompt(name="b", version="v2", text="x").digest
    assert Prompt(name="a", version="v1", text="x").digest != Prompt(name="a", version="v1", text="y").digest
