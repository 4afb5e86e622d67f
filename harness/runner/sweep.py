"""A sweep's trials: each case once as it is, then once for each fault at each of its calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from harness import store
from harness.cassette.continuation import settled
from harness.cassette.exchange import Exchange
from harness.cassette.segments import segments
from harness.cell import Blow, Cell, judged
from harness.dataset import Case
from harness.experiment import Trial, read_trial
from harness.fault import DAMAGES, damaged
from harness.runner.continuation import asker
from harness.runner.plan import Bench, Plan
from harness.runner.run import Progress, Task, lines
from harness.schema import digest
from harness.sweep import Sweep, Wanting, struck, targets

_NOT_RUN = frozenset({"error", "stale"})
_ENDLESS = "endless_tools"


class Fetch(Protocol):
    """Fetches from the real servers what trials with faults asked and no cassette has."""

    def __call__(self, bench: Bench, tasks: Sequence[Task]) -> None:
        """Record what these trials of one suite lack; those of one case follow each other."""


@dataclass(slots=True)
class _Case:
    """One case, its trial without a fault, and its blows with their trials; `like` leads from a blow to the one that does the same."""

    case: Case
    base: Trial
    blows: list[Blow] = field(default_factory=list)
    trials: dict[int, Trial] = field(default_factory=dict)
    like: dict[int, int] = field(default_factory=dict)

    def trial(self, index: int) -> Trial:
        """Return the trial of a blow, or that of the blow that does the same."""
        return self.trials[self.like.get(index, index)]


def sweep(plan: Plan, bench: Bench, *, jobs: int, progress: Progress, fetch: Fetch | None = None) -> Sweep:
    """Sweep one suite under one variant; cases that do not even run without a fault are skipped, with the reason.

    With `fetch`, what the trials lack is recorded, and they are run again.
    """
    cases = [_Case(case, base) for case, base in zip(bench.cases, unstruck(plan, bench, jobs=jobs, progress=progress), strict=True)]
    skipped = {one.case.id: f"{one.base.outcome}: {next(iter(one.base.reasons), '')}" for one in cases if one.base.outcome in _NOT_RUN}
    swept = [one for one in cases if one.case.id not in skipped]
    for one in swept:
        one.blows = list(_blows(bench, one))
        _find_alike(plan, bench, one)
    for times in sorted(set(bench.suite.sweep.times)):
        _strike(plan, bench, swept, times=times, jobs=jobs, progress=progress)
    if fetch is not None:
        _fetch(plan, bench, swept, fetch, jobs=jobs, progress=progress)
    return Sweep(
        suite=bench.name,
        variant=bench.variant,
        cells=tuple(cell for one in swept for cell in _cells(bench, one)),
        skipped=skipped,
        wanting=_wanting(swept),
    )


def unstruck(plan: Plan, bench: Bench, *, jobs: int, progress: Progress) -> tuple[Trial, ...]:
    """Return the trial of each case without a fault but its own: the very trial that a run has."""
    return tuple(_trials(plan, [Task(bench, case, 1) for case in bench.cases], jobs, progress))


def _blows(bench: Bench, one: _Case) -> Iterator[Blow]:
    settings = bench.suite.sweep
    for target in targets(one.base.trace, settings.faults):
        for fault in target.faults:
            for times in sorted(set(settings.times))[: 1 if fault == _ENDLESS else None]:
                yield Blow(case=one.case.id, at=target.at, place=target.place, fault=fault, times=times)


def _find_alike(plan: Plan, bench: Bench, one: _Case) -> None:
    """Find the blows that do the same to the same call as one before them: only that one is run."""
    exchanges = store.read_cassette(plan.project.root, bench.tapes, one.case.id)
    seen: dict[tuple[str, int, str], int] = {}
    for index, blow in enumerate(one.blows):
        first = seen.setdefault((blow.at.to_json(), blow.times, _effect(blow, one.base, exchanges)), index)
        if first != index:
            one.like[index] = first


def _effect(blow: Blow, base: Trial, exchanges: Sequence[Exchange]) -> str:
    """Return what tells a fault's effect from another's: the damaged answer, where there is a recorded one to damage, else its name."""
    number = blow.at.model_call
    if number is None or blow.at.node is not None or blow.times > 1 or blow.fault not in DAMAGES - {_ENDLESS, "cut_stream"}:
        return blow.fault
    call = base.trace.model_calls[number - 1]
    if call.exchange is None or call.source == "fault":
        return blow.fault
    exchange = exchanges[call.exchange]
    answer = damaged(blow.fault, exchange.response, replace(segments(exchange.request), streamed=call.streamed))
    return digest(answer.body) if answer else blow.fault


def _strike(plan: Plan, bench: Bench, cases: Sequence[_Case], *, times: int, jobs: int, progress: Progress) -> None:
    """Run the blows that last for so many calls; one whose trial asked no more after a shorter one is like that."""
    waiting = []
    for one in cases:
        shorter = {(blow.at, blow.fault): index for index, blow in enumerate(one.blows) if blow.times < times}
        for index, blow in enumerate(one.blows):
            if blow.times != times or index in one.like:
                continue
            before = shorter.get((blow.at, blow.fault))
            if before is not None and _struck_all(one.blows[before], one.trial(before)):
                one.like[index] = one.like.get(before, before)
            else:
                waiting.append((one, index))
    _run(plan, bench, waiting, jobs=jobs, progress=progress)


def _struck_all(blow: Blow, trial: Trial) -> bool:
    """Tell whether a trial asked nothing more of the kind that its fault strikes, so that it cannot be struck once more."""
    at = blow.at
    if at.is_tool:
        made = sum(call.name == at.tool for call in trial.trace.tools)
    else:
        kind = "embedding" if at.embedding else "chat"
        made = sum(call.kind == kind and at.node in {None, call.place.node} for call in trial.trace.calls)
    return not trial.misses and made < (at.tool_call or at.embedding or at.model_call or 1) + blow.times


def _run(plan: Plan, bench: Bench, waiting: Sequence[tuple[_Case, int]], *, jobs: int, progress: Progress) -> None:
    tasks = [_task(bench, one, index) for one, index in waiting]
    for (one, index), trial in zip(waiting, _trials(plan, tasks, jobs, progress), strict=True):
        one.trials[index] = trial


def _task(bench: Bench, one: _Case, index: int) -> Task:
    """Return the trial of a blow; of the checks only those of limits matter."""
    bare = replace(bench, checks={}, suite=bench.suite.model_copy(update={"checks": None}))
    return Task(bare, struck(one.case, one.blows[index].spec, bench.suite.sweep), 1)


def _fetch(plan: Plan, bench: Bench, cases: Sequence[_Case], fetch: Fetch, *, jobs: int, progress: Progress) -> None:
    waiting = [(one, index) for one in cases for index, trial in one.trials.items() if trial.misses]
    fetch(bench, [_task(bench, one, index) for one, index in waiting])
    _run(plan, bench, waiting, jobs=jobs, progress=progress)
    for one in cases:
        _settle(plan, bench, one)


def _settle(plan: Plan, bench: Bench, one: _Case) -> None:
    """Leave on the cassette of a case those continuations that its trials played."""
    name = (plan.project.root, bench.tapes, one.case.id)
    before = store.read_cassette(*name)
    used = {call.exchange for trial in one.trials.values() for call in trial.trace.calls}
    after = settled(before, used, asker(bench))
    if after != before:
        store.write_cassette(*name, after, bench.redactor)


def _cells(bench: Bench, one: _Case) -> Iterator[Cell]:
    """Yield the cells of a case; a fault that its call cannot have, such as bad arguments where no tool is offered, has none."""
    for index, blow in enumerate(one.blows):
        trial = one.trial(index)
        if any(score.check == "faults" for score in trial.scores):
            continue
        cell = judged(blow, trial=trial, base=one.base, settings=bench.suite.sweep)
        yield cell.model_copy(update={"like": one.blows[one.like[index]].label}) if index in one.like else cell


def _wanting(cases: Sequence[_Case]) -> Wanting | None:
    """Return what the first requests that are not recorded cost, each counted once a case; None where there are none."""
    firsts = {(one.case.id, str(trial.misses[0])): trial.misses[0] for one in cases for trial in one.trials.values() if trial.misses}
    if not firsts:
        return None
    tokens, costs = ([getattr(miss, name) for miss in firsts.values()] for name in ("tokens", "cost_usd"))
    return Wanting(
        requests=len(firsts),
        tokens=None if None in tokens else sum(tokens),
        cost_usd=None if None in costs else round(sum(costs), 12),
    )


def _trials(plan: Plan, tasks: list[Task], jobs: int, progress: Progress) -> Iterator[Trial]:
    """Run the tasks and yield their trials in their order."""
    done: dict[int, str] = {}
    position = 0
    for finished, (index, line) in enumerate(lines(plan, tasks, list(range(len(tasks))), jobs), start=1):
        done[index] = line
        progress(finished, len(tasks))
        while position in done:
            yield read_trial(done.pop(position), path="worker", number=position + 1)
            position += 1
