"""What a recording did, or would do, as text and as a document."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from pydantic import JsonValue

from harness.report.figure import dollars
from harness.report.text import line
from harness.schema import Value
from harness.tally import counted

NumberT = TypeVar("NumberT", int, float)


def known_sum(numbers: Sequence[NumberT | None]) -> NumberT | None:
    """Return the sum of the numbers that are known, None where there are some and none is."""
    known = [number for number in numbers if number is not None]
    return round(sum(known), 12) if known or not numbers else None


class Recorded(Value):
    """What recording did to the cassette of one case.

    `asked` counts live answers, `taken_over` those that an interrupted recording had paid for, `unpriced` those without a known cost
    and `unmeasured` those without usage; `tokens` and `cost_usd` are None where no answer has any.
    `old_kept` tells that recording anew failed and nothing was overwritten, `left_out` that the budget was spent before. `alike` tells
    that there are several draws and all say the same.
    """

    suite: str
    case: str
    create: int = 0
    fix: int = 0
    trim: int = 0
    update: int = 0
    asked: int = 0
    taken_over: int = 0
    tokens: int | None = 0
    cost_usd: float | None = 0.0
    unpriced: int = 0
    unmeasured: int = 0
    old_kept: bool = False
    over_budget: bool = False
    left_out: bool = False
    problems: tuple[str, ...] = ()
    draws: int = 1
    alike: bool = False


class Foreseen(Value):
    """A request that a recording would send; `may_follow` that it may, since an answer before it changes.

    `ends` tells that nothing is known of what the graph does after it; `tokens` and `cost_usd` are those of the nearest exchange.
    """

    suite: str
    variant: str
    case: str
    node: str | None = None
    step: int | None = None
    branch: str = ""
    draw: int = 1
    model: str | None = None
    request: str = ""
    cause: str
    tokens: int | None = None
    cost_usd: float | None = None
    may_follow: bool = False
    ends: bool = False


def recorded_lines(recorded: Recorded) -> Iterator[str]:
    """Yield what is said of one case; nothing where nothing happened."""
    changes = _changes([recorded])
    name = f"{line(recorded.suite)}/{line(recorded.case)}"
    taken_over = f" ({recorded.taken_over} taken over from an interrupted recording)" if recorded.taken_over else ""
    if changes or recorded.taken_over:
        yield f"{name}: {changes or 'no change'}{taken_over}"
    if recorded.old_kept and not recorded.over_budget:
        yield f"{name}: not every request was answered: the cassette stays as it was"
    yield from (f"{name}: {line(problem)}" for problem in recorded.problems)


def recorded_total(every: Sequence[Recorded], *, max_cost_usd: float | None = None) -> str:
    """Return what is said in the end: live answers, changes by kind, tokens, dollars, and where the budget stopped it."""
    asked = sum(recorded.asked for recorded in every)
    changed = sum(any((recorded.create, recorded.fix, recorded.trim, recorded.update)) for recorded in every)
    changes = f": {_changes(every)} in {counted(changed, 'case')}" if changed else ""
    cost = f"; {_spent(every)}" if asked else ""
    problems = sum(bool(recorded.problems) for recorded in every)
    failed = f"; {counted(problems, 'case')} not recorded in whole" if problems else ""
    text = f"recorded {counted(asked, 'exchange')}{changes}{cost}{failed}"
    drawn, same = sum(recorded.draws > 1 for recorded in every), sum(recorded.alike for recorded in every)
    if same:
        text += f"\nthe draws of {same:,} of {counted(drawn, 'case')} say the same: there the repeats are no evidence of a steady model"
    if any(recorded.over_budget or recorded.left_out for recorded in every):
        rest = sum(recorded.over_budget or recorded.left_out for recorded in every)
        text += (
            f"\nstopped before a call that might go over --max-cost {max_cost_usd:g}: {counted(rest, 'case')} left; record again to go on"
        )
    return text


def recorded_document(every: Sequence[Recorded], exit_code: int) -> str:
    """Return the JSON document of a recording."""
    numbers = ("create", "fix", "trim", "update", "asked", "taken_over", "unpriced", "unmeasured")
    total: dict[str, JsonValue] = {name: sum(getattr(recorded, name) for recorded in every) for name in numbers}
    total["tokens"], total["cost_usd"] = _spent_known(every)
    cases: list[JsonValue] = [recorded.model_dump(mode="json") for recorded in every]
    return _json({"exit_code": exit_code, "dry_run": False, "cases": cases, "total": total})


def foreseen_text(every: Sequence[Foreseen]) -> str:
    """Return the blast radius: a total, then the requests by cause."""
    sent, following = [one for one in every if not one.may_follow], [one for one in every if one.may_follow]
    if not sent:
        return "nothing would be asked live\n"
    lines = [f"would ask live: {_radius(sent)}"]
    for cause in _causes(sent):
        group = [one for one in sent if one.cause == cause]
        lines += ["", f"{line(cause)}: {_radius(group)}", *(f"  {_request(one)}" for one in group)]
    if following:
        lines += ["", f"may follow, if the answers before them change: {_radius(following)}", *(f"  {_request(one)}" for one in following)]
    ends = len({(one.suite, one.variant, one.case) for one in sent if one.ends})
    if ends:
        lines += ["", f"unknown: what {counted(ends, 'case')} would ask after that, as nothing like it is recorded"]
    return "\n".join(lines) + "\n"


def foreseen_document(every: Sequence[Foreseen]) -> str:
    """Return the JSON document of a dry run."""
    sent, following = [one for one in every if not one.may_follow], [one for one in every if one.may_follow]
    groups: list[JsonValue] = [{"cause": cause, **_figures([one for one in sent if one.cause == cause])} for cause in _causes(sent)]
    document: dict[str, JsonValue] = {
        "exit_code": 0,
        "dry_run": True,
        "calls": [one.model_dump(mode="json") for one in sent],
        "may_follow": [one.model_dump(mode="json") for one in following],
        "causes": groups,
        "total": _figures(sent),
    }
    return _json(document)


def _json(document: dict[str, JsonValue]) -> str:
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _changes(every: Iterable[Recorded]) -> str:
    recorded = list(every)
    counts = {name: sum(getattr(one, name) for one in recorded) for name in ("create", "fix", "trim", "update")}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _spent_known(every: Sequence[Recorded]) -> tuple[int | None, float | None]:
    """Return the tokens and the dollars of all live answers, as far as they are known."""
    asked = [recorded for recorded in every if recorded.asked]
    return known_sum([recorded.tokens for recorded in asked]), known_sum([recorded.cost_usd for recorded in asked])


def _spent(every: Sequence[Recorded]) -> str:
    tokens, cost_usd = _spent_known(every)
    unmeasured, unpriced = sum(recorded.unmeasured for recorded in every), sum(recorded.unpriced for recorded in every)
    said = "tokens unknown" if tokens is None else counted(tokens, "token")
    said += f" without those of {counted(unmeasured, 'call')}" if unmeasured and tokens is not None else ""
    said += ", cost unknown" if cost_usd is None else f", {dollars(cost_usd)}"
    return said + (f", {counted(unpriced, 'call')} of unknown price" if unpriced and cost_usd is not None else "")


def _causes(every: Sequence[Foreseen]) -> list[str]:
    """Return the causes, that of most requests first."""
    causes = [one.cause for one in every]
    return sorted(set(causes), key=lambda cause: (-causes.count(cause), cause))


def _figures(every: Sequence[Foreseen]) -> dict[str, JsonValue]:
    return {
        "calls": len(every),
        "cases": len({(one.suite, one.case) for one in every}),
        "tokens": known_sum([one.tokens for one in every]),
        "unknown_tokens": sum(one.tokens is None for one in every),
        "cost_usd": known_sum([one.cost_usd for one in every]),
        "unknown_cost": sum(one.cost_usd is None for one in every),
    }


def _radius(every: Sequence[Foreseen]) -> str:
    figures = _figures(every)
    unknown_tokens, unknown_cost = int(str(figures["unknown_tokens"])), int(str(figures["unknown_cost"]))
    tokens = "tokens unknown" if unknown_tokens == len(every) else f"about {counted(int(str(figures['tokens'])), 'token')}"
    cost = "cost unknown" if unknown_cost == len(every) else dollars(float(str(figures["cost_usd"])))
    silent = [f"tokens of {counted(unknown_tokens, 'call')}"] if 0 < unknown_tokens < len(every) else []
    silent += [f"cost of {counted(unknown_cost, 'call')}"] if 0 < unknown_cost < len(every) else []
    said = f" (unknown: {', '.join(silent)})" if silent else ""
    cases = counted(int(str(figures["cases"])), "case")
    return f"{counted(len(every), 'call')} of {cases}, {tokens}, {cost}{said}"


def _request(one: Foreseen) -> str:
    variant = "" if one.variant == "default" else f"@{one.variant}"
    where = f"node {one.node}" if one.node else "outside any node"
    tokens = "tokens unknown" if one.tokens is None else counted(one.tokens, "token")
    draw = "" if one.draw == 1 else f", draw {one.draw}"
    return line(f"{one.suite}{variant}/{one.case}: {where}{draw}, {one.model or one.request}, {tokens}, {dollars(one.cost_usd)}")
