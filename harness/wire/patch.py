"""The patch: vcrpy's stubs for every HTTP library, put in once per process, asking the wire of the running trial."""

import functools
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn
from unittest import mock
from urllib.parse import urlsplit

from harness.cassette.exchange import KEPT_REQUEST_HEADERS, Request, Response
from harness.wire.body import body_bytes
from harness.wire.cut import CAN_BREAK, HTTPX_LIKE, cutting, lose_connection
from harness.wire.patience import PATIENT, answered_in_time, patient_connection
from harness.wire.reset import without_resets
from harness.wire.transport import is_turned_down, sending
from harness.wire.trial import Clock, Note, Reply, TrialWire, current

_TRACING_PATHS = re.compile(r"(/api(/v\d)?)?/(runs|info|otel|sessions)\b")
_ASYNC = frozenset({"handle_async_request", "_request"})  # httpx and its like, aiohttp
_owed: ContextVar[list[Awaitable[None]] | None] = ContextVar("harness_owed", default=None)


@contextmanager
def patched() -> Iterator[None]:
    """Route the HTTP of this process through the running trial's wire. Cassettes that the code under test opens itself lie on top."""
    from vcr.patch import PATCHER_NAMES, CassettePatcherBuilder  # noqa: PLC0415, imports every HTTP library there is

    own = ("httpx", "httpx2", "aiohttp")
    others = tuple(name for name in PATCHER_NAMES if name not in own)
    groups = {**{name: (name,) for name in own}, "http.client": others}
    # all are built before any is entered: vcrpy imports its stubs on building, which must see unpatched libraries
    builds = [
        CassettePatcherBuilder(_Stub(library, tuple(name for name in PATCHER_NAMES if name not in names))).build()
        for library, names in groups.items()
    ]
    with ExitStack() as stack:
        stack.enter_context(without_resets())
        for patcher in itertools.chain(*builds):
            attribute = getattr(patcher, "attribute", None)
            if attribute in CAN_BREAK:
                patcher.new = cutting(attribute, patcher.new)
            if attribute in _ASYNC:
                patcher.new = _owing(patcher.new)
            if attribute is not None and attribute in PATIENT:
                patcher.new = PATIENT[attribute](patcher.new)
            stack.enter_context(patcher)
        stack.enter_context(_patient_connections())
        yield


def _patient_connections() -> AbstractContextManager[Any]:
    from vcr.stubs import VCRConnection  # noqa: PLC0415, as above

    return mock.patch.object(VCRConnection, "getresponse", patient_connection(VCRConnection.getresponse))


def _owing(stub: Callable[..., Any]) -> Callable[..., Any]:
    """Return the asynchronous stub that lets the latency of its answer pass in the calling task, not in the whole loop."""

    @functools.wraps(stub)
    async def owing_stub(*args: Any, **kwargs: Any) -> Any:
        owed: list[Awaitable[None]] = []
        token = _owed.set(owed)
        try:
            return await stub(*args, **kwargs)
        finally:
            _owed.reset(token)
            for latency in owed:
                await latency

    return owing_stub


def _let_pass(trial: TrialWire, note: Note) -> None:
    """Let the latency of an answer pass on the trial's clock; an asynchronous stub owes it."""
    owed, reply = _owed.get(), note.reply
    if reply is None or (trial.clock is None and reply.failure != "hang"):
        return
    if owed is not None:
        owed.append(_passing(trial, note, reply))
        return
    with _ending(note, trial.clock):
        if reply.failure == "hang":
            trial.wait_for_good(_never(note))
        elif trial.clock is not None:
            trial.clock.pass_time(reply.latency_s or 0)


async def _passing(trial: TrialWire, note: Note, reply: Reply) -> None:
    with _ending(note, trial.clock):
        if reply.failure == "hang":
            await trial.wait_for_good_async(_never(note))
        elif trial.clock is not None:
            await trial.clock.pass_time_async(reply.latency_s or 0)


@contextmanager
def _ending(note: Note, clock: Clock | None) -> Iterator[None]:
    try:
        yield
    finally:
        note.end_s = None if clock is None else clock.elapsed_s


def _never(note: Note) -> str:
    return f"{note.ask.place} waits for an answer of {note.ask.request.host} that never comes; its client has no read time-out"


