"""Trials as columns: one row a trial, for pandas and Parquet; what is not known is missing, never zero."""

import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from harness.experiment import Trial
from harness.ledger import ledger_of
from harness.score import Score

if TYPE_CHECKING:
    import pandas as pd

_TEXT, _WHOLE, _NUMBER, _FLAG = "string", "Int64", "Float64", "boolean"

_COLUMNS: dict[str, tuple[str, Callable[[Trial], Any]]] = {
    "suite": (_TEXT, lambda trial: trial.suite),
    "variant": (_TEXT, lambda trial: trial.variant),
    "case": (_TEXT, lambda trial: trial.case),
    "repeat": (_WHOLE, lambda trial: trial.repeat),
    "outcome": (_TEXT, lambda trial: trial.outcome),
    "ends": (_TEXT, lambda trial: trial.trace.ends),
    "steps": (_WHOLE, lambda trial: None if "steps" in trial.trace.unseen else trial.trace.supersteps),
    "model_calls": (_WHOLE, lambda trial: None if "calls" in trial.trace.unseen else len(trial.trace.model_calls)),
    "tool_calls": (_WHOLE, lambda trial: None if "tools" in trial.trace.unseen else len(trial.trace.tools)),
    "input_tokens": (_WHOLE, lambda trial: _tokens(trial, "input_tokens")),
    "output_tokens": (_WHOLE, lambda trial: _tokens(trial, "output_tokens")),
    "tokens": (_WHOLE, lambda trial: trial.trace.total_tokens),
    "cost_usd": (_NUMBER, lambda trial: trial.trace.cost_usd),
    "duration_s": (_NUMBER, lambda trial: trial.trace.duration_s),
    "real_time": (_FLAG, lambda trial: trial.trace.real_time),
    "cached": (_WHOLE, lambda trial: sum(spent.cached for spent in ledger_of((trial,)).by_node.values())),
    "played": (_WHOLE, lambda trial: trial.played),
    "recorded": (_WHOLE, lambda trial: trial.recorded),
    "unused": (_WHOLE, lambda trial: trial.unused),
    "misses": (_WHOLE, lambda trial: len(trial.misses)),
    "reasons": (_TEXT, lambda trial: "\n".join(trial.reasons) or None),
    "text": (_TEXT, lambda trial: trial.trace.text),
}


def frame(trials: Iterable[Trial]) -> "pd.DataFrame":
    """Return a row for each trial: what it was, what it took, and for each score `score.<name>` and `passed.<name>`.

    `route.<node>` and `expected_route.<node>` are the decisions of routers. Seconds and dollars are floats; columns are nullable.
    """
    import pandas as pd  # noqa: PLC0415, it costs 0.4 s that not every command needs

    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    found: dict[str, tuple[str, dict[int, Any]]] = {}
    row = -1
    for row, trial in enumerate(trials):
        for name, (_, value) in _COLUMNS.items():
            columns[name].append(value(trial))
        for score in trial.scores:
            for name, dtype, value in _of_score(score):
                found.setdefault(name, (dtype, {}))[1][row] = value
    index = pd.RangeIndex(row + 1)
    kinds = {name: (kind, columns[name]) for name, (kind, _) in _COLUMNS.items()}
    further = {name: (dtype, [values.get(number) for number in index]) for name, (dtype, values) in sorted(found.items())}
    return pd.DataFrame({name: pd.array(values, dtype=dtype) for name, (dtype, values) in {**kinds, **further}.items()}, index=index)


def parquet(trials: Iterable[Trial]) -> bytes:
    """Return the same table as a Parquet file."""
    file = io.BytesIO()
    frame(trials).to_parquet(file, index=False, compression="zstd")
    return file.getvalue()


def _of_score(score: Score) -> Iterable[tuple[str, str, Any]]:
    yield f"score.{score.name}", _NUMBER, score.value
    yield f"passed.{score.name}", _FLAG, None if score.status == "unscored" else score.status == "pass"
    router, taken = score.detail.get("router"), score.detail.get("actual")
    if isinstance(router, str):
        yield f"route.{router}", _TEXT, None if taken is None else str(taken)
        expected = score.detail.get("expected")
        yield f"expected_route.{router}", _TEXT, None if expected is None else str(expected)


def _tokens(trial: Trial, kind: str) -> int | None:
    usages = [call.usage for call in trial.trace.paid]
    if "calls" in trial.trace.unseen or None in usages:
        return None
    return sum(int(getattr(usage, kind)) for usage in usages)
