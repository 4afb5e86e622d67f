"""Recording: what the cassettes lack is asked of the real servers."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness import store
from harness.cassette.exchange import Exchange
from harness.dataset import Case
from harness.experiment import Trial
from harness.runner.plan import Bench, Plan
from harness.runner.trial import TrialRunner
from harness.wire.layers import Recorder


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording did to the cassette of one case; `old_kept` tells that recording anew failed and nothing was overwritten."""

    suite: str
    case: str
    before: int
    added: int
    old_kept: bool
    trials: tuple[Trial, ...]


def record(plan: Plan, *, everything: bool, now: Callable[[], str]) -> Iterator[Recorded]:
    """Ask the real servers for what the cassettes lack, case by case; with `everything`, for all of it anew."""
    runner = TrialRunner(plan.project.root, plan.project.config.prices)
    try:
        for suite, benches in itertools.groupby(plan.benches, key=lambda bench: bench.name):
            variants = list(benches)
            for case in variants[0].cases:
                yield _record_case(plan, suite, variants, case, runner, everything=everything, now=now)
    finally:
        runner.close()


def _record_case(
    plan: Plan, suite: str, benches: list[Bench], case: Case, runner: TrialRunner, *, everything: bool, now: Callable[[], str]
) -> Recorded:
    root = plan.project.root
    before = store.read_cassette(root, suite, case.id)
    retained = _without_variants(before, {bench.variant for bench in benches}) if everything else ()
    exchanges: tuple[Exchange, ...] = () if everything else before
    added = 0
    trials = []
    for bench in benches:
        recorder = Recorder(list(exchanges), bench.variant, now, bench.redactor)
        try:
            trial = runner.run(bench, case, 1, exchanges, recorder)
        finally:
            added += len(recorder.exchanges) - len(exchanges)
            exchanges = tuple(recorder.exchanges)
            if not everything and exchanges != before:
                store.write_cassette(root, suite, case.id, exchanges, bench.redactor)  # what was paid for is kept, whatever happened
        trials.append(trial)
        exchanges = _marked(exchanges, trial, bench.variant)
    lost = everything and any(_unanswered(trial) for trial in trials)
    if not lost and (*retained, *exchanges) != before:
        store.write_cassette(root, suite, case.id, (*retained, *exchanges), benches[0].redactor)
    return Recorded(suite, case.id, before=len(before), added=added, old_kept=lost, trials=tuple(trials))


def _without_variants(exchanges: tuple[Exchange, ...], variants: set[str]) -> tuple[Exchange, ...]:
    """Return what was recorded under other variants too, for those alone."""
    left = (replace(exchange, variants=tuple(name for name in exchange.variants if name not in variants)) for exchange in exchanges)
    return tuple(exchange for exchange in left if exchange.variants)


def _unanswered(trial: Trial) -> bool:
    """Tell whether a trial failed because a server gave no answer worth keeping."""
    return trial.outcome == "error" and any(call.source in {"none", "live"} and call.exchange is None for call in trial.trace.calls)


def _marked(exchanges: tuple[Exchange, ...], trial: Trial, variant: str) -> tuple[Exchange, ...]:
    """Note the variant on every exchange that its trial played."""
    played = {call.exchange for call in trial.trace.calls if call.exchange is not None and call.source != "live"}
    return tuple(
        replace(exchange, variants=(*exchange.variants, variant)) if index in played and variant not in exchange.variants else exchange
        for index, exchange in enumerate(exchanges)
    )
