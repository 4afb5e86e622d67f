"""The store: everything read from and written to disk. What is written is written whole or not at all."""

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

from harness.cassette import vcr_yaml
from harness.cassette.cut import without
from harness.cassette.dialect.file import read_file
from harness.cassette.exchange import Exchange
from harness.cassette.redact import Redactor
from harness.cassette.scan import HIGH_ENTROPY, Finding, scan
from harness.errors import (
    CassetteError,
    ConfigError,
    DatasetError,
    ExperimentMissing,
    ExperimentUnreadable,
    HarnessError,
    PromptError,
    UsageError,
)
from harness.experiment import Experiment, Trial, read_trial
from harness.schema import digest

TrialKey = tuple[str, str, str, int]
FOREIGN_SUFFIXES = (".yml", ".yaml.gz", ".yml.gz", ".json", ".json.gz", ".msgpack", ".msgpack.gz", ".msgpack.zlib")
CASSETTE_SUFFIXES = (".yaml", *FOREIGN_SUFFIXES)
_LOG = logging.getLogger(__name__)
_LONGEST_NAME = 200  # bytes; file systems take 255, and a file that is being written has a longer one


def read_bytes(path: Path, error: type[HarnessError], *, shown: str) -> bytes:
    """Return what a file holds, or raise `error` with why it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        message = f"{shown}: there is no such file"
    except OSError as problem:
        message = f"{shown}: cannot be read: {problem.strerror or problem}"
    raise error(message) from None


def read_text(path: Path, error: type[HarnessError], *, shown: str) -> str:
    """Return the text of a file, with plain line ends, or raise `error` with what is wrong with it."""
    try:
        return read_bytes(path, error, shown=shown).decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as problem:
        message = f"{shown}: not UTF-8 text (byte {problem.start})"
    raise error(message) from None


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: it is there whole, or as it was before."""
    try:
        _write_whole(path, text)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror or error}"
        raise UsageError(message) from None


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_dataset_text(root: Path, name: str) -> str:
    """Return the text of a dataset file."""
    return read_text(root / name, DatasetError, shown=name)


def read_script_text(root: Path, name: str) -> str:
    """Return the text of a script file."""
    return read_text(root / name, ConfigError, shown=name)


def read_prompts(root: Path, folder: str) -> dict[str, dict[str, str]]:
    """Return the text of every prompt version: name -> version -> text. A folder that is not there holds none."""
    prompts: dict[str, dict[str, str]] = {}
    for path in sorted((root / folder).glob("*/*.md")):
        text = read_text(path, PromptError, shown=str(path.relative_to(root)))
        prompts.setdefault(path.parent.name, {})[path.stem] = text
    return prompts


def cassette_path(root: Path, suite: str, case: str) -> Path:
    """Return where the cassette of a case lies; CassetteError where its id makes no file name."""
    name = vcr_yaml.file_name(case)
    if len(name) > _LONGEST_NAME:
        message = (
            f"case id {case[:40] + '…'!r} is too long to name a cassette file; shorten it to {_LONGEST_NAME - len('.yaml')} characters"
        )
        raise CassetteError(message)
    return root / "cassettes" / suite / name


def cassette_file(root: Path, suite: str, case: str) -> Path | None:
    """Return the file that holds the cassette of a case: ours, or else the one of others' making; None where there is none."""
    path = cassette_path(root, suite, case)
    if path.exists():
        return path
    found = [other for suffix in FOREIGN_SUFFIXES if (other := path.with_name(path.name.removesuffix(".yaml") + suffix)).exists()]
    if len(found) > 1:
        shown = " and ".join(str(other.relative_to(root)) for other in found)
        message = f"{shown}: two cassettes for the case {case!r}; keep one"
        raise CassetteError(message)
    return found[0] if found else None


def read_cassette(root: Path, suite: str, case: str) -> tuple[Exchange, ...]:
    """Return the exchanges recorded for a case; without a file there are none."""
    path = cassette_file(root, suite, case)
    if path is None:
        return ()
    return read_exchanges(path, shown=str(path.relative_to(root)))


def read_exchanges(path: Path, *, shown: str) -> tuple[Exchange, ...]:
    """Return the exchanges of any cassette file."""
    return exchanges_in(read_bytes(path, CassetteError, shown=shown), shown=shown)


def exchanges_in(data: bytes, *, shown: str) -> tuple[Exchange, ...]:
    """Return the exchanges of a cassette file that is in memory."""
    return read_file(data, shown)


def write_cassette(root: Path, suite: str, case: str, exchanges: tuple[Exchange, ...], redactor: Redactor) -> None:
    """Write the cassette of a case, redacted; refused if anything in it still looks like a secret."""
    path = cassette_path(root, suite, case)
    text, findings = _scanned_text(exchanges, str(path.relative_to(root)), redactor)
    for finding in findings:
        _LOG.warning("%s: kept; say `allow` under [redact] if it is no secret", finding)
    write_text(path, text)


