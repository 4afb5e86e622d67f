"""The names of cassette files: which case a file belongs to, and where its cassette lies."""

from collections.abc import Iterable
from pathlib import Path

from harness.cassette import vcr_yaml
from harness.errors import CassetteError

FOREIGN_SUFFIXES = (".yml", ".yaml.gz", ".yml.gz", ".json", ".json.gz", ".msgpack", ".msgpack.gz", ".msgpack.zlib")
CASSETTE_SUFFIXES = (".yaml", *FOREIGN_SUFFIXES)
_LONGEST_NAME = 200  # bytes; file systems take 255, and a file that is being written has a longer one


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
