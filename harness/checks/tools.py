"""The check `tools`: whether the right tools were called with the right arguments."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, assert_never

from pydantic import JsonValue

from harness.checks.containment import same
from harness.checks.context import CheckContext
from harness.checks.ends import what_happened
from harness.checks.pairing import first_out_of_order, pair
from harness.checks.quoting import cut, listed, quote
from harness.dataset import ArgsMode, Case, ToolExpectation, ToolsExpectation
from harness.score import Score, failed, passed, unscored
from harness.trace import ToolCall, ToolRequest, Trace

Called = ToolCall | ToolRequest

_CALL_SHOWN = 120


def check(case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    """Compare the tools that were executed with `expected.tools`; where none was, those that the models asked for, and the detail says so.

    Modes: `strict` all of them in order, `unordered` all of them, `subset` every call is expected, `superset` every expected call
    happens, `in_order` the expected ones happen in order. A failing tool was called all the same. Pairing is the largest possible.
    """
    del context
    wanted = case.expected.tools
    if wanted is None:
        return ()
    if not wanted.calls and wanted.mode in {"superset", "in_order"}:
        return (unscored("tools", "tools", f"mode {wanted.mode!r} with no calls asks for nothing; `strict` or `subset` would forbid them"),)
    called, source = _called(trace)
    found = _paired(wanted, called)
    problem = _problem(found)
    asked = "; no tool was executed, these are the calls that the models asked for" if source == "requested" else ""
    ending = "" if trace.ends == "answer" else f"; {what_happened(trace)}"
    score = failed("tools", "tools", f"{problem} ({wanted.mode}){asked}{ending}") if problem else passed("tools", "tools")
    return (score.model_copy(update={"detail": _detail(found, source)}),)


def _called(trace: Trace) -> tuple[tuple[Called, ...], str]:
    requested = tuple(request for call in trace.model_calls for request in call.tool_requests)
    return (requested, "requested") if requested and not trace.tools else (trace.tools, "executed")


def fits(expected: ToolExpectation, called: Called, mode: ArgsMode) -> bool:
    """Tell whether a call is the expected one: the same name, and arguments that agree under `mode`."""
    return expected.name == called.name and args_agree(expected.args, called.args, mode)


def args_agree(expected: dict[str, Any] | None, actual: Any, mode: ArgsMode) -> bool:
    """Tell whether arguments agree: `subset` means the actual ones are among the expected, `superset` the expected among the actual.

    Only the outermost keys may be more or fewer, as in agentevals; values must be equal, and `true` is not 1. No expected arguments: any.
    """
    if expected is None or mode == "ignore":
        return True
    given = {} if actual is None else actual
    if mode == "exact" or not isinstance(given, dict):
        return same(expected, given)
    if mode == "subset":
        return _within(given, expected)
    if mode == "superset":
        return _within(expected, given)
    assert_never(mode)


def _within(part: dict[str, Any], whole: dict[str, Any]) -> bool:
    return all(key in whole and same(value, whole[key]) for key, value in part.items())


def _mode(wanted: ToolsExpectation, tool: str) -> ArgsMode:
    return wanted.args if isinstance(wanted.args, str) else wanted.args.get(tool, wanted.args.get("*", "exact"))


@dataclass(frozen=True, slots=True)
class _Pairing:
    """The expected calls, those that were made, and a largest pairing of their places."""

    wanted: ToolsExpectation
    called: tuple[Called, ...]
    pairs: dict[int, int]

    @property
    def missing(self) -> list[ToolExpectation]:
        return [call for place, call in enumerate(self.wanted.calls) if place not in self.pairs]

    @property
    def extra(self) -> list[Called]:
        taken = set(self.pairs.values())
        return [call for place, call in enumerate(self.called) if place not in taken]

    def agrees(self, left: int, right: int) -> bool:
        return _agree(self.wanted, self.called, left, right)


def _agree(wanted: ToolsExpectation, called: tuple[Called, ...], left: int, right: int) -> bool:
    return fits(wanted.calls[left], called[right], _mode(wanted, wanted.calls[left].name))


def _paired(wanted: ToolsExpectation, called: tuple[Called, ...]) -> _Pairing:
    pairs = pair(len(wanted.calls), len(called), lambda left, right: _agree(wanted, called, left, right))
    return _Pairing(wanted=wanted, called=called, pairs=pairs)


def _problem(found: _Pairing) -> str:
    """Say what is wrong under the mode, nothing if all is well."""
    match found.wanted.mode:
        case "unordered":
            return _said(_lost(found), found.extra)
        case "subset":
            return _said(_nearly(found), found.extra)
        case "superset":
            return _said(_lost(found), ())
        case "strict":
            return _said(_lost(found), found.extra) or _misplaced(found)
        case "in_order":
            return _said(_lost(found), ()) or _late(found)
        case _:
            assert_never(found.wanted.mode)


def _detail(found: _Pairing, source: str) -> dict[str, JsonValue]:
    return {
        "mode": found.wanted.mode,
        "expected": len(found.wanted.calls),
        "called": len(found.called),
        "missing": [_show(call) for call in found.missing],
        "unexpected": [_show(call) for call in found.extra],
        "source": source,
    }


def _lost(found: _Pairing) -> list[str]:
    rivals = found.extra or found.called
    return [_missing(call, rivals, _mode(found.wanted, call.name)) for call in found.missing]


def _said(lost: Iterable[str], extra: Iterable[Called]) -> str:
    unexpected = [_show(call) for call in extra]
    return "; ".join([*lost, *([f"unexpected: {listed(unexpected)}"] if unexpected else [])])


def _nearly(found: _Pairing) -> list[str]:
    """Explain unexpected calls by the expected ones of the same tool that nothing fits; a mere absence is fine in a subset."""
    tools = {call.name for call in found.extra}
    return [_missing(call, found.extra, _mode(found.wanted, call.name)) for call in found.missing if call.name in tools]


def _missing(expected: ToolExpectation, called: Iterable[Called], mode: ArgsMode) -> str:
    """Name an expected call that nothing fits, and what the closest call of that tool has instead."""
    rivals = [call for call in called if call.name == expected.name]
    missing = f"missing: {_show(expected)}"
    if not rivals:
        return missing
    closest = max(rivals, key=lambda call: _alike(expected.args or {}, call.args))
    difference = _first_difference(expected.args or {}, closest.args, mode)
    return f"{missing}, closest is {_show(closest)}: {difference}" if difference else missing


def _alike(expected: dict[str, Any], actual: Any) -> int:
    if not isinstance(actual, dict):
        return -1
    return sum(key in actual and same(value, actual[key]) for key, value in expected.items()) - len(actual.keys() - expected.keys())


def _first_difference(expected: dict[str, Any], actual: Any, mode: ArgsMode) -> str:
    if not isinstance(actual, dict):
        return f"its arguments are {quote(actual)}"
    for key in sorted(expected.keys() | actual.keys()):
        if key not in actual and mode != "subset":
            return f"{key!r} is missing, expected {quote(expected[key])}"
        if key not in expected and mode != "superset":
            return f"{key!r} is not expected"
        if key in expected and key in actual and not same(expected[key], actual[key]):
            return f"{key!r} is {quote(actual[key])}, expected {quote(expected[key])}"
    return ""


def _misplaced(found: _Pairing) -> str:
    """Name the first call out of its place; all are there, and no others."""
    place = next((place for place in range(len(found.called)) if not found.agrees(place, place)), None)
    if place is None:
        return ""
    shown = f"call {place + 1} is {_show(found.called[place])}, expected {_show(found.wanted.calls[place])}"
    return f"the calls are right but not their order: {shown}"


def _late(found: _Pairing) -> str:
    """Name the first expected call that does not come after the one before it; all were made."""
    stray = first_out_of_order(len(found.wanted.calls), len(found.called), found.agrees)
    if stray is None:
        return ""
    call, before = found.wanted.calls[stray[0]], found.wanted.calls[stray[0] - 1]
    return f"{_show(call)} does not come after {_show(before)}, which is call {stray[1]}"


def _show(call: ToolExpectation | Called) -> str:
    if isinstance(call, ToolExpectation) and call.args is None:
        return f"{call.name}(…)"
    if not isinstance(call.args, dict):
        return cut(f"{call.name}({'' if call.args is None else quote(call.args)})", _CALL_SHOWN)
    return cut(f"{call.name}({', '.join(f'{key}={quote(value)}' for key, value in sorted(call.args.items()))})", _CALL_SHOWN)