def unfinished_folder(root: Path, suite: str, case: str) -> Path:
    """Return where the answers that were paid for lie, a file each, until the recording of a case is whole."""
    return root / ".harness" / "recording" / suite / cassette_path(root, suite, case).stem


def read_unfinished(root: Path, suite: str, case: str) -> tuple[Exchange, ...]:
    """Return the answers that an interrupted recording of a case left; without one there are none."""
    paths = sorted(unfinished_folder(root, suite, case).glob("*.yaml"))
    return tuple(exchange for path in paths for exchange in read_exchanges(path, shown=str(path.relative_to(root))))


def keep_unfinished(root: Path, suite: str, case: str, exchange: Exchange, redactor: Redactor, *, number: int) -> None:
    """Write the answer with this number of a recording that goes on; refused as the cassette would be."""
    text, _ = _scanned_text((exchange,), str(cassette_path(root, suite, case).relative_to(root)), redactor)
    write_text(unfinished_folder(root, suite, case) / f"{number:06}.yaml", text)


@contextlib.contextmanager
def recording_alone(root: Path, suite: str) -> Iterator[None]:
    """Keep two processes from recording one suite: each would remove what the other has paid for. The lock ends with the process."""
    path = root / ".harness" / "recording" / f"{suite}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        message = f"{path.relative_to(root)}: cannot be written: {error.strerror or error}"
        raise UsageError(message) from None
    with file:
        _lock_for_this_process(file, suite)
        yield


def _lock_for_this_process(file: BinaryIO, suite: str) -> None:
    """Lock a file, without the workers that are forked later: one that outlives its parent holds up nobody."""
    try:
        import fcntl  # noqa: PLC0415, only where there is one
    except ImportError:
        return
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        message = f"suite {suite!r} is being recorded by another process; wait for its end and record again"
        raise UsageError(message) from None


def drop_unfinished(root: Path, suite: str, case: str) -> None:
    """Remove the answers that a recording of a case left: they are where they belong."""
    for path in sorted(unfinished_folder(root, suite, case).glob("*.yaml")):
        _remove(path)


def _scanned_text(exchanges: tuple[Exchange, ...], shown: str, redactor: Redactor) -> tuple[str, tuple[Finding, ...]]:
    """Return what a cassette file of these exchanges says, and what in it only looks random; CassetteError if it holds a secret."""
    text = vcr_yaml.dumps(tuple(map(redactor.exchange, exchanges)))
    findings = scan(text.encode(), shown, redactor)
    kinds = sorted({finding.kind for finding in findings} - {HIGH_ENTROPY})
    if kinds:
        message = f"{shown}: not written: it would hold something like a secret ({', '.join(kinds)})"
        raise CassetteError(message)
    return text, findings


