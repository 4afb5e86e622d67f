"""The budget of one trial: what its answers used so far, and whether the next one would go over."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.cassette.answer import read
from harness.cassette.exchange import Response
from harness.cassette.segments import Segments
from harness.dataset import Budget
from harness.errors import PriceError
from harness.price import Price, cost_usd

_ERROR = 400


@dataclass(slots=True)
class Spending:
    """Tokens and dollars of a trial, held against its budget."""

    budget: Budget
    prices: Mapping[str, Price]
    tokens: int = 0
    cost_usd: float = 0.0

    def over(self, asked: Segments, response: Response, host: str) -> str:
        """Say why this answer would go over the budget, or count it; PriceError where a budget cannot be held."""
        if asked.kind == "http" or response.status >= _ERROR:
            return ""
        answer = read(response)
        if answer.usage is None:
            message = f"the budget cannot be held: an answer of {asked.model!r} does not say how many tokens it used"
            raise PriceError(message)
        tokens = self.tokens + answer.usage.total_tokens
        if self.budget.tokens is not None and tokens > self.budget.tokens:
            return f"it would have used {tokens:,} tokens, budget.tokens = {self.budget.tokens:,}"
        if self.budget.cost_usd is not None:
            price = cost_usd(answer.usage, models=(answer.model, asked.model), host=host, own=self.prices)
            if price is None:
                message = f'the budget cannot be held: no price for {asked.model!r}; add [prices."{asked.model}"] with `input` and `output`'
                raise PriceError(message)
            if self.cost_usd + price > self.budget.cost_usd:
                return f"it would have cost ${self.cost_usd + price:.6f}, budget.cost_usd = {self.budget.cost_usd:g}"
            self.cost_usd += price
        self.tokens = tokens
        return ""
