"""The user's own evaluators, adapted into checks."""

import asyncio
import copy
import inspect
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from harness.checks.context import Check, CheckContext
from harness.checks.quoting import quote
from harness.dataset import Case
from harness.errors import ConfigError
from harness.score import Score, failed, passed, unscored
from harness.trace import Trace

PARAMETERS = ("case", "trace", "context", "inputs", "outputs", "reference_outputs")

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_COMMENTS = ("comment", "reason", "reasoning", "explanation")
_KEYS = ("key", "name", "metric")


def adapt(name: str, function: Callable[..., Any]) -> Check:
    """Return the check `name` that calls `function` with those of PARAMETERS that it takes, by name.

    `outputs` is the final state (`{"output": …}` if that is no mapping), `reference_outputs` is `expected.reference` or else all that
    is expected. It may return:

    - a boolean: pass or fail; a number: the score's value, which passes from 1.0 on; None, NaN and infinity: unscored;
    - a mapping with `score` and, if it likes, `key`, `comment` and `passed`, a boolean that decides instead of the value;
    - `{"results": [...]}`, a list or a tuple of those; our own `Score`.

    A coroutine function is run in an event loop of its own, so it cannot be run from inside a running one.
    """
    wanted = _wanted(name, function)

    def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
        given = _given(case, trace, context, wanted)
        returned = _call(function, given)
        if inspect.isawaitable(returned):
            returned = _awaited(name, returned)
        return tuple(_scores(name, name, returned))

    return check


def _wanted(name: str, function: Callable[..., Any]) -> tuple[str, ...]:
    """Return which of PARAMETERS the function takes; a bare `**kwargs` takes what an evaluator of the LangSmith form does."""
    parameters = _signature(name, function).parameters.values()
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in _VARIADIC]
    unknown = [parameter for parameter in needed if parameter not in PARAMETERS]
    wanted = tuple(one.name for one in parameters if one.name in PARAMETERS and one.kind not in _VARIADIC)
    if not wanted and any(one.kind is one.VAR_KEYWORD for one in parameters):
        wanted = PARAMETERS[-3:]
    if unknown or not wanted:
        what = f"the parameter {unknown[0]!r} is not known" if unknown else "it takes none of the parameters of a check"
        message = f"check {name!r}: {what}; a check takes any of {', '.join(PARAMETERS)} by name"
        raise ConfigError(message)
    return wanted


def _signature(name: str, function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        message = f"check {name!r}: {error}; a check is a callable that takes any of {', '.join(PARAMETERS)} by name"
        raise ConfigError(message) from None


def _given(case: Case, trace: Trace, context: CheckContext, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Return the arguments; plain data is copied, for an evaluator may change what it is given."""
    expected = case.expected
    sources: dict[str, Callable[[], Any]] = {
        "case": lambda: case,
        "trace": lambda: trace,
        "context": lambda: context,
        "inputs": lambda: copy.deepcopy(case.inputs),
        "outputs": lambda: _outputs(trace),
        "reference_outputs": lambda: copy.deepcopy(expected.reference) or expected.model_dump(mode="json", exclude_defaults=True),
    }
    return {parameter: sources[parameter]() for parameter in wanted}


def _outputs(trace: Trace) -> dict[str, Any]:
    if trace.state is None:
        return {}
    state = copy.deepcopy(trace.state)
    return state if isinstance(state, dict) else {"output": state}


def _call(function: Callable[..., Any], given: dict[str, Any]) -> Any:
    parameters = inspect.signature(function).parameters
    positional = [given.pop(one.name) for one in parameters.values() if one.kind is one.POSITIONAL_ONLY and one.name in given]
    return function(*positional, **given)


def _awaited(name: str, awaitable: Awaitable[Any]) -> Any:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_wait(awaitable))
    if inspect.iscoroutine(awaitable):
        awaitable.close()
    message = f"check {name!r} is asynchronous and was run inside a running event loop"
    raise RuntimeError(message)


async def _wait(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _scores(check: str, name: str, returned: Any) -> Iterator[Score]:
    if isinstance(returned, Score):
        yield returned
    elif isinstance(returned, Mapping) and "results" in returned and "score" not in returned:
        yield from _scores(check, name, list(returned["results"]))
    elif isinstance(returned, list | tuple):
        yield from _several(check, name, returned)
    else:
        yield _single(check, name, returned)


def _several(check: str, name: str, returned: list[Any] | tuple[Any, ...]) -> Iterator[Score]:
    if not returned:
        yield unscored(check, name, "the check returned no score")
    for number, item in enumerate(returned, start=1):
        yield from _scores(check, name if len(returned) == 1 else f"{name}.{number}", item)


def _single(check: str, name: str, returned: Any) -> Score:
    fields = _fields(returned)
    if fields is None:
        return _valued(check, name, returned, "")
    key = _first(fields, _KEYS)
    named = f"{check}.{key}" if key and key != check else name
    if "score" not in fields:
        return unscored(check, named, f"the check returned no `score`: {quote(str(returned))}")
    comment = _first(fields, _COMMENTS)
    return _decided(_valued(check, named, fields["score"], comment), fields.get("passed"), comment)


def _decided(score: Score, verdict: Any, comment: str) -> Score:
    """Let the evaluator's own verdict, where it gives one, stand over the value's."""
    if score.status == "unscored" or not isinstance(verdict, bool):
        return score
    reason = comment or ("" if verdict else "the evaluator says that it did not pass")
    return score.model_copy(update={"status": "pass" if verdict else "fail", "reason": reason})


def _fields(returned: Any) -> Mapping[str, Any] | None:
    """Return what a mapping, or an object with `key` and `score` such as LangSmith's EvaluationResult, says."""
    if isinstance(returned, Mapping):
        return returned
    if hasattr(returned, "key") and hasattr(returned, "score"):
        return {"key": returned.key, "score": returned.score, "comment": getattr(returned, "comment", None)}
    return None


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(fields[name]) for name in names if fields.get(name)), "")


def _valued(check: str, name: str, score: Any, comment: str) -> Score:
    if hasattr(score, "item"):  # numpy's scalars
        score = score.item()
    if score is None:
        return unscored(check, name, comment or "the check returned no score")
    if not isinstance(score, bool | int | float):
        return unscored(check, name, f"a score is a boolean or a number, not {type(score).__name__}: {quote(str(score))}")
    value = float(score)
    if not math.isfinite(value):
        return unscored(check, name, f"the score is {value}" + (f": {comment}" if comment else ""))
    return (
        passed(check, name, value, comment) if value >= 1.0 else failed(check, name, comment or f"the score is {value:g}, 1 passes", value)
    )
