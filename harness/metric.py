"""The figures of one suite under one variant, counted one trial at a time.

What counts where:
- a stale trial has no evidence: it counts in `stale.rate` and `pass.rate`, nowhere else;
- an unscored trial counts in `unscored.rate`, `pass.rate` and the totals, so that adding one never improves a mean or a share;
- a crashed trial counts everywhere: its checks failed, and what it spent was spent.
"""

from array import array
from bisect import insort
from collections import Counter
from collections.abc import Iterable
from math import fsum
from typing import NamedTuple

from harness.experiment import Outcome, Trial
from harness.schema import Value
from harness.score import Score
from harness.stats import Confusion, mean, quantile
from harness.trace import Trace, WireCall

DURATIONS = {"duration_s.p50": 0.5, "duration_s.p95": 0.95, "duration_s.p99": 0.99}
FIRST_TOKENS = ("ttft_s.p50", "ttft_s.p95")
NAMES = (
    "route.accuracy",
    "pass.rate",
    "cost_usd.mean",
    "cost_usd.total",
    "cost_usd.p95",
    "tokens.mean",
    "tokens.total",
    "model_calls.mean",
    "tool_calls.mean",
    "steps.mean",
    "steps.max",
    *DURATIONS,
    *FIRST_TOKENS,
    "limit_hit.rate",
    "fallback.rate",
    "tool_failure.rate",
    "rate_limited.rate",
    "error.rate",
    "stale.rate",
    "unscored.rate",
)
ALWAYS_CHECKED = "ends"

_DIGITS = 12
_FAILURES_KEPT = 200
_REASON_KEPT = 300
_RATE_LIMITED = 429
_NO_FIRST_TOKENS = "the recordings do not say when the first token came"
_NOWHERE = "(none)"


class Metric(Value):
    """A figure, or None with the reason why there is none."""

    value: float | None = None
    reason: str = ""


class Failure(NamedTuple):
    """Why a trial is not a pass: what one check said, or (without a check) what crashed or is stale."""

    case: str
    repeat: int
    outcome: Outcome
    check: str
    reason: str


class Failing(NamedTuple):
    """A check that failed, in trials that crashed (`error`), that reached the recursion limit (`limit`), or otherwise (``).

    For the check `route` it is the router (`route.<node>`).
    """

    check: str
    circumstance: str


class StaleCause(NamedTuple):
    """Why cases are stale: `tokens` estimates what re-recording costs, leaving out the `unknown` requests that have no estimate."""

    cause: str
    cases: tuple[str, ...]
    tokens: int
    unknown: int


class _Stale:
    def __init__(self) -> None:
        self.cases: set[str] = set()
        self.tokens = 0
        self.unknown = 0


class _Checked:
    def __init__(self) -> None:
        self.passed = 0
        self.scored = 0
        self.unscored: set[str] = set()
        self.unscored_reason = ""

    @property
    def share(self) -> float | None:
        return self.passed / self.scored if self.scored else None


