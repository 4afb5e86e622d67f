"""How expected things are paired with actual ones: as many as possible, never greedily."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

Fits = Callable[[int, int], bool]


def pair(expected: int, actual: int, fits: Fits) -> dict[int, int]:
    """Return a largest pairing of `range(expected)` with `range(actual)` in which each pair fits.

    Maximum bipartite matching by augmenting paths, searched breadth first: expected times pairs that fit, at worst.
    """
    edges = [[right for right in range(actual) if fits(left, right)] for left in range(expected)]
    held: dict[int, int] = {}
    holder: dict[int, int] = {}
    for start in range(expected):
        _augment(start, edges, held, holder)
    return dict(sorted(held.items()))


def _augment(start: int, edges: list[list[int]], held: dict[int, int], holder: dict[int, int]) -> None:
    """Find a place for `start`, moving those already placed where that helps."""
    reached_from: dict[int, int] = {}
    queue = deque([start])
    while queue:
        left = queue.popleft()
        for right in edges[left]:
            if right in reached_from:
                continue
            reached_from[right] = left
            if right not in holder:
                _shift(right, reached_from, held, holder)
                return
            queue.append(holder[right])


def _shift(free: int, reached_from: dict[int, int], held: dict[int, int], holder: dict[int, int]) -> None:
    right: int | None = free
    while right is not None:
        left = reached_from[right]
        given_up = held.get(left)
        held[left], holder[right] = right, left
        right = given_up


def first_out_of_order(expected: int, actual: int, fits: Fits) -> tuple[int, int] | None:
    """Return the first expected place that does not follow its predecessors, and the actual place from which it was looked for.

    Taking the earliest fitting place each time is exact for order; None means that `expected` is a subsequence of `actual`.
    """
    start = 0
    for left in range(expected):
        found = next((right for right in range(start, actual) if fits(left, right)), None)
        if found is None:
            return left, start
        start = found + 1
    return None


def longest_common(left: Sequence[Any], right: Sequence[Any]) -> int:
    """Return the length of the longest common subsequence."""
    above = [0] * (len(right) + 1)
    for one in left:
        row = [0]
        for place, (diagonal, over) in enumerate(pairwise(above)):
            row.append(diagonal + 1 if one == right[place] else max(over, row[-1]))
        above = row
    return above[-1]
