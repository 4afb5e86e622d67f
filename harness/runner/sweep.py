"""A sweep's trials: each case once as it is, then once for each fault at each of its calls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness import store
from harness.cassette.exchange import Exchange
from harness.cassette.segments import segments
from harness.dataset import Case, ModelFault, ToolFault
from harness.experiment import Trial, read_trial
from harness.fault import DAMAGES, damaged
from harness.runner.plan import Bench, Plan
from harness.runner.run import Progress, Task, lines
from harness.schema import digest
from harness.sweep import Cell, Sweep, Target, judged, struck, targets

_NOT_RUN = frozenset({"error", "stale"})


@dataclass(frozen=True, slots=True)
class _Blow:
    """One fault at one call of a case, and the trial of that case without it."""

    case: Case
    base: Trial
    target: Target
    fault: ModelFault | ToolFault


def sweep(plan: Plan, bench: Bench, *, jobs: int, progress: Progress) -> Sweep:
    """Sweep one suite under one variant; cases that do not even run without a fault are skipped, with the reason."""
    bases = tuple(_trials(plan, [Task(bench, case, 1) for case in bench.cases], jobs, progress))
    skipped = {trial.case: f"{trial.outcome}: {next(iter(trial.reasons), '')}" for trial in bases if trial.outcome in _NOT_RUN}
    blows = tuple(
        blow for case, base in zip(bench.cases, bases, strict=True) if case.id not in skipped for blow in _blows(bench, case, base)
    )
    firsts = _firsts(plan, bench, blows)
    bare = replace(bench, checks={}, suite=bench.suite.model_copy(update={"checks": None}))
    tasks = {index: Task(bare, struck(blows[index].case, blows[index].target, blows[index].fault), 1) for index in sorted(set(firsts))}
    trials = dict(zip(tasks, _trials(plan, list(tasks.values()), jobs, progress), strict=True))
    return Sweep(suite=bench.name, variant=bench.variant, cells=tuple(_cells(bench, blows, firsts, trials)), skipped=skipped)


def _blows(bench: Bench, case: Case, base: Trial) -> Iterator[_Blow]:
    for target in targets(base.trace, bench.suite.sweep.faults):
        yield from (_Blow(case, base, target, fault) for fault in target.faults)


def _firsts(plan: Plan, bench: Bench, blows: Sequence[_Blow]) -> list[int]:
    """Return for each blow the index of the first one that does the same to the same call: only that one is run."""
    seen: dict[tuple[str, str, str], int] = {}
    exchanges: dict[str, tuple[Exchange, ...]] = {}
    firsts = []
    for index, blow in enumerate(blows):
        if blow.case.id not in exchanges:
            exchanges = {blow.case.id: store.read_cassette(plan.project.root, bench.tapes, blow.case.id)}
        key = (blow.case.id, blow.target.at.to_json(), _effect(blow, exchanges[blow.case.id]))
        firsts.append(seen.setdefault(key, index))
    return firsts


def _effect(blow: _Blow, exchanges: Sequence[Exchange]) -> str:
    """Return what tells a fault's effect from another's: the damaged answer, where there is a recorded one to damage, else its name."""
    number = blow.target.at.model_call
    if number is None or blow.fault not in DAMAGES:
        return blow.fault
    call = blow.base.trace.model_calls[number - 1]
    if call.exchange is None or call.source == "fault":
        return blow.fault
    exchange = exchanges[call.exchange]
    answer = damaged(blow.fault, exchange.response, replace(segments(exchange.request), streamed=call.streamed))
    return digest(answer.body) if answer else blow.fault


def _cells(bench: Bench, blows: Sequence[_Blow], firsts: Sequence[int], trials: Mapping[int, Trial]) -> Iterator[Cell]:
    """Yield the cells; a fault that its call cannot have, such as bad arguments where no tool is offered, has none."""
    settings = bench.suite.sweep
    for index, blow in enumerate(blows):
        trial = trials[firsts[index]]
        if any(score.check == "faults" for score in trial.scores):
            continue
        cell = judged(blow.case, blow.target, blow.fault, trial=trial, base=blow.base, settings=settings)
        yield cell if firsts[index] == index else cell.model_copy(update={"like": blows[firsts[index]].fault})


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