class Tally:
    """Counts trials; keeps numbers, case ids and at most 200 reasons, never a trace. The order of trials changes nothing."""

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        self._outcomes: Counter[Outcome] = Counter()
        self._happened: Counter[str] = Counter()
        self._numbers: dict[str, array[float]] = {
            name: array("d") for name in ("cost_usd", "tokens", "model_calls", "tool_calls", "steps", "duration_s")
        }
        self._unscored_spent: dict[str, array[float]] = {"cost_usd": array("d"), "tokens": array("d")}
        self._unknown: dict[str, Counter[str]] = {"cost_usd": Counter(), "tokens": Counter()}
        self._cases: dict[str, set[str]] = {}
        self._trials_of: Counter[str] = Counter()
        self._checked: dict[str, _Checked] = {}
        self._failing: dict[Failing, set[str]] = {}
        self._decisions: Counter[tuple[str, bool]] = Counter()
        self._routed: dict[str, Counter[tuple[str, str]]] = {}
        self._stale: dict[str, _Stale] = {}
        self._failures: list[Failure] = []
        self._repeats = 1
        self._drift: dict[str, set[str]] = {}
        self._unused: Counter[str] = Counter()
        for trial in trials:
            self.add(trial)

    def add(self, trial: Trial) -> None:
        """Count one trial."""
        self._outcomes[trial.outcome] += 1
        self._trials_of[trial.case] += 1
        self._repeats = max(self._repeats, trial.repeat)
        self._mark(trial.outcome, trial.case)
        self._add_tape(trial)
        for failure in _failures(trial):
            self._keep(failure)
        if trial.outcome == "stale":
            self._add_stale(trial)
            return
        self._add_spending(trial)
        self._add_scores(trial)
        if trial.outcome != "unscored":
            self._add_trace(trial.case, trial.trace)

    @property
    def trials(self) -> int:
        """Return how many trials were counted."""
        return self._outcomes.total()

    @property
    def passed(self) -> int:
        """Return how many trials passed."""
        return self._outcomes["pass"]

    @property
    def failed(self) -> int:
        """Return how many trials failed a check."""
        return self._outcomes["fail"]

    @property
    def errors(self) -> int:
        """Return how many trials crashed."""
        return self._outcomes["error"]

    @property
    def stale(self) -> int:
        """Return how many trials asked for something that is not on their cassette."""
        return self._outcomes["stale"]

    @property
    def unscored(self) -> int:
        """Return in how many trials no check could measure anything."""
        return self._outcomes["unscored"]

    @property
    def measured(self) -> int:
        """Return how many trials are evidence: neither stale nor unscored."""
        return self.trials - self.stale - self.unscored

    @property
    def repeats(self) -> int:
        """Return the highest repeat number seen."""
        return self._repeats

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Return why trials are not a pass: the first 200 by case."""
        return tuple(self._failures)

    @property
    def failing(self) -> dict[Failing, tuple[str, ...]]:
        """Return the cases that failed, by check and circumstance."""
        return {key: tuple(sorted(self._failing[key])) for key in sorted(self._failing)}

    @property
    def drift(self) -> dict[str, tuple[str, ...]]:
        """Return what differs from the recorded requests within the match policy, each with its cases."""
        return {part: tuple(sorted(self._drift[part])) for part in sorted(self._drift)}

    @property
    def unused(self) -> dict[str, int]:
        """Return how many exchanges recorded under the variant each case did not ask for; those that asked for all are left out."""
        return dict(sorted(self._unused.items()))

    @property
    def unscored_checks(self) -> dict[str, tuple[tuple[str, ...], str]]:
        """Return the checks that could not measure something: in which cases, and one of the reasons."""
        seen = ((check, self._checked[check]) for check in sorted(self._checked))
        return {check: (tuple(sorted(checked.unscored)), checked.unscored_reason) for check, checked in seen if checked.unscored}

    @property
    def stale_causes(self) -> tuple[StaleCause, ...]:
        """Return why cases are stale, the cause of most cases first."""
        causes = (StaleCause(cause, tuple(sorted(stale.cases)), stale.tokens, stale.unknown) for cause, stale in self._stale.items())
        return tuple(sorted(causes, key=lambda one: (-len(one.cases), one.cause)))

    @property
    def routers(self) -> tuple[str, ...]:
        """Return the routers whose decisions were checked."""
        return tuple(sorted(self._routed))

    def confusion(self, router: str) -> Confusion:
        """Return how often each expected route of a router became each actual one.

        `(none)` stands for a route that the score does not name; a right decision counts as the expected route, however it is spelt.
        """
        return Confusion(tuple(sorted(self._routed.get(router, Counter()).items())))

    def cases(self, outcome: Outcome) -> tuple[str, ...]:
        """Return the cases of which a trial ended so."""
        return tuple(sorted(self._cases.get(outcome, ())))

    def trials_of(self, case: str) -> int:
        """Return how many trials of a case were counted."""
        return self._trials_of[case]

    def outcomes_of(self, case: str) -> tuple[Outcome, ...]:
        """Return how the trials of a case ended, each way once."""
        return tuple(outcome for outcome in sorted(self._outcomes) if case in self._cases.get(outcome, ()))

    def missing(self, cases: int, repeats: int) -> tuple[int, tuple[str, ...]]:
        """Return how many trials are missing of `repeats` a case, and the ids of the cases that lack some but not all."""
        partial = {case: repeats - count for case, count in self._trials_of.items() if count < repeats}
        absent = max(0, cases - len(self._trials_of)) * repeats
        return absent + sum(partial.values()), tuple(sorted(partial))

    def deciding(self, name: str) -> tuple[str, ...]:
        """Return the cases that worsen a metric, as far as single cases do."""
        if name == "pass.rate":
            found = set[str]().union(*(self._cases.get(outcome, set()) for outcome in ("fail", "error", "stale", "unscored")))
        elif _CASES_OF.get(name, name) in self._cases:
            found = self._cases[_CASES_OF.get(name, name)]
        else:
            found = set[str]().union(*(cases for key, cases in self._failing.items() if key.check == _check_of(name)))
        return tuple(sorted(found))

    def metrics(self) -> dict[str, Metric]:
        """Return every figure by its name."""
        return {
            **self._route_metrics(),
            **{f"{check}.pass_rate": self._share_of(check) for check in sorted(self._checked)},
            "pass.rate": self._known(self.passed / self.trials if self.trials else None),
            **self._spending_metrics("cost_usd"),
            "cost_usd.p95": self._spent("cost_usd", quantile(self._numbers["cost_usd"], 0.95)),
            **self._spending_metrics("tokens"),
            "model_calls.mean": self._known(mean(self._numbers["model_calls"])),
            "tool_calls.mean": self._known(mean(self._numbers["tool_calls"])),
            "steps.mean": self._known(mean(self._numbers["steps"])),
            "steps.max": self._known(max(self._numbers["steps"], default=None)),
            **{name: self._lasted(share) for name, share in DURATIONS.items()},
            **{name: Metric(reason=_NO_FIRST_TOKENS) for name in FIRST_TOKENS},
            **self._rates(),
        }

    def metric(self, name: str) -> Metric:
        """Return one figure; None with a reason for one that no trial gives evidence of."""
        return self.metrics().get(name) or self._unseen(name)

    def _mark(self, what: str, case: str) -> None:
        self._cases.setdefault(what, set()).add(case)

    def _keep(self, failure: Failure) -> None:
        """Keep the first failures by case, so that the order of trials does not show."""
        if len(self._failures) < _FAILURES_KEPT or failure < self._failures[-1]:
            insort(self._failures, failure)
            del self._failures[_FAILURES_KEPT:]

    def _add_tape(self, trial: Trial) -> None:
        for part in {part for call in trial.trace.calls for part in call.drift}:
            self._drift.setdefault(part, set()).add(trial.case)
        if trial.unused and trial.outcome != "stale":
            self._unused[trial.case] = max(self._unused[trial.case], trial.unused)

    def _add_stale(self, trial: Trial) -> None:
        if not trial.misses:
            self._stale.setdefault("no miss is noted", _Stale()).cases.add(trial.case)
        for miss in trial.misses:
            stale = self._stale.setdefault(miss.cause, _Stale())
            stale.cases.add(trial.case)
            stale.tokens += miss.tokens or 0
            stale.unknown += miss.tokens is None

    def _add_spending(self, trial: Trial) -> None:
        numbers = self._unscored_spent if trial.outcome == "unscored" else self._numbers
        for name, amount in (("cost_usd", trial.trace.cost_usd), ("tokens", trial.trace.total_tokens)):
            if amount is None:
                self._happened[f"{name} unknown"] += 1
                self._unknown[name].update(_silent_models(trial.trace, name))
            else:
                numbers[name].append(amount)

    def _add_scores(self, trial: Trial) -> None:
        for check in sorted({score.check for score in trial.scores}):
            self._add_check(check, trial, [score for score in trial.scores if score.check == check])
        for score in trial.scores:
            if score.check == "route" and score.status != "unscored":
                self._add_decision(trial.case, score)

    def _add_check(self, check: str, trial: Trial, scores: list[Score]) -> None:
        """Count a check once a trial: it passed if one of its scores did and none failed."""
        checked = self._checked.setdefault(check, _Checked())
        states = {score.status for score in scores}
        if "fail" in states:
            for circumstance in _circumstances(check, trial, scores):
                self._failing.setdefault(Failing(check, circumstance), set()).add(trial.case)
        checked.scored += states != {"unscored"}
        checked.passed += "pass" in states and "fail" not in states
        reasons = [_short(score.reason) for score in scores if score.status == "unscored"]
        if reasons:
            first = min(reasons)
            checked.unscored_reason = min(checked.unscored_reason, first) if checked.unscored else first
            checked.unscored.add(trial.case)

    def _add_decision(self, case: str, score: Score) -> None:
        router = str(score.detail.get("router", score.name.removeprefix("route.")))
        if score.status == "fail":
            self._mark(f"route.{router}.accuracy", case)
        self._decisions[router, score.status == "pass"] += 1
        expected = _label(score.detail.get("expected"))
        actual = expected if score.status == "pass" else _label(score.detail.get("actual"))
        self._routed.setdefault(router, Counter())[expected, actual] += 1

    def _add_trace(self, case: str, trace: Trace) -> None:
        calls = trace.model_calls
        for name, number in (("model_calls", len(calls)), ("tool_calls", len(trace.tools)), ("steps", trace.supersteps)):
            self._numbers[name].append(number)
        if trace.duration_s is None:
            self._happened["in real time"] += 1
        else:
            self._numbers["duration_s"].append(trace.duration_s)
        counts = {
            "model call": len(calls),
            "rate limited": sum(call.status == _RATE_LIMITED for call in calls),
            "tool call": len(trace.tools),
            "tool failure": sum(tool.error is not None for tool in trace.tools),
            "limit": int(trace.ends == "limit"),
            "fallback": int(fell_back(trace)),
        }
        self._happened.update(counts)
        for what in ("rate limited", "tool failure", "limit", "fallback"):
            if counts[what]:
                self._mark(what, case)

    def _lasted(self, share: float) -> Metric:
        in_real_time = self._happened["in real time"]
        if in_real_time:
            return Metric(reason=f"{in_real_time} trial(s) ran in real time, whose durations are no figures")
        return self._known(quantile(self._numbers["duration_s"], share))

    def _route_metrics(self) -> dict[str, Metric]:
        figures = {f"route.{router}.accuracy": _share(*self._right(router)) for router in self.routers}
        right = sum(count for (_, is_right), count in self._decisions.items() if is_right)
        return {"route.accuracy": self._known(_share(right, self._decisions.total()), "check 'route'")} | {
            name: self._known(value) for name, value in figures.items()
        }

    def _right(self, router: str) -> tuple[int, int]:
        return self._decisions[router, True], self._decisions[router, True] + self._decisions[router, False]

    def _share_of(self, check: str) -> Metric:
        return self._known(self._checked[check].share, f"check {check!r}")

    def _spending_metrics(self, name: str) -> dict[str, Metric]:
        spent = [*self._numbers[name], *self._unscored_spent[name]]
        return {
            f"{name}.mean": self._spent(name, mean(self._numbers[name])),
            f"{name}.total": self._spent(name, fsum(spent) if spent else None),
        }

    def _spent(self, name: str, value: float | None) -> Metric:
        unknown = self._happened[f"{name} unknown"]
        if not unknown:
            return self._known(value)
        models = ", ".join(repr(model) for model in sorted(self._unknown[name])[:5])
        what = "cost" if name == "cost_usd" else "tokens"
        return Metric(reason=f"{what} unknown in {unknown} of {counted(self.trials - self.stale, 'trial')}: {models}")

    def _rates(self) -> dict[str, Metric]:
        happened, measured, kept = self._happened, self.measured, self.trials - self.stale
        return {
            "limit_hit.rate": self._known(_share(happened["limit"], measured)),
            "fallback.rate": self._known(_share(happened["fallback"], measured)),
            "tool_failure.rate": self._known(_share(happened["tool failure"], happened["tool call"]), "tools"),
            "rate_limited.rate": self._known(_share(happened["rate limited"], happened["model call"]), "models"),
            "error.rate": self._known(_share(self.errors, measured)),
            "stale.rate": self._known(_share(self.stale, self.trials)),
            "unscored.rate": self._known(_share(self.unscored, kept)),
        }

    def _known(self, value: float | None, of: str = "") -> Metric:
        return Metric(reason=self._no_evidence(of)) if value is None else Metric(value=round(value, _DIGITS))

    def _no_evidence(self, of: str) -> str:
        """Say why nothing is known of a check, of `tools`, of `models`, or of the trials as such."""
        if not self.trials:
            return "no trial ran"
        if self.stale == self.trials:
            return "every trial is stale"
        if of in {"tools", "models"}:
            return f"no trial called one of its {of}"
        return f"no trial has a score of {of}" if of else "no trial is scored"

    def _unseen(self, name: str) -> Metric:
        check = _check_of(name)
        router = name.removeprefix("route.").removesuffix(".accuracy")
        known_form = f"check 'route' for router {router!r}" if check == "route" and name.endswith(".accuracy") else f"check {check!r}"
        return Metric(reason=self._no_evidence(known_form) if check else f"there is no metric {name!r}")


_CASES_OF = {
    "error.rate": "error",
    "stale.rate": "stale",
    "unscored.rate": "unscored",
    "limit_hit.rate": "limit",
    "fallback.rate": "fallback",
    "tool_failure.rate": "tool failure",
    "rate_limited.rate": "rate limited",
}


def names(routers: Iterable[str], checks: Iterable[str]) -> tuple[str, ...]:
    """Return the name of every metric of a suite with these routers and checks (`ends` is always one)."""
    of_routers = (f"route.{router}.accuracy" for router in sorted(set(routers)))
    of_checks = (f"{check}.pass_rate" for check in sorted({*checks, ALWAYS_CHECKED}))
    return (*NAMES, *of_routers, *of_checks)


def fell_back(trace: Trace) -> bool:
    """Tell whether a trial went on without the model it had asked.

    What counts, in the order of the trace's model calls: a call failed, and another model answered before the failed one did; or
    the failed model never answered and the trial did not crash of it. A retry that the same model answers is no fallback.
    """
    pending: set[str | None] = set()
    for call in trace.model_calls:
        if not call.answered or call.error is not None:
            pending.add(call.model)
        elif pending - {call.model}:
            return True
        else:
            pending.clear()
    return bool(pending) and trace.ends != "error"


def counted(number: int, noun: str) -> str:
    """Return `1 case`, `2 cases`, `1,000 cases`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _failures(trial: Trial) -> list[Failure]:
    if trial.outcome in {"error", "stale"}:
        reason = next(iter(trial.reasons), "no reason is noted")
        return [Failure(trial.case, trial.repeat, trial.outcome, "", _short(reason))]
    wanted = {"fail": "fail", "unscored": "unscored"}.get(trial.outcome)
    found = [score for score in trial.scores if score.status == wanted]
    return [Failure(trial.case, trial.repeat, trial.outcome, score.check, _short(f"{score.name}: {score.reason}")) for score in found]


def _circumstances(check: str, trial: Trial, scores: list[Score]) -> set[str]:
    if trial.outcome == "error":
        return {"error"}
    if check == "route":
        return {score.name for score in scores if score.status == "fail"}
    return {"limit" if check == ALWAYS_CHECKED and trial.trace.ends == "limit" else ""}


def _silent_models(trace: Trace, name: str) -> set[str]:
    """Return the models of the answered calls whose cost or tokens are unknown."""
    paid = (call for call in trace.calls if call.kind != "http" and call.answered)
    unknown = (call for call in paid if (call.cost_usd if name == "cost_usd" else call.usage) is None)
    return {_model(call) for call in unknown}


def _model(call: WireCall) -> str:
    return call.answered_model or call.model or "a call that names no model"


def _check_of(name: str) -> str:
    """Return the check whose scores a metric is made of, or nothing."""
    if name.endswith(".pass_rate"):
        return name.removesuffix(".pass_rate")
    return "route" if name.startswith("route.") else ""


def _label(route: object) -> str:
    return _NOWHERE if route is None else str(route)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _short(text: str) -> str:
    return text if len(text) <= _REASON_KEPT else text[: _REASON_KEPT - 1] + "…"
