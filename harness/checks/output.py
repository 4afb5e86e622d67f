"""The check `output`: whether the answer, or the final state, says what it should."""

import re
from fnmatch import fnmatchcase
from typing import Any

from harness.checks.containment import is_number, same
from harness.checks.context import CheckContext
from harness.checks.ends import what_happened
from harness.checks.lookup import NotThere, look_up
from harness.checks.quoting import as_json, cut, listed, quote
from harness.dataset import Case
from harness.score import Score, failed, passed, unscored
from harness.trace import Trace

OPERATORS = frozenset({"contains", "matches", "equals", "ignore", "tolerance"})

_DIFF_SHOWN = 200


class BadExpectation(ValueError):
    """What the case expects cannot be understood, so nothing can be measured."""


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare the final state and the last message's text with `expected.output`; one score a key, `output.<key>`.

    Keys are `text`, `state` or `state.<dotted path>`. A table of nothing but operators is one; every other value means equal. What is
    not there is wrong; an operator that makes no sense is `unscored`.
    """
    del context
    return tuple(_score(key, wanted, trace) for key, wanted in case.expected.output.items())


def _score(key: str, wanted: Any, trace: Trace) -> Score:
    name = f"output.{key}"
    try:
        problem = mismatch(_found(key, trace), wanted)
    except NotThere as error:
        ending = "" if trace.ends == "answer" else f"; {what_happened(trace)}"
        return failed("output", name, f"{error}{ending}")
    except BadExpectation as error:
        return unscored("output", name, str(error))
    return failed("output", name, problem) if problem else passed("output", name)


def _found(key: str, trace: Trace) -> Any:
    if key == "text":
        return _text(trace)
    if key == "state":
        return trace.state
    root, _, path = key.partition(".")
    if root != "state" or not path:
        message = f"{key!r} is no place to look: write `text` or `state.{key}`"
        raise BadExpectation(message)
    return look_up(trace.state, path, name="state")


def _text(trace: Trace) -> str:
    if trace.text is None:
        message = "there is no text: the final state holds no message"
        raise NotThere(message)
    return trace.text


def mismatch(found: Any, wanted: Any) -> str:
    """Say what is wrong with `found`, nothing if all is well."""
    if not (isinstance(wanted, dict) and wanted and wanted.keys() <= OPERATORS):
        return _unequal(found, wanted, (), 0.0)
    problems = [_lacks(found, wanted["contains"])] if "contains" in wanted else []
    problems += [_unlike(found, wanted["matches"])] if "matches" in wanted else []
    ignored, tolerance = _ignored(wanted), _tolerance(wanted)
    problems += [_unequal(found, wanted["equals"], ignored, tolerance)] if "equals" in wanted else []
    if not problems:
        message = "`ignore` and `tolerance` belong to `equals`, which is missing"
        raise BadExpectation(message)
    return "; ".join(filter(None, problems))


def _ignored(wanted: dict[str, Any]) -> tuple[str, ...]:
    paths = wanted.get("ignore", [])
    paths = [paths] if isinstance(paths, str) else paths
    if not (isinstance(paths, list) and all(isinstance(path, str) and path for path in paths)):
        message = f"`ignore` takes dotted paths (`items.*.id`), not {quote(paths)}"
        raise BadExpectation(message)
    return tuple(paths)


def _tolerance(wanted: dict[str, Any]) -> float:
    tolerance = wanted.get("tolerance", 0)
    if not (is_number(tolerance) and tolerance >= 0):
        message = f"`tolerance` takes a number of at least 0, not {quote(tolerance)}"
        raise BadExpectation(message)
    return float(tolerance)


def _lacks(found: Any, wanted: Any) -> str:
    parts = wanted if isinstance(wanted, list) else [wanted]
    if not parts:
        message = "`contains` with an empty list asks for nothing"
        raise BadExpectation(message)
    if not isinstance(found, str | list):
        return f"{quote(found)} is neither text nor a list, so it does not contain {listed(map(quote, parts))}"
    missing = [quote(part) for part in parts if not _is_in(part, found)]
    return f"does not contain {listed(missing)}: {quote(found, _DIFF_SHOWN)}" if missing else ""


def _is_in(part: Any, found: str | list[Any]) -> bool:
    if isinstance(found, list):
        return any(same(part, item) for item in found)
    return (part if isinstance(part, str) else as_json(part)) in found


def _unlike(found: Any, pattern: Any) -> str:
    text = found if isinstance(found, str) else as_json(found)
    try:
        matches = re.search(pattern, text)
    except (re.error, TypeError) as error:
        message = f"`matches` takes a regular expression, {quote(pattern)} is none: {error}"
        raise BadExpectation(message) from None
    return "" if matches else f"does not match {quote(pattern)}: {quote(found, _DIFF_SHOWN)}"


def _unequal(found: Any, wanted: Any, ignored: tuple[str, ...], tolerance: float) -> str:
    for path in ignored:
        found, wanted = _without(found, path), _without(wanted, path)
    if same(found, wanted, tolerance=tolerance):
        return ""
    nested = isinstance(found, dict | list) and isinstance(wanted, dict | list)
    return _diff(found, wanted, tolerance) if nested else f"expected {quote(wanted)}, found {quote(found)}"


def _without(value: Any, path: str) -> Any:
    """Return `value` without what stands at `path`, whose segments may be globs; items are dropped from lists by their index."""
    head, _, rest = path.partition(".")
    if isinstance(value, dict):
        hits = {key for key in value if fnmatchcase(key, head)}
        return {key: _without(item, rest) if key in hits else item for key, item in value.items() if rest or key not in hits}
    if isinstance(value, list):
        places = {place for place in range(len(value)) if fnmatchcase(str(place), head)}
        return [_without(item, rest) if place in places else item for place, item in enumerate(value) if rest or place not in places]
    return value


def _diff(found: Any, wanted: Any, tolerance: float) -> str:
    """Return what differs, in DeepDiff's words; whether something does was decided before, for DeepDiff takes true for 1."""
    from deepdiff import DeepDiff  # noqa: PLC0415, costs 0.1 s that a passing check need not pay

    loose = DeepDiff(wanted, found, ignore_numeric_type_changes=True, math_epsilon=tolerance or None)
    words = "; ".join(sorted(loose.pretty().splitlines()))
    return cut(words or f"types differ: expected {quote(wanted)}, found {quote(found)}", _DIFF_SHOWN)
