"""The wire of one trial: the layers that answer its requests, and the notes of what it asked."""

import fnmatch
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from harness.cassette.answer import read
from harness.cassette.convert import Unfit, fit
from harness.cassette.exchange import Request, Response, lean_request
from harness.cassette.miss import Known, Miss, explain, unfit, unscripted
from harness.cassette.redact import Redactor
from harness.cassette.segments import Segments
from harness.cassette.tape import Cursor
from harness.errors import HarnessError, WireStop
from harness.experiment import LiveAttempt
from harness.trace import Place, Source, WireCall, lasted
from harness.wire.spending import Spending

CONNECTION_LOST = "the connection was lost in the middle of the answer"
_LATER_NOTED = 20
_FOR_GOOD_S = 30 * 86_400.0  # no agent waits for a month

Position = Callable[[], tuple[Place, str]]
"""Where the calling code stands in the graph, and the raw id of that execution of the node ("" where unknown)."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as the layers see it: redacted, taken apart, placed. `number` counts the trial's requests of its kind, from 1."""

    request: Request
    segments: Segments
    digests: dict[str, str]
    place: Place
    number: int
    number_in_node: int


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request was answered: by a response, or by an exception that the client library is to raise.

    `fits` tells that the response was given to a request of this very form, whole or streamed; `cut` that the connection is lost after it;
    `delay_s` is the part of the latency that a fault adds before the first byte, `ttft_s` when that came of a streamed answer.
    """

    source: Source
    response: Response | None = None
    failure: str | None = None
    fault: str | None = None
    exchange: int | None = None
    latency_s: float | None = None
    ttft_s: float | None = None
    drift: tuple[str, ...] = ()
    fits: bool = False
    cut: bool = False
    delay_s: float = 0.0


class Layer(Protocol):
    """Answers a request, or leaves it to the next layer by returning None."""

    def __call__(self, ask: Ask) -> Reply | None:
        """Answer `ask` or return None."""


class Live(Protocol):
    """Decides about the requests that no layer answers, and keeps what the real servers answer."""

    def admit(self, ask: Ask) -> None:
        """Let a request pass to the real server, or raise RecordingStopped."""

    def keep(self, ask: Ask, response: Response, latency_s: float, ttft_s: float | None) -> int | None:
        """Keep an answer and return its index, None if it is not kept, or raise RecordingStopped; the times are the last attempt's."""


class Clock(Protocol):
    """What the recorded latencies of a trial pass on."""

    @property
    def is_virtual(self) -> bool:
        """Tell whether waiting on it takes no real time."""

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the trial began, to the microsecond."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass in the calling thread."""

    async def pass_time_async(self, seconds: float) -> None:
        """Let time pass in the calling task."""


class RecordingStopped(WireStop):
    """A request that is not sent, or whose answer is not kept: the trial cannot go on as it would have."""


class MissingExchange(WireStop):
    """A request that nothing recorded answers."""


class BudgetStop(WireStop):
    """An answer that would have gone over the trial's budget."""


class LiveConnection(WireStop):
    """A connection that was to be opened past the wire."""


class NeverAnswered(WireStop):
    """A wait, for an answer or a tool, that nothing ends."""


class NotRedacted(WireStop):
    """A request or an answer at which a redactor or a normaliser of the user's own failed."""


class NoTrial(WireStop):
    """A request that belongs to no running trial."""


@dataclass(slots=True)
class Note:
    """What happened to one request. `span` is the raw id of the node's execution, `given` what the client gets of the reply."""

    ask: Ask
    span: str
    streamed: bool
    reply: Reply | None = None
    given: Response | None = None
    converted: bool = False
    latency_s: float | None = None
    started: float = field(default_factory=time.perf_counter)
    start_s: float | None = None
    end_s: float | None = None


