"""One trial: the user's own graph, run once over one case, observed, with every request answered by the wire."""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError

from harness import clock, store
from harness.cassette.cause import Prompts
from harness.cassette.draws import draw_of, draws
from harness.cassette.exchange import Exchange
from harness.cassette.miss import Known, record_command
from harness.cassette.tape import Cassette, Cursor
from harness.clock import ClockKind
from harness.dataset import Budget, Case
from harness.errors import WireStop
from harness.experiment import Trial
from harness.freeze import frozen
from harness.listen import listening
from harness.observe import Observer
from harness.price import Price
from harness.runner.agent import Agent
from harness.runner.caches import CachedModels, empty_model_cache, watched_nodes
from harness.runner.conversation import converse
from harness.runner.ended import Ended
from harness.runner.judgement import scores_of, trial_of
from harness.runner.performance import Performance, trace_of
from harness.runner.plan import Bench, memory
from harness.runner.player import Plain, Play
from harness.runner.rules import taped
from harness.story import Story
from harness.wire.faults import Faults
from harness.wire.layers import Recorder, Replay, Scripted, place_name
from harness.wire.seam import Layer
from harness.wire.spending import Spending
from harness.wire.stops import NeverAnswered
from harness.wire.tools import ToolFaults, faulty
from harness.wire.trial import TrialWire, running

_LEFTOVERS_S = 1.0


