"""The view's HTTP server: loopback only, GET only, for browsers that were led here and no other page."""

import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.errors import UsageError
from harness.view.answers import Answer, Answers

_ADDRESS = "127.0.0.1"
_IDLE_S = 60


class ViewServer(ThreadingHTTPServer):
    """Serves the view on a port of this machine's own."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answers: Answers, *, port: int = 0) -> None:
        self.answers = answers
        try:
            super().__init__((_ADDRESS, port), _Handler)
        except OSError as error:
            message = f"cannot listen on {_ADDRESS} port {port}: {error.strerror or error}"
            raise UsageError(message) from None
        self.port: int = self.server_address[1]
        self.origin = f"http://{_ADDRESS}:{self.port}"
        self.hosts = {f"{name}:{self.port}" for name in (_ADDRESS, "localhost")}

    def stop(self) -> None:
        """End serving."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002, socketserver's signature
        """Say in one line what broke a connection, unless the browser did."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"harness: a request could not be answered: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "harness"
    sys_version = ""
    timeout = _IDLE_S
    server: ViewServer

    def do_GET(self) -> None:
        """Answer, but only where the browser asks for this machine by its own name: a foreign name may be anybody's."""
        if self.headers.get("Host") not in self.server.hosts:
            self._send(Answer(HTTPStatus.FORBIDDEN, "text/plain", b"this server answers to 127.0.0.1 and localhost only\n"))
        else:
            self._send(self.server.answers.answer(self.path))

    do_HEAD = do_GET  # noqa: N815, as above

    def do_POST(self) -> None:
        """Refuse: nothing can be changed here."""
        self.close_connection = True
        self._send(Answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"nothing can be changed here\n"))

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST  # noqa: N815, as above

    def _send(self, answer: Answer) -> None:
        known = answer.tag and self.headers.get("If-None-Match") == f'"{answer.tag}"'
        self.send_response(HTTPStatus.NOT_MODIFIED if known else answer.status)
        if answer.tag:
            self.send_header("ETag", f'"{answer.tag}"')
        for name, value in _headers(answer).items():
            self.send_header(name, value)
        if not known:
            self.send_header("Content-Type", f"{answer.kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not known and self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, http.server's signature
        """Say nothing: a page that asks every second would flood the terminal."""

    def setup(self) -> None:
        """Send each answer at once."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _headers(answer: Answer) -> dict[str, str]:
    return {
        "Cache-Control": "no-cache" if answer.tag else "no-store",
        "Content-Security-Policy": answer.policy,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
