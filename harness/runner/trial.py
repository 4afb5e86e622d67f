"""One trial: the user's own graph, run once over one case, observed, with every request answered by the wire."""

import asyncio
import contextlib
import contextvars
import copy
import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.caches import InMemoryCache
from langchain_core.globals import get_llm_cache
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError
from langgraph.types import Command

from harness import checks, store
from harness.cassette.cause import Prompts
from harness.cassette.exchange import Exchange
from harness.cassette.miss import Known, Miss, record_command
from harness.cassette.tape import Cassette, Cursor
from harness.dataset import Case, End
from harness.errors import WireStop
from harness.experiment import Trial, outcome
from harness.freeze import frozen
from harness.observe import Observer, Story, last_text, plain
from harness.price import Price, cost_usd
from harness.runner.plan import Bench, memory, need_memory
from harness.runner.rules import taped
from harness.score import Score, failed
from harness.trace import Crash, Interrupt, Trace, WireCall
from harness.wire.faults import Faults
from harness.wire.layers import Recorder, Replay, Scripted, place_name
from harness.wire.tools import ToolFaults, faulty
from harness.wire.trial import Layer, LiveConnection, MissingExchange, TrialWire, running, wire_call

_LEFTOVERS_S = 1.0
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


@dataclass(slots=True)
class Ended:
    """How the graph's execution ended, before anything is derived from it."""

    ends: End = "answer"
    state: Any = None
    interrupts: tuple[Interrupt, ...] = ()
    crash: BaseException | None = None
    answers: list[Any] = field(default_factory=list)
    turns: list[Any] = field(default_factory=list)


class TrialRunner:
    """Runs trials one after the other; keeps the event loop and, with build = "worker", the graphs between them.

    `played` holds the exchanges that the last trial played, those of its judges too.
    """

    def __init__(self, root: Path, prices: Mapping[str, Price]) -> None:
        self._root = root
        self._prices = prices
        self._loop = asyncio.Runner()
        self._graphs: dict[tuple[str, str], Any] = {}
        self.played: frozenset[int] = frozenset()
        self._tape: tuple[tuple[Exchange, ...], str, Cassette] = ((), "", Cassette())
        self._read: tuple[tuple[str, str], tuple[Exchange, ...]] = (("", ""), ())

    def close(self) -> None:
        """Close the event loop."""
        self._loop.close()

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
        )
        _empty_model_cache()
        tool_faults = ToolFaults(case.faults, lambda: observer.position()[0])
        with running(wire):
            with _frozen(bench, case, observer), faulty(tool_faults):
                ended = self._execute(bench, case, repeat, observer)
            if wire.broken:
                raise wire.broken
            story = observer.story()
            if recorder:
                _put_in_order(recorder, len(exchanges), wire, story)
            trace = bench.redactor.value(self._trace(bench, ended, story, wire))
            scores = (*_scores(bench, bench.redactor.value(case), trace), *_unplayed(case, ended, (*layers, tool_faults)))
            scores = tuple(bench.redactor.value(score) for score in scores)
        self.played = cursor.played
        return _trial(bench, case, repeat=repeat, trace=trace, scores=scores, wire=wire, story=story)

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
            command=record_command(bench.name, bench.variant, case.id),
        )

    def _execute(self, bench: Bench, case: Case, repeat: int, observer: Observer) -> Ended:
        config: RunnableConfig = {
            "callbacks": [observer],
            "configurable": {"thread_id": f"{bench.name}/{bench.variant}/{case.id}/{repeat}"},
        }
        if bench.suite.recursion_limit is not None:
            config["recursion_limit"] = bench.suite.recursion_limit
        ended = Ended()
        try:
            graph = self._graph(bench)
            if bench.mode == "invoke":
                _converse(graph, case, config, ended, observer=observer, invoke=graph.invoke)
            else:
                _converse(graph, case, config, ended, observer=observer, invoke=self._ainvoke(graph))
        except GraphRecursionError:
            ended.ends = "limit"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001, the graph under test may raise anything, SystemExit and our own stop included
            ended.ends, ended.crash = "error", error
            if not isinstance(error, Exception | WireStop):
                self._renew_loop()
        return ended

    def _ainvoke(self, graph: Any) -> Callable[[Any, RunnableConfig], Any]:
        """Return the graph's asynchronous form as a plain function. Each call has a context of its own: the loop would keep the first."""
        return lambda payload, config: self._loop.run(_alone(graph.ainvoke(payload, config)), context=contextvars.copy_context())

    def _renew_loop(self) -> None:
        """Start a new event loop after an exception that may have stopped the old one."""
        with contextlib.suppress(RuntimeError):
            self._loop.close()
        self._loop = asyncio.Runner()

    def _graph(self, bench: Bench) -> Any:
        if bench.suite.build == "trial":
            return bench.target.build(bench.wanted, memory)
        key = (bench.name, bench.variant)
        if key not in self._graphs:
            self._graphs[key] = bench.target.build(bench.wanted, memory)
        return self._graphs[key]

    def _trace(self, bench: Bench, ended: Ended, story: Story, wire: TrialWire) -> Trace:
        return Trace(
            steps=story.steps(),
            calls=tuple(self._priced(call) for call in _calls(wire, story)),
            tools=story.tools(),
            retrievers=story.retrievers(),
            interrupts=ended.interrupts,
            state=plain(ended.state),
            text=last_text(ended.state),
            ends=ended.ends,
            crash=self._crash(ended.crash, story) if ended.crash else None,
            recursion_limit=bench.suite.recursion_limit,
        )

    def _priced(self, call: WireCall) -> WireCall:
        if call.kind == "http" or not call.answered:
            return call
        host = call.url.partition("://")[2].partition("/")[0].partition(":")[0]
        cost = cost_usd(call.usage, models=(call.answered_model, call.model), host=host, own=self._prices)
        return call.model_copy(update={"cost_usd": cost})

    def _crash(self, error: BaseException, story: Story) -> Crash | None:
        if isinstance(error, MissingExchange | LiveConnection):
            return None
        return Crash(
            type=type(error).__name__,
            message=_ADDRESS.sub("0x…", _said(error)),
            node=story.running_node(),
            traceback=_frames(error, self._root),
        )


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


