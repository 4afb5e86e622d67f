"""Markdown parts: foreign text that stays text, lists and tables."""

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.report.text import line

_ACTIVE = re.compile(r"([\\`*_\[\]|~#!$])")
_LEADING = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")
_REFERENCE = re.compile(r"(@|#|GH-)(?=\w)")


def escaped(text: str) -> str:
    """Return foreign text as one line that Markdown shows as it is: no markup, no HTML, no link, no cell border, nobody mentioned."""
    shown = line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _ACTIVE.sub(r"\\\1", shown).replace("://", ":\\//").replace("www.", "www\\.")
    return _LEADING.sub(_escaped_start, _REFERENCE.sub(r"\1<!-- -->", shown))


def _escaped_start(match: re.Match[str]) -> str:
    """Escape what would start a list; of a number, the dot behind it is what counts."""
    space, start = match.groups()
    return f"{space}&#{ord(start[0])};{start[1:]}" if start[0].isdigit() else f"{space}\\{start}"


def bullets(texts: Iterable[str]) -> Iterator[str]:
    """Yield a list of foreign texts, behind an empty line; nothing for none."""
    items = [f"- {escaped(text)}" for text in texts]
    if items:
        yield from ("", *items)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> Iterator[str]:
    """Yield a table whose first `left` columns are text and the others numbers, behind an empty line."""
    yield from ("", f"| {' | '.join(head)} |")
    yield f"| {' | '.join('---' if column < left else '---:' for column in range(len(head)))} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def command(*lines: str) -> Iterator[str]:
    """Yield command lines to be copied, behind an empty line."""
    yield from ("", "```sh", *lines, "```")
