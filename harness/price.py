"""Prices: tokens to dollars. A model without a known price has an unknown cost, never zero.

The table is genai-prices' bundled one (MIT); `[prices]` of the config adds to it or overrides it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic import Field

from harness.schema import Value
from harness.trace import Usage

_MILLION = 1_000_000
_PRICES_OF = datetime(2026, 11, 1, 12, tzinfo=UTC)  # the table knows dates and off-peak hours: the same call costs the same at any time


class Price(Value):
    """Dollars a million tokens; `cached_input` is `input`'s where left out."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)

    def cost_usd(self, usage: Usage) -> float:
        """Return the dollars that `usage` costs at this price."""
        cached_price = self.input if self.cached_input is None else self.cached_input
        fresh = usage.input_tokens - usage.cached_input_tokens
        return (fresh * self.input + usage.cached_input_tokens * cached_price + usage.output_tokens * self.output) / _MILLION


def cost_usd(usage: Usage | None, *, models: tuple[str | None, ...], host: str, own: Mapping[str, Price]) -> float | None:
    """Return the computed (not billed) dollars of one call, None where the usage or the price is unknown.

    `models` are the names to look for, the best first: the answered one knows its date, the requested one is what contracts name.
    """
    if usage is None or usage.cached_input_tokens > usage.input_tokens:  # a provider that contradicts itself
        return None
    names = [name for name in models if name]
    for name in names:
        if name in own:
            return round(own[name].cost_usd(usage), 12)
    for name in names:
        cost = _table_cost(name, host, usage.input_tokens, usage.output_tokens, usage.cached_input_tokens)
        if cost is not None:
            return cost
    return None


@lru_cache(maxsize=4096)
def _table_cost(model: str, host: str, input_tokens: int, output_tokens: int, cached_tokens: int) -> float | None:
    import genai_prices  # noqa: PLC0415, costs 60 ms that a command without prices need not pay

    usage = genai_prices.Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached_tokens or None)
    for where in ({"provider_api_url": f"https://{host}/"}, {}):
        price = _calculated(genai_prices, usage, model, where)
        if price is not None:
            return round(float(price), 12)
    return None


def _calculated(genai_prices: Any, usage: Any, model: str, where: dict[str, str]) -> Any:
    try:
        return genai_prices.calc_price(usage, model_ref=model, genai_request_timestamp=_PRICES_OF, **where).total_price
    except LookupError:
        return None


def table_version() -> str:
    """Return the name and version of the price table, and the day whose prices are meant."""
    from importlib.metadata import version  # noqa: PLC0415, rarely needed

    return f"genai-prices {version('genai-prices')}, prices of {_PRICES_OF.date()}"