def _empty_model_cache() -> None:
    """Empty LangChain's in-memory model cache: what one trial asked must not answer another."""
    cache = get_llm_cache()
    if isinstance(cache, InMemoryCache):
        cache.clear()


def _converse(graph: Any, case: Case, config: RunnableConfig, ended: Ended, *, observer: Observer, invoke: Any) -> None:
    """Invoke the graph turn by turn, and resume it as the case says while it stops for a human; `ended` is filled as it goes."""
    need_memory(graph, case)
    payload: Any = copy.deepcopy(case.inputs)
    ended.answers, ended.turns = list(copy.deepcopy(case.resume)), list(copy.deepcopy(case.turns))
    while True:
        result = invoke(payload, config)
        dynamic = _in_task_order(list(result.pop("__interrupt__", ())), graph, config) if isinstance(result, dict) else []
        ended.state = result
        waiting = [Interrupt(payload=plain(interrupt.value)) for interrupt in dynamic] or _static_interrupts(graph, config)
        ended.interrupts += tuple(waiting)
        if waiting and not ended.answers:
            ended.ends = "interrupt"
            return
        if waiting:
            payload = _resumed(dynamic, ended.answers)
        elif ended.turns:
            payload, observer.turn = ended.turns.pop(0), observer.turn + 1
        else:
            return


def _resumed(dynamic: list[Any], answers: list[Any]) -> Any:
    """Take the answers to what waits off the list: one for a static interrupt, one for each dynamic one that has an answer left."""
    if not dynamic:
        answers.pop(0)
        return None
    if len(dynamic) == 1:
        return Command(resume=answers.pop(0))
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
    """Yield a failing score for what the case plays that never came to pass: a fault, an answer, a turn."""
    for layer in layers:
        if isinstance(layer, Faults | ToolFaults):
            for spec in layer.unstruck():
                at = ", ".join(f"{name} {value}" for name, value in spec.at.model_dump(exclude_none=True).items())
                yield failed("faults", "faults", f"the fault {spec.fault!r} at {at} never struck: nothing such was asked")
    if ended.answers and ended.ends != "error":
        given = len(case.resume)
        yield failed("resume", "resume", f"{len(ended.answers)} of {given} answers in `resume` were not asked for: the graph did not stop")
    if ended.turns and ended.ends != "error":
        given = len(case.turns)
        yield failed("turns", "turns", f"{len(ended.turns)} of {given} inputs in `turns` were not played: an earlier turn did not end")


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
            expects_error=case.expected.ends == "error" and trace.crash is not None,
            optional=_optional(bench, case),
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


def _optional(bench: Bench, case: Case) -> frozenset[str]:
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


def _said(error: BaseException) -> str:
    try:
        return str(plain(str(error)))
    except Exception:  # noqa: BLE001, the user's own exception may not even be printable
        return "(its text cannot be read)"


def _frames(error: BaseException, root: Path) -> str:
    """Return the stack as `file:line in function`, files relative to the project; the same on every machine."""
    lines = [
        f"{_relative(frame.filename, root)}:{frame.lineno} in {frame.name}"
        for frame in _own_frames(traceback.extract_tb(error.__traceback__), root)
    ]
    return "\n".join(lines)


def _own_frames(frames: Sequence[traceback.FrameSummary], root: Path) -> Sequence[traceback.FrameSummary]:
    own = [frame for frame in frames if frame.filename.startswith(str(root)) and "site-packages" not in frame.filename]
    return own or frames[-3:]


def _relative(filename: str, root: Path) -> str:
    path = Path(filename)
    return str(path.relative_to(root)) if path.is_relative_to(root) else "/".join(path.parts[-2:])