class TrialWire:
    """Answers the requests of one trial through its layers. With `live`, what no layer answers goes to the real server."""

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        cursor: Cursor,
        position: Position,
        known: Known,
        redactor: Redactor,
        allow_hosts: Sequence[str] = (),
        ignore_hosts: Sequence[str] = (),
        live: Live | None = None,
        spending: Spending | None = None,
    ) -> None:
        self.cursor = cursor
        self.clock: Clock | None = None
        self.live = live
        self.notes: list[Note] = []
        self.misses: list[tuple[Miss, str]] = []
        self.refused: list[tuple[LiveAttempt, str]] = []
        self.allowed = frozenset(allow_hosts)
        self.reachable = set(allow_hosts)
        self.ignored = tuple(ignore_hosts)
        self.sockets = 0
        self.broken: HarnessError | None = None
        self.hangs: str | None = None
        self.over_budget = ""
        self.child_pipe = -1
        self._pid = os.getpid()
        self._layers = tuple(layers)
        self._position = position
        self._known = known
        self._redactor = redactor
        self._spending = spending
        self._counts: dict[tuple[str, str | None], int] = {}
        self._lock = threading.RLock()
        self._missed: list[tuple[str, Ask]] = []

    def answer(self, request: Request, *, thread: str | None = None) -> Note:
        """Answer a request. The note's reply is None where the request is to be passed to the real server."""
        with self._lock:
            ask, span = self._ask(request)
            if self.over_budget:
                raise BudgetStop(self.over_budget)
            if self.misses:
                self._stop_after_miss(ask, span, thread)
            note = Note(ask, span, streamed=ask.segments.streamed, start_s=self.clock.elapsed_s if self.clock else None)
            self.notes.append(note)
            reply = next((reply for layer in self._layers if (reply := layer(ask)) is not None), None)
            if reply is None and self.live is None:
                self._miss(ask, span, thread)
            elif reply is None and self.live is not None:
                self.live.admit(ask)
                self.reachable.add(request.host)
            elif reply is not None:
                self._spend(ask, reply)
                note.reply = reply
                note.given, note.converted = self._fitted(reply, ask, span)
            return note

    def _spend(self, ask: Ask, reply: Reply) -> None:
        """Hold an answer against the budget; the trial stops before one that would go over."""
        if self._spending is None or reply.response is None:
            return
        with self._unbroken():
            over = self._spending.over(ask.segments, reply.response, ask.request.host)
        if over:
            self.over_budget = f"{ask.place}, {ask.segments.kind} request {ask.number}: {over}"
            raise BudgetStop(self.over_budget)

    def pending(self, request: Request) -> Note | None:
        """Return the note of such a request that still waits for the real server's answer."""
        clean = self._clean(request)
        with self._lock:
            waiting = (note for note in self.notes if note.reply is None and note.ask.request.url == clean.url)
            return next((note for note in waiting if note.ask.request.method == clean.method), None)

    def keep(self, note: Note, response: Response, *, sent_at: float | None = None, first_at: float | None = None) -> None:
        """Take the real server's answer to a request that was passed on; `sent_at` is when its last attempt was.

        `first_at` is when the first part of its body came.
        """
        began = sent_at or note.started
        latency_s = round(time.perf_counter() - began, 4)
        ttft_s = round(first_at - began, 4) if first_at and note.streamed else None
        with self._lock:
            with self._unbroken():
                index = self.live.keep(note.ask, response, latency_s, ttft_s) if self.live else None
            note.reply = Reply("live", response, exchange=index, latency_s=latency_s, ttft_s=ttft_s)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in the calling thread, if the trial has a clock."""
        if self.clock is not None:
            self.clock.pass_time(seconds)

    async def pass_time_async(self, seconds: float) -> None:
        """Let time pass in the calling task, if the trial has a clock."""
        if self.clock is not None:
            await self.clock.pass_time_async(seconds)

    def wait_for_good(self, what: str) -> None:
        """Let the calling thread wait until nobody waits any more, and raise NeverAnswered; without a virtual clock, at once."""
        if self.clock is not None and self.clock.is_virtual:
            self.clock.pass_time(_FOR_GOOD_S)
        raise self._never(what)

    async def wait_for_good_async(self, what: str) -> None:
        """Let the calling task wait until nobody waits any more, and raise NeverAnswered; without a virtual clock, at once."""
        if self.clock is not None and self.clock.is_virtual:
            await self.clock.pass_time_async(_FOR_GOOD_S)
        raise self._never(what)

    def _never(self, what: str) -> NeverAnswered:
        self.hangs = self.hangs or what
        return NeverAnswered(what)

    def allows(self, request: Request) -> bool:
        """Tell whether the config lets a request past the wire: its host, or host:port, is in allow_hosts."""
        return request.host in self.allowed or _address(request) in self.allowed

    def ignores(self, host: str, address: str) -> bool:
        """Tell whether the config has `host`, or `address` (host:port), out of reach: nothing of it is recorded, replayed or noted."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.ignored for name in (host, address))

    def ignores_request(self, request: Request) -> bool:
        """Tell whether the config has the host of a request out of reach."""
        return bool(self.ignored) and self.ignores(request.host, _address(request))

    def may_reach(self, host: str, address: str) -> bool:
        """Tell whether the config or the recording allows a connection to `host`, or to `address` (host:port)."""
        return address in self.reachable or host in self.reachable

    def refuse(self, address: str, hint: str = "") -> LiveConnection:
        """Note a connection past the wire and return the exception that stops it."""
        place, span = self._position()
        attempt = LiveAttempt(place=place, address=address, hint=hint)
        with self._lock:
            self.refused.append((attempt, span))
        return LiveConnection(str(attempt))

    def stay_in_process(self) -> None:
        """Refuse what a forked child of the process asks: its notes would be lost; the pipe tells the parent."""
        if os.getpid() != self._pid:
            os.write(self.child_pipe, b"!")
            message = "a forked process made a request; only the process that runs the graph is replayed"
            raise LiveConnection(message)

    def note_what_escaped(self, pipe: int) -> None:
        """Note what forked children asked, and what threads asked that outlived their trial."""
        try:
            escaped = bool(os.read(pipe, 1))
        except BlockingIOError:
            escaped = False
        if escaped:
            hint = "run the agent's work in threads, or let the other process be a service with its own suite"
            self.refused.append((LiveAttempt(place=Place(), address="a model or a host from a forked process", hint=hint), ""))
        for stray in take_strays():
            self.refused.append((LiveAttempt(place=Place(), address=f"a model or a host: {stray}"), ""))

    def _stop_after_miss(self, ask: Ask, span: str, thread: str | None) -> None:
        """Stop a request that comes after a miss; note it too where it is not on the cassette either."""
        asked_before = any(span == other and ask.digests == earlier.digests for other, earlier in self._missed)
        if len(self.misses) < _LATER_NOTED and not asked_before and not self._is_scripted() and not self.cursor.holds(ask.digests):
            miss = explain(ask.request, self.cursor, ask.place, self._known, thread=thread)
            self._note_miss(miss.model_copy(update={"follows": self._follows(miss, ask, span)}), ask, span)
        message = f"stopped: {self.misses[0][0]}"
        raise MissingExchange(message)

    def _follows(self, miss: Miss, ask: Ask, span: str) -> bool:
        """Tell whether a later miss may be the first one's doing: it differs in its messages alone, or repeats what missed elsewhere."""
        first_span, first = self._missed[0]
        if any(span == other and _asks_another(ask, earlier) for other, earlier in self._missed):
            return True
        same_step = ask.place.step is not None and ask.place.step == first.place.step and ask.place.namespace == first.place.namespace
        return not (same_step and span != first_span) and set(miss.differs) <= {"messages", "sampling"} and bool(miss.differs)

    def _is_scripted(self) -> bool:
        return any(getattr(layer, "scripted", False) for layer in self._layers)

    def _note_miss(self, miss: Miss, ask: Ask, span: str) -> None:
        self.misses.append((miss, span))
        self._missed.append((span, ask))

    def _ask(self, request: Request) -> tuple[Ask, str]:
        place, span = self._position()
        with self._unbroken():
            clean = self._clean(request)
            parts = self.cursor.cassette.taken_apart(clean)
        number = self._count(parts.kind, None)
        number_in_node = self._count(parts.kind, place.node) if place.node else number
        return Ask(clean, parts, parts.digests(), place, number, number_in_node), span

    def _clean(self, request: Request) -> Request:
        return self._redactor.request(lean_request(request))

    @contextmanager
    def _unbroken(self) -> Iterator[None]:
        """Stop the trial where a redactor or a normaliser fails, and note why: the code under test may swallow the exception."""
        try:
            yield
        except HarnessError as error:
            self.broken = self.broken or error
            message = f"stopped: {error}"
            raise NotRedacted(message) from None

    def _count(self, kind: str, node: str | None) -> int:
        self._counts[(kind, node)] = self._counts.get((kind, node), 0) + 1
        return self._counts[(kind, node)]

    def _fitted(self, reply: Reply, ask: Ask, span: str) -> tuple[Response | None, bool]:
        """Return the response in the form asked for; a miss where it has no such form."""
        asked = ask.segments
        if reply.response is None or reply.fits or asked.kind != "chat":
            return reply.response, False
        try:
            return fit(reply.response, streamed=asked.streamed, usage_asked=asked.usage_asked)
        except Unfit as flaw:
            miss = unfit(ask.request, ask.place, reply.exchange, str(flaw), streamed=asked.streamed)
            self._note_miss(miss, ask, span)
        raise MissingExchange(str(miss))

    def _miss(self, ask: Ask, span: str, thread: str | None) -> None:
        if self.cursor.cassette.exchanges or not self._is_scripted():
            miss = explain(ask.request, self.cursor, ask.place, self._known, thread=thread)
        else:
            miss = unscripted(ask.request, ask.place)
        self._note_miss(miss, ask, span)
        raise MissingExchange(str(miss))


