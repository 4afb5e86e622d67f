"""What git knows of a file: the commits that changed it."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from harness.errors import UsageError

_WAIT_S = 30
_FIELD, _RECORD = "\x1f", "\x1e"


class Change(NamedTuple):
    """One commit and the files that it added (A), modified (M) or deleted (D), relative to the folder asked for. Newest first."""

    commit: str
    date: str
    author: str
    subject: str
    files: tuple[tuple[str, str], ...]


def changes(root: Path, paths: tuple[str, ...]) -> tuple[Change, ...]:
    """Return the commits that changed one of these paths, newest first; UsageError where git has no answer."""
    pretty = f"--format={_RECORD}%h{_FIELD}%as{_FIELD}%an{_FIELD}%s"
    log = _git(root, "-c", "core.quotePath=false", "log", "--no-renames", "--relative", "--name-status", pretty, "--", *paths)
    return tuple(map(_change, log.split(_RECORD)[1:]))


def text_at(root: Path, commit: str, path: str) -> str:
    """Return the text that a file below `root` had at a commit; UsageError where git has no answer."""
    return _git(root, "show", f"{commit}:./{path}")


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=_WAIT_S, check=False)  # noqa: S603, S607, the user's own git
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"{root}: the log comes from git, which did not answer: {error}"
        raise UsageError(message) from None
    if answer.returncode:
        message = f"{root}: the log comes from git, which says: {(answer.stderr.strip().splitlines() or ['nothing'])[-1]}"
        raise UsageError(message)
    return answer.stdout


def _change(entry: str) -> Change:
    head, *lines = entry.strip().splitlines()
    commit, date, author, subject = head.split(_FIELD)
    files = tuple((line.split("\t")[0][0], line.split("\t")[1]) for line in lines if "\t" in line)
    return Change(commit, date, author, subject, files)
