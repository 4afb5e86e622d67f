"""Paragraphs and tables of a terminal, readable without colour and at 80 columns."""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from harness.report.text import line

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 80

_STYLES = {"pass": "green", "fail": "red", "error": "bold red", "stale": "magenta", "inconclusive": "yellow", "unscored": "yellow"}


class Text(NamedTuple):
    """A paragraph, indented by so many columns, behind a mark if it is an item; a word in `_STYLES` sets its colour."""

    text: str
    indent: int = 0
    style: str = ""
    mark: str = ""


class Table(NamedTuple):
    """Rows under a head; columns named in `numbers` stand to the right; neither they nor those named in `whole` are broken."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()


Part = Text | Table


def rendered(parts: Iterable[Part], width: int, *, colour: bool) -> str:
    """Return the parts as text; nothing of the environment has a say."""
    from rich.console import Console  # noqa: PLC0415, rich costs 40 ms that not every command needs

    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=colour,
        force_jupyter=False,
        color_system="standard" if colour else None,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )
    for part in parts:
        console.print(_drawn(part))
    return "".join(f"{row.rstrip()}\n" for row in file.getvalue().split("\n")[:-1])


def _drawn(part: Part) -> "RenderableType":
    return _paragraph(part) if isinstance(part, Text) else _table(part)


def _paragraph(part: Text) -> "RenderableType":
    from rich.padding import Padding  # noqa: PLC0415, as above
    from rich.table import Table as Grid  # noqa: PLC0415, as above
    from rich.text import Text as Styled  # noqa: PLC0415, as above

    text = Styled(line(part.text), style=_STYLES.get(part.style, part.style), overflow="fold")
    if not part.mark:
        return Padding(text, (0, 0, 0, part.indent))
    item = Grid.grid()
    item.add_row(part.mark, text)
    return Padding(item, (0, 0, 0, part.indent))


def _table(part: Table) -> "RenderableType":
    from rich.table import Table as Grid  # noqa: PLC0415, as above
    from rich.text import Text as Styled  # noqa: PLC0415, as above

    table = Grid(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in part.head:
        number = name in part.numbers
        table.add_column(Styled(line(name)), justify="right" if number else "left", no_wrap=number or name in part.whole, overflow="fold")
    for row in part.rows:
        table.add_row(*(Styled(line(cell), style=_STYLES.get(cell, ""), overflow="fold") for cell in row))
    return table
