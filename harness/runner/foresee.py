"""Foreseeing a recording: which requests it would send, why, and what they would cost; nothing is sent and nothing written."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness import store
from harness.cassette.exchange import Exchange
from harness.cassette.miss import Known, Miss, explain, usage_cost
from harness.cassette.segments import match_key, segments
from harness.cassette.tape import Cursor
from harness.report.recording import Foreseen
from harness.runner.plan import Bench, Plan
from harness.runner.record import Task, tasks_of, wanted_draws
from harness.runner.trial import TrialRunner
from harness.trace import Place
from harness.wire.layers import Replay
from harness.wire.seam import Ask, Reply

ANEW = "recorded anew (--all)"


@dataclass(slots=True)
class Lender:
    """Replays a cassette, and lends a request that is not on it the answer of the nearest exchange, so that the graph goes on.

    Only a dry run uses it: what a graph does with a lent answer is no evidence of anything. `shared` counts the requests that an
    earlier variant of the case would record; they are answered by then.
    """

    bench: Bench
    case: str
    cursor: Cursor
    known: Known
    everything: bool
    shared: Counter[str]
    foreseen: list[Foreseen] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _lent: set[int] = field(default_factory=set)
    _first: Place | None = None

    def __call__(self, ask: Ask) -> Reply | None:
        """Answer a request, and note it if it would be sent, or if it may change because one before it would be."""
        key = match_key(ask.digests, self.cursor.policy)
        reply = Replay(self.cursor)(ask)
        if self.shared[key]:
            self.shared[key] -= 1
            return reply or self._lend(explain(ask.request, self.cursor, ask.place, self.known, avoid=self._lent), ask)
        if reply is None:
            return self._missing(ask, key)
        if self.everything or self._may_follow(ask.place):
            self._note_known(ask, key, reply)
        return reply

    def _missing(self, ask: Ask, key: str) -> Reply | None:
        miss = explain(ask.request, self.cursor, ask.place, self.known, avoid=self._lent)
        reply = self._lend(miss, ask)
        self._first = self._first or ask.place
        self.asked.append(key)
        tokens, cost = (miss.tokens, miss.cost_usd) if reply else (None, None)
        self._note(ask, miss.cause, tokens, cost, ends=reply is None)
        return reply

    def _lend(self, miss: Miss, ask: Ask) -> Reply | None:
        """Return the nearest exchange's answer, where it is one to a request of that kind."""
        if miss.nearest is None or "endpoint" in miss.differs:
            return None
        exchange = self.cursor.cassette.exchanges[miss.nearest]
        if segments(exchange.request).kind != ask.segments.kind:
            return None
        self._lent.add(miss.nearest)
        return Reply("replay", exchange.response, exchange=miss.nearest, latency_s=exchange.latency_s)

    def _note_known(self, ask: Ask, key: str, reply: Reply) -> None:
        exchange = self.cursor.cassette.exchanges[reply.exchange or 0]
        usage, cost = usage_cost(exchange, self.known.prices)
        if self.everything:
            self.asked.append(key)
        cause = ANEW if self.everything else "the answer before it changes"
        self._note(ask, cause, usage.total_tokens if usage else None, cost, may_follow=not self.everything)

    def _may_follow(self, place: Place) -> bool:
        """Tell whether a request comes after one that would be sent: in a later step, or later in the same run of a node."""
        first = self._first
        if first is None:
            return False
        same_graph = place.namespace == first.namespace and place.step is not None and first.step is not None
        return not same_graph or (place.step or 0) > (first.step or 0) or place == first

    def _note(
        self, ask: Ask, cause: str, tokens: int | None, cost_usd: float | None, *, may_follow: bool = False, ends: bool = False
    ) -> None:
        self.foreseen.append(
            Foreseen(
                suite=self.bench.name,
                variant=self.bench.variant,
                case=self.case,
                node=ask.place.node,
                step=ask.place.step,
                branch=ask.place.path,
                model=ask.segments.model,
                request=f"{ask.request.method} {ask.request.url.partition('?')[0]}",
                cause=cause,
                tokens=tokens,
                cost_usd=cost_usd,
                draw=self.cursor.draw,
                may_follow=may_follow,
                ends=ends,
            )
        )


def foresee(plan: Plan, *, everything: bool, repeat: int | None = None) -> Iterator[Foreseen]:
    """Yield the requests that a recording of so many draws would send, case by case in the order of the graph's steps."""
    runner = TrialRunner(plan.project.root, plan.project.config.prices)
    try:
        for task in tasks_of(plan):
            cassette = store.read_cassette(plan.project.root, task.suite, task.case.id)
            paid = store.read_unfinished(plan.project.root, task.suite, task.case.id)
            for draw in range(1, wanted_draws(repeat, cassette, paid) + 1):
                paid_of_draw = tuple(exchange for exchange in paid if exchange.draw == draw)
                yield from _foresee_draw(task, draw, runner, cassette, paid_of_draw, everything=everything)
    finally:
        runner.close()


def _foresee_draw(
    task: Task, draw: int, runner: TrialRunner, cassette: tuple[Exchange, ...], paid: tuple[Exchange, ...], *, everything: bool
) -> Iterator[Foreseen]:
    recorded_before: Counter[str] = Counter()
    for bench in task.benches:
        policy = bench.suite.match
        answered = recorded_before + Counter(match_key(bench.taken_apart(exchange.request).digests(), policy) for exchange in paid)
        lenders: list[Lender] = []

        def lend(cursor: Cursor, known: Known, bench: Bench = bench, answered: Counter[str] = answered) -> Lender:
            lenders.append(Lender(bench, task.case.id, cursor, known, everything, answered))  # noqa: B023, called within the round
            return lenders[-1]  # noqa: B023

        runner.run(bench, task.case, draw, cassette, replay=lend, draw=draw)
        recorded_before.update(lenders[0].asked)
        yield from sorted(lenders[0].foreseen, key=lambda one: (one.step or 0, one.branch))
