"""The recording wire server: requests go on to a real server, and what comes back is stored."""

import contextlib
import http.client
import re
import socket
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from exchanges import said, tape
from letters import AGENT, case
from letters import RULES as LETTERS
from openai_server import serving
from wire_server import ask, client_of, get, project_of, requested, server_of, state

from harness.cassette import vcr_yaml
from harness.script import parse

RULES = parse(
    """
- when: {contains: capital}
  reply: {text: "Paris is the capital."}
- when: {contains: secret}
  reply: {text: "it is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"}
- when: {contains: broken}
  reply: {status: 503}
""",
    path="rules",
)


@pytest.fixture
def project(world):
    """Return a project whose agent is in another process."""
    return project_of(world)


def test_what_is_recorded_is_replayed(project):
    """A recording server passes requests on and stores what comes back; the replay needs no upstream, key or cost."""
    with serving(RULES) as real, server_of(project, upstream=real.base_url) as server:
        with client_of(server) as client:
            assert ask(client).choices[0].message.content == "Paris is the capital."
        assert state(server)["recorded"] == 1
        assert len(real.asked) == 1

    (exchange,) = vcr_yaml.loads((project.root / "cassettes/agent/one.yaml").read_text("utf-8"), path="one")
    assert exchange.request.url == f"{real.base_url}/chat/completions"
    assert exchange.variants == ("default",)
    assert "a key" not in (project.root / "cassettes/agent/one.yaml").read_text("utf-8")
    with server_of(project) as server, client_of(server) as client, ask(client, stream=True) as stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "Paris is the capital."


def test_a_recorded_exchange_is_not_asked_again(project):
    """What the cassette holds is replayed while recording; the variant that played it is noted on it."""
    path = tape(project, "one", said("capital?", "Paris."))

    with serving(RULES) as real:
        with server_of(project, upstream=real.base_url) as server, client_of(server, "agent@v2/one") as client:
            ask(client)
        assert real.asked == []

    (exchange,) = vcr_yaml.loads(path.read_text("utf-8"), path="one")
    assert exchange.variants == ("default", "v2")


def test_what_a_server_recorded_replays_inside_the_process(world):
    """A cassette that the server recorded answers the graph in `harness run`, and one that `harness record` wrote the server's clients."""
    world.write("agent.py", AGENT)
    world.suite()
    world.cases(case(1), case(2))
    rules = parse(textwrap.dedent(LETTERS), path="rules")
    with serving(rules) as real, server_of(world, upstream=real.base_url) as server, client_of(server, "agent/case-001") as client:
        ask(client, "1: alpha")
    assert world.record(LETTERS, "--filter", "case-002").code == 0

    assert world.harness("run").code == 0
    with server_of(world) as server, client_of(server, "agent/case-002") as client:
        assert ask(client, "2: alpha").choices[0].message.content == "letter"


def test_many_clients_are_recorded_at_once(project):
    """Twenty answers that arrive at the same time are all stored, each with its own question."""
    rules = parse("".join(f"- when: {{contains: 'number {n} '}}\n  reply: {{text: 'answer {n}'}}\n" for n in range(20)), path="rules")
    with serving(rules, delay_s=0.05) as real, server_of(project, upstream=real.base_url) as server, client_of(server) as client:
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda number: ask(client, f"number {number} ?"), range(20)))
        assert state(server)["recorded"] == 20

    exchanges = vcr_yaml.loads((project.root / "cassettes/agent/one.yaml").read_text("utf-8"), path="one")
    stored = {re.search(rb"number (\d+) ", each.request.body)[1]: re.search(rb"answer (\d+)", each.response.body)[1] for each in exchanges}
    assert stored == {number: number for number in (b"%d" % n for n in range(20))}


def test_a_stream_is_recorded_as_it_arrives(project):
    """An upstream that streams in chunks is passed on in chunks, and kept once it has come whole."""
    with _streaming_upstream([b'data: {"choices": []}\n\n', b"data: [DONE]\n\n"]) as url, server_of(project, upstream=url) as server:
        with requested(server, "/agent/one/v1/chat/completions", "POST", said("capital?", "").request.body) as response:
            assert response.headers["transfer-encoding"] == "chunked"
            assert response.read() == b'data: {"choices": []}\n\ndata: [DONE]\n\n'

        assert state(server)["recorded"] == 1
    assert len(vcr_yaml.loads((project.root / "cassettes/agent/one.yaml").read_text("utf-8"), path="one")) == 1


def test_a_stream_that_breaks_is_not_kept(project):
    """An answer that is cut off breaks the client's connection too, and is not stored."""
    path, question = "/agent/one/v1/chat/completions", said("capital?", "").request.body
    with (
        _streaming_upstream([b"data: {}\n\n", None]) as url,
        server_of(project, upstream=url) as server,
        requested(server, path, "POST", question) as response,
        pytest.raises(http.client.IncompleteRead),
    ):
        response.read()

    assert not (project.root / "cassettes/agent/one.yaml").exists()


def test_a_secret_in_an_answer_is_redacted_before_it_is_stored(project):
    """What the upstream says reaches the client as it is, and the cassette redacted."""
    with (
        serving(RULES) as real,
        server_of(project, upstream=real.base_url) as server,
        client_of(server) as client,
    ):
        assert "sk-proj-" in ask(client, "secret?").choices[0].message.content

    assert "sk-proj-" not in (project.root / "cassettes/agent/one.yaml").read_text("utf-8")


def test_a_server_error_is_passed_on_and_not_stored(project):
    """The client sees the upstream's 503; the cassette does not."""
    with (
        serving(RULES) as real,
        server_of(project, upstream=real.base_url) as server,
        client_of(server, max_retries=0) as client,
        pytest.raises(openai.InternalServerError),
    ):
        ask(client, "broken?")

    assert not (project.root / "cassettes/agent/one.yaml").exists()


def test_an_upstream_that_is_not_there_is_told(project):
    """Where nothing answers upstream the client gets a 502 that names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with server_of(project, upstream=f"http://127.0.0.1:{port}/v1") as server:
        status, answer = get(server, "/agent/one/v1/chat/completions", "POST", b"{}")

    assert status == 502
    assert f"no answer of http://127.0.0.1:{port}" in answer["error"]["message"]


def test_a_base_url_that_is_not_the_upstream_s_is_refused(project):
    """Where the upstream's API begins elsewhere, the base URL to use is named, and nothing is sent."""
    with serving(RULES) as real:
        with server_of(project, upstream=f"{real.base_url}/deep/v9") as server:
            status, answer = get(server, "/agent/one/v1/chat/completions", "POST", b"{}")
        assert real.asked == []

    assert status == 404
    assert "/SUITE/CASE/v1/deep/v9" in answer["error"]["message"]


@contextlib.contextmanager
def _streaming_upstream(pieces):
    """Serve one request with these chunks; None breaks the connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = listener.accept()
        with connection:
            while b"capital" not in connection.recv(65536):
                pass
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                if piece is None:
                    return
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        thread.join(20)
        listener.close()
