"""Recording the continuations of a sweep: what trials with faults ask and no cassette has is asked of the real servers."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness import store
from harness.cassette.continuation import mark
from harness.cassette.exchange import Exchange
from harness.cassette.miss import usage_cost
from harness.report.recording import Recorded, known_sum
from harness.runner.plan import Bench, Plan
from harness.runner.record import check_recorder
from harness.runner.run import Task
from harness.runner.trial import TrialRunner
from harness.wire.budget import Budget
from harness.wire.layers import Recorder


@dataclass(slots=True)
class Continuations:
    """Records what trials with faults lack, one after the other; `recorded` holds what became of each case.

    `now` gives ISO 8601, UTC.
    """

    plan: Plan
    budget: Budget
    now: Callable[[], str]
    recorded: list[Recorded] = field(default_factory=list)

    def __call__(self, bench: Bench, tasks: Sequence[Task]) -> None:
        """Record what these trials of one suite lack, and keep it in the cassettes of their cases as it arrives."""
        runner = TrialRunner(self.plan.project.root, self.plan.project.config.prices)
        try:
            with store.recording_alone(self.plan.project.root, bench.tapes):
                for case, group in itertools.groupby(tasks, key=lambda task: task.case.id):
                    left_out = Recorded(suite=bench.name, case=case, left_out=True)
                    self.recorded.append(left_out if self.budget.closed else self._record(bench, case, list(group), runner))
        finally:
            runner.close()

    def _record(self, bench: Bench, case: str, tasks: Sequence[Task], runner: TrialRunner) -> Recorded:
        before = exchanges = store.read_cassette(self.plan.project.root, bench.tapes, case)
        problems: dict[str, None] = {}
        over_budget = False
        for task in tasks:
            recorder = self._recorder(bench, case, exchanges)
            runner.run(task.bench, task.case, 1, exchanges, recorder)
            exchanges = tuple(recorder.exchanges)
            check_recorder(recorder)
            over_budget = recorder.over_budget
            if over_budget:
                break
            problems.update(dict.fromkeys(_problems(recorder)))
        if exchanges != before:
            store.write_cassette(self.plan.project.root, bench.tapes, case, exchanges, bench.redactor)
        return self._told(bench, case, exchanges[len(before) :], tuple(problems), over_budget=over_budget)

    def _recorder(self, bench: Bench, case: str, exchanges: tuple[Exchange, ...]) -> Recorder:
        def arrived(grown: list[Exchange]) -> None:
            store.write_cassette(self.plan.project.root, bench.tapes, case, tuple(grown), bench.redactor)

        return Recorder(list(exchanges), mark(asker(bench)), self.now, bench.redactor, budget=self.budget, arrived=arrived)

    def _told(self, bench: Bench, case: str, fresh: Sequence[Exchange], problems: tuple[str, ...], *, over_budget: bool) -> Recorded:
        costs = [usage_cost(exchange, self.plan.project.config.prices) for exchange in fresh]
        return Recorded(
            suite=bench.name,
            case=case,
            create=len(fresh),
            asked=len(fresh),
            tokens=known_sum([usage.total_tokens if usage else None for usage, _ in costs]),
            cost_usd=known_sum([cost for _, cost in costs]),
            unpriced=sum(cost is None for _, cost in costs),
            unmeasured=sum(usage is None for usage, _ in costs),
            over_budget=over_budget,
            problems=problems,
        )


def asker(bench: Bench) -> str:
    """Return who asks for continuations: a variant; with its suite where the cassettes are those of another one."""
    return bench.variant if bench.tapes == bench.name else f"{bench.name}@{bench.variant}"


def _problems(recorder: Recorder) -> list[str]:
    if recorder.stopped:
        return [f"{recorder.stopped}; not recorded"]
    return [f"{ask.request.host} did not answer what {ask.place} asked; not recorded" for ask in recorder.unanswered()]