def cassette_stem(name: str) -> str:
    """Return the name of a cassette file without its suffix; what is left is the name of its case, percent-encoded."""
    return name.removesuffix(next((suffix for suffix in sorted(CASSETTE_SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), ""))


def is_cassette(name: str) -> bool:
    """Tell a file that may be a cassette by its name; hidden files are none."""
    return name.endswith(CASSETTE_SUFFIXES) and not name.startswith(".")


def cassette_files(root: Path) -> list[Path]:
    """Return every cassette file of a project, in order; hidden files and files of other kinds are none."""
    folder = root / "cassettes"
    return sorted(path for path in folder.rglob("*") if is_cassette(path.name) and path.is_file())


def cut_cassette(root: Path, path: Path, indices: Collection[int]) -> None:
    """Take exchanges out of a cassette file, to the byte; the file goes where none is left. CassetteError where it cannot be done."""
    shown = str(path.relative_to(root))
    try:
        text = path.read_bytes().decode()
        if len(indices) == len(exchanges_in(text.encode(), shown=shown)):
            _remove(path)
        else:
            _write_whole(path, without(text, indices, path=shown))
    except (OSError, UnicodeDecodeError) as error:
        message = f"{shown}: cannot be pruned: {getattr(error, 'strerror', None) or error}"
        raise CassetteError(message) from None


def _remove(path: Path) -> None:
    """Remove a file, and its folder if it was the last there."""
    path.unlink()
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def cassettes_digest(root: Path, suite: str, cases: tuple[str, ...]) -> str:
    """Return one digest of the cassette files of these cases."""
    files = ((case, cassette_file(root, suite, case)) for case in cases)
    return digest("\n".join(f"{case} {_file_digest(root, path)}" for case, path in files if path))


def _file_digest(root: Path, path: Path) -> str:
    return digest(read_bytes(path, CassetteError, shown=str(path.relative_to(root))))


def refuse_colliding_cassettes(suite: str, cases: Iterable[str]) -> None:
    """Refuse case ids whose cassettes would be one file where names do not tell small letters from capitals."""
    names: dict[str, str] = {}
    for case in cases:
        other = names.setdefault(vcr_yaml.file_name(case).lower(), case)
        if other != case:
            message = (
                f"suite {suite!r}: the cases {other!r} and {case!r} differ in capitals only,"
                " and some file systems would give them one cassette; rename one"
            )
            raise CassetteError(message)


def experiments_folder(root: Path) -> Path:
    """Return the folder that holds the experiments."""
    return root / "reports" / "experiments"


class ExperimentFolder:
    """An experiment on disk: experiment.json, and trials.jsonl to which trials are appended as they end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[TrialKey, tuple[int, int]] = {}
        self._file: BinaryIO | None = None

    @property
    def trials_path(self) -> Path:
        """Return the path of the trials."""
        return self.path / "trials.jsonl"

    def head(self) -> Experiment:
        """Read the experiment's head."""
        path = self.path / "experiment.json"
        if not path.is_file():
            message = f"{self.path}: there is no experiment here (no experiment.json)"
            raise ExperimentMissing(message)
        return Experiment.read(read_text(path, ExperimentUnreadable, shown=str(path)), path=str(path))

    def write_head(self, experiment: Experiment) -> None:
        """Write the experiment's head."""
        document = experiment.model_dump(mode="json")
        write_text(self.path / "experiment.json", json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")

    def trials(self) -> Iterator[Trial]:
        """Read the trials one by one, in the order of the file; a last line that was cut off is no trial."""
        if not self.trials_path.is_file():
            return
        with self.trials_path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield self._trial(line, number)

    def _trial(self, line: bytes, number: int) -> Trial:
        try:
            return read_trial(line.decode(), path=str(self.trials_path), number=number)
        except UnicodeDecodeError:
            message = f"{self.trials_path}:{number}: not UTF-8 text"
            raise ExperimentUnreadable(message) from None

    @contextlib.contextmanager
    def appending(self) -> Iterator[Self]:
        """Open the trials for appending; a last line that was cut off is dropped first, whole ones are indexed."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self.trials_path.open("ab") as file:
            _lock(file, self.path)
            self._index()
            file.seek(0, os.SEEK_END)  # a torn last line may have been cut off
            self._file = file
            try:
                yield self
            finally:
                self._file = None

    def _index(self) -> None:
        self._lines = {}
        if not self.trials_path.exists():
            return
        with self.trials_path.open("r+b") as file:
            start = 0
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    file.truncate(start)
                    break
                self._lines[self._trial(line, number).key] = (start, len(line))
                start += len(line)

    @property
    def done(self) -> frozenset[TrialKey]:
        """Return the keys of the trials that are written."""
        return frozenset(self._lines)

    def append(self, key: TrialKey, line: str) -> None:
        """Append one trial and flush it, so that a killed run loses only what was in flight."""
        if self._file is None:
            message = "append is for `with folder.appending()`"
            raise RuntimeError(message)
        data = line.encode() + b"\n"
        self._lines[key] = (self._file.tell(), len(data))
        self._file.write(data)
        self._file.flush()

    def put_in_order(self, keys: Iterator[TrialKey]) -> None:
        """Rewrite the trials in this order, atomically; keys that were not run are passed over."""
        temporary = self.trials_path.with_suffix(".part")
        with self.trials_path.open("rb") as source, temporary.open("wb") as target:
            for key in keys:
                if key in self._lines:
                    start, length = self._lines[key]
                    source.seek(start)
                    target.write(source.read(length))
        temporary.replace(self.trials_path)


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep two processes from writing to one experiment; the lock ends with the process."""
    try:
        import fcntl  # noqa: PLC0415, only where there is one
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        message = f"{path.name}: another process is running this experiment"
        raise UsageError(message) from None


def open_experiment(root: Path, name: str) -> ExperimentFolder:
    """Return an experiment by its id, its path, or `latest`."""
    folder = experiments_folder(root)
    if name == "latest":
        newest = max((path.parent for path in folder.glob("*/experiment.json")), key=lambda path: path.name, default=None)
        if newest is None:
            message = f"there is no experiment in {folder.relative_to(root)}; `harness run` makes one"
            raise ExperimentMissing(message)
        return ExperimentFolder(newest)
    for path in (folder / name, Path(name), Path(name).parent if Path(name).suffix else Path(name)):
        if (path / "experiment.json").is_file():
            return ExperimentFolder(path)
    message = f"there is no experiment {name!r}; `harness list` shows them"
    raise ExperimentMissing(message)


def new_experiment(root: Path, identifier: str) -> ExperimentFolder:
    """Make the folder of a new experiment; ids are never used twice."""
    folder = experiments_folder(root) / identifier
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        message = f"experiment {identifier!r} exists already"
        raise UsageError(message) from None
    return ExperimentFolder(folder)
