"""Cutting exchanges out of a cassette file: what stays, stays as it is to the byte."""

import itertools
import re
from collections.abc import Collection
from dataclasses import replace

import yaml

from harness.cassette import vcr_yaml
from harness.cassette.exchange import Exchange
from harness.errors import CassetteError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def without(text: str, indices: Collection[int], *, path: str) -> str:
    """Return the text of a cassette file without some of its exchanges; CassetteError where that cannot be done to the byte."""
    before = vcr_yaml.loads(text, path=path)
    kept = tuple(replace(exchange, line=0) for index, exchange in enumerate(before) if index not in indices)
    starts = _starts(text, path)
    if len(starts) != len(before) + 1:
        raise _uncuttable(path)
    pieces = [text[: starts[0]]]
    pieces += [text[start:end] for index, (start, end) in enumerate(itertools.pairwise(starts)) if index not in indices]
    cut = "".join([*pieces, text[starts[-1] :]])
    if tuple(replace(exchange, line=0) for exchange in _read(cut, path)) != kept:
        raise _uncuttable(path)
    return cut


def _read(text: str, path: str) -> tuple[Exchange, ...]:
    try:
        return vcr_yaml.loads(text, path=path)
    except CassetteError:
        raise _uncuttable(path) from None


def _uncuttable(path: str) -> CassetteError:
    message = f"{path}: its exchanges do not stand in lines of their own, or refer to each other; nothing was removed, edit it by hand"
    return CassetteError(message)


def _starts(text: str, path: str) -> list[int]:
    """Return where each interaction begins, and where the last one ends."""
    root = yaml.compose(text, Loader=_LOADER)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    lists = [(place, value) for place, (key, value) in enumerate(pairs) if key.value == "interactions"]
    if not lists or not isinstance(lists[-1][1], yaml.SequenceNode) or lists[-1][1].flow_style:
        raise _uncuttable(path)
    place, interactions = lists[-1]
    starts = [_line_start(text, item.start_mark.index, path) for item in interactions.value]
    following = pairs[place + 1][0].start_mark.index if place + 1 < len(pairs) else None
    return [*starts, len(text) if following is None else _above(text, text.rfind("\n", 0, following) + 1, 0)]


def _line_start(text: str, index: int, path: str) -> int:
    """Return where the line of an item begins, or the comments right above it."""
    start = text.rfind("\n", 0, index) + 1
    if text[start:index].strip() != "-":
        raise _uncuttable(path)
    return _above(text, start, text.index("-", start) - start)


def _above(text: str, start: int, indent: int) -> int:
    """Return where the comments right above a line begin: they stand no deeper than it, so they are no text of the item before."""
    while start:
        above = text.rfind("\n", 0, start - 1) + 1
        if not re.match(rf" {{0,{indent}}}#", text[above:start]):
            break
        start = above
    return start