class TrialRunner:
    """Runs trials one after the other; keeps the event loop and, with build = "worker", the graphs between them.

    `needed` holds the exchanges that answered in the last trial, damaged by a fault or whole, those of its judges too.
    """

    def __init__(self, root: Path, prices: Mapping[str, Price], clock: ClockKind = "virtual") -> None:
        self._root = root
        self._prices = prices
        self._agents: dict[str, Agent] = {}
        self._clock = clock
        self._patch: contextlib.ExitStack | None = None
        self._loop = asyncio.Runner()
        self._graphs: dict[tuple[str, str], Any] = {}
        self.needed: frozenset[int] = frozenset()
        self._tape: tuple[tuple[Exchange, ...], str, Cassette] = ((), "", Cassette())
        self._read: tuple[tuple[str, str], tuple[Exchange, ...]] = (("", ""), ())

    def close(self) -> None:
        """Close the event loop, end the agents that were started, and give Python its own clocks back."""
        self._loop.close()
        for agent in self._agents.values():
            agent.close()
        self._agents.clear()
        if self._patch is not None:
            self._patch.close()

    def exchanges(self, suite: str, case: str) -> tuple[Exchange, ...]:
        """Return the exchanges recorded for a case; the repeats of a case, which follow each other, read its file once."""
        if self._read[0] != (suite, case):
            self._read = ((suite, case), store.read_cassette(self._root, suite, case))
        return self._read[1]

    def run(
        self,
        bench: Bench,
        case: Case,
        repeat: int,
        exchanges: tuple[Exchange, ...],
        recorder: Recorder | None = None,
        *,
        replay: Callable[[Cursor, Known], Layer] = lambda cursor, _known: Replay(cursor),
        draw: int | None = None,
    ) -> Trial:
        """Run one trial over the exchanges recorded for its case; with a recorder, what is missing is asked of the real server.

        `replay` makes the layer that answers from the cassette; `draw` is that of the repeat unless it is given.
        """
        draw = recorder.draw if recorder else draw
        with self._performed(bench, case, repeat, exchanges, recorder=recorder, replay=replay, draw=draw) as done:
            if recorder:
                _put_in_order(recorder, len(exchanges), done.wire, done.story)
            scores = scores_of(bench, case, done)
        self.needed = done.wire.cursor.needed
        return trial_of(bench, case, repeat, done, scores)

    def perform(self, bench: Bench, case: Case, repeat: int, exchanges: tuple[Exchange, ...], play: Play) -> Performance:
        """Execute the graph of a case once more, as `play` does it, over the same exchanges; nothing is checked."""
        with self._performed(bench, case, repeat, exchanges, play=play) as done:
            return done

    @contextlib.contextmanager
    def _performed(
        self,
        bench: Bench,
        case: Case,
        repeat: int,
        exchanges: tuple[Exchange, ...],
        *,
        play: Play | None = None,
        recorder: Recorder | None = None,
        replay: Callable[[Cursor, Known], Layer] = lambda cursor, _known: Replay(cursor),
        draw: int | None = None,
    ) -> Iterator[Performance]:
        """Execute the graph; the wire still answers, its judges for instance, until the block ends."""
        observer = Observer()
        drawn = draw or draw_of(repeat, draws(exchanges, bench.variant))
        cursor = Cursor(self._taped(bench, exchanges), bench.suite.match, bench.variant, drawn)
        known = self._known(bench, case)
        layers = _layers(bench, case, cursor, replay(cursor, known))
        wire = TrialWire(
            layers,
            cursor=cursor,
            position=observer.position,
            known=known,
            redactor=bench.redactor,
            allow_hosts=bench.suite.allow_hosts,
            ignore_hosts=bench.suite.ignore_hosts,
            live=recorder,
            spending=None if recorder or bench.suite.budget == Budget() else Spending(bench.suite.budget, self._prices),
        )
        tool_faults = ToolFaults(case.faults, lambda: observer.position()[0], wire, bench.suite.latencies)

        def execute() -> Ended:
            with _steady(bench), listening(observer), _frozen(bench, case, observer), faulty(tool_faults):
                return self._execute(bench, case, repeat, observer, play or self._plainly(bench))

        with running(wire):
            ended = self._execute_on_clock(observer, wire, execute) if bench.target else self._ask_agent(bench, case, wire, observer)
            if wire.hangs is not None:  # the code under test may have swallowed the exception that said it
                ended.ends, ended.crash, ended.duration_s = "error", NeverAnswered(wire.hangs), None
            elif wire.runaway is not None:
                ended.ends, ended.crash = "error", wire.runaway
            if wire.broken:
                raise wire.broken
            story = observer.story()
            ended.recursion_limit = bench.suite.recursion_limit or ended.recursion_limit
            trace = bench.redactor.value(trace_of(ended, story, wire, root=self._root, prices=self._prices))
            yield Performance(ended, trace, story, wire, (*layers, tool_faults))

    def _taped(self, bench: Bench, exchanges: tuple[Exchange, ...]) -> Cassette:
        """Return the cassette of these exchanges; repeats of a case share what was made of it."""
        if self._tape[0] is not exchanges or self._tape[1] != bench.name:
            self._tape = (exchanges, bench.name, taped(exchanges, bench.redactor, bench.taken_apart))
        return self._tape[2]

    def _known(self, bench: Bench, case: Case) -> Known:
        return Known(
            prompts=_asked_first(bench.stored_prompts, {name: chosen.version for name, chosen in bench.prompts.items()}),
            parameters=frozenset(bench.wanted.parameters),
            prices=self._prices,
            command=record_command(bench.tapes, bench.variant, case.id),
        )

    def _ask_agent(self, bench: Bench, case: Case, wire: TrialWire, observer: Observer) -> Ended:
        ended = Ended()
        if bench.name not in self._agents:
            self._agents[bench.name] = Agent(bench, self._root)
        self._agents[bench.name].converse(case, wire, observer, ended)
        return ended

    def _execute_on_clock(self, observer: Observer, wire: TrialWire, execute: Callable[[], Ended]) -> Ended:
        """Execute the graph in virtual time, unless real time is asked for or real servers answer."""
        if wire.live is not None:
            return execute()
        if self._clock == "real":
            return _execute_in_real_time(observer, wire, execute)
        if self._patch is None:
            self._patch = contextlib.ExitStack()
            self._patch.enter_context(clock.patched())
        ended = Ended()
        try:
            with clock.virtual_clock() as passing:
                wire.clock, observer.now = passing, lambda: passing.elapsed_s
                ended = execute()
        except clock.Stalled as stalled:
            ended.ends, ended.crash = "error", stalled
            self._renew_loop()
        ended.duration_s = passing.elapsed_s
        return ended

    def _execute(self, bench: Bench, case: Case, repeat: int, observer: Observer, play: Play) -> Ended:
        models = CachedModels(observer)
        config = RunnableConfig(callbacks=[observer, models], configurable={"thread_id": thread_of(bench, case, repeat)})
        if bench.suite.recursion_limit is not None:
            config["recursion_limit"] = bench.suite.recursion_limit
        ended = Ended()
        empty_model_cache()
        try:
            player = play(self._awaited)
            ended.recursion_limit = (player.graph.config or {}).get("recursion_limit")
            with watched_nodes(player.graph, observer):
                converse(player, case, config, ended, observer=observer)
        except GraphRecursionError:
            ended.ends = "limit"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001, the graph under test may raise anything, SystemExit and our own stop included
            ended.ends, ended.crash = "error", error
            if not isinstance(error, Exception | WireStop):
                self._renew_loop()
        ended.cached = models.noted
        return ended

    def _plainly(self, bench: Bench) -> Play:
        """Return what invokes the graph once for each turn, as most users do."""
        return lambda awaited: Plain(self._graph(bench), bench.mode, awaited)

    def _awaited(self, work: Any) -> Any:
        """Run a coroutine in the event loop. Each has a context of its own: the loop would keep the first."""
        return self._loop.run(_alone(work), context=contextvars.copy_context())

    def _renew_loop(self) -> None:
        """Start a new event loop after an exception that may have stopped the old one."""
        with contextlib.suppress(RuntimeError):
            self._loop.close()
        self._loop = asyncio.Runner()

    def _graph(self, bench: Bench) -> Any:
        if bench.target is None:
            message = f"suite {bench.name!r} has no graph in this process"
            raise RuntimeError(message)
        if bench.suite.build == "trial":
            return bench.target.build(bench.wanted, memory)
        key = (bench.name, bench.variant)
        if key not in self._graphs:
            self._graphs[key] = bench.target.build(bench.wanted, memory)
        return self._graphs[key]


