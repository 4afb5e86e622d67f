"""A real HTTP server on loopback that is no model: JSON, forms, files, redirects, streams of bytes, errors; and Anthropic's messages."""

import gzip
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from harness.cassette.convert import fit
from harness.cassette.exchange import Response

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "A letter, then.", "signature": "c2ln"},
        {"type": "text", "text": "A is the first letter. 😀"},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"z": 1, "a": ["b", {"c": None}]}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 11, "output_tokens": 7, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0},
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: C901, a path a line
        """Answer by the path."""
        self.server.asked.append(f"{self.command} {self.path}")
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if self.headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        kind, headers, status = "application/json", {}, 200
        match urlsplit(self.path).path:
            case "/v1/messages":
                streamed = json.loads(body).get("stream") is True
                answer, _ = fit(Response(200, json.dumps(MESSAGE).encode()), streamed=streamed)
                data, kind = answer.body, "text/event-stream" if streamed else kind
            case "/bytes":
                data, kind = bytes(range(256)) + hashlib.sha256(body).digest(), "application/octet-stream"
            case "/lines":
                data, kind = b"one\ntwo\nthree\n", "text/plain"
            case "/gzip":
                data, headers = gzip.compress(b'{"packed": true}', mtime=0), {"content-encoding": "gzip"}
            case "/moved":
                data, headers, status = b"", {"location": "/items?moved=1"}, 302
            case "/gone":
                data, status = b'{"error": "no such thing"}', 404
            case "/nothing":
                data, status = b"", 204
            case _:
                data = json.dumps({"method": self.command, "path": self.path, "size": len(body)}).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815, as http.server wants them

    def _chunks(self):
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def serving_plainly():
    """Serve on a free port until the block ends; `asked` lists what came."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
