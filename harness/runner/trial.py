"""One trial: the user's own graph, run once over one case, observed, with every request answered by the wire."""

import asyncio
import contextlib
import contextvars
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError
from langgraph.types import Command

from harness import checks, clock, store
from harness.cassette.cause import Prompts
from harness.cassette.exchange import Exchange
from harness.cassette.miss import Known, Miss, record_command
from harness.cassette.tape import Cassette, Cursor
from harness.clock import ClockKind
from harness.dataset import Budget, Case
from harness.errors import WireStop
from harness.experiment import OVER_BUDGET, Trial, outcome
from harness.freeze import frozen
from harness.listen import listening
from harness.observe import Observer, Story, last_text, plain
from harness.price import Price, cost_usd
from harness.runner.agent import Agent
from harness.runner.caches import CachedModels, empty_model_cache, watched_nodes
from harness.runner.crash import crash_of
from harness.runner.ended import Ended
from harness.runner.plan import Bench, memory
from harness.runner.player import Plain, Play, Player
from harness.runner.rules import taped
from harness.score import Score, failed
from harness.trace import CachedAnswer, Interrupt, Trace, WireCall
from harness.wire.faults import Faults
from harness.wire.layers import Recorder, Replay, Scripted, place_name
from harness.wire.spending import Spending
from harness.wire.tools import ToolFaults, faulty
from harness.wire.trial import Layer, NeverAnswered, TrialWire, running, wire_call

_LEFTOVERS_S = 1.0


@dataclass(frozen=True, slots=True)
class Performance:
    """One execution of a case's graph over a wire of its own: how it ended, what it did, and what stood behind the seam."""

    ended: Ended
    trace: Trace
    story: Story
    wire: TrialWire
    layers: tuple[Layer | ToolFaults, ...]


class TrialRunner:
    """Runs trials one after the other; keeps the event loop and, with build = "worker", the graphs between them.

    `played` holds the exchanges that the last trial played, those of its judges too.
    """

    def __init__(self, root: Path, prices: Mapping[str, Price], clock: ClockKind = "virtual") -> None:
        self._root = root
        self._prices = prices
        self._agents: dict[str, Agent] = {}
        self._clock = clock
        self._patch: contextlib.ExitStack | None = None
        self._loop = asyncio.Runner()
        self._graphs: dict[tuple[str, str], Any] = {}
        self.played: frozenset[int] = frozenset()
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
    ) -> Trial:
        """Run one trial over the exchanges recorded for its case; with a recorder, what is missing is asked of the real server.

        `replay` makes the layer that answers from the cassette.
        """
        with self._performed(bench, case, repeat, exchanges, recorder=recorder, replay=replay) as done:
            if recorder:
                _put_in_order(recorder, len(exchanges), done.wire, done.story)
            scores = (*_scores(bench, bench.redactor.value(case), done.trace.exact()), *_unplayed(case, done.ended, done.layers))
            scores = tuple(bench.redactor.value(score) for score in scores)
        self.played = done.wire.cursor.played
        return _trial(bench, case, repeat=repeat, trace=done.trace, scores=scores, wire=done.wire, story=done.story)

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
    ) -> Iterator[Performance]:
        """Execute the graph; the wire still answers, its judges for instance, until the block ends."""
        observer = Observer()
        cursor = Cursor(self._taped(bench, exchanges), bench.suite.match, bench.variant)
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
            if wire.broken:
                raise wire.broken
            story = observer.story()
            trace = bench.redactor.value(self._trace(ended, story, wire))
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
        config: RunnableConfig = {
            "callbacks": [observer, models],
            "configurable": {"thread_id": thread_of(bench, case, repeat)},
        }
        if bench.suite.recursion_limit is not None:
            config["recursion_limit"] = bench.suite.recursion_limit
        ended = Ended()
        empty_model_cache()
        try:
            player = play(self._awaited)
            ended.recursion_limit = bench.suite.recursion_limit or (player.graph.config or {}).get("recursion_limit")
            with watched_nodes(player.graph, observer):
                _converse(player, case, config, ended, player.invoke)
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

    def _trace(self, ended: Ended, story: Story, wire: TrialWire) -> Trace:
        return Trace(
            steps=story.steps(),
            calls=tuple(self._priced(call) for call in _calls(wire, story)),
            tools=story.tools(),
            retrievers=story.retrievers(),
            interrupts=ended.interrupts,
            cached=_cached(ended, story),
            state=plain(ended.state),
            text=last_text(ended.state),
            ends=ended.ends,
            duration_s=ended.duration_s,
            real_time=ended.real_time,
            crash=crash_of(ended.crash, node=story.running_node(), root=self._root) if ended.crash else None,
            recursion_limit=ended.recursion_limit,
            unseen=ended.unseen,
        )

    def _priced(self, call: WireCall) -> WireCall:
        if call.kind == "http" or not call.answered:
            return call
        host = call.url.partition("://")[2].partition("/")[0].partition(":")[0]
        cost = cost_usd(call.usage, models=(call.answered_model, call.model), host=host, own=self._prices)
        return call.model_copy(update={"cost_usd": cost})


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


