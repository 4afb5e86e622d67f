"""Continuations: the exchanges that an agent asks only where a fault of a sweep struck it; plain trials have no use for them."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from harness.cassette.exchange import Exchange

_SWEEP = "sweep:"


def mark(variant: str) -> str:
    """Return what a sweep notes in the place of the variant: no trial has a variant of that name."""
    return f"{_SWEEP}{variant}"


def is_continuation(exchange: Exchange) -> bool:
    """Tell whether only sweeps asked for an exchange."""
    return bool(exchange.variants) and all(name.startswith(_SWEEP) for name in exchange.variants)


def settled(exchanges: Sequence[Exchange], used: Collection[int | None], variant: str) -> tuple[Exchange, ...]:
    """Return a cassette after a sweep of a variant: its mark stands on the continuations that its trials used, and on no others.

    A continuation that is left without a mark goes; what plain trials ask stays as it is.
    """
    kept = (_marked(exchange, index in used, mark(variant)) for index, exchange in enumerate(exchanges))
    return tuple(exchange for exchange in kept if exchange is not None)


def _marked(exchange: Exchange, is_used: bool, name: str) -> Exchange | None:  # noqa: FBT001, a value of two, no switch
    if not is_continuation(exchange):
        return exchange
    others = tuple(other for other in exchange.variants if other != name)
    names = exchange.variants if is_used and name in exchange.variants else (*others, name) if is_used else others
    return replace(exchange, variants=names) if names else None