class _Stub:
    """What vcrpy's stubs of one library take for their cassette."""

    custom_patches = ()

    def __init__(self, library: str, skip_patchers: tuple[str, ...]) -> None:
        self.library = library
        self.skip_patchers = skip_patchers
        self._path = "harness"

    write_protected = False  # what is not to go live never gets past can_play_response_for

    def filter_request(self, request: Any) -> Any:
        """Take every request."""
        return request

    def can_play_response_for(self, vcr_request: Any) -> bool:
        """Answer the request, once, and tell whether there is an answer to play."""
        note = getattr(vcr_request, "harness_note", None)
        if note is None:
            trial, thread = current()
            request = _request(vcr_request)
            if is_tracing(request):
                _fail(self.library, "connect_error", "LangSmith's tracing is out of reach while a trial runs")
            if trial.ignores_request(request):
                _fail(self.library, "connect_error", f"{request.host} is in ignore_hosts, so it is out of reach while a trial runs")
            if trial.allows(request):
                return False
            note = trial.answer(request, thread=thread)
            sending.set(None)
            vcr_request.harness_note, vcr_request.harness_trial = note, trial
        return note.reply is not None

    def play_response(self, vcr_request: Any) -> dict[str, Any]:
        """Return the answer as vcrpy's stubs want it, or raise what the client library would."""
        note = vcr_request.harness_note
        note.reply = answered_in_time(note.reply, streamed=note.streamed)
        _let_pass(vcr_request.harness_trial, note)
        if note.reply.failure:
            _fail(self.library, note.reply.failure, f"{note.reply.failure} (injected by the harness)")
        if note.reply.cut:
            lose_connection(self.library, note.given.body)
        return _vcr_response(note.given)

    def append(self, vcr_request: Any, response: dict[str, Any]) -> None:
        """Take the real server's answer."""
        note: Note | None = getattr(vcr_request, "harness_note", None)
        if is_turned_down(response):
            return
        trial: TrialWire = vcr_request.harness_trial if note else current()[0]
        if note is None:  # what aiohttp asked where it was redirected to, or a host of allow_hosts
            request = _request(vcr_request)
            if trial.allows(request):
                return
            note = trial.pending(request) or trial.answer(request)
        if note.reply is None:
            sent = sending.get()
            times = (None, None) if sent is None else (sent.sent_at, sent.first_at)
            trial.keep(note, _response(response), sent_at=times[0], first_at=times[1])

    def find_requests_with_most_matches(self, vcr_request: Any) -> list[Any]:
        """Return the request where aiohttp was redirected to, for which vcrpy looks here."""
        return [(vcr_request,)]


def is_tracing(request: Request) -> bool:
    """Tell LangSmith's tracing, which is telemetry, from what an agent may depend on, such as its prompt hub."""
    return request.host.endswith("smith.langchain.com") and _TRACING_PATHS.match(urlsplit(request.url).path) is not None


def _request(vcr_request: Any) -> Request:
    headers = tuple((name, str(vcr_request.headers[name])) for name in KEPT_REQUEST_HEADERS if name in vcr_request.headers)
    return Request(vcr_request.method, vcr_request.uri, body_bytes(vcr_request.body), headers)


def _vcr_response(response: Response) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    return {"status": {"code": response.status, "message": ""}, "headers": headers, "body": {"string": response.body}}


def _response(response: dict[str, Any]) -> Response:
    headers = tuple(
        (name, value) for name, values in response["headers"].items() for value in ([values] if isinstance(values, str) else values)
    )
    return Response(response["status"]["code"], response["body"].get("string") or b"", headers)


def _fail(library: str, failure: str, message: str) -> NoReturn:
    """Raise the time-out or the connection error of the client library itself."""
    if library in HTTPX_LIKE:
        module = __import__(library)
        raise (module.ReadTimeout if failure == "timeout" else module.ConnectError)(message)
    if library == "aiohttp":
        import aiohttp  # noqa: PLC0415, there if its stub was called

        raise (aiohttp.ServerTimeoutError if failure == "timeout" else aiohttp.ClientConnectionError)(message)
    raise (TimeoutError if failure == "timeout" else ConnectionRefusedError)(message)