def _converse(graph: Player, case: Case, config: RunnableConfig, ended: Ended, invoke: Any) -> None:
    """Invoke the graph, and resume it as the case says while it stops for a human; `ended` is filled as it goes."""
    payload: Any = copy.deepcopy(case.inputs)
    ended.answers = list(copy.deepcopy(case.resume))
    while True:
        result = invoke(payload, config)
        dynamic = _in_task_order(list(result.pop("__interrupt__", ())), graph, config) if isinstance(result, dict) else []
        ended.state = result
        waiting = [Interrupt(payload=plain(interrupt.value)) for interrupt in dynamic] or _static_interrupts(graph, config)
        ended.interrupts += tuple(waiting)
        if not waiting:
            return
        if not ended.answers:
            ended.ends = "interrupt"
            return
        payload = _resumed(dynamic, ended.answers)


def _resumed(dynamic: list[Any], answers: list[Any]) -> Any:
    """Take the answers to what waits off the list: one for a static interrupt, one for each dynamic one that has an answer left.

    Each is given by the interrupt's id: LangGraph takes a bare null or an empty object for no answer at all.
    """
    if not dynamic:
        answers.pop(0)
        return None
    return Command(resume={interrupt.id: answers.pop(0) for interrupt in dynamic if answers})


def _in_task_order(interrupts: list[Any], graph: Any, config: RunnableConfig) -> list[Any]:
    """Return interrupts of parallel branches in the order of the branches: they arrive as they finish."""
    if len(interrupts) < 2 or not graph.checkpointer:  # noqa: PLR2004, one is in order
        return interrupts
    order = [interrupt.id for task in graph.get_state(config).tasks for interrupt in task.interrupts]
    return sorted(interrupts, key=lambda interrupt: order.index(interrupt.id) if interrupt.id in order else len(order))


def _static_interrupts(graph: Any, config: RunnableConfig) -> list[Interrupt]:
    """Return the nodes that wait, of the graph or of a subgraph of it, though nothing called interrupt()."""
    if not graph.checkpointer:
        return []
    return [Interrupt(node=node) for node in graph.get_state(config).next]


def _cached(ended: Ended, story: Story) -> tuple[CachedAnswer, ...]:
    """Return the cached answers in the order of the graph's steps."""
    ordered = sorted(ended.cached, key=lambda pair: (story.order(pair[1]), pair[0].to_json()))
    return tuple(answer.model_copy(update={"place": story.place(answer.place, span)}) for answer, span in ordered)


def _calls(wire: TrialWire, story: Story) -> Iterable[WireCall]:
    """Return the requests in the order of the graph's steps.

    Within one execution of a node they stand as they were recorded, since parallel ones arrive in any order;
    as they arrived where a fault or a miss was among them, since those are on no recording.
    """
    by_span: dict[str, list[tuple[int, Any]]] = {}
    for arrival, note in enumerate(wire.notes):
        by_span.setdefault(note.span, []).append((arrival, note))
    for span in sorted(by_span, key=story.order):
        notes = by_span[span]
        if all(note.reply is not None and note.reply.exchange is not None for _, note in notes):
            notes.sort(key=lambda pair: pair[1].reply.exchange)
        for _, note in notes:
            yield wire_call(note, story.place(note.ask.place, note.span))


