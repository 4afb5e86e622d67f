"""The wire server of a project, and clients of its trials."""

import contextlib
import http.client
import json
import socket
import threading

import openai
from exchanges import MODEL

from harness import config
from harness.runner.serve import Service
from harness.wire.server import WireServer
from harness.wire.upstream import Upstream


def project_of(world):
    """Make a project of one suite whose agent is written in another language, with a few cases."""
    world.suite(graph="agent.go", tables="[suites.agent.variants.v2]\nmodel = 'gpt-4o'")
    faults = [{"at": {"model_call": 1}, "fault": "rate_limit", "retry_after_s": 0.01}]
    world.cases(
        {"id": "one", "inputs": {}},
        {"id": "a/b é", "inputs": {}},
        {"id": "limited", "inputs": {}, "faults": faults},
        {"id": "late", "inputs": {}, "faults": [{"at": {"model_call": 1}, "fault": "timeout"}]},
        {"id": "gone", "inputs": {}, "faults": [{"at": {"model_call": 1}, "fault": "connect_error"}]},
        {"id": "placed", "inputs": {}, "faults": [{"at": {"node": "ask"}, "fault": "timeout"}]},
    )
    return world


@contextlib.contextmanager
def server_of(world, *, upstream=None):
    """Serve a project until the block ends."""
    service = Service(config.load(world.root / "harness.toml"), (), now=(lambda: "2026-11-21T09:45:12+00:00") if upstream else None)
    server = WireServer(service, upstream=Upstream(upstream) if upstream else None)
    server.service = service
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        service.close()


@contextlib.contextmanager
def client_of(server, address="agent/one", **settings):
    """Return OpenAI's client with the base URL of a trial."""
    with openai.OpenAI(base_url=f"{server.origin}/{address}/v1", api_key="a key", **settings) as client:
        yield client


def ask(client, question="capital?", **settings):
    """Return what a model answers."""
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": question}], **settings)


@contextlib.contextmanager
def requested(server, path, method="GET", body=None, **how):
    """Send a plain request; yields its response."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, body, **how)
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()


def get(server, path, method="GET", body=None, **how):
    """Return status and JSON of a plain request."""
    with requested(server, path, method, body, **how) as response:
        return response.status, json.loads(response.read() or "null")


def raw(server, data, *, whole=True):
    """Send bytes on a connection of their own and return what comes back until the server closes it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(data)
        if whole:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def state(server, address="agent/one"):
    """Return what a trial was asked."""
    return get(server, f"/{address}/_harness")[1]
