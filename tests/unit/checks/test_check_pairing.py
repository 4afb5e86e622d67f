"""Pairing, order and likeness."""

from itertools import combinations, permutations

from hypothesis import given
from hypothesis import strategies as st

from harness.checks.pairing import first_out_of_order, longest_common, pair

grids = st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=5)
words = st.text("abc", max_size=6)


def _best(grid):
    """Return the size of the largest pairing, by trying all."""
    return max(
        (sum(row[place] for row, place in zip(grid, order, strict=False)) for order in permutations(range(len(grid) + 4), len(grid))),
        default=0,
    )


@given(grid=grids)
def test_a_pairing_is_the_largest_there_is(grid):
    """As many pairs as trying every order finds, each of them fitting, none twice."""
    pairs = pair(len(grid), 4, lambda left, right: grid[left][right])
    assert all(grid[left][right] for left, right in pairs.items())
    assert len(set(pairs.values())) == len(pairs)
    assert len(pairs) == _best([row + [False] * len(grid) for row in grid])


def test_a_long_chain_of_moves_is_found():
    """Each placed one has to move over by one; hundreds do not exhaust the stack."""
    size = 2000
    pairs = pair(size, size, lambda left, right: right == 0 if left == size - 1 else right in {left, left + 1})
    assert pairs == {**{left: left + 1 for left in range(size - 1)}, size - 1: 0}


@given(left=words, right=words)
def test_order_is_a_subsequence(left, right):
    """None is said exactly of subsequences."""
    ordered = any("".join(some) == left for some in combinations(right, len(left)))
    assert (first_out_of_order(len(left), len(right), lambda one, other: left[one] == right[other]) is None) == ordered


@given(left=words, right=words)
def test_the_longest_common_subsequence_is_the_longest(left, right):
    """Its length is what trying every subsequence finds."""
    common = {some for size in range(len(left) + 1) for some in combinations(left, size)}
    best = max(len(some) for size in range(len(right) + 1) for some in combinations(right, size) if some in common)
    assert longest_common(left, right) == longest_common(right, left) == best
