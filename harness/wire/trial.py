"""The wire of one trial: the layers that answer its requests, and the notes of what it asked."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

from harness.cassette.answer import read
from harness.cassette.convert import fit
from harness.cassette.exchange import Request, Response, lean_request
from harness.cassette.miss import Miss, explain, unscripted
from harness.cassette.redact import redact, redact_bytes
from harness.cassette.segments import Segments, segments
from harness.cassette.tape import Cursor
from harness.errors import WireStop
from harness.experiment import LiveAttempt
from harness.trace import Place, Source, WireCall

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
    """How a request was answered: by a response, or by an exception that the client library is to raise."""

    source: Source
    response: Response | None = None
    failure: str | None = None
    fault: str | None = None
    exchange: int | None = None
    latency_s: float | None = None
    drift: tuple[str, ...] = ()


class Layer(Protocol):
    """Answers a request, or leaves it to the next layer by returning None."""

    def __call__(self, ask: Ask) -> Reply | None:
        """Answer `ask` or return None."""


class Clock(Protocol):
    """What the recorded latencies of a trial pass on."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass in the calling thread."""

    async def pass_time_async(self, seconds: float) -> None:
        """Let time pass in the calling task."""


Store = Callable[[Ask, Response, float], int | None]
"""Keeps a live answer with its latency in seconds; returns its index, or None where it is not to be kept."""


class MissingExchange(WireStop):
    """A request that nothing recorded answers."""


class LiveConnection(WireStop):
    """A connection that was to be opened past the wire."""


class NoTrial(WireStop):
    """A request that belongs to no running trial."""


@dataclass(slots=True)
class Note:
    """What happened to one request; `span` is the raw id of the node's execution."""

    ask: Ask
    span: str
    streamed: bool
    reply: Reply | None = None
    converted: bool = False
    latency_s: float | None = None
    started: float = field(default_factory=time.perf_counter)


class TrialWire:
    """Answers the requests of one trial through its layers. With `store`, what no layer answers goes to the real server."""

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        cursor: Cursor,
        position: Position,
        prompts: Mapping[str, str],
        allow_hosts: Sequence[str] = (),
        store: Store | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.cursor = cursor
        self.clock = clock
        self.store = store
        self.notes: list[Note] = []
        self.misses: list[tuple[Miss, str]] = []
        self.refused: list[tuple[LiveAttempt, str]] = []
        self.allowed = frozenset(allow_hosts)
        self.reachable = set(allow_hosts)
        self.sockets = 0
        self.child_pipe = -1
        self._pid = os.getpid()
        self._layers = tuple(layers)
        self._position = position
        self._prompts = prompts
        self._counts: dict[tuple[str, str | None], int] = {}
        self._lock = threading.RLock()

    def answer(self, request: Request, *, thread: str | None = None) -> Note:
        """Answer a request. The note's reply is None where the request is to be passed to the real server."""
        with self._lock:
            self._stop_after_miss()
            ask, span = self._ask(request)
            note = Note(ask, span, streamed=ask.segments.streamed)
            self.notes.append(note)
            reply = next((reply for layer in self._layers if (reply := layer(ask)) is not None), None)
            if reply is None and self.store is None:
                self._miss(ask, span, thread)
            if reply is None:
                self.reachable.add(request.host)
            else:
                note.reply, note.converted = _fitted(reply, streamed=ask.segments.streamed)
            return note

    def keep(self, note: Note, response: Response) -> None:
        """Take the real server's answer to a request that was passed on."""
        latency_s = round(time.perf_counter() - note.started, 4)
        with self._lock:
            index = self.store(note.ask, response, latency_s) if self.store else None
            note.reply = Reply("live", response, exchange=index, latency_s=latency_s)

    def allows(self, request: Request) -> bool:
        """Tell whether the config lets a request past the wire: its host, or host:port, is in allow_hosts."""
        url = urlsplit(request.url)
        port = url.port or {"https": 443, "http": 80}.get(url.scheme)
        return request.host in self.allowed or f"{request.host}:{port}" in self.allowed

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

    def _stop_after_miss(self) -> None:
        if self.misses:
            message = f"stopped: {self.misses[0][0]}"
            raise MissingExchange(message)

    def _ask(self, request: Request) -> tuple[Ask, str]:
        place, span = self._position()
        clean = lean_request(replace(request, url=redact(request.url), body=redact_bytes(request.body)))
        parts = segments(clean)
        number = self._count(parts.kind, None)
        number_in_node = self._count(parts.kind, place.node) if place.node else number
        return Ask(clean, parts, parts.digests(), place, number, number_in_node), span

    def _count(self, kind: str, node: str | None) -> int:
        self._counts[(kind, node)] = self._counts.get((kind, node), 0) + 1
        return self._counts[(kind, node)]

    def _miss(self, ask: Ask, span: str, thread: str | None) -> None:
        if self.cursor.cassette.exchanges or not any(getattr(layer, "scripted", False) for layer in self._layers):
            miss = explain(ask.request, self.cursor, ask.place, self._prompts, thread=thread)
        else:
            miss = unscripted(ask.request, ask.place)
        self.misses.append((miss, span))
        raise MissingExchange(str(miss))


def _fitted(reply: Reply, *, streamed: bool) -> tuple[Reply, bool]:
    if reply.response is None:
        return reply, False
    response, converted = fit(reply.response, streamed=streamed)
    return replace(reply, response=response), converted


def wire_call(note: Note, place: Place) -> WireCall:
    """Return what is stored of one request, its cost still unknown."""
    ask, reply = note.ask, note.reply or Reply("none")
    answer = read(reply.response) if reply.response else None
    return WireCall(
        place=place,
        kind=ask.segments.kind,
        source=reply.source,
        url=ask.request.url.partition("?")[0],
        model=ask.segments.model,
        answered_model=answer.model if answer else None,
        status=reply.response.status if reply.response else None,
        fault=reply.fault,
        error=reply.failure or (answer.error if answer else None),
        streamed=note.streamed,
        converted=note.converted,
        usage=answer.usage if answer else None,
        finish_reason=answer.finish_reason if answer else None,
        tool_requests=answer.tool_requests if answer else (),
        latency_s=reply.latency_s,
        exchange=reply.exchange,
        drift=reply.drift,
    )


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
