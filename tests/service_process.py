"""The reference service as a process of its own, and a plain client of it."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Service:
    """A running service."""

    def __init__(self, process, port, log):
        self.process = process
        self.port = port
        self._log = log

    def ask(self, method, path, body=None):
        """Return status and JSON of a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            data = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, data, {"content-type": "application/json"})
            with connection.getresponse() as response:
                text = response.read()
                return response.status, json.loads(text) if "json" in response.getheader("content-type", "") else text.decode()

    def events(self, thread):
        """Return the events of a thread's newest run."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            connection.request("GET", f"/stream/{thread}")
            with connection.getresponse() as response:
                assert response.getheader("content-type").startswith("text/event-stream")
                text = response.read().decode()
        blocks = [dict(line.partition(": ")[::2] for line in block.splitlines()) for block in text.split("\n\n") if block]
        return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]

    def log(self):
        """Return what it logged so far, line by line."""
        return [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]

    def end(self, number=signal.SIGTERM):
        """Ask it to end and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(120)


@contextlib.contextmanager
def service_of(folder, *arguments, base_url, key="a-key-of-the-tests"):
    """Serve a graph until the block ends; the models are at `base_url`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "LANG"))}
    environment |= {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": key, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "graphs.service", *arguments, "--port", str(port)]
    log = folder / f"service-{port}.log"
    with log.open("wb") as file, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file) as process:
        service = Service(process, port, log)
        try:
            wait_until(lambda: is_ready(service))
            yield service
        finally:
            process.kill()


def is_ready(service):
    """Tell whether a service takes runs."""
    assert service.process.poll() is None, service.log()
    try:
        return service.ask("GET", "/ready") == (200, {"status": "ready"})
    except OSError:
        return False


def wait_until(so):
    """Wait until something is so; a machine may be very slow."""
    deadline, pause = time.monotonic() + 120, threading.Event()
    while not so():
        assert time.monotonic() < deadline
        pause.wait(0.05)
