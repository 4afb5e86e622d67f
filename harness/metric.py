"""The figures of one suite under one variant, derived from the count of its trials."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import fsum

from harness.coverage import KINDS, Kind, Shape
from harness.experiment import OVER_BUDGET, Outcome, Trial
from harness.schema import Value
from harness.stats import mean, pass_all, pass_any, quantile
from harness.tally import ALWAYS_CHECKED, NO_SHAPE, Count, counted

DURATIONS = {"duration_s.p50": 0.5, "duration_s.p95": 0.95, "duration_s.p99": 0.99}
NODE_DURATIONS = {"duration_s.p50": 0.5, "duration_s.p95": 0.95}
FIRST_TOKENS = {"ttft_s.p50": 0.5, "ttft_s.p95": 0.95}
NAMES = (
    "route.accuracy",
    "pass.rate",
    "cost_usd.mean",
    "cost_usd.total",
    "cost_usd.p95",
    "cost_usd.per_hour",
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
    "edges.coverage",
    "interrupts.coverage",
    "fallbacks.coverage",
)

_DIGITS = 12
_MODELS_NAMED = 5
_NO_FIRST_TOKENS = "the recordings do not say when the first token came"
_NO_CONFIDENCE = "no checked decision came with a confidence; `confidence` in the config names the state key that holds it"


class Metric(Value):
    """A figure, or None with the reason why there is none."""

    value: float | None = None
    reason: str = ""


class Tally(Count):
    """The count of trials with the figures that follow from it. The order of trials changes nothing.

    `decisive` counts what a gate judges: every trial but those of quarantined cases that passed, failed or crashed, which are in
    `set_aside`, by case. What a budget stopped and what tried to connect to somewhere is never set aside.
    """

    def __init__(self, trials: Iterable[Trial] = (), *, shape: Shape = NO_SHAPE, quarantined: frozenset[str] = frozenset()) -> None:
        self.quarantined = quarantined
        self.set_aside: dict[str, Counter[Outcome]] = {}
        self.decisive: Tally = Tally(shape=shape) if quarantined else self
        super().__init__(trials, shape=shape)

    def add(self, trial: Trial) -> None:
        """Count one trial."""
        super().add(trial)
        if self.sets_aside(trial):
            self.set_aside.setdefault(trial.case, Counter())[trial.outcome] += 1
        elif self.quarantined:
            self.decisive.add(trial)

    def sets_aside(self, trial: Trial) -> bool:
        """Tell whether a quarantine keeps a trial from deciding."""
        if trial.case not in self.quarantined:
            return False
        stopped = any(score.check == OVER_BUDGET for score in trial.scores)
        return trial.outcome in {"pass", "fail", "error"} and not trial.live and not stopped

    def figures(self) -> dict[str, float | None]:
        """Return the value of every figure by its name."""
        return {name: metric.value for name, metric in self.metrics().items()}

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
            **self._repeat_metrics(),
            **self._spending_metrics("cost_usd"),
            "cost_usd.p95": self._paid("cost_usd", quantile(self._spent["cost_usd"].whole, 0.95)),
            "cost_usd.per_hour": self._per_hour(),
            **self._spending_metrics("tokens"),
            "model_calls.mean": self._seen(mean(self._numbers["model_calls"]), "calls"),
            "tool_calls.mean": self._seen(mean(self._numbers["tool_calls"]), "tools"),
            "steps.mean": self._seen(mean(self._numbers["steps"]), "steps"),
            "steps.max": self._seen(max(self._numbers["steps"], default=None), "steps"),
            **{name: self._lasted(share, self._numbers["duration_s"]) for name, share in DURATIONS.items()},
            **self._node_metrics(),
            **{name: self._first_token(share) for name, share in FIRST_TOKENS.items()},
            **self._rates(),
            **{f"{kind}.coverage": self._share_covered(kind) for kind in KINDS},
        }

    def metric(self, name: str) -> Metric:
        """Return one figure; None with a reason for one that no trial gives evidence of."""
        return self.metrics().get(name) or self._unseen(name)

    def _route_metrics(self) -> dict[str, Metric]:
        routing = self.routing
        figures = {f"route.{router}.accuracy": routing.accuracy(router) for router in routing.routers}
        errors = {f"route.{router}.ece": routing.calibration(router).ece for router in routing.sure_routers}
        return {"route.accuracy": self._known(routing.accuracy(*routing.routers), "check 'route'")} | {
            name: self._known(value) for name, value in (*figures.items(), *errors.items())
        }

    def _repeat_metrics(self) -> dict[str, Metric]:
        """Return, for each k up to the number of repeats, how likely one of k trials of a case passes, and how likely all do."""
        cases = [(self._passes_of[case], trials) for case, trials in sorted(self._trials_of.items())]
        found = {}
        for k in range(2, self.repeats + 1):
            for name, chance in ((f"pass@{k}", pass_any), (f"pass^{k}", pass_all)):
                shares = [chance(passes, trials, k) for passes, trials in cases]
                known = [share for share in shares if share is not None]
                found[name] = self._known(mean(known) if len(known) == len(shares) else None, f"{k} repeats of each case")
        return found

    def _share_of(self, check: str) -> Metric:
        return self._known(self._checked[check].share, f"check {check!r}")

    def _spending_metrics(self, name: str) -> dict[str, Metric]:
        spent = self._spent[name]
        everything = [*spent.whole, *spent.aside]
        return {
            f"{name}.mean": self._paid(name, mean(spent.whole)),
            f"{name}.total": self._paid(name, fsum(everything) if everything else None, aside=True),
        }

    def _paid(self, name: str, value: float | None, *, aside: bool = False) -> Metric:
        """Return a figure of what was spent, in trials beside the whole ones too where those count."""
        spent = self._spent[name]
        unknown = spent.unknown + (spent.unknown_aside if aside else 0)
        if not unknown:
            return self._known(value)
        what, models = "cost" if name == "cost_usd" else "tokens", spent.silent(aside=aside)[:_MODELS_NAMED]
        named = f": {', '.join(map(repr, models))}" if models else ""
        return Metric(reason=f"{what} unknown in {unknown} of {counted(self.trials - self.stale, 'trial')}{named}")

    def _per_hour(self) -> Metric:
        """Return the dollars that trials cost in an hour in which they run one after another, none at the same time."""
        seconds = self._lasted(0.5, self._numbers["duration_s"])
        if seconds.value is None:
            return seconds
        total_s = fsum(self._numbers["duration_s"])
        if not total_s:
            return Metric(reason="the trials took no time: the recordings do not say how long a call took")
        return self._paid("cost_usd", fsum(self._spent["cost_usd"].whole) * 3600 / total_s)

    def _lasted(self, share: float, durations: Sequence[float]) -> Metric:
        in_real_time = self._happened["in real time"]
        if in_real_time:
            return Metric(reason=f"{counted(in_real_time, 'trial')} ran in real time, whose durations are no figures")
        return self._seen(quantile(durations, share), "durations")

    def _first_token(self, share: float) -> Metric:
        unknown = self._happened["first token unknown"]
        if unknown:
            return Metric(reason=f"the recordings do not say when the first token of {counted(unknown, 'streamed answer')} came")
        value = quantile(self._numbers["ttft_s"], share)
        return Metric(reason=_NO_FIRST_TOKENS) if value is None else Metric(value=value)

    def _node_metrics(self) -> dict[str, Metric]:
        """Return how long the visits of each node took."""
        return {
            f"node.{node}.{figure}": self._lasted(share, self._node_s[node])
            for node in sorted(self._node_s)
            for figure, share in NODE_DURATIONS.items()
        }

    def _rates(self) -> dict[str, Metric]:
        happened, kept = self._happened, self.passed + self.failed + self.unscored or self.errors
        return {
            "limit_hit.rate": self._known(_share(happened["limit"], happened["traced"])),
            "fallback.rate": self._known(_share(happened["fallback"], happened["could fall back"])),
            "tool_failure.rate": self._known(_share(happened["tool failure"], happened["tool call"]), "tools"),
            "rate_limited.rate": self._known(_share(happened["rate limited"], happened["model call"]), "models"),
            "error.rate": self._known(_share(self.errors, self.measured)),
            "stale.rate": self._known(_share(self.stale, self.trials)),
            "unscored.rate": self._known(_share(self.unscored, kept)),
        }

    def _share_covered(self, kind: Kind) -> Metric:
        if self.coverage_unknown or not self.measured:
            return Metric(reason=self.coverage_unknown or self._no_evidence(""))
        share = self.coverage[kind].share
        return Metric(reason=f"the graph has no {kind}") if share is None else self._known(share)

    def _seen(self, value: float | None, of: str) -> Metric:
        """Return a figure of something that every trial has to show: what is known of some of them alone is none."""
        return self._known(None if self._happened[f"{of} unseen"] else value, of)

    def _known(self, value: float | None, of: str = "") -> Metric:
        return Metric(reason=self._no_evidence(of)) if value is None else Metric(value=round(value, _DIGITS))

    def _no_evidence(self, of: str) -> str:
        """Say why nothing is known of a check, of `tools`, of `models`, or of the trials as such."""
        if not self.trials:
            return "no trial ran"
        if self.stale == self.trials:
            return "every trial is stale"
        if self.errors and self.errors == self.measured and of != "models":
            return "every trial that was measured crashed"
        if self._happened[f"{of} unseen"]:
            return f"the {of} of an agent that ran elsewhere were not seen"
        if self._happened["calls unseen"] and self.measured and of in {"", "models", "tools"}:
            return "the calls of an agent that ran elsewhere were not seen"
        if of == "models" or (of == "tools" and self.measured):
            return f"no trial called one of its {of}"
        of = "" if of in {"tools", "steps", "calls", "durations"} else of
        return f"no trial has a score of {of}" if of else "no trial is scored"

    def _unseen(self, name: str) -> Metric:
        if name.startswith("node."):
            return Metric(reason=self._no_visit(name.removeprefix("node.").rsplit(".", 2)[0]))
        if name.endswith(".ece"):
            return Metric(reason=_NO_CONFIDENCE if self.measured else self._no_evidence(""))
        check = _check_of(name)
        router = name.removeprefix("route.").removesuffix(".accuracy")
        known_form = f"check 'route' for router {router!r}" if check == "route" and name.endswith(".accuracy") else f"check {check!r}"
        return Metric(reason=self._no_evidence(known_form) if check else f"there is no metric {name!r}")

    def _no_visit(self, node: str) -> str:
        return self._lasted(0.5, ()).reason if self._happened["in real time"] or not self.measured else f"no trial visited node {node!r}"


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
    of_routers = (f"route.{router}.{figure}" for router in sorted(set(routers)) for figure in ("accuracy", "ece"))
    of_checks = (f"{check}.pass_rate" for check in sorted({*checks, ALWAYS_CHECKED}))
    return (*NAMES, *of_routers, *of_checks)


def _check_of(name: str) -> str:
    """Return the check whose scores a metric is made of, or nothing."""
    if name.endswith(".pass_rate"):
        return name.removesuffix(".pass_rate")
    return "route" if name.startswith("route.") and not name.endswith(".ece") else ""


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
