"""Recording: what the cassettes lack is asked of the real servers, case by case, and nothing that was paid for is lost."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from harness import store
from harness.cassette.draws import alike
from harness.cassette.exchange import Exchange
from harness.cassette.miss import usage_cost
from harness.cassette.renewal import Renewal, added, anew
from harness.dataset import Case
from harness.errors import UsageError
from harness.report.recording import Recorded, known_sum
from harness.runner.plan import Bench, Plan, by_case
from harness.runner.pool import Work, WorkerDied, can_fork, spread
from harness.runner.trial import TrialRunner
from harness.wire.budget import Budget
from harness.wire.layers import Recorder


@dataclass(frozen=True, slots=True)
class Terms:
    """How to record: all anew or what is missing, errors kept or not, by how many workers, for how much. `now` gives ISO 8601, UTC.

    `repeat` is how many draws of each case to record; None means as many as there are.
    """

    everything: bool
    keep_errors: bool
    jobs: int
    budget: Budget
    now: Callable[[], str]
    repeat: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One case of a suite, to be recorded under all selected variants, one after the other."""

    suite: str
    benches: tuple[Bench, ...]
    case: Case


def tasks_of(plan: Plan) -> list[Task]:
    """Return the cases to record, in the order of their datasets."""
    grouped = [(suite, tuple(benches)) for suite, benches in itertools.groupby(plan.benches, key=lambda bench: bench.name)]
    return [Task(suite, running, case) for suite, benches in grouped for case, running in by_case(benches)]


def record(plan: Plan, terms: Terms) -> Iterator[tuple[int, Recorded]]:
    """Record the cases and yield each with its number as it ends. UsageError where a bound in dollars cannot be held."""
    tasks = tasks_of(plan)

    def died(death: WorkerDied) -> str:
        task = tasks[death.task]
        return Recorded(suite=task.suite, case=task.case.id, problems=(str(death),)).to_json()

    with ExitStack() as alone:
        for suite in sorted({task.suite for task in tasks}):
            alone.enter_context(store.recording_alone(plan.project.root, suite))
        if terms.jobs > 1 and len(tasks) > 1 and can_fork():
            lines = spread(range(len(tasks)), lambda: _working(plan, tasks, terms), terms.jobs, died)
            yield from ((index, Recorded.model_validate_json(line)) for index, line in lines)
            return
        with _working(plan, tasks, terms) as work:
            yield from ((index, Recorded.model_validate_json(work(index))) for index in range(len(tasks)))


@contextmanager
def _working(plan: Plan, tasks: list[Task], terms: Terms) -> Iterator[Work]:
    """Yield what records the case of an index."""
    runner = TrialRunner(plan.project.root, plan.project.config.prices, clock="real")

    def work(index: int) -> str:
        task = tasks[index]
        if terms.budget.closed:
            return Recorded(suite=task.suite, case=task.case.id, left_out=True).to_json()
        return _Recording(plan, task, terms, runner).run().to_json()

    try:
        yield work
    finally:
        runner.close()


