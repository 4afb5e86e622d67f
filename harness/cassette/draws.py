"""Draws: several recordings of the same case, each replayed by the repeat of its number."""

from collections.abc import Iterable, Sequence

from harness.cassette.exchange import Exchange
from harness.cassette.renewal import TakenApart, same_answer


def draws(exchanges: Iterable[Exchange], variant: str) -> int:
    """Return how many draws of a case were recorded for a variant; for one that no recording notes, how many there are."""
    drawn = list(exchanges)
    own = [exchange.draw for exchange in drawn if variant in (exchange.variants or (variant,))]
    return max(own or [exchange.draw for exchange in drawn], default=1)


def draw_of(repeat: int, drawn: int) -> int:
    """Return the draw that a repeat replays: that of its number, and the first ones again where there are fewer draws than repeats."""
    return (repeat - 1) % drawn + 1


def alike(exchanges: Sequence[Exchange], taken_apart: TakenApart) -> bool:
    """Tell whether there are several draws and all of them ask and answer the same, in whatever order."""
    of_draw: dict[int, dict[str, list[Exchange]]] = {}
    for exchange in exchanges:
        key = " ".join((str(exchange.place), *taken_apart(exchange.request).digests().values()))
        of_draw.setdefault(exchange.draw, {}).setdefault(key, []).append(exchange)
    first, *others = of_draw.values() or [{}]
    return bool(others) and all(_say_the_same(first, other) for other in others)


def _say_the_same(one: dict[str, list[Exchange]], other: dict[str, list[Exchange]]) -> bool:
    return one.keys() == other.keys() and all(
        len(one[key]) == len(other[key]) and all(map(same_answer, one[key], other[key])) for key in one
    )
