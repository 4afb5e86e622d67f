"""A CSV table with one row a trial."""

import csv
import io
from collections.abc import Iterable, Iterator

from harness.experiment import Trial
from harness.ledger import ledger_of
from harness.report.text import line

COLUMNS = (
    "suite",
    "variant",
    "case",
    "repeat",
    "outcome",
    "ends",
    "steps",
    "model_calls",
    "tool_calls",
    "tokens",
    "cost_usd",
    "duration_s",
    "routes",
    "cost_by_node",
    "cost_by_model",
    "cached",
    "played",
    "recorded",
    "unused",
    "passed_checks",
    "failed_checks",
    "unscored_checks",
    "reasons",
    "text",
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_APART = "; "


def table(trials: Iterable[Trial]) -> str:
    """Return the whole table."""
    return "".join(lines(trials))


def lines(trials: Iterable[Trial]) -> Iterator[str]:
    """Return the table line by line; an empty cell is something unknown, never zero."""
    yield _line(COLUMNS)
    for trial in trials:
        yield _line(_row(trial))


def _row(trial: Trial) -> tuple[str, ...]:
    trace = trial.trace
    return (
        *(_cell(text) for text in (trial.suite, trial.variant, trial.case)),
        str(trial.repeat),
        trial.outcome,
        trace.ends,
        "" if "steps" in trace.unseen else str(trace.supersteps),
        str(len(trace.model_calls)),
        "" if "tools" in trace.unseen else str(len(trace.tools)),
        _number(trace.total_tokens),
        _number(trace.cost_usd),
        _number(trace.duration_s),
        _cell(_APART.join(_routes(trial))),
        *_spent(trial),
        *(str(number) for number in (trial.played, trial.recorded, trial.unused)),
        *(_cell(_checks(trial, status)) for status in ("pass", "fail", "unscored")),
        _cell(_APART.join(trial.reasons)),
        _cell(trace.text or ""),
    )


def _routes(trial: Trial) -> Iterator[str]:
    """Yield what each router decided."""
    for score in trial.scores:
        if score.detail.get("router") and score.detail.get("actual") is not None:
            yield f"{score.detail['router']} {score.detail['actual']}"


def _spent(trial: Trial) -> tuple[str, str, str]:
    ledger = ledger_of((trial,))
    groups = (ledger.by_node, ledger.by_model)
    by_node, by_model = (_APART.join(f"{name} {_number(spent.cost_usd) or 'unknown'}" for name, spent in group.items()) for group in groups)
    return _cell(by_node), _cell(by_model), str(sum(spent.cached for spent in ledger.by_node.values()))


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _checks(trial: Trial, status: str) -> str:
    """Return the checks that ended so, in the order of the scores; one failing score fails its check, one passing score scores it."""
    weight = {"unscored": 0, "pass": 1, "fail": 2}
    ended: dict[str, str] = {}
    for score in trial.scores:
        ended[score.check] = max(ended.get(score.check, "unscored"), score.status, key=weight.__getitem__)
    return _APART.join(check for check, end in ended.items() if end == status)


def _number(number: float | None) -> str:
    """Return a plain decimal, never the exponent form."""
    if number is None:
        return ""
    return str(number) if isinstance(number, int) else f"{number:.12f}".rstrip("0").rstrip(".")


def _cell(text: str) -> str:
    """Return a cell that a spreadsheet shows as text: one that looks like a formula gets a leading apostrophe."""
    shown = line(text)
    return f"'{shown}" if text.lstrip(" ").startswith(_FORMULA) else shown
