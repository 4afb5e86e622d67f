"""What each case of a suite came to: the small part of an experiment that a comparison pairs and a baseline keeps."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from harness.experiment import Outcome, SuiteProvenance, Trial
from harness.schema import Value, canonical_json, digest
from harness.stats import mean
from harness.trace import Trace, WireCall

_DIGITS = 12
NOWHERE = "(outside any node)"


class Standing(Value):
    """What the trials of one case came to.

    `values` holds figures by the metric that they are part of, each a mean over the trials that give evidence of it: `pass.rate`
    counts every trial, also those that crashed, are stale or could not be scored; of those that are stale or unscored nothing else is
    evidence, and one that crashed passed nothing. `routes` are the decisions of the first trial, by router; `path`, `tools` and
    `content` digests of its visits, of its tools with their arguments ("" without any), and of how it ended.
    """

    outcomes: dict[str, int]
    values: dict[str, float] = {}
    routes: dict[str, str] = {}
    path: str = ""
    tools: str = ""
    content: str = ""

    @property
    def trials(self) -> int:
        """Return how many trials the case had."""
        return sum(self.outcomes.values())

    @property
    def measured(self) -> bool:
        """Tell whether every trial is evidence: none is stale or unscored."""
        return not (self.had("stale") or self.had("unscored"))

    def had(self, outcome: Outcome) -> bool:
        """Tell whether one of the trials ended so."""
        return outcome in self.outcomes


class Spending(Value):
    """What the calls of one node took, over all trials: tokens and dollars (None where a call does not say), recorded seconds."""

    calls: int = 0
    tokens: int | None = 0
    cost_usd: float | None = 0.0
    latency_s: float | None = 0.0


class Standings(Value):
    """One suite under one variant: what was run, its metrics, what each node spent, and what each case came to."""

    provenance: SuiteProvenance
    metrics: dict[str, float | None]
    nodes: dict[str, Spending] = {}
    cases: dict[str, Standing]

    @property
    def name(self) -> str:
        """Return the suite's name, with `@variant` unless it is the default one."""
        return self.provenance.name


class Roll:
    """Gathers the standings of one suite's cases, trial by trial in any order; keeps no trace."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[int, Outcome, dict[str, float], _Shape]]] = {}
        self._spent: dict[str, _Purse] = {}

    def add(self, trial: Trial) -> None:
        """Take one trial in."""
        evidence = {} if trial.outcome in {"stale", "unscored"} else _figures(trial)
        self._rows.setdefault(trial.case, []).append((trial.repeat, trial.outcome, evidence, _Shape(trial)))
        for call in trial.trace.calls:
            self._spent.setdefault(_node(call), _Purse()).add(call, missed=trial.outcome == "stale" and call.source == "none")

    def cases(self) -> dict[str, Standing]:
        """Return the standing of every case, by its id."""
        return {case: _standing(sorted(rows, key=lambda row: row[0])) for case, rows in sorted(self._rows.items())}

    def nodes(self) -> dict[str, Spending]:
        """Return what the calls of each node took, by node; those outside any node too."""
        return {node: purse.spending() for node, purse in sorted(self._spent.items())}


class _Purse:
    """Adds up the calls of one node; one unknown amount makes its sum unknown, such as that of a call which the cassette lacks."""

    def __init__(self) -> None:
        self.calls = 0
        self.tokens: int | None = 0
        self.cost_usd: float | None = 0.0
        self.latency_s: float | None = 0.0

    def add(self, call: WireCall, *, missed: bool) -> None:
        self.calls += 1
        self.latency_s = None if self.latency_s is None or call.latency_s is None else self.latency_s + call.latency_s
        if call.kind != "http" and (call.answered or missed):
            self.tokens = None if self.tokens is None or call.usage is None else self.tokens + call.usage.total_tokens
            self.cost_usd = None if self.cost_usd is None or call.cost_usd is None else self.cost_usd + call.cost_usd

    def spending(self) -> Spending:
        cost, latency = self.cost_usd, self.latency_s
        return Spending(
            calls=self.calls,
            tokens=self.tokens,
            cost_usd=None if cost is None else round(cost, _DIGITS),
            latency_s=None if latency is None else round(latency, 6),
        )


def _node(call: WireCall) -> str:
    return "/".join((*call.place.namespace, call.place.node)) if call.place.node else NOWHERE


class _Shape:
    """What a comparison looks for changes in."""

    __slots__ = ("content", "path", "routes", "tools")

    def __init__(self, trial: Trial) -> None:
        trace = trial.trace
        self.routes = {
            str(score.detail.get("router")): str(score.detail.get("actual", score.detail.get("expected")))
            for score in trial.scores
            if score.check == "route" and score.status != "unscored"
        }
        self.path = _of_path(trace.nodes)
        self.tools = digest(canonical_json([[tool.name, tool.args] for tool in trace.tools])) if trace.tools else ""
        self.content = digest(canonical_json([trace.ends, trace.text, trace.state]))


@lru_cache(maxsize=10_000)
def _of_path(nodes: tuple[str, ...]) -> str:
    return digest(canonical_json(nodes))


def _standing(rows: Sequence[tuple[int, Outcome, dict[str, float], _Shape]]) -> Standing:
    outcomes = Counter(row[1] for row in rows)
    first = rows[0][3]
    values = {**rows[0][2]} if len(rows) == 1 else _means([row[2] for row in rows])
    values["pass.rate"] = outcomes["pass"] / len(rows)
    return Standing(
        outcomes=dict(sorted(outcomes.items())),
        values={name: round(value, _DIGITS) for name, value in sorted(values.items())},
        routes=first.routes,
        path=first.path,
        tools=first.tools,
        content=first.content,
    )


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over the trials that give evidence of it."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return {name: mean(values) or 0.0 for name, values in found.items()}


def _figures(trial: Trial) -> dict[str, float]:
    """Return what one trial adds to each metric: 1 or 0 for a share, an amount for a mean. A crashed trial passed nothing."""
    figures: dict[str, float] = {}
    checks: dict[str, list[bool]] = {}
    for score in trial.scores:
        if score.status == "unscored":
            continue
        passes = score.status == "pass" and trial.outcome != "error"
        checks.setdefault(score.check, []).append(passes)
        if score.check == "route":
            figures[f"{score.name}.accuracy"] = float(passes)
    figures |= {f"{check}.pass_rate": float(all(passes)) for check, passes in checks.items()}
    if "route" in checks:
        figures["route.accuracy"] = sum(checks["route"]) / len(checks["route"])
    figures["error.rate"] = float(trial.outcome == "error")
    return figures if trial.outcome == "error" else figures | _amounts(trial.trace)


def _amounts(trace: Trace) -> dict[str, float]:
    known: Iterable[tuple[str, float | None]] = (
        ("cost_usd.mean", trace.cost_usd),
        ("tokens.mean", trace.total_tokens),
        ("model_calls.mean", len(trace.model_calls)),
        ("tool_calls.mean", len(trace.tools)),
        ("steps.mean", trace.supersteps),
        ("duration_s.p50", trace.duration_s),
    )
    return {name: float(amount) for name, amount in known if amount is not None}