def _address(request: Request) -> str:
    url = urlsplit(request.url)
    return f"{request.host}:{url.port or {'https': 443, 'http': 80}.get(url.scheme)}"


def _asks_another(ask: Ask, earlier: Ask) -> bool:
    """Tell whether a request asks what an earlier one did, of another model: a fallback, or a retry."""
    return all(ask.digests[name] == earlier.digests[name] for name in ("system", "messages", "tools"))


def wire_call(note: Note, place: Place) -> WireCall:
    """Return what is stored of one request, its cost still unknown."""
    ask, reply = note.ask, note.reply or Reply("none")
    answer = read(reply.response) if reply.response else None
    duration_s = lasted(note.start_s, note.end_s)
    return WireCall(
        place=place,
        kind=ask.segments.kind,
        source=reply.source,
        url=ask.request.url.partition("?")[0],
        model=ask.segments.model,
        answered_model=answer.model if answer else None,
        status=reply.response.status if reply.response else None,
        fault=reply.fault,
        error=reply.failure or (CONNECTION_LOST if reply.cut else answer.error if answer else None),
        streamed=note.streamed,
        converted=note.converted,
        usage=answer.usage if answer else None,
        finish_reason=answer.finish_reason if answer else None,
        tool_requests=answer.tool_requests if answer else (),
        latency_s=reply.latency_s,
        start_s=note.start_s,
        ttft_s=_first_token_s(note, reply, duration_s),
        duration_s=duration_s,
        exchange=reply.exchange,
        drift=reply.drift,
    )