class _Recording:
    """The recording of one case: what its cassette held, what has arrived, and which exchanges each finished trial used."""

    def __init__(self, plan: Plan, task: Task, terms: Terms, runner: TrialRunner) -> None:
        self._root = plan.project.root
        self._prices = plan.project.config.prices
        self._task = task
        self._terms = terms
        self._runner = runner
        self._redactor = task.benches[0].redactor
        self._taken_apart = task.benches[0].taken_apart
        self._before = store.read_cassette(self._root, task.suite, task.case.id)
        self._paid = store.read_unfinished(self._root, task.suite, task.case.id)
        self._base = () if terms.everything else self._before
        self._exchanges = (*self._base, *self._paid)
        self._draws = wanted_draws(terms.repeat, self._before, self._paid)
        self._used: dict[tuple[str, int], frozenset[int]] = {}
        self._problems: list[str] = []
        self._left: set[int] = set()
        self._over_budget = False

    def run(self) -> Recorded:
        """Run the trials of all draws and variants, then settle what becomes of the cassette."""
        for draw, bench in itertools.product(range(1, self._draws + 1), self._task.benches):
            self._run_variant(bench, draw)
            if self._over_budget:
                break
        old_kept = self._terms.everything and not self._is_whole()
        renewal = Renewal(self._before) if old_kept else self._renewal()
        if not old_kept:
            self._settle(renewal)
        return self._recorded(renewal, old_kept=old_kept)

    def _run_variant(self, bench: Bench, draw: int) -> None:
        start = len(self._exchanges)
        recorder = Recorder(
            list(self._exchanges),
            bench.variant,
            self._terms.now,
            bench.redactor,
            budget=self._terms.budget,
            arrived=self._keep,
            keep_errors=self._terms.keep_errors,
            draw=draw,
        )
        trial = self._runner.run(bench, self._task.case, draw, self._exchanges, recorder)
        name = self._named(bench, draw)
        self._exchanges = tuple(recorder.exchanges)
        check_recorder(recorder)
        self._over_budget = recorder.over_budget
        silent = () if recorder.stopped else recorder.unanswered()
        if silent:
            self._left |= set(range(start, len(self._exchanges)))
            self._problems += [f"{name}{ask.request.host} did not answer what {ask.place} asked; not recorded" for ask in silent]
        elif not recorder.stopped and trial.outcome not in {"error", "stale"}:  # what did not come to its end replaces nothing
            played = {call.exchange for call in trial.trace.calls if call.exchange is not None and call.source != "live"}
            self._used[bench.variant, draw] = frozenset(played) | frozenset(range(start, len(self._exchanges)))
        if recorder.stopped and not recorder.over_budget:
            self._problems.append(f"{name}{recorder.stopped}; not recorded")
        elif not recorder.stopped and not silent and trial.outcome in {"error", "stale"}:
            self._problems.append(f"{name}{trial.outcome}: {next(iter(trial.reasons), 'no reason')}")

    def _keep(self, exchanges: list[Exchange]) -> None:
        """Write what has been paid for, as it arrives."""
        number = len(exchanges) - len(self._base)
        store.keep_unfinished(self._root, self._task.suite, self._task.case.id, exchanges[-1], self._redactor, number=number)

    def _is_whole(self) -> bool:
        return len(self._used) == len(self._task.benches) * self._draws

    def _renewal(self) -> Renewal:
        asked = self._asked()
        if not self._terms.everything:
            fresh_at = self._kept(asked)
            moved = {index: len(self._before) + place for place, index in enumerate(fresh_at)}
            used = {name: frozenset(moved.get(index, index) for index in indices) for name, indices in self._used_by_variant().items()}
            return added(self._before, tuple(self._exchanges[index] for index in fresh_at), used, self._taken_apart)
        fresh = tuple(self._marked(index) for index in sorted(asked))
        return anew(self._before, fresh, frozenset(self._used_by_variant()), self._taken_apart)

    def _kept(self, asked: frozenset[int]) -> list[int]:
        """Return the fresh exchanges to keep: those in use, and those of a trial that did not end, but for one without an answer."""
        first, paid = len(self._base), len(self._base) + len(self._paid)
        return [index for index in range(first, len(self._exchanges)) if index in asked or (index >= paid and index not in self._left)]

    def _used_by_variant(self) -> dict[str, frozenset[int]]:
        used: dict[str, frozenset[int]] = {}
        for (variant, _), indices in self._used.items():
            used[variant] = used.get(variant, frozenset()) | indices
        return used

    def _asked(self) -> frozenset[int]:
        """Return the exchanges that a finished trial used."""
        return frozenset[int]().union(*self._used.values())

    def _marked(self, index: int) -> Exchange:
        """Return a fresh exchange with the variants that used it."""
        return replace(self._exchanges[index], variants=tuple(name for name, used in self._used_by_variant().items() if index in used))

    def _settle(self, renewal: Renewal) -> None:
        name = (self._root, self._task.suite, self._task.case.id)
        if renewal.exchanges != self._before:
            store.write_cassette(*name, renewal.exchanges, self._redactor)
        if self._is_whole() or not (self._left or self._paid):
            store.drop_unfinished(*name)

    def _recorded(self, renewal: Renewal, *, old_kept: bool) -> Recorded:
        fresh = self._exchanges[len(self._base) + len(self._paid) :]
        costs = [usage_cost(exchange, self._prices) for exchange in fresh]
        return Recorded(
            suite=self._task.suite,
            case=self._task.case.id,
            create=renewal.count("create"),
            fix=renewal.count("fix"),
            trim=renewal.count("trim"),
            update=renewal.count("update"),
            asked=len(fresh),
            taken_over=len(self._asked() & set(range(len(self._base), len(self._base) + len(self._paid)))),
            tokens=known_sum([usage.total_tokens if usage else None for usage, _ in costs]),
            cost_usd=known_sum([cost for _, cost in costs]),
            unpriced=sum(cost is None for _, cost in costs),
            unmeasured=sum(usage is None for usage, _ in costs),
            old_kept=old_kept,
            over_budget=self._over_budget,
            problems=tuple(self._problems),
            draws=self._draws,
            alike=alike(renewal.exchanges, self._taken_apart) if self._draws > 1 else False,
        )

    def _named(self, bench: Bench, draw: int) -> str:
        """Name the trial that a problem is of, as far as there are others."""
        variant = "" if bench.variant == "default" else f"{bench.variant}: "
        return variant if self._draws == 1 else f"{variant}draw {draw}: "


def wanted_draws(repeat: int | None, recorded: Sequence[Exchange], paid: Sequence[Exchange]) -> int:
    """Return how many draws to record: as many as are named, or else as there are; those that an interrupted recording began, too."""
    wanted = repeat or max((exchange.draw for exchange in recorded), default=1)
    return max(wanted, *(exchange.draw for exchange in paid), 1)


def check_recorder(recorder: Recorder) -> None:
    """Raise what no further trial can get past: an answer that may not be written, a bound in dollars that cannot be held."""
    if recorder.refusal is not None:
        raise recorder.refusal
    if recorder.unpriced:
        message = (
            f'--max-cost cannot be held: model {recorder.unpriced!r} has no price; add [prices."{recorder.unpriced}"] '
            "with input and output to the config"
        )
        raise UsageError(message)
