"""The count of one suite's trials under one variant, taken one trial at a time.

What counts where, so that adding a trial that is no pass never improves a figure:
- a stale trial has no evidence: it counts in `stale.rate` and `pass.rate`, nowhere else;
- an unscored trial counts in `unscored.rate`, `pass.rate` and the totals;
- a crashed trial counts in `error.rate`, `pass.rate` and the totals, and with what went wrong in it: checks that failed, tools that
  failed, requests answered 429, a fallback. What went well before the crash, and what was spent, took no part in the means and shares.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harness.checks.fallback import fell_back
from harness.coverage import KINDS, Covered, Kind, Shape, Taken, covered, taken
from harness.experiment import Outcome, Trial
from harness.ledger import Ledger
from harness.score import Score
from harness.tally.failures import Failing, Failure, Failures, failing
from harness.tally.routing import Routing, router_of
from harness.tally.spending import Spent
from harness.tally.staleness import Staleness
from harness.tally.wording import node_name, short
from harness.trace import Trace, WireCall

_RATE_LIMITED = 429
NO_SHAPE = Shape(unknown="it is not known which edges there are")


class Drift(NamedTuple):
    """What differs from recorded requests within the match policy: in how many calls, of which cases."""

    part: str
    calls: int
    cases: tuple[str, ...]


class _Checked:
    def __init__(self) -> None:
        self.passed = 0
        self.scored = 0
        self.unscored: set[str] = set()
        self.unscored_reason = ""

    @property
    def share(self) -> float | None:
        return self.passed / self.scored if self.scored else None


class Count:
    """Counts trials; keeps numbers, case ids and at most 200 reasons, never a trace. The order of trials changes nothing.

    `shape` is what of the graph the trials should cover.
    """

    def __init__(self, trials: Iterable[Trial] = (), *, shape: Shape = NO_SHAPE) -> None:
        self._shape = shape
        self._taken = Taken()
        self._outcomes: Counter[Outcome] = Counter()
        self._happened: Counter[str] = Counter()
        self._numbers: dict[str, array[float]] = {
            name: array("d") for name in ("model_calls", "tool_calls", "steps", "duration_s", "ttft_s")
        }
        self._node_s: dict[str, array[float]] = {}
        self._spent = {"cost_usd": Spent("cost_usd"), "tokens": Spent("tokens")}
        self._cases: dict[str, set[str]] = {}
        self._trials_of: Counter[str] = Counter()
        self._passes_of: Counter[str] = Counter()
        self._checked: dict[str, _Checked] = {}
        self._failing: dict[Failing, set[str]] = {}
        self._failures = Failures()
        self._repeats = 1
        self._drift: dict[str, set[str]] = {}
        self._drifted: Counter[str] = Counter()
        self._unused: Counter[str] = Counter()
        self.executed: set[str] = set()
        self.ledger = Ledger()
        self.routing = Routing()
        self.staleness = Staleness()
        for trial in trials:
            self.add(trial)

    def add(self, trial: Trial) -> None:
        """Count one trial."""
        self._outcomes[trial.outcome] += 1
        self._trials_of[trial.case] += 1
        self._passes_of[trial.case] += trial.outcome == "pass"
        self._repeats = max(self._repeats, trial.repeat)
        if trial.repeat > trial.draw and trial.played:
            self._mark("drawn again", trial.case)
        self._mark(trial.outcome, trial.case)
        self._add_tape(trial)
        self._failures.add(trial)
        if trial.outcome == "stale":
            self.staleness.add(trial)
            return
        for spent in self._spent.values():
            spent.add(trial, whole=_is_whole(trial))
        self.ledger.add(trial)
        self._add_scores(trial)
        if trial.outcome == "error":
            self._add_mishaps(trial.case, trial.trace)
        elif trial.outcome != "unscored":
            self._add_trace(trial.case, trial.trace.exact())

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
    def drawn_again(self) -> tuple[str, ...]:
        """Return the cases of which a repeat replayed what an earlier one did, for want of a recording of its own."""
        return tuple(sorted(self._cases.get("drawn again", ())))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Return why trials are not a pass: the first 200 by case."""
        return tuple(self._failures.kept)

    @property
    def failing(self) -> dict[Failing, tuple[str, ...]]:
        """Return the cases that failed, by check and circumstance."""
        return {key: tuple(sorted(self._failing[key])) for key in sorted(self._failing)}

    @property
    def drift(self) -> tuple[Drift, ...]:
        """Return what differs from the recorded requests within the match policy."""
        return tuple(Drift(part, self._drifted[part], tuple(sorted(self._drift[part]))) for part in sorted(self._drift))

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
    def coverage(self) -> dict[Kind, Covered]:
        """Return what was covered of the graph; empty where that cannot be known."""
        return {} if self.coverage_unknown else {kind: covered(self._shape, self._taken, kind) for kind in KINDS}

    @property
    def coverage_unknown(self) -> str:
        """Return why the coverage cannot be known, if so."""
        ways = sorted(self._taken.undeclared)
        undeclared = f"the graph does not declare the way {ways[0]}; name it in `destinations` or `Command[Literal[…]]`" if ways else ""
        return self._shape.unknown or undeclared

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

    def _mark(self, what: str, case: str) -> None:
        self._cases.setdefault(what, set()).add(case)

    def _add_tape(self, trial: Trial) -> None:
        for part in (part for call in trial.trace.calls for part in call.drift):
            self._drift.setdefault(part, set()).add(trial.case)
            self._drifted[part] += 1
        if trial.unused and trial.outcome != "stale":
            self._unused[trial.case] = max(self._unused[trial.case], trial.unused)

    def _add_scores(self, trial: Trial) -> None:
        scores = [score for score in trial.scores if _is_whole(trial) or score.status != "pass"]
        for check in sorted({score.check for score in scores}):
            self._add_check(check, trial, [score for score in scores if score.check == check])
        for score in scores:
            if score.check == "route" and score.status != "unscored":
                self.routing.add(score, whole=_is_whole(trial))
                if score.status == "fail":
                    self._mark(f"route.{router_of(score)}.accuracy", trial.case)

    def _add_check(self, check: str, trial: Trial, scores: list[Score]) -> None:
        """Count a check once a trial: it passed if one of its scores did and none failed."""
        checked = self._checked.setdefault(check, _Checked())
        states = {score.status for score in scores}
        if "fail" in states:
            for key in failing(check, trial, scores):
                self._failing.setdefault(key, set()).add(trial.case)
        checked.scored += states != {"unscored"}
        checked.passed += "pass" in states and "fail" not in states
        reasons = [short(score.reason) for score in scores if score.status == "unscored"]
        if reasons:
            first = min(reasons)
            checked.unscored_reason = min(checked.unscored_reason, first) if checked.unscored else first
            checked.unscored.add(trial.case)

    def _add_first_tokens(self, calls: Sequence[WireCall]) -> None:
        for call in calls:
            if call.ttft_s is not None:
                self._numbers["ttft_s"].append(call.ttft_s)
            elif call.streamed and call.answered:
                self._happened["first token unknown"] += 1

    def _add_trace(self, case: str, trace: Trace) -> None:
        if not self._shape.unknown:
            self._taken = self._taken.with_(taken(trace, self._shape))
        self.executed.update(tool.name for tool in trace.tools)
        self._add_lengths(trace)
        self._add_times(trace)
        if "calls" not in trace.unseen:
            self._add_events(case, trace)

    def _add_lengths(self, trace: Trace) -> None:
        numbers = (
            ("model_calls", len(trace.model_calls), "calls"),
            ("tool_calls", len(trace.tools), "tools"),
            ("steps", trace.supersteps, "steps"),
        )
        for name, number, part in numbers:
            if part in trace.unseen:
                self._happened[f"{part} unseen"] += 1
            else:
                self._numbers[name].append(number)

    def _add_times(self, trace: Trace) -> None:
        if trace.duration_s is None:
            self._happened["durations unseen" if "calls" in trace.unseen else "in real time"] += 1
        else:
            self._numbers["duration_s"].append(trace.duration_s)
        self._add_first_tokens(trace.model_calls)
        for step in trace.steps:
            if step.duration_s is not None:
                self._node_s.setdefault(node_name(step.place), array("d")).append(step.duration_s)

    def _add_events(self, case: str, trace: Trace) -> None:
        calls = trace.model_calls
        self._happened.update({"traced": 1, "could fall back": 1, "model call": len(calls), "tool call": len(trace.tools)})
        self._count_events(case, trace, limit=int(trace.ends == "limit"), fallback=int(fell_back(calls, crashed=trace.ends == "error")))

    def _add_mishaps(self, case: str, trace: Trace) -> None:
        """Count of a crashed trial only what went wrong: each as one more chance that was lost."""
        self.executed.update(tool.name for tool in trace.tools)
        if "calls" not in trace.unseen:
            counts = self._count_events(case, trace, limit=0, fallback=int(fell_back(trace.model_calls, crashed=True)))
            lost = {"could fall back": "fallback", "model call": "rate limited", "tool call": "tool failure"}
            self._happened.update({chance: counts[mishap] for chance, mishap in lost.items()})

    def _count_events(self, case: str, trace: Trace, *, limit: int, fallback: int) -> dict[str, int]:
        counts = {
            "rate limited": sum(call.status == _RATE_LIMITED for call in trace.model_calls),
            "tool failure": sum(tool.error is not None for tool in trace.tools),
            "limit": limit,
            "fallback": fallback,
        }
        self._happened.update(counts)
        for what, times in counts.items():
            if times:
                self._mark(what, case)
        return counts


def _is_whole(trial: Trial) -> bool:
    """Tell a trial that came to its end and was measured in full, so that all of it is evidence."""
    return trial.outcome in {"pass", "fail"}
