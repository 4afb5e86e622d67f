"""What is written is written whole or not at all; what is damaged is named."""

import gzip
import os

import pytest

from harness import store
from harness.cassette import vcr_yaml
from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.redact import BUILT_IN, Redactor
from harness.errors import CassetteError, DatasetError, ExperimentMissing, ExperimentTooNew, ExperimentUnreadable, PromptError, UsageError
from harness.experiment import Experiment, SuiteProvenance, Trial
from harness.trace import Trace

SUITE = SuiteProvenance(
    suite="s", variant="default", cases=1, dataset="d", dataset_digest="d", cassettes_digest="c",
    graph="g", graph_fingerprint="f", match="semantic", mode="invoke", build="trial", checks=("cost",),
)  # fmt: skip
EXPERIMENT = Experiment(id="e", started_at="2026-11-01T10:00:00Z", suites=(SUITE,))
LEAK = Exchange(Request("POST", "https://h/x", b"mail jane@example.com"), Response(200))
ONE = Exchange(Request("POST", "https://h/x", b"{}"), Response(200, b"ok"))


class Blind(Redactor):
    """Finds secrets and leaves them."""

    def exchange(self, exchange):
        """Leave an exchange as it is."""
        return exchange


def trial(case: str) -> Trial:
    """Return a trial."""
    return Trial(suite="s", variant="default", case=case, outcome="pass", trace=Trace())


def filled(folder: store.ExperimentFolder, *cases: str) -> store.ExperimentFolder:
    """Append trials."""
    with folder.appending():
        for case in cases:
            folder.append(trial(case).key, trial(case).to_json())
    return folder


def names(folder: store.ExperimentFolder) -> list[str]:
    """Return the cases of the trials, in the order of the file."""
    return [one.case for one in folder.trials()]


def test_a_failed_write_changes_nothing(tmp_path):
    """Where writing fails the file stays as it was, and nothing else is left."""
    path = tmp_path / "sub" / "a.txt"
    store.write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        store.write_text(path, "new \ud800")

    assert path.read_text() == "old"
    assert [path] == list(path.parent.iterdir())