def _scores(bench: Bench, case: Case, trace: Trace) -> tuple[Score, ...]:
    context = bench.context(case)
    try:
        return checks.run_checks(case, trace, context, None if bench.suite.checks is None else bench.checks)
    except WireStop:  # a judge's own request missed; its note makes the trial stale
        return ()


def _unplayed(case: Case, ended: Ended, layers: Sequence[Layer | ToolFaults]) -> Iterable[Score]:
    """Yield a failing score for what the case plays that never came to pass: a fault that did not strike, an answer not asked for."""
    for layer in layers:
        if isinstance(layer, Faults | ToolFaults):
            for spec in layer.unstruck():
                at = ", ".join(f"{name} {value}" for name, value in spec.at.model_dump(exclude_none=True).items())
                yield failed("faults", "faults", f"the fault {spec.fault!r} at {at} never struck: nothing such was asked")
    if ended.answers and ended.ends != "error":
        given = len(case.resume)
        yield failed("resume", "resume", f"{len(ended.answers)} of {given} answers in `resume` were not asked for: the graph did not stop")


def _trial(bench: Bench, case: Case, *, repeat: int, trace: Trace, scores: tuple[Score, ...], wire: TrialWire, story: Story) -> Trial:
    misses = tuple(bench.redactor.value(miss) for miss in _placed_misses(wire, story))
    live = tuple(
        sorted({attempt.model_copy(update={"place": story.place(attempt.place, span)}) for attempt, span in wire.refused}, key=str)
    )
    unused = sum(1 for _ in wire.cursor.unused(bench.variant))
    if bench.suite.match == "strict" and unused and not misses:
        scores = (
            *scores,
            failed("unused", "unused", f"{unused} recorded exchange(s) of this variant were not asked for", value=float(unused)),
        )
    if wire.over_budget:
        scores = (failed(OVER_BUDGET, OVER_BUDGET, f"stopped: {wire.over_budget}"),)
    return Trial(
        suite=bench.name,
        variant=bench.variant,
        case=case.id,
        repeat=repeat,
        outcome=outcome(
            trace,
            scores,
            misses,
            live,
            expects_error=bool(wire.over_budget) or (case.expected.ends == "error" and trace.crash is not None),
            optional=optional(bench, case),
        ),
        trace=trace,
        scores=() if misses else scores,
        misses=misses,
        live=live,
        played=len(wire.cursor.played),
        recorded=sum(1 for note in wire.notes if note.reply is not None and note.reply.source == "live"),
        unused=unused,
        sockets=wire.sockets,
    )


def optional(bench: Bench, case: Case) -> frozenset[str]:
    """Return the checks that nobody asked for, or that this version cannot measure: being unscored, they do not spoil a trial."""
    limits = bench.context(case).limits
    return frozenset({"duration"} if limits.tokens is not None or limits.cost_usd is not None else {"duration", "cost"})


def _placed_misses(wire: TrialWire, story: Story) -> tuple[Miss, ...]:
    """Return the misses with their places: the causes first, each in the order of the graph's steps."""
    ordered = sorted(wire.misses, key=lambda pair: (pair[0].follows, story.order(pair[1])))
    return tuple(miss.model_copy(update={"place": story.place(miss.place, span)}) for miss, span in ordered)


def _put_in_order(recorder: Recorder, start: int, wire: TrialWire, story: Story) -> None:
    """Put the exchanges just recorded in the order of the graph's steps, so that recording again gives the same file."""
    ranks = {note.reply.exchange: story.order(note.span) for note in wire.notes if note.reply is not None and note.reply.source == "live"}
    fresh = sorted(enumerate(recorder.exchanges[start:], start), key=lambda pair: (ranks.get(pair[0], 0), pair[0]))
    recorder.exchanges[start:] = [exchange for _, exchange in fresh]