def thread_of(bench: Bench, case: Case, repeat: int) -> str:
    """Return the id of the thread that a trial runs on."""
    return f"{bench.name}/{bench.variant}/{case.id}/{repeat}"


def _execute_in_real_time(observer: Observer, wire: TrialWire, execute: Callable[[], Ended]) -> Ended:
    passing = clock.RealClock()
    wire.clock, observer.now = passing, lambda: passing.elapsed_s
    ended = execute()
    ended.duration_s, ended.real_time = passing.elapsed_s, True
    wire.clock = None  # what a judge asks is not waited for
    return ended


def _steady(bench: Bench) -> contextlib.AbstractContextManager[None]:
    """Keep the pauses between attempts the same in every trial; where the suite freezes `random`, they follow its seed."""
    return clock.steady_jitter() if bench.suite.freeze.random is None else contextlib.nullcontext()


def _frozen(bench: Bench, case: Case, observer: Observer) -> contextlib.AbstractContextManager[None]:
    """Freeze the clock, UUIDs and random numbers as the suite asks for; each repeat of a case gets the same."""
    wanted = bench.suite.freeze
    return frozen(
        time=wanted.time,
        uuids=wanted.uuid,
        seed=wanted.random,
        case=f"{bench.name}/{case.id}",
        place=lambda: place_name(observer.position()[0]),
    )


def _asked_first(prompts: Prompts, chosen: Mapping[str, str]) -> Prompts:
    """Return the versions of each prompt, the one that is asked with first: where two are as alike, it is meant."""
    return {name: {chosen[name]: versions[chosen[name]], **versions} for name, versions in prompts.items()}


def _layers(bench: Bench, case: Case, cursor: Cursor, replay: Layer) -> list[Layer]:
    scripted = [Scripted(bench.script)] if bench.script else []
    on_wire = tuple(spec for spec in case.faults if not spec.at.is_tool)
    faults = [Faults(on_wire, below=(*scripted, Replay(cursor).lend))] if on_wire else []
    return [*faults, *scripted, replay]


async def _alone(work: Any) -> Any:
    """Await the graph, then end what it left running: nothing of one trial may act in the next."""
    try:
        return await work
    finally:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_LEFTOVERS_S)


def _put_in_order(recorder: Recorder, start: int, wire: TrialWire, story: Story) -> None:
    """Put the exchanges just recorded in the order of the graph's steps, so that recording again gives the same file."""
    ranks = {note.reply.exchange: story.order(note.span) for note in wire.notes if note.reply is not None and note.reply.source == "live"}
    fresh = sorted(enumerate(recorder.exchanges[start:], start), key=lambda pair: (ranks.get(pair[0], 0), pair[0]))
    recorder.exchanges[start:] = [exchange for _, exchange in fresh]
