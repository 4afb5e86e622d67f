"""The wire as a server: agents in other processes are replayed by their base URL."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import openai
import pytest
from exchanges import MODEL, said, tape
from wire_server import ask, client_of, get, project_of, raw, server_of, state

from harness.cassette.exchange import Exchange, Request
from harness.cassette.segments import segments
from harness.script import ScriptedReply, compose


@pytest.fixture
def project(world):
    """Return a project whose agent is in another process."""
    return project_of(world)


@pytest.fixture
def server(project):
    """Serve the project as a replay."""
    with server_of(project) as server:
        yield server


def test_a_client_is_answered_from_the_cassette(project, server):
    """OpenAI's client, given a trial's base URL, gets what was recorded."""
    tape(project, "one", said("capital?", "Paris."))

    with client_of(server) as client:
        answer = ask(client)

    assert answer.choices[0].message.content == "Paris."
    assert state(server)["played"] == 1
    assert state(server)["unused"] == 0


def test_a_whole_answer_is_streamed_in_chunks(project, server):
    """A client that streams gets the recorded answer event by event."""
    tape(project, "one", said("capital?", "Paris it is."))

    with client_of(server) as client, ask(client, stream=True) as stream:
        words = [chunk.choices[0].delta.content for chunk in stream if chunk.choices and chunk.choices[0].delta.content]

    assert words == ["Paris ", "it ", "is."]


def test_responses_and_embeddings_are_answered(project, server):
    """Other endpoints are recorded and replayed by their path, the Responses API as a stream too."""
    url = "https://api.openai.com/v1"
    asked = Request("POST", f"{url}/responses", json.dumps({"model": MODEL, "input": "capital?"}).encode())
    embedded = Request("POST", f"{url}/embeddings", json.dumps({"model": "e", "input": "x", "encoding_format": "float"}).encode())
    replies = (ScriptedReply(text="Paris it is."), ScriptedReply(dimensions=3))
    answers = [Exchange(each, compose(reply, segments(each))) for each, reply in zip((asked, embedded), replies, strict=True)]
    tape(project, "one", *answers)

    with client_of(server) as client, client.responses.create(model=MODEL, input="capital?", stream=True) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        vector = client.embeddings.create(model="e", input="x", encoding_format="float").data[0].embedding

    assert (text, len(vector)) == ("Paris it is.", 3)


def test_an_async_client_is_answered(project, server):
    """The asynchronous client is answered too, whole and streamed, each from its own exchange."""
    tape(project, "one", said("one?", "First."), said("two?", "Second."))

    async def both():
        async with openai.AsyncOpenAI(base_url=f"{server.origin}/agent/one/v1", api_key="a key") as client:
            first = await ask(client, "one?")
            second = [chunk async for chunk in await ask(client, "two?", stream=True)]
        return first.choices[0].message.content, "".join(chunk.choices[0].delta.content or "" for chunk in second if chunk.choices)

    assert asyncio.run(both()) == ("First.", "Second.")


def test_an_agent_in_another_process_is_answered(project, server):
    """A program of its own is replayed by nothing but its base URL."""
    tape(project, "one", said("capital?", "Paris."))
    program = """
        import openai
        with openai.OpenAI() as client:
            messages = [{"role": "user", "content": "capital?"}]
            print(client.chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content)
    """
    path = project.write("program.py", program)
    environment = {**os.environ, "OPENAI_BASE_URL": f"{server.origin}/agent/one/v1", "OPENAI_API_KEY": "a key"}

    answer = subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, check=True)

    assert answer.stdout == "Paris.\n"


def test_equal_requests_are_answered_in_recorded_order(project, server):
    """The same question gets the first recorded answer, then the second; a third time there is none."""
    tape(project, "one", said("capital?", "Paris."), said("capital?", "Lyon.", number=1))

    with client_of(server) as client:
        assert [ask(client).choices[0].message.content for _ in range(2)] == ["Paris.", "Lyon."]
        with pytest.raises(openai.UnprocessableEntityError, match="already played"):
            ask(client)


def test_many_clients_at_once_each_get_their_own_answer(project):
    """Forty requests at once, of two trials, all get the answer to their own question."""
    for case in ("one", "late"):
        tape(project, case, *(said(f"{case} {number}?", f"{case} {number}.") for number in range(20)))
    project.cases({"id": "one", "inputs": {}}, {"id": "late", "inputs": {}})

    with server_of(project) as server, client_of(server) as one, client_of(server, "agent/late") as other:

        def answered(job):
            case, client, number = job
            return ask(client, f"{case} {number}?").choices[0].message.content == f"{case} {number}."

        jobs = [job for number in range(20) for job in (("one", one, number), ("late", other, number))]
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(answered, jobs))
        assert state(server)["played"] == state(server, "agent/late")["played"] == 20


def test_a_case_is_named_percent_encoded(project, server):
    """An id that is no path is percent-encoded in the base URL."""
    tape(project, "a/b é", said("capital?", "Paris."))

    with client_of(server, f"agent/{quote('a/b é', safe='')}") as client:
        assert ask(client).choices[0].message.content == "Paris."


def test_a_label_is_a_trial_of_its_own(project, server):
    """`~2` behind the case plays the cassette from its start again."""
    tape(project, "one", said("capital?", "Paris."))

    for address in ("agent/one", "agent/one/~2", "agent@v2/one", "agent@v2/one/~nightly"):
        with client_of(server, address) as client:
            assert ask(client).choices[0].message.content == "Paris."
    told = get(server, "/_harness")[1]["trials"]

    assert [(trial["variant"], trial["trial"], trial["played"]) for trial in told] == [
        ("default", "1", 1),
        ("default", "2", 1),
        ("v2", "1", 1),
        ("v2", "nightly", 1),
    ]


def test_a_restarted_trial_begins_afresh(project, server):
    """After `_restart` the same base URL plays from the start, even after a miss; what was before still counts."""
    tape(project, "one", said("capital?", "Paris."))
    with client_of(server) as client:
        ask(client)
        with pytest.raises(openai.UnprocessableEntityError):
            ask(client)

        assert get(server, "/agent/one/_restart", "POST") == (200, {"restarted": "agent/one"})

        assert ask(client).choices[0].message.content == "Paris."
    assert [trial["missed"] for trial in get(server, "/_harness")[1]["trials"]] == [1, 0]


def test_a_miss_is_explained_and_not_tried_again(project, server):
    """A miss is an error that no client retries; it names cause, difference and command, and stops the trial."""
    tape(project, "one", said("capital of France?", "Paris."), said("capital of Italy?", "Rome."))

    with client_of(server, max_retries=3) as client:
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            ask(client, "capital of Spain?")
        with pytest.raises(openai.UnprocessableEntityError, match="stopped"):
            ask(client, "capital of Italy?")

    error = caught.value.body
    assert error["code"] == "not_on_cassette"
    assert "messages" in error["message"]
    assert "of Spain" in error["message"]
    assert "harness serve --record" in error["message"]
    assert error["misses"][0]["differs"] == ["messages"]
    told = state(server)
    assert (told["asked"], told["missed"], told["unused"]) == (1, 1, 2)


def test_a_rate_limit_is_sent_and_the_client_tries_again(project, server):
    """The fault `rate_limit` is a 429 with its delay, after which the client is answered."""
    tape(project, "limited", said("capital?", "Paris."))

    with client_of(server, "agent/limited", max_retries=2) as client:
        assert ask(client).choices[0].message.content == "Paris."

    assert state(server, "agent/limited")["faults"] == 1


def test_a_time_out_is_never_answered(project, server):
    """The fault `timeout` leaves the client waiting until it gives up."""
    with client_of(server, "agent/late", max_retries=0, timeout=0.3) as client, pytest.raises(openai.APITimeoutError):
        ask(client)


def test_a_connection_error_closes_the_connection(project, server):
    """The fault `connect_error` ends the connection without an answer."""
    with client_of(server, "agent/gone", max_retries=0) as client, pytest.raises(openai.APIConnectionError) as caught:
        ask(client)

    assert not isinstance(caught.value, openai.APITimeoutError)


def test_a_fault_at_a_node_is_refused(project, server):
    """An agent in another process has no nodes, so a fault at one is an error and not a silent nothing."""
    status, answer = get(server, "/agent/placed/v1/chat/completions", "POST", b"{}")

    assert status == 422
    assert "no nodes" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("path", "told"),
    {
        "suite": ("/agnet/one/v1", "no suite 'agnet' is served; did you mean 'agent'?"),
        "case": ("/agent/onn/v1", "has no case 'onn'; did you mean 'one'?"),
        "variant": ("/agent@v3/one/v1", "no variant 'v3'; known: default, v2"),
        "no trial": ("/v1", "a base URL is"),
        "root": ("/", "a base URL is"),
    }.values(),
    ids=["suite", "case", "variant", "no trial", "root"],
)
def test_an_unknown_address_names_the_nearest(server, path, told):
    """A suite, a case or a variant that there is not is a 404 that names the nearest."""
    status, answer = get(server, path, "POST", b"{}")

    assert status == 404
    assert told in answer["error"]["message"]


def test_an_unreadable_cassette_is_told(project, server):
    """A cassette that cannot be read answers with its path and line, and is a problem of the server."""
    tape(project, "one").write_text("version: 1\ninteractions: [", "utf-8")

    status, answer = get(server, "/agent/one/v1/chat/completions", "POST", b"{}")

    assert status == 422
    assert "cassettes/agent/one.yaml:" in answer["error"]["message"]
    assert any("cassettes/agent/one.yaml:" in problem for problem in server.service.problems)


@pytest.mark.parametrize(
    ("data", "start"),
    {
        "too large": (b"POST /agent/one/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", b"HTTP/1.1 413 "),
        "too large in chunks": (
            b"POST /agent/one/v1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n",
            b"HTTP/1.1 413 ",
        ),
        "no number": (b"POST /agent/one/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n", b"HTTP/1.1 400 "),
        "cut off": (b"POST /agent/one/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{}", b"HTTP/1.1 400 "),
        "no chunks": (b"POST /agent/one/v1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n", b"HTTP/1.1 400 "),
        "no HTTP": (b"hello\r\n\r\n", b'{"error":{"code":"bad_request"'),
        "no method": (b"BREW /agent/one/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 501 "),
        "a web page's own name": (b"GET /_harness HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"HTTP/1.1 403 "),
        "a web page's origin": (b"GET /_harness HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n", b"HTTP/1.1 403 "),
        "an odd host": (b"GET /_harness HTTP/1.1\r\nHost: [::\r\n\r\n", b"HTTP/1.1 403 "),
    }.values(),
    ids=["too-large", "too-large-in-chunks", "no-number", "cut-off", "no-chunks", "no-http", "no-method", "own-name", "origin", "odd-host"],
)
def test_odd_requests_are_refused(server, capfd, data, start):
    """What is no request that can be answered gets a status that says so, and the server goes on without a traceback."""
    assert raw(server, data).startswith(start)
    assert get(server, "/_harness")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_page_of_this_machine_may_ask(server):
    """An agent that runs in a page of this machine is answered, under any of its names."""
    headers = {"Host": f"[::1]:{server.port}", "Origin": "http://localhost:3000"}

    assert get(server, "/_harness", headers=headers)[0] == 200


def test_a_body_in_chunks_is_read(project, server):
    """A client that sends its body in chunks, as many languages do, is answered."""
    tape(project, "one", said("capital?", "Paris."))
    body = said("capital?", "").request.body

    status, answer = get(server, "/agent/one/v1/chat/completions", "POST", iter([body[:10], body[10:]]), encode_chunked=True)

    assert (status, answer["choices"][0]["message"]["content"]) == (200, "Paris.")


def test_a_body_that_is_not_json_is_a_miss(project, server):
    """A body of another kind is compared as text; here nothing like it is recorded."""
    tape(project, "one", said("capital?", "Paris."))

    status, answer = get(server, "/agent/one/v1/chat/completions", "POST", b"\xff{no json")

    assert (status, answer["error"]["code"]) == (422, "not_on_cassette")


def test_a_health_check_asks_nothing(project, server):
    """HEAD says whether there is such a trial and is no request of it."""
    assert get(server, "/agent/one/v1", "HEAD") == (200, None)
    assert get(server, "/agent/two/v1", "HEAD") == (404, None)
    assert state(server)["asked"] == 0


def test_a_client_of_http_1_0_gets_a_whole_answer(project, server):
    """A client that knows no chunks gets a stream at one go."""
    tape(project, "one", said("capital?", "Paris."))
    body = json.dumps({**json.loads(said("capital?", "").request.body), "stream": True}).encode()

    head = f"POST /agent/one/v1/chat/completions HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    received = raw(server, head + body, whole=False)

    assert b"Transfer-Encoding" not in received
    assert received.endswith(b"data: [DONE]\n\n")


def test_a_client_that_goes_away_harms_nothing(project, server, capfd):
    """A client that closes in the middle of its request or of its answer leaves the server as it was."""
    tape(project, "one", said("capital?", "word " * 200_000))
    body = json.dumps({**json.loads(said("capital?", "").request.body), "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
        connection.sendall(f"POST /agent/one/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}".encode())
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
        head = f"POST /agent/one/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        connection.recv(100)

    assert get(server, "/_harness")[0] == 200
    assert capfd.readouterr().err == ""
