"""Cassettes at two points in time or in two places: a revision of git and the files as they are, or two files or folders."""

import hashlib
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness import store
from harness.cassette.change import FileChanges, changes
from harness.cassette.exchange import Exchange
from harness.cassette.redact import Redactor
from harness.errors import CassetteError, UsageError

Reader = Callable[[], tuple[Exchange, ...]]
"""Reads one cassette file; CassetteError where it cannot be read."""

Side = Mapping[str, tuple[str, Reader]]
"""Cassette files by name: a digest of their bytes and how to read them."""

_WAIT_S = 60


def compare(before: Side, after: Side, redactor: Redactor) -> Iterator[FileChanges]:
    """Yield the files in which anything changed, by name, redacted; a file that is on one side only is all added or all removed."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is not None and new is not None and old[0] == new[0]:
            continue
        try:
            sides = (side[1]() if side else () for side in (old, new))
            found = changes(*(tuple(map(redactor.exchange, exchanges)) for exchanges in sides))
        except CassetteError as error:
            yield FileChanges(name, problem=str(error))
            continue
        if found:
            yield FileChanges(name, found)


def at_revision(root: Path, revision: str, suites: Sequence[str]) -> Side:
    """Return the cassette files of a revision of git, all of them or those of some suites; UsageError where there is none."""
    if not _git(root, "rev-parse", "--is-inside-work-tree").stdout.strip():
        message = f"{root}: not in a git repository, so there is nothing to compare with; name two files or folders"
        raise UsageError(message)
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").stdout.decode().strip()
    if not commit:
        message = f"git knows no revision {revision!r}, and it is no suite, file or folder"
        raise UsageError(message)
    listed = _git(root, "ls-tree", "-r", "-z", commit, "--", "cassettes/").stdout.split(b"\0")
    blobs = dict(_blob(entry) for entry in listed if entry)
    return {
        name: (blob, _blob_reader(root, blob, f"{revision}:{name}")) for name, blob in blobs.items() if _is_cassette(Path(name), suites)
    }


def _blob(entry: bytes) -> tuple[str, str]:
    described, _, name = entry.partition(b"\t")
    return name.decode("utf-8", "surrogateescape"), described.split()[2].decode()


def _blob_reader(root: Path, blob: str, shown: str) -> Reader:
    return lambda: store.exchanges_in(_git(root, "cat-file", "blob", blob).stdout, shown=shown)


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, timeout=_WAIT_S, check=False)  # noqa: S603, S607, the user's own git
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"git cannot be asked: {error}"
        raise UsageError(message) from None


def as_it_is(root: Path, suites: Sequence[str]) -> Side:
    """Return the cassette files of the project, all of them or those of some suites."""
    paths = {str(path.relative_to(root)): path for path in store.cassette_files(root)}
    return {name: _on_disk(path, name) for name, path in paths.items() if _is_cassette(Path(name), suites)}


def _is_cassette(name: Path, suites: Sequence[str]) -> bool:
    """Tell whether a file below `cassettes/` is one, and of one of these suites where there are any."""
    return store.is_cassette(name.name) and (not suites or "/".join(name.parts[1:-1]) in suites)


def in_place(path: Path) -> Side:
    """Return a file as the only cassette, or the cassette files of a folder by their names within it."""
    if path.is_file():
        return {"": _on_disk(path, str(path))}
    found = sorted(each for each in path.rglob("*") if store.is_cassette(each.name) and each.is_file())
    return {str(each.relative_to(path)): _on_disk(each, str(each)) for each in found}


def _on_disk(path: Path, shown: str) -> tuple[str, Reader]:
    """Return a file with the digest that git would give its bytes."""
    try:
        data = path.read_bytes()
    except OSError:
        data = b""  # reading it again says what is wrong with it
    name = hashlib.sha1(b"blob %d\0%s" % (len(data), data), usedforsecurity=False).hexdigest()
    return name, lambda: store.read_exchanges(path, shown=shown)
