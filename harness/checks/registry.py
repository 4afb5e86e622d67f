"""The built-in checks by name, and how checks are run over one trial."""

import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from harness.checks import cost, crash, duration, ends, fallback, interrupts, loops, output, path, route, sequence, streaming, tools
from harness.checks.context import Check, CheckContext
from harness.checks.unseen import why_unscored
from harness.dataset import Case
from harness.score import Score, unscored
from harness.trace import Trace

BUILT_IN: Mapping[str, Check] = {
    "ends": ends.check,
    "route": route.check,
    "path": path.check,
    "loops": loops.check,
    "fallback": fallback.check,
    "cost": cost.check,
    "tools": tools.check,
    "output": output.check,
    "sequence": sequence.check,
    "interrupts": interrupts.check,
    "duration": duration.check,
    "crash": crash.check,
    "streaming": streaming.check,
}

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


def applicable(case: Case, context: CheckContext) -> tuple[str, ...]:
    """Return the names of the built-in checks that have something to say of the case.

    Those are the checks whose expectation or limit is present, and `ends` and `cost` always.
    """
    expected = case.expected
    asked = {
        "ends": True,
        "route": bool(expected.route),
        "path": expected.path is not None,
        "loops": loops.bounded(context.limits) or expected.reached is not None,
        "fallback": expected.fallback is not None,
        "cost": True,
        "tools": expected.tools is not None,
        "output": bool(expected.output),
        "sequence": bool(expected.sequence),
        "interrupts": expected.interrupts is not None,
        "duration": context.limits.duration_s is not None,
        "crash": bool(expected.crash),
        "streaming": expected.streaming is not None,
    }
    return tuple(name for name in BUILT_IN if asked[name])


def unchecked(case: Case, context: CheckContext, names: Iterable[str]) -> tuple[str, ...]:
    """Return the built-in checks that the case has an expectation or a limit for and that `names` leaves out.

    `ends` always runs, and `cost` counts only where it is bounded.
    """
    listed = {"ends", *names}
    if context.limits.tokens is None and context.limits.cost_usd is None:
        listed.add("cost")
    return tuple(name for name in applicable(case, context) if name not in listed)


def run_checks(case: Case, trace: Trace, context: CheckContext, checks: Mapping[str, Check] | None = None) -> tuple[Score, ...]:
    """Return the scores of one trial, check by check in the order given; `ends` comes first, asked for or not.

    Without `checks` those that are applicable to the case are run. A check that raises is `unscored`: it measured nothing, so it
    neither passes nor fails, and the other checks still run.
    """
    if checks is None:
        checks = {name: BUILT_IN[name] for name in applicable(case, context)}
    chosen = {"ends": BUILT_IN["ends"], **checks}
    return tuple(score for name, check in chosen.items() for score in _guarded(name, check, case, trace, context))


def _guarded(name: str, check: Check, case: Case, trace: Trace, context: CheckContext) -> tuple[Score, ...]:
    blind = why_unscored(name, case, trace) if name in applicable(case, context) else ""
    if blind:
        return (unscored(name, name, blind),)
    try:
        return check(case, trace, context)
    except (Exception, SystemExit) as error:  # noqa: BLE001, a check is foreign code
        return (unscored(name, name, f"the check raised {_crash(error)}"),)


def _crash(error: BaseException) -> str:
    """Say type, message and last traceback line; addresses and folders are left out, they differ from machine to machine."""
    message = " ".join(_ADDRESS.sub("0x…", str(error)).split())
    said = f"{type(error).__name__}: {message}" if message else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    return f"{said} ({_frame(frames[-1])})" if frames else said


def _frame(frame: traceback.FrameSummary) -> str:
    place = f"{PurePath(frame.filename).name}:{frame.lineno}, in {frame.name}"
    return f"{place}: {frame.line}" if frame.line else place
