"""When one JSON value equals another, and when it holds another. A boolean is never a number here: `true` is not 1."""

from typing import Any

_ROUNDING = 1 + 1e-9


def same(left: Any, right: Any, *, tolerance: float = 0.0) -> bool:
    """Tell whether two JSON values are equal; numbers may differ by `tolerance`, inclusive."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key], tolerance=tolerance) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(same(a, b, tolerance=tolerance) for a, b in zip(left, right, strict=True))
    if is_number(left) and is_number(right):
        return bool(left == right or (tolerance and abs(left - right) <= tolerance * _ROUNDING))
    return type(left) is type(right) and bool(left == right)


def is_number(value: Any) -> bool:
    """Tell whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def holds(whole: Any, part: Any) -> bool:
    """Tell whether `whole` has every key of `part` with a value that holds its value; lists and scalars must be equal."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return same(whole, part)
