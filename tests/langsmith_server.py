"""LangSmith on loopback: the routes of the prompt hub, strict about keys, parents and commits; behind them a workspace of the double."""

import hashlib
import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from langsmith_double import Broken, Workspace

KEY = "lsv2_pt_0123456789abcdef0123456789abcdef_0123456789"


class Server(ThreadingHTTPServer):
    """Holds commits by prompt, newest last; takes `key` alone. `moved` leads everything elsewhere, by a status and an address.

    `fails` are answers by method and path: a status and a text; without a status none comes.
    """

    daemon_threads = True
    handle = "acme"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.commits: dict[str, list[dict]] = {}
        self.asked: list[tuple[str, str]] = []
        self.fails: dict[tuple[str, str], tuple[int | None, str]] = {}
        self.released = threading.Event()
        self.key = KEY
        self.moved: tuple[int, str] | None = None
        self.workspace = Workspace()

    @property
    def address(self) -> str:
        """Return the address to give to a client."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Say nothing of a client that has left; all else is an error of the double."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def put(self, name: str, manifest: dict) -> str:
        """Add a commit to a prompt and return its hash."""
        commits = self.commits.setdefault(name, [])
        found = hashlib.sha256(json.dumps([len(commits), manifest]).encode()).hexdigest()
        commits.append({"commit_hash": found, "manifest": manifest, "examples": []})
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self):
        """Answer what is asked for."""
        self._serve("GET")

    def do_POST(self):
        """Take what is sent."""
        self._serve("POST")

    def do_PATCH(self):
        """Take what is changed."""
        self._serve("PATCH")

    def do_PUT(self):
        """Take what is set."""
        self._serve("PUT")

    def do_DELETE(self):
        """Take back what was made."""
        self._serve("DELETE")

    def _serve(self, method):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # its client was killed, and nobody has asked anything
            self.close_connection = True
            return
        self.server.asked.append((method, self.path))
        status, text = self.server.fails.get((method, self.path), (0, ""))
        if status is None:
            self.server.released.wait()  # its client has left meanwhile
            return
        if self.server.moved:
            self._answer(self.server.moved[0], "", {"location": self.server.moved[1]})
        elif status:
            self._answer(status, text)
        elif self.headers.get("x-api-key") != self.server.key:
            self._answer(401, {"detail": "Invalid token"})
        elif self.path.startswith(("/settings", "/commits", "/repos")):
            self._answer(*self._routed(method, self.path.strip("/").split("/"), json.loads(body or b"{}")))
        else:
            self._work(method, body)

    def _work(self, method, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self._answer(*self.server.workspace.answer(method, self.path, headers, body))
        except Broken:
            self.close_connection = True

    def _routed(self, method, parts, body):
        match method, *parts:
            case "GET", "settings":
                return 200, {
                    "id": "8ae4",
                    "display_name": "Acme",
                    "created_at": "2026-01-01T00:00:00Z",
                    "tenant_handle": self.server.handle,
                }
            case "GET", "commits", owner, name, commit:
                return self._commit(owner, name, commit)
            case "GET", "repos", owner, name if self._mine(owner) and name in self.server.commits:
                return 200, {"repo": {"repo_handle": name}}
            case "POST", "repos" if body["repo_handle"] not in self.server.commits:
                self.server.commits[body["repo_handle"]] = []
                return 200, {"repo": body}
            case "POST", "commits", owner, name if self._mine(owner) and name in self.server.commits:
                return self._add(name, body)
        return 404, {"detail": "Not Found"}

    def _mine(self, owner):
        return owner in {"-", self.server.handle}

    def _commit(self, owner, name, wanted):
        found = self.server.commits.get(name, []) if self._mine(owner) else []
        known = [commit for commit in found if wanted == "latest" or commit["commit_hash"].startswith(wanted)]
        return (200, known[-1]) if known else (404, {"detail": "Commit not found"})

    def _add(self, name, body):
        commits = self.server.commits[name]
        latest = commits[-1] if commits else {"commit_hash": None, "manifest": None}
        if body["manifest"] == latest["manifest"]:
            return 409, {"detail": "Nothing to commit: prompt has not changed since latest commit"}
        if body["parent_commit"] != latest["commit_hash"]:
            return 409, {"detail": "Parent commit is not the latest commit"}
        return 200, {"commit": {"id": "c0", "commit_hash": self.server.put(name, body["manifest"])}}

    def _answer(self, status, document, headers=()):
        data = (document if isinstance(document, str) else json.dumps(document)).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("connection", "close")
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def langsmith():
    """Serve on a free port until the block ends."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    with langsmith() as server:
        sys.stdout.write(f"export LANGSMITH_ENDPOINT={server.address} LANGSMITH_API_KEY={KEY}\n")
        sys.stdout.flush()
        threading.Event().wait()
