"""A real OpenAI-compatible HTTP server on loopback whose answers are composed by a script; what tests record from."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.cassette.convert import fit
from harness.cassette.exchange import Request
from harness.cassette.segments import segments
from harness.script import Script


class Server(ThreadingHTTPServer):
    """Counts what it is asked; answers 404 where no rule applies. It turns the first requests down as `busy` says: status, headers.

    The rest of a body comes `rest_s` seconds after its first half. `delays` are seconds by a word of the request, one for each time that
    it is asked; after an infinite one no answer comes.
    """

    daemon_threads = True

    def __init__(self, script: Script, delay_s: float = 0.0):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.delay_s = delay_s
        self.rest_s = 0.0
        self.asked: list[Request] = []
        self.used: dict[int, int] = {}
        self.busy: list[tuple[int, dict[str, str]]] = []
        self.delays: dict[str, list[float]] = {}
        self.hang_after: int | None = None
        self.released = threading.Event()
        self.gate = threading.Event()  # answers wait until it is set
        self.gate.set()

    @property
    def base_url(self) -> str:
        """Return the URL to give to a client."""
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self):
        """Answer by the script."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        request = Request("POST", f"{self.server.base_url}{self.path.removeprefix('/v1')}", body, headers)
        self.server.asked.append(request)
        if self.server.busy:
            self._turn_down(*self.server.busy.pop(0))
            return
        if self.server.hang_after is not None and len(self.server.asked) > self.server.hang_after:
            self.server.released.wait()  # whoever waits for the answer is killed meanwhile
            return
        self.server.gate.wait()
        delay_s = self.server.delay_s + sum(found.pop(0) for word, found in self.server.delays.items() if word.encode() in body and found)
        if delay_s == float("inf"):
            self.server.released.wait()  # its client has left meanwhile
            return
        time.sleep(delay_s)
        asked = segments(request)
        answer = self.server.script.answer(asked, None, self.server.used)
        if answer is None:
            self.send_error(404)
            return
        answer, _ = fit(answer, streamed=asked.streamed, usage_asked=asked.usage_asked)
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.send_header("connection", "close")  # clients that outlive a test keep no connection to it
        self.end_headers()
        half = len(answer.body) // 2 if self.server.rest_s else len(answer.body)
        self.wfile.write(answer.body[:half])
        time.sleep(self.server.rest_s)
        self.wfile.write(answer.body[half:])

    def _turn_down(self, status, headers):
        if status < 0:  # no answer: the connection breaks
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"content-length": "0", "connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def serving(script: Script, delay_s: float = 0.0, busy=()):
    """Serve on a free port until the block ends."""
    server = Server(script, delay_s)
    server.busy = list(busy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