def test_a_failed_replacement_changes_nothing(tmp_path, monkeypatch):
    """Where the last step fails the file stays as it was, and nothing else is left."""
    path = tmp_path / "a.txt"
    store.write_text(path, "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(UsageError, match="cannot be written: full"):
        store.write_text(path, "new")

    assert path.read_text() == "old"
    assert [path] == list(tmp_path.iterdir())


def test_text_is_written_as_it_is(tmp_path):
    """Line ends are not translated, and others may read the file."""
    path = tmp_path / "a.txt"
    store.write_text(path, "é\n\r\n")

    assert path.read_bytes() == "é\n\r\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644


def test_reading_problems_are_named(tmp_path):
    """A file that is absent, a folder or no text is refused by its name."""
    (tmp_path / "a").write_bytes(b"x\xff")
    (tmp_path / "b").mkdir()

    for name, message in [
        ("a", r"a: not UTF-8 text \(byte 1\)"),
        ("b", "b: cannot be read: Is a directory"),
        ("c", "c: there is no such file"),
    ]:
        with pytest.raises(DatasetError, match=message):
            store.read_dataset_text(tmp_path, name)


def test_prompts(tmp_path):
    """Prompts are read by name and version; without a folder there are none."""
    for version in ("v1", "v2"):
        store.write_text(tmp_path / "prompts" / "triage" / f"{version}.md", f"text {version}\n")

    assert store.read_prompts(tmp_path, "prompts") == {"triage": {"v1": "text v1\n", "v2": "text v2\n"}}
    assert store.read_prompts(tmp_path, "other") == {}
    (tmp_path / "prompts" / "triage" / "v3.md").write_bytes(b"\xff")
    with pytest.raises(PromptError, match=r"prompts/triage/v3\.md: not UTF-8"):
        store.read_prompts(tmp_path, "prompts")


@pytest.mark.parametrize("case", ["refund-001", "../x", "ü", "a/b", "."])
def test_cassettes(tmp_path, case):
    """A cassette is written into its suite's folder and read again; without a file there are no exchanges."""
    assert store.read_cassette(tmp_path, "s", case) == ()
    store.write_cassette(tmp_path, "s", case, (ONE,), BUILT_IN)

    assert store.read_cassette(tmp_path, "s", case) == (ONE,)
    assert [tmp_path / "cassettes" / "s"] == [path.parent for path in tmp_path.rglob("*.yaml")]


def test_a_long_id(tmp_path):
    """An id that is too long for a file name is refused, not a crash."""
    with pytest.raises(CassetteError, match="too long to name a cassette file"):
        store.read_cassette(tmp_path, "s", "x" * 300)


def test_secrets_are_not_written(tmp_path):
    """A cassette that still holds something like a secret is not written; the old one stays."""
    store.write_cassette(tmp_path, "s", "a", (ONE,), BUILT_IN)
    with pytest.raises(CassetteError, match=r"cassettes/s/a\.yaml: not written: .*email"):
        store.write_cassette(tmp_path, "s", "a", (LEAK,), Blind())

    assert store.read_cassette(tmp_path, "s", "a") == (ONE,)


def test_what_is_written_is_redacted(tmp_path):
    """A secret that an exchange came with, from another tool's file, is not written."""
    store.write_cassette(tmp_path, "s", "a", (LEAK,), BUILT_IN)

    assert "jane" not in store.cassette_path(tmp_path, "s", "a").read_text("utf-8")


def test_a_random_word_is_kept_and_told(tmp_path, caplog):
    """What merely looks random is written, with a warning that does not show it."""
    word = "q7RzK2vXw9LmB4nTc6YpD8sFhJ3gQeUa1ZoV5iWb"
    store.write_cassette(
        tmp_path, "s", "a", (Exchange(Request("POST", "https://h/x", f"it says {word}".encode()), Response(200)),), BUILT_IN
    )

    assert word in store.cassette_path(tmp_path, "s", "a").read_text("utf-8")
    assert "cassettes/s/a.yaml:6: high-entropy (" in caplog.text
    assert word not in caplog.text


def test_a_damaged_cassette_is_named(tmp_path):
    """A cassette that cannot be read is refused with its path and line."""
    store.write_text(store.cassette_path(tmp_path, "s", "a"), "interactions: [\n")
    with pytest.raises(CassetteError, match=r"^cassettes/s/a\.yaml:2: cannot be read"):
        store.read_cassette(tmp_path, "s", "a")


def test_the_digest_of_cassettes(tmp_path):
    """The digest changes with any cassette of the cases, not with others."""
    store.write_cassette(tmp_path, "s", "a", (ONE,), BUILT_IN)
    before = store.cassettes_digest(tmp_path, "s", ("a", "b"))
    store.write_cassette(tmp_path, "s", "c", (ONE,), BUILT_IN)

    assert before == store.cassettes_digest(tmp_path, "s", ("a", "b"))
    store.write_cassette(tmp_path, "s", "b", (ONE,), BUILT_IN)
    assert before != store.cassettes_digest(tmp_path, "s", ("a", "b"))


def test_heads(tmp_path):
    """The head of an experiment is read as it was written; absent, damaged and too new are different errors."""
    folder = store.new_experiment(tmp_path, "e")
    with pytest.raises(ExperimentMissing):
        folder.head()
    folder.write_head(EXPERIMENT)
    assert folder.head() == EXPERIMENT
    store.write_text(folder.path / "experiment.json", '{"format": 99}')
    with pytest.raises(ExperimentTooNew):
        folder.head()
    store.write_text(folder.path / "experiment.json", "{")
    with pytest.raises(ExperimentUnreadable):
        folder.head()


def test_trials_are_appended(tmp_path):
    """Trials are read in the order in which they were appended, over several openings."""
    folder = filled(filled(store.new_experiment(tmp_path, "e"), "a", "b"), "c")

    assert names(folder) == ["a", "b", "c"]
    assert folder.done == {trial(case).key for case in "abc"}
    assert list(store.ExperimentFolder(tmp_path / "none").trials()) == []


def test_appending_needs_an_open_file(tmp_path):
    """A trial cannot be appended to a file that is closed."""
    folder = filled(store.new_experiment(tmp_path, "e"), "a")
    with pytest.raises(RuntimeError, match="appending"):
        folder.append(trial("b").key, trial("b").to_json())


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_torn_line_is_dropped(tmp_path, cut):
    """A last line that was cut off, in a letter even, is no trial; the whole ones stay and the next goes after them."""
    folder = filled(store.new_experiment(tmp_path, "e"), "a", "é" * 30)
    folder.trials_path.write_bytes(folder.trials_path.read_bytes()[:-cut])

    assert names(folder) == ["a"]
    again = filled(store.ExperimentFolder(folder.path), "c")
    assert names(again) == ["a", "c"]
    assert again.done == {trial("a").key, trial("c").key}


@pytest.mark.parametrize("damage", [b"{}\n", b"\xff\n", b"\n", b"[" * 100_000 + b"\n"])
def test_a_damaged_line_is_named(tmp_path, damage):
    """A line in the middle that is no trial is refused with path and line, whether one reads or appends."""
    folder = filled(store.new_experiment(tmp_path, "e"), "a")
    folder.trials_path.write_bytes(folder.trials_path.read_bytes() + damage + (trial("b").to_json() + "\n").encode())

    with pytest.raises(ExperimentUnreadable, match=r"trials\.jsonl:2: "):
        names(folder)
    with pytest.raises(ExperimentUnreadable, match=r"trials\.jsonl:2: "):
        filled(store.ExperimentFolder(folder.path), "c")


def test_put_in_order(tmp_path):
    """The trials are put into the order asked for; keys that were not run are passed over."""
    folder = filled(store.new_experiment(tmp_path, "e"), "c", "é", "a")
    folder.put_in_order(trial(case).key for case in ("a", "b", "é", "c"))

    assert names(folder) == ["a", "é", "c"]
    assert sorted(path.name for path in folder.path.iterdir()) == ["trials.jsonl"]


def test_order_after_a_repeated_key(tmp_path):
    """Of a trial that was appended twice the last one is kept."""
    folder = store.new_experiment(tmp_path, "e")
    with folder.appending():
        folder.append(trial("a").key, trial("a").to_json())
        folder.append(trial("a").key, trial("a").model_copy(update={"outcome": "fail"}).to_json())
    folder.put_in_order(iter([trial("a").key]))

    assert [one.outcome for one in folder.trials()] == ["fail"]


def test_latest(tmp_path, monkeypatch):
    """`latest` is the experiment of the highest id that has a head; an id and a path do as well."""
    with pytest.raises(ExperimentMissing, match="no experiment in reports/experiments"):
        store.open_experiment(tmp_path, "latest")
    for name in ("2026-11-01-a", "2026-11-02-b"):
        store.new_experiment(tmp_path, name).write_head(EXPERIMENT)
    store.new_experiment(tmp_path, "2026-11-03-c")
    path = store.experiments_folder(tmp_path) / "2026-11-02-b"
    monkeypatch.chdir(path)

    for name in ("latest", "2026-11-02-b", str(path), str(path / "experiment.json"), "."):
        assert path.resolve() == store.open_experiment(tmp_path, name).path.resolve()
    with pytest.raises(ExperimentMissing, match="no experiment 'x'"):
        store.open_experiment(tmp_path, "x")


def test_ids_are_used_once(tmp_path):
    """A new experiment never takes the folder of an old one."""
    store.new_experiment(tmp_path, "e")
    with pytest.raises(UsageError, match="'e' exists already"):
        store.new_experiment(tmp_path, "e")


def written_elsewhere(tmp_path, name, case="a"):
    """Write a cassette as another tool would, and return its path."""
    path = tmp_path / "cassettes" / "s" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = vcr_yaml.dumps((ONE,))
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("suffix", store.FOREIGN_SUFFIXES)
def test_a_cassette_of_anothers_making_is_read(tmp_path, suffix):
    """A case's cassette may have any of the known endings; what it holds says how to read it."""
    path = written_elsewhere(tmp_path, f"a{suffix}")

    assert store.cassette_file(tmp_path, "s", "a") == path
    assert store.read_cassette(tmp_path, "s", "a") == (ONE,)
    assert store.read_cassette(tmp_path, "s", "b") == ()


def test_our_cassette_goes_first(tmp_path):
    """Where the file that we write is there, no other is read, however many there are."""
    written_elsewhere(tmp_path, "a.yml")
    written_elsewhere(tmp_path, "a.json")
    store.write_cassette(tmp_path, "s", "a", (), BUILT_IN)

    assert store.read_cassette(tmp_path, "s", "a") == ()


def test_two_cassettes_of_others_are_an_error(tmp_path):
    """Which of two to read is not guessed: both are named."""
    written_elsewhere(tmp_path, "a.yml")
    written_elsewhere(tmp_path, "a.yaml.gz")
    with pytest.raises(CassetteError, match=r"cassettes/s/a\.yml and cassettes/s/a\.yaml\.gz: two cassettes for the case 'a'; keep one"):
        store.read_cassette(tmp_path, "s", "a")


def test_what_was_read_is_not_written(tmp_path):
    """Writing goes to our own file; the other stays as it is."""
    path = written_elsewhere(tmp_path, "a.yaml.gz")
    before = path.read_bytes()
    store.write_cassette(tmp_path, "s", "a", (ONE, ONE), BUILT_IN)

    assert path.read_bytes() == before
    assert store.read_cassette(tmp_path, "s", "a") == (ONE, ONE)


def test_the_digest_covers_the_file_that_is_read(tmp_path):
    """A change of a cassette of another's making changes the digest; one of a file that is not read does not."""
    path = written_elsewhere(tmp_path, "a.yml")
    digests = [store.cassettes_digest(tmp_path, "s", ("a",))]
    path.write_text(vcr_yaml.dumps((ONE, ONE)), "utf-8")
    digests.append(store.cassettes_digest(tmp_path, "s", ("a",)))
    store.write_cassette(tmp_path, "s", "a", (ONE, ONE, ONE), BUILT_IN)
    digests.append(store.cassettes_digest(tmp_path, "s", ("a",)))
    path.write_text("", "utf-8")
    digests.append(store.cassettes_digest(tmp_path, "s", ("a",)))

    assert len(set(digests[:3])) == 3
    assert digests[2] == digests[3]


def test_a_cassette_that_is_a_folder(tmp_path):
    """What cannot be opened is an error with its path, for its digest too."""
    (tmp_path / "cassettes" / "s" / "a.yaml").mkdir(parents=True)
    for read in (lambda: store.read_cassette(tmp_path, "s", "a"), lambda: store.cassettes_digest(tmp_path, "s", ("a",))):
        with pytest.raises(CassetteError, match=r"^cassettes/s/a\.yaml: cannot be read: "):
            read()


def test_cases_that_differ_in_capitals_only():
    """Case ids whose cassettes are one file on some file systems are refused, both by name; all others are fine."""
    store.refuse_colliding_cassettes("s", ("a", "b", "Ab", "c/d", "é", "É"))
    with pytest.raises(CassetteError, match="suite 's': the cases 'Refund-1' and 'refund-1' differ in capitals only"):
        store.refuse_colliding_cassettes("s", ("Refund-1", "x", "refund-1"))
