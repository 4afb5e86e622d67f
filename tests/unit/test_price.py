"""Prices: known, unknown, own; never guessed."""

from datetime import UTC, datetime

import genai_prices
import pytest

from harness.price import Price, cost_usd, table_version
from harness.trace import Usage

USAGE = Usage(input_tokens=1_000_000, output_tokens=100_000)


def cost(*models, usage=USAGE, host="api.openai.com", **own):
    """Return the cost of a call."""
    return cost_usd(usage, models=models, host=host, own=own)


@pytest.mark.parametrize(
    ("model", "host"), [("gpt-4o-mini", "api.openai.com"), ("gpt-4.1", "api.openai.com"), ("claude-sonnet-4-5", "api.anthropic.com")]
)
@pytest.mark.parametrize("cached", [0, 400_000])
def test_known_models(model, host, cached):
    """A known model costs what the price table says, its cached tokens at their own price."""
    usage = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_input_tokens=cached)
    counted = genai_prices.Usage(input_tokens=1_000_000, output_tokens=100_000, cache_read_tokens=cached or None)
    expected = float(genai_prices.calc_price(counted, model_ref=model, provider_api_url=f"https://{host}/").total_price)

    assert expected == pytest.approx(cost(model, usage=usage, host=host), rel=1e-9)
    assert expected > 0


def test_a_figure():
    """A million tokens in and a tenth of that out of gpt-4o-mini are 15 and 6 cents."""
    assert cost("gpt-4o-mini") == pytest.approx(0.15 + 0.06)


def test_cached_tokens_are_cheaper():
    """Cached tokens are part of the input, and cost less."""
    assert (
        0
        < cost("gpt-4o-mini", usage=Usage(input_tokens=1000, cached_input_tokens=900))
        < cost("gpt-4o-mini", usage=Usage(input_tokens=1000))
    )


def test_dated_names():
    """A dated name has the price of its date; the answered name goes before the requested one."""
    assert cost("gpt-4o-mini-2024-07-18") == cost("gpt-4o-mini")
    assert cost("gpt-4o-2024-05-13", "gpt-4o") == cost("gpt-4o-2024-05-13") != cost("gpt-4o")


def test_what_is_unknown():
    """A model without a price, and a call without usage, have an unknown cost."""
    assert cost("no-such-model-at-all") is None
    assert cost(None) is None
    assert cost() is None
    assert cost("gpt-4o-mini", usage=None) is None


def test_unknown_hosts():
    """A known model behind another host, a proxy say, has its usual price."""
    assert cost("gpt-4o-mini", host="proxy.example.com") == cost("gpt-4o-mini")
    assert cost("gpt-4o-mini", host="") == cost("gpt-4o-mini")


def test_an_unknown_answer_falls_back():
    """Where the answered name has no price the requested one has."""
    assert cost("no-such-model-at-all", "gpt-4o-mini") == cost("gpt-4o-mini")


def test_own_prices():
    """A price of one's own overrides the table, under the answered name or the requested one."""
    own = {"gpt-4o-mini": Price(input=1, output=2, cached_input=0.5)}
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000, cached_input_tokens=200_000)

    assert cost("gpt-4o-mini", usage=usage, **own) == pytest.approx(0.8 + 0.1 + 2)
    assert cost("gpt-4o-mini-2024-07-18", "gpt-4o-mini", usage=usage, **own) == pytest.approx(2.9)
    assert cost("local", usage=usage, local=Price(input=1, output=2)) == pytest.approx(3)


def test_free_is_not_unknown():
    """A model that costs nothing costs 0.0."""
    assert (cost("local", local=Price(input=0, output=0)), cost("gpt-4o-mini", usage=Usage())) == (0.0, 0.0)


def test_more_cached_than_sent():
    """Usage that cannot be, more cached tokens than there were, has an unknown cost."""
    usage = Usage(input_tokens=10, cached_input_tokens=20)

    assert cost("local", usage=usage, local=Price(input=1, output=1, cached_input=0.1)) is None
    assert cost("gpt-4o-mini", usage=usage) is None


def test_the_same_at_any_time(monkeypatch):
    """A model with off-peak hours costs the same whenever it is computed."""
    asked = []
    real = genai_prices.calc_price
    monkeypatch.setattr(
        genai_prices, "calc_price", lambda *args, **kwargs: asked.append(kwargs["genai_request_timestamp"]) or real(*args, **kwargs)
    )
    cost("deepseek-chat", usage=Usage(input_tokens=123_457), host="api.deepseek.com")

    assert asked
    assert all(time == datetime(2026, 11, 1, 12, tzinfo=UTC) for time in asked)


def test_table_version():
    """The table is named with its version and the day whose prices are meant."""
    assert table_version().startswith(f"genai-prices {genai_prices.__version__}, prices of 2026-")
