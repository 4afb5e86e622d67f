"""The check `cost`: what the trial used, and whether it kept to its budget."""

from collections.abc import Callable, Iterable

from pydantic import JsonValue

from harness.checks.context import CheckContext
from harness.checks.quoting import times
from harness.checks.visits import qualified
from harness.dataset import Case
from harness.score import Score
from harness.trace import Trace, Usage, WireCall

_DECIMALS = 12


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Add up what the answered model and embedding calls used; the value of `cost` is in dollars, that of `cost.tokens` in tokens.

    An unknown usage or price leaves a sum unknown, never smaller: it is `unscored`, unless what is known passes the limit already.
    `cost.tokens` is there where tokens are limited.
    """
    del case
    calls = trace.paid
    dollars = _dollars(calls, context.limits.cost_usd)
    if context.limits.tokens is None:
        return (dollars,)
    return dollars, _tokens(calls, context.limits.tokens)


def _dollars(calls: tuple[WireCall, ...], limit: float | None) -> Score:
    known = round(sum(call.cost_usd or 0.0 for call in calls), _DECIMALS)
    unknown = [call for call in calls if call.cost_usd is None]
    detail = _detail(calls)
    least = "at least " if unknown else ""
    if limit is not None and known > limit:
        return _score("cost", "fail", known, f"cost {least}${known:.6g}, limits.cost_usd = {limit:g}{_dearest(calls)}", detail)
    if unknown:
        return _score("cost", "unscored", None, f"the cost is unknown: {_lacking(unknown)}", detail)
    return _score("cost", "pass", known, f"${known:.6g} for {times(len(calls), 'call')}", detail)


def _tokens(calls: tuple[WireCall, ...], limit: int) -> Score:
    known = sum(call.usage.total_tokens for call in calls if call.usage)
    unknown = [call for call in calls if call.usage is None]
    least = "at least " if unknown else ""
    if known > limit:
        return _score("cost.tokens", "fail", known, f"{least}{known} tokens, limits.tokens = {limit}")
    if unknown:
        return _score("cost.tokens", "unscored", None, f"the tokens are unknown: {_no_usage(unknown)}")
    return _score("cost.tokens", "pass", known)


def _score(name: str, status: str, value: float | None, reason: str = "", detail: dict[str, JsonValue] | None = None) -> Score:
    fields = {"check": "cost", "name": name, "status": status, "reason": reason, "detail": detail or {}}
    return Score.model_validate({**fields, "value": None if value is None else float(value)})


def _dearest(calls: tuple[WireCall, ...]) -> str:
    by_node = {node: sum(call.cost_usd or 0.0 for call in group) for node, group in _grouped(calls, _node).items()}
    node = max(by_node, key=lambda name: by_node[name])
    return f"; the most by {node!r}: ${by_node[node]:.6g}"


def _lacking(unknown: list[WireCall]) -> str:
    silent = [call for call in unknown if call.usage is None]
    unpriced = sorted({_model(call) for call in unknown if call.usage is not None})
    said = [_no_usage(silent)] if silent else []
    if unpriced:
        tables = " and ".join(f'[prices."{model}"]' for model in unpriced)
        said.append(f"no price for {', '.join(map(repr, unpriced))}; add {tables} with `input` and `output` in dollars a million tokens")
    return "; ".join(said)


def _no_usage(silent: list[WireCall]) -> str:
    models = ", ".join(sorted({repr(_model(call)) for call in silent}))
    return f"{times(len(silent), 'answer')} of {models} did not say how many tokens were used"


def _model(call: WireCall) -> str:
    return call.model or call.answered_model or "(unnamed model)"


def _node(call: WireCall) -> str:
    return qualified(call.place)


def _grouped(calls: Iterable[WireCall], key: Callable[[WireCall], str]) -> dict[str, list[WireCall]]:
    groups: dict[str, list[WireCall]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return groups


def _detail(calls: tuple[WireCall, ...]) -> dict[str, JsonValue]:
    return {
        **_sums(calls),
        "by_model": {name: _sums(group) for name, group in _grouped(calls, _model).items()},
        "by_node": {name: _sums(group) for name, group in _grouped(calls, _node).items()},
    }


def _sums(calls: Iterable[WireCall]) -> dict[str, JsonValue]:
    """Add up calls; None stands for a sum of which a part is unknown."""
    calls = tuple(calls)
    usages = [call.usage for call in calls if call.usage is not None]
    told = len(usages) == len(calls)
    costs = [call.cost_usd for call in calls if call.cost_usd is not None]
    counts: dict[str, JsonValue] = {name: sum(getattr(usage, name) for usage in usages) if told else None for name in Usage.model_fields}
    return {
        "calls": len(calls),
        "tokens": sum(usage.total_tokens for usage in usages) if told else None,
        **counts,
        "cost_usd": round(sum(costs), _DECIMALS) if len(costs) == len(calls) else None,
    }
