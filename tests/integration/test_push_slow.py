"""A server that answers a little at a time keeps a push no longer than it may take."""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Dripping(ThreadingHTTPServer):
    """Answers byte by byte, in its head or in its body, and without an end."""

    daemon_threads = True

    def __init__(self, head):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.head = head
        self.over = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        """Answer until the test is over, or its client has left."""
        with suppress(OSError):
            self.wfile.write(self.server.head)
            while not self.server.over.wait(0.02):
                self.wfile.write(b"1")

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(params=[b"HTTP/1.1 200 OK\r\nx-head: ", b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"], ids=["head", "body"])
def dripping(request):
    """A server whose answers do not end."""
    server = Dripping(request.param)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_answer_that_does_not_end_is_left(ran, dripping, monkeypatch):
    """The next byte always comes soon; the push ends all the same, and keeps what did not go."""
    monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{dripping.server_port}")
    monkeypatch.setenv("LANGSMITH_API_KEY", "key")

    answer = ran.harness("push", "--within", "1")

    assert (answer.code, answer.err.count("\n")) == (8, 1)
    assert "its answer takes too long; the time of 1 s is over (--within); " in answer.err