def _first_token_s(note: Note, reply: Reply, duration_s: float | None) -> float | None:
    """Return when the first token of a streamed answer came; None where the client had left before."""
    if not note.streamed or reply.response is None or reply.ttft_s is None:
        return None
    return None if duration_s is not None and duration_s < reply.ttft_s else reply.ttft_s


_current: ContextVar[TrialWire | None] = ContextVar("harness_trial", default=None)
_running: list[TrialWire] = []
_strays: list[str] = []


def take_strays() -> tuple[str, ...]:
    """Return, once, the requests that were refused because they belonged to no running trial."""
    found = tuple(_strays)
    _strays.clear()
    return found


@contextmanager
def running(trial: TrialWire) -> Iterator[TrialWire]:
    """Make `trial` the one that answers requests from here on, in this context and in the threads that carry it."""
    token = _current.set(trial)
    _running.append(trial)
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    trial.child_pipe = theirs
    try:
        yield trial
    finally:
        _running.remove(trial)
        _current.reset(token)
        trial.note_what_escaped(ours)
        os.close(theirs)
        os.close(ours)


def current() -> tuple[TrialWire, str | None]:
    """Return the trial that the calling code belongs to, and its thread's name where the thread does not say so itself.

    A thread that lost its context belongs to the trial that runs alone in this process; otherwise NoTrial is raised.
    """
    trial = _current.get()
    if trial in _running:
        trial.stay_in_process()
        return trial, None
    thread = threading.current_thread().name
    if trial is None and len(_running) == 1:
        _running[0].stay_in_process()
        return _running[0], thread
    message = f"a request was made in thread {thread!r} {_why_no_trial(trial)}"
    _strays.append(message)
    raise NoTrial(message)


def _why_no_trial(trial: TrialWire | None) -> str:
    if trial is not None:
        return "after its trial had ended; wait for what the graph starts before it returns"
    if not _running:
        return "while no trial was running; make requests inside the graph, not while it is imported"
    return "that carries no trial's context while several trials were running; start threads with contextvars.copy_context().run"
