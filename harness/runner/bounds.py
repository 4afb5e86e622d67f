"""The budget of a whole run: trials are taken in their order until the next one would go over."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from harness.experiment import Trial
from harness.trace import Trace


@dataclass(slots=True)
class Bounds:
    """What a run may use, and what it has used so far. Without a bound nothing is counted."""

    max_cost_usd: float | None = None
    max_tokens: int | None = None
    cost_usd: float = 0.0
    tokens: int = 0

    @property
    def set(self) -> bool:
        """Tell whether anything is bounded."""
        return self.max_cost_usd is not None or self.max_tokens is not None

    def count(self, trials: Iterable[Trial]) -> None:
        """Count trials that an earlier run has kept."""
        for trial in trials:
            self.cost_usd += self._cost(trial)
            self.tokens += self._tokens(trial)

    def over(self, trial: Trial) -> str:
        """Say why a trial would go over, or count it; UsageError where a bound cannot be held."""
        cost, tokens = self.cost_usd + self._cost(trial), self.tokens + self._tokens(trial)
        if self.max_cost_usd is not None and cost > self.max_cost_usd:
            return f"with it the run would cost ${cost:.6f}, --max-cost {self.max_cost_usd:g}"
        if self.max_tokens is not None and tokens > self.max_tokens:
            return f"with it the run would use {tokens:,} tokens, --max-tokens {self.max_tokens}"
        self.cost_usd, self.tokens = cost, tokens
        return ""

    def _cost(self, trial: Trial) -> float:
        if self.max_cost_usd is None:
            return 0.0
        if trial.trace.cost_usd is None:
            models = ", ".join(sorted({repr(call.answered_model or call.model) for call in trial.trace.paid if call.cost_usd is None}))
            remedy = 'add it under [prices."MODEL"] with `input` and `output` to the config'
            message = f"--max-cost cannot be held: {_where(trial)}: the cost of {models} is unknown; {remedy}"
            raise UsageError(message)
        return trial.trace.cost_usd

    def _tokens(self, trial: Trial) -> int:
        if self.max_tokens is None:
            return 0
        tokens = trial.trace.total_tokens
        if tokens is None:
            message = (
                f"--max-tokens cannot be held: {_where(trial)}: an answer of {_silent(trial.trace)} does not say how many tokens it used"
            )
            raise UsageError(message)
        return tokens


def _where(trial: Trial) -> str:
    return f"suite {trial.suite!r}, case {trial.case!r}"


def _silent(trace: Trace) -> str:
    return next(repr(call.answered_model or call.model) for call in trace.paid if call.usage is None)


def in_order(pairs: Iterable[tuple[int, str]], order: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield the pairs in this order of their indices, whichever way they arrive."""
    waiting: dict[int, str] = {}
    position = 0
    for index, line in pairs:
        waiting[index] = line
        while position < len(order) and order[position] in waiting:
            yield order[position], waiting.pop(order[position])
            position += 1
