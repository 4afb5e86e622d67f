"""The wire seam as an HTTP server on loopback, for agents in other processes: the trial is chosen by the base URL's path."""

import ipaddress
import re
import selectors
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol

from harness.cassette.event_stream import is_event_stream
from harness.cassette.exchange import Request, Response
from harness.errors import HarnessError, UsageError, WireStop
from harness.schema import canonical_json
from harness.wire.address import OWN, RESTART, Address, parse
from harness.wire.intake import Refused, read_body
from harness.wire.stops import BudgetStop
from harness.wire.trial import Note, TrialWire
from harness.wire.upstream import BrokenAnswer, LiveAnswer, Upstream

_EVENT_END = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")
_MISS = 422  # no client library tries again on it
_IDLE_S = 300
_LOOK_AGAIN_S = 0.2
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "date", "server"})


Route = Callable[[str], tuple[Address | None, str]]
"""Parts the target of a request into the trial that it means and the path that the provider would see."""


class Trials(Protocol):
    """What the server serves."""

    def trial(self, address: Address) -> TrialWire:
        """Return the trial that runs at an address, started if there is none; NotServed or HarnessError where there can be none."""

    def restart(self, address: Address) -> None:
        """End the trial at an address; the next request starts it afresh."""

    def report(self, address: Address | None) -> dict[str, Any]:
        """Return what the trial at an address, or every trial, was asked so far."""


class NotServed(HarnessError):
    """There is no such suite, variant or case."""


class WireServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Answers the requests of any number of clients, each connection in a thread of its own. Only loopback is listened on."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, trials: Trials, *, host: str = "127.0.0.1", port: int = 0, upstream: Upstream | None = None, route: Route = parse
    ) -> None:
        if not is_loopback(host):
            message = f"--host {host!r} is not a loopback address; the server answers this machine only: use 127.0.0.1, localhost or ::1"
            raise UsageError(message)
        self.trials = trials
        self.upstream = upstream
        self.route = route
        self.stopping = threading.Event()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            message = f"cannot listen on {host} port {port}: {error.strerror or error}"
            raise UsageError(message) from None
        self.port: int = self.server_address[1]
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"http://{shown}:{self.port}"
        self.asked_at = upstream.origin if upstream else self.origin
        if upstream is not None and is_loopback(upstream.host) and upstream.port == self.port:
            self.server_close()
            message = f"--upstream {upstream.origin} is this server itself; name the real one"
            raise UsageError(message)

    def stop(self) -> None:
        """End serving; clients that wait for an answer that never comes are let go."""
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002, socketserver's signature
        """Say in one line what broke a connection, unless the client did."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"harness: a request could not be answered: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own, without asking a name server."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Handler(BaseHTTPRequestHandler):
    """Reads requests of one connection and sends what their trials answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = _IDLE_S
    server: WireServer

    def _serve(self) -> None:
        try:
            self._check_host()
            address, rest = self.server.route(self.path)
            body = read_body(self.rfile, self.headers)
            if address is None or rest in {OWN, RESTART}:
                self._own_page(address, rest)
            else:
                self._ask(address, rest, body)
        except Refused as refused:
            self.close_connection = self.close_connection or refused.last
            self._send_error(refused.status, refused.code, str(refused))
        except NotServed as error:
            self._send_error(404, "not_served", str(error))
        except HarnessError as error:
            self._send_error(_MISS, "not_usable", str(error))
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815, http.server's names

    def _check_host(self) -> None:
        """Refuse what a web page sends, from its own address or by a host name of its own that leads here."""
        for name in ("host", "origin"):
            named = self.headers.get(name, "localhost")
            if not is_loopback(re.sub(r"^\w+://|:\d*$", "", named).strip("[]")):
                message = f"this server answers on loopback only, not {name} {named[:80]!r}"
                raise Refused(403, "not_loopback", message, last=True)

    def _own_page(self, address: Address | None, rest: str) -> None:
        if rest == RESTART and address is not None and self.command == "POST":
            self.server.trials.restart(address)
            self._send_json(200, {"restarted": str(address)})
        elif rest == OWN and self.command in {"GET", "HEAD"}:
            self._send_json(200, self.server.trials.report(address))
        elif rest in {OWN, RESTART} and address is not None:
            wanted = "GET" if rest == OWN else "POST"
            raise Refused(405, "wrong_method", f"{rest} is for {wanted}")
        else:
            raise Refused(404, "no_trial", f"no trial is at {self.path[:200]!r}; a base URL is {self.server.origin}/SUITE/CASE/v1")

    def _ask(self, address: Address, rest: str, body: bytes) -> None:
        trial = self.server.trials.trial(address)
        if self.command == "HEAD":  # a health check, no question to a model
            self._send(Response(200))
            return
        upstream = self.server.upstream
        if upstream is not None and not f"{rest.partition('?')[0]}/".startswith(f"{upstream.path}/"):
            message = f"the upstream's API begins at {upstream.path!r}: set the base URL to {self.server.origin}/SUITE/CASE{upstream.path}"
            raise Refused(404, "not_the_upstream", message)
        request = Request(self.command, f"{self.server.asked_at}{rest}", body, tuple(self.headers.items()))
        try:
            note = trial.answer(request)
        except BudgetStop as stop:
            self._send_error(_MISS, "over_budget", f"harness: {stop}")
            return
        except WireStop as stop:
            self._send_miss(trial, stop)
            return
        if note.reply is None:
            self._pass_on(trial, note, request)
        elif note.given is None:
            self._fail(note.reply.failure)
        elif note.reply.cut:
            self._send_part(note.given)
        else:
            self.server.stopping.wait(note.reply.delay_s)
            self._send(note.given)

    def _send_miss(self, trial: TrialWire, stop: WireStop) -> None:
        details = [miss.model_dump(mode="json", exclude_defaults=True) for miss, _ in trial.misses]
        message = f"harness: {stop}; record what is missing with `harness serve --record`"
        self._send_error(_MISS, "not_on_cassette", message, misses=details)

    def _fail(self, failure: str | None) -> None:
        """Do what the fault says: close the connection, or never answer."""
        self.close_connection = True
        if failure == "connect_error":
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            while not self.server.stopping.is_set() and not selector.select(_LOOK_AGAIN_S):
                pass

    def _pass_on(self, trial: TrialWire, note: Note, request: Request) -> None:
        """Send the request to the real server and its answer to the client; keep it where it came whole, whoever waited for it."""
        upstream = self.server.upstream
        if upstream is None:
            message = "there is no upstream to record from"
            raise RuntimeError(message)
        try:
            with upstream.send(request) as answer:
                if answer.length_known or self.request_version == "HTTP/1.0":
                    whole = Response(answer.status, b"".join(answer.pieces()), answer.headers)
                    trial.keep(note, whole)
                    self._send(whole)
                else:
                    self._relay(answer, lambda response: trial.keep(note, response))
        except BrokenAnswer as error:
            self._send_error(502, "upstream", f"harness: no answer of {upstream.origin}: {error}")

    def _relay(self, answer: LiveAnswer, keep: Callable[[Response], None]) -> None:
        """Send an answer on as it arrives; a client that goes away does not stop it, a broken answer breaks the connection."""
        head = Response(answer.status, headers=answer.headers)
        there = self._begin(head)
        pieces = []
        try:
            for piece in answer.pieces():
                pieces.append(piece)
                there = there and self._sent(piece)
        except BrokenAnswer:
            self.close_connection = True
            return
        keep(replace(head, body=b"".join(pieces)))
        arrived = there and self._sent(b"")
        self.close_connection = self.close_connection or not arrived

    def _begin(self, response: Response) -> bool:
        """Send the head of an answer in chunks, and tell whether the client is still there."""
        try:
            self._send_head(response, {"Transfer-Encoding": "chunked"})
            self.wfile.flush()
        except (ConnectionError, TimeoutError):
            return False
        return True

    def _sent(self, piece: bytes) -> bool:
        """Send one chunk, and tell whether the client is still there; an empty one ends the body."""
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        except (ConnectionError, TimeoutError):
            return False
        return True

    def _send(self, response: Response) -> None:
        """Send a whole answer; a stream of events goes out event by event."""
        if is_event_stream(response.body) and self.request_version != "HTTP/1.0" and self.command != "HEAD":
            events = [event for event in _EVENT_END.split(response.body) if event]
            arrived = self._begin(response) and all(self._sent(piece) for piece in (*events, b""))
            self.close_connection = self.close_connection or not arrived
            return
        bodyless = response.status in {204, 304}
        self._send_head(response, {} if bodyless else {"Content-Length": str(len(response.body))})
        if self.command != "HEAD" and not bodyless:
            self.wfile.write(response.body)
        self.wfile.flush()

    def _send_part(self, arrived: Response) -> None:
        """Send what arrives of an answer whose connection is lost in the middle, and close the connection."""
        self.close_connection = True
        if is_event_stream(arrived.body) and self.request_version != "HTTP/1.0":
            if self._begin(arrived):
                self._sent(arrived.body)
            return
        self._send_head(arrived, {"Content-Length": str(2 * len(arrived.body) + 1)})
        self.wfile.write(arrived.body)
        self.wfile.flush()

    def _send_head(self, response: Response, framing: Mapping[str, str]) -> None:
        self.send_response(response.status)
        for name, value in _safe_headers(response.headers):
            self.send_header(name, value)
        for name, value in framing.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_json(self, status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> None:
        body = canonical_json(value).encode("utf-8", "backslashreplace")
        self._send(Response(status, body, (("Content-Type", "application/json"), *headers)))

    def _send_error(self, status: int, code: str, message: str, **more: Any) -> None:
        """Send an error as OpenAI's API does; client libraries are told not to try again but where the upstream is at fault."""
        error = {"message": message, "type": "harness", "param": None, "code": code, **more}
        again = () if status >= 500 else (("x-should-retry", "false"),)  # noqa: PLR2004, HTTP's first server error
        try:
            self._send_json(status, {"error": error}, again)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server itself refuses: a malformed request line, a method it does not know."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or "GET"
        self._send_error(code, "bad_request", explain or message or "not a request that can be answered")

    def version_string(self) -> str:
        """Name the server."""
        return "harness"

    def log_message(self, *_args: Any) -> None:
        """Say nothing of single requests."""


def _safe_headers(headers: tuple[tuple[str, str], ...]) -> Iterable[tuple[str, str]]:
    """Return the headers that a client may be sent: none that frame the message, none that break out of their line."""
    for name, value in headers:
        if name.lower() not in _FRAMING and not re.search(r"[\r\n\0:]", name) and not re.search(r"[\r\n\0]", value):
            yield name.encode("latin-1", "replace").decode("latin-1"), value.encode("latin-1", "replace").decode("latin-1")
