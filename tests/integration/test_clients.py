"""Every HTTP client library that a tool may use is recorded and replayed through the same seam, sync and async, streams too."""

import textwrap

import pytest
from plain_server import serving_plainly

GRAPH = """
import asyncio
import hashlib
import json
import os

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

URL = os.environ.get("PLAIN_URL", "http://127.0.0.1:9")
FILE = bytes(range(256))


def digest(body):
    try:  # JSON is stored readable: its white space is not kept
        body = json.dumps(json.loads(body)).encode()
    except ValueError:
        pass
    return hashlib.sha256(body).hexdigest()[:8]

CODE


def call(state):
    return {"messages": [AIMessage("", tool_calls=[{"name": "fetch", "args": {}, "id": "1"}])]}


def note(state):
    with open("results.txt", "a") as file:
        file.write(state["messages"][-1].content + "\\n")


def build():
    graph = StateGraph(MessagesState)
    graph.add_node("call", call)
    graph.add_node("tools", ToolNode([fetch], handle_tool_errors=False))
    graph.add_edge(START, "call")
    graph.add_edge("call", "tools")
    graph.add_node("note", note)
    graph.add_edge("tools", "note")
    graph.add_edge("note", END)
    return graph.compile()
"""

SYNC_HTTPX = """
import {library} as library


def shown(answer):
    return [answer.status_code, digest(answer.content), answer.headers.get("content-type")]


@tool
def fetch() -> str:
    "Fetch things."
    with library.Client(base_url=URL) as client:
        found = [
            shown(client.get("/items", params={"b": 2, "a": "é"})),
            shown(client.post("/items", json={"a": 1})),
            shown(client.post("/form", data={"name": "Ann", "age": "7"})),
            shown(client.post("/upload", data={"kind": "x"}, files={"file": ("a.bin", FILE)})),
            shown(client.put("/bytes", content=FILE)),
            shown(client.put("/items", content=iter([b"in ", b"pieces"]))),
            shown(client.get("/moved", follow_redirects=True)),
            shown(client.get("/moved")),
            shown(client.head("/items")),
            shown(client.delete("/nothing")),
            shown(client.get("/gone")),
            shown(client.get("/gzip")),
        ]
        with client.stream("GET", "/lines") as answer:
            found.append(list(answer.iter_lines()))
        with client.stream("GET", "/bytes") as answer:
            found.append(sum(map(len, answer.iter_bytes(chunk_size=100))))
    return json.dumps(found)
"""

ASYNC_HTTPX = """
import {library} as library


def shown(answer):
    return [answer.status_code, digest(answer.content), answer.headers.get("content-type")]


@tool
async def fetch() -> str:
    "Fetch things."
    async with library.AsyncClient(base_url=URL) as client:
        found = [
            shown(await client.get("/items", params={"b": 2, "a": "é"})),
            shown(await client.post("/form", data={"name": "Ann", "age": "7"})),
            shown(await client.post("/upload", data={"kind": "x"}, files={"file": ("a.bin", FILE)})),
            shown(await client.put("/bytes", content=FILE)),
            shown(await client.get("/moved", follow_redirects=True)),
            shown(await client.head("/items")),
            shown(await client.delete("/nothing")),
            shown(await client.get("/gone")),
            shown(await client.get("/gzip")),
        ]
        found += map(shown, await asyncio.gather(*(client.get("/items", params={"n": n}) for n in range(5))))
        async with client.stream("GET", "/lines") as answer:
            found.append([line async for line in answer.aiter_lines()])
        async with client.stream("GET", "/bytes") as answer:
            found.append(sum([len(part) async for part in answer.aiter_bytes(chunk_size=100)]))
    return json.dumps(found)
"""

REQUESTS = """
import requests


def shown(answer):
    return [answer.status_code, digest(answer.content), answer.headers.get("content-type")]


@tool
def fetch() -> str:
    "Fetch things."
    with requests.Session() as client:
        found = [
            shown(client.get(URL + "/items", params={"b": 2, "a": "é"}, timeout=5)),
            shown(client.post(URL + "/items", json={"a": 1}, timeout=5)),
            shown(client.post(URL + "/form", data={"name": "Ann", "age": "7"}, timeout=5)),
            shown(client.post(URL + "/upload", data={"kind": "x"}, files={"file": ("a.bin", FILE)}, timeout=5)),
            shown(client.put(URL + "/bytes", data=FILE, timeout=5)),
            shown(client.get(URL + "/moved", timeout=5)),
            shown(client.get(URL + "/moved", allow_redirects=False, timeout=5)),
            shown(client.head(URL + "/items", timeout=5)),
            shown(client.delete(URL + "/nothing", timeout=5)),
            shown(client.get(URL + "/gone", timeout=5)),
            shown(client.get(URL + "/gzip", timeout=5)),
        ]
        with client.get(URL + "/lines", stream=True, timeout=5) as answer:
            found.append([line.decode() for line in answer.iter_lines()])
        with client.get(URL + "/bytes", stream=True, timeout=5) as answer:
            found.append(sum(map(len, answer.iter_content(chunk_size=100))))
    return json.dumps(found)
"""

URLLIB3 = """
import urllib3


def shown(answer):
    return [answer.status, digest(answer.data), answer.headers.get("content-type")]


@tool
def fetch() -> str:
    "Fetch things."
    with urllib3.PoolManager() as pool:
        found = [
            shown(pool.request("GET", URL + "/items", fields={"b": "2", "a": "é"})),
            shown(pool.request("POST", URL + "/items", json={"a": 1})),
            shown(pool.request("POST", URL + "/form", fields={"name": "Ann"}, encode_multipart=False)),
            shown(pool.request("POST", URL + "/upload", fields={"kind": "x", "file": ("a.bin", FILE)})),
            shown(pool.request("PUT", URL + "/bytes", body=FILE)),
            shown(pool.request("GET", URL + "/moved")),
            shown(pool.request("HEAD", URL + "/items")),
            shown(pool.request("DELETE", URL + "/nothing")),
            shown(pool.request("GET", URL + "/gone")),
            shown(pool.request("GET", URL + "/gzip")),
        ]
        answer = pool.request("GET", URL + "/lines", preload_content=False)
        found.append(b"".join(answer.stream(4)).decode().split())
        answer.release_conn()
    return json.dumps(found)
"""

URLLIB = """
import urllib.error
import urllib.request


def shown(method, path, data=None):
    try:
        request = urllib.request.Request(URL + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return [answer.status, digest(answer.read()), answer.headers.get("content-type")]
    except urllib.error.HTTPError as error:
        with error:
            return [error.code, digest(error.read()), None]


@tool
def fetch() -> str:
    "Fetch things."
    found = [
        shown("GET", "/items?b=2&a=1"),
        shown("POST", "/form", b"name=Ann&age=7"),
        shown("PUT", "/bytes", FILE),
        shown("GET", "/moved"),
        shown("HEAD", "/items"),
        shown("DELETE", "/nothing"),
        shown("GET", "/gone"),
    ]
    with urllib.request.urlopen(URL + "/lines", timeout=5) as answer:
        found.append([line.decode() for line in answer])
    return json.dumps(found)
"""

HTTP_CLIENT = """
import http.client
from urllib.parse import urlsplit


def shown(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(urlsplit(URL).netloc, timeout=5)
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    found = [answer.status, digest(answer.read()), answer.getheader("content-type")]
    connection.close()
    return found


@tool
def fetch() -> str:
    "Fetch things."
    found = [
        shown("GET", "/items?b=2&a=1"),
        shown("POST", "/items", json.dumps({"a": 1}), {"content-type": "application/json"}),
        shown("PUT", "/bytes", FILE),
        shown("GET", "/moved"),
        shown("GET", "/gone"),
    ]
    return json.dumps(found)
"""

AIOHTTP = """
import aiohttp


async def shown(answer):
    async with answer as given:
        return [given.status, digest(await given.read()), given.headers.get("content-type")]


def upload():
    form = aiohttp.FormData()
    form.add_field("kind", "x")
    form.add_field("file", FILE, filename="a.bin")
    return form


@tool
async def fetch() -> str:
    "Fetch things."
    async with aiohttp.ClientSession() as client:
        found = [
            await shown(client.get(URL + "/items", params={"b": "2", "a": "é"})),
            await shown(client.post(URL + "/items", json={"a": 1})),
            await shown(client.post(URL + "/form", data={"name": "Ann", "age": "7"})),
            await shown(client.post(URL + "/upload", data=upload())),
            await shown(client.put(URL + "/bytes", data=FILE)),
            await shown(client.get(URL + "/moved")),
            await shown(client.head(URL + "/items")),
            await shown(client.delete(URL + "/nothing")),
            await shown(client.get(URL + "/gone")),
            await shown(client.get(URL + "/gzip")),
        ]
        async with client.get(URL + "/lines") as answer:
            found.append([line.decode() async for line in answer.content])
    return json.dumps(found)
"""

ANTHROPIC = """
import anthropic

ASKED = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "A?"}]}


def shown(message):
    return message.model_dump(mode="json", exclude_none=True)


@tool
def fetch() -> str:
    "Fetch things."
    client = anthropic.Anthropic(base_url=URL, max_retries=0)
    found = [shown(client.messages.create(**ASKED))]
    with client.messages.stream(**{**ASKED, "system": "Stream."}) as stream:
        found.append("".join(stream.text_stream))
        found.append(shown(stream.get_final_message()))
    return json.dumps(found)
"""

ASYNC_ANTHROPIC = """
import anthropic

ASKED = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "A?"}]}


@tool
async def fetch() -> str:
    "Fetch things."
    async with anthropic.AsyncAnthropic(base_url=URL, max_retries=0) as client:
        whole = await client.messages.create(**ASKED)
        async with client.messages.stream(**{**ASKED, "system": "Stream."}) as stream:
            final = await stream.get_final_message()
    return json.dumps([message.model_dump(mode="json", exclude_none=True) for message in (whole, final)])
"""

CLIENTS = {
    "httpx": SYNC_HTTPX.replace("{library}", "httpx"),
    "httpx, async": ASYNC_HTTPX.replace("{library}", "httpx"),
    "httpx2": SYNC_HTTPX.replace("{library}", "httpx2"),
    "httpx2, async": ASYNC_HTTPX.replace("{library}", "httpx2"),
    "requests": REQUESTS,
    "urllib3": URLLIB3,
    "urllib": URLLIB,
    "http.client": HTTP_CLIENT,
    "aiohttp": AIOHTTP,
    "anthropic": ANTHROPIC,
    "anthropic, async": ASYNC_ANTHROPIC,
}


def agent(world, code):
    """Write an agent whose tool runs this code."""
    world.write("agent.py", textwrap.dedent(GRAPH).replace("CODE", code))
    world.suite('mode = "ainvoke"' if "async def fetch" in code else "")
    world.cases({"id": "one", "inputs": {"messages": []}})


def record(world, monkeypatch):
    """Record against the plain server; returns what it was asked and the command's answer."""
    with serving_plainly() as server, monkeypatch.context() as patch:
        patch.setenv("PLAIN_URL", f"http://127.0.0.1:{server.server_port}")
        patch.setenv("ANTHROPIC_API_KEY", "a-key-of-the-tests")
        answer = world.harness("record")
        return server.asked, answer


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in CLIENTS.items()])
def test_a_client_in_a_tool_is_recorded_and_replayed(world, monkeypatch, code):
    """A tool's own requests are recorded from a real server and replayed without one: the tool gives the very same."""
    agent(world, code)
    asked, recorded = record(world, monkeypatch)
    assert recorded.code == 0, recorded.out + recorded.err
    assert asked

    answer = world.harness("run")

    assert answer.code == 0, answer.out + answer.err
    trial = world.trial()
    assert (trial.sockets, trial.unused, trial.played) == (0, 0, len(asked))
    live, replayed = (world.root / "results.txt").read_text().splitlines()
    assert live == replayed
    again, _ = record(world, monkeypatch)
    assert again == []


DIFFERENT_BODIES = """
import aiohttp


@tool
async def fetch() -> str:
    "Fetch things."
    async with aiohttp.ClientSession() as client:
        found = []
        for body in ({"a": 1}, {"a": 22}, [1], [1, 2, 3]):
            async with client.post(URL + "/items", json=body) as answer:
                found.append(await answer.json())
    return json.dumps(found)
"""


def test_bodies_of_equal_keys_are_told_apart(world, monkeypatch):
    """JSON bodies that aiohttp has yet to encode are compared by their values, lists too."""
    agent(world, DIFFERENT_BODIES)
    record(world, monkeypatch)
    code = DIFFERENT_BODIES.replace('{"a": 22}', '{"a": 23}')
    world.write("agent.py", textwrap.dedent(GRAPH).replace("CODE", code))

    assert world.harness("run").code == 4
    (miss,) = world.trial().misses
    assert "22" in miss.diff
    assert "23" in miss.diff


TELEMETRY = """
import socket

import httpx
import requests


def post():
    try:
        return requests.post("http://events.telemetry.example/capture", json={"at": id(object())}, timeout=5).status_code
    except requests.ConnectionError:
        return "no connection"


def statsd():
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"calls:1|c", ("127.0.0.1", 8125))
    except OSError:
        return "no connection"


@tool
def fetch() -> str:
    "Fetch things."
    try:
        httpx.get("https://events.telemetry.example/flags")
    except httpx.ConnectError as error:
        assert "ignore_hosts" in str(error)
    return json.dumps([post(), statsd(), httpx.get(URL + "/items").json()["path"]])
"""


def test_ignored_hosts(world, monkeypatch):
    """Requests to ignored hosts get the client's own connection error, recorded or replayed, and leave no trace in cassette or trial."""
    agent(world, TELEMETRY)
    world.suite('ignore_hosts = ["*.telemetry.example", "127.0.0.1:8125"]')

    _, recorded = record(world, monkeypatch)
    replayed = world.harness("run")

    assert (recorded.code, replayed.code) == (0, 0), recorded.err + replayed.out
    assert "telemetry" not in (world.root / "cassettes/agent/one.yaml").read_text()
    trial = world.trial()
    assert [call.url.rpartition("/")[2] for call in trial.trace.calls] == ["items"]
    assert trial.live == ()
    live, again = (world.root / "results.txt").read_text().splitlines()
    assert live == again == '["no connection", "no connection", "/items"]'


CUT_OFF = """
version: 1
interactions:
- request:
    method: POST
    uri: https://api.anthropic.com/v1/messages
    body: '{"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "A?"}], "stream": true}'
    headers: {content-type: [application/json]}
  response:
    status: {code: 200, message: OK}
    headers: {content-type: [text/event-stream]}
    body:
      string: |+
        event: message_start
        data: {"type": "message_start", "message": {"type": "message", "role": "assistant", "content": []}}

"""


def test_a_stream_that_broke_off_is_no_whole_answer(world):
    """Where half a stream is recorded and a whole answer asked for, the case is stale, and it says why."""
    code = ANTHROPIC.partition("    with client")[0] + "    return json.dumps(found)\n"
    agent(world, code)
    world.write("cassettes/agent/one.yaml", CUT_OFF)

    answer = world.harness("run")

    assert answer.code == 4, answer.out
    assert "the stream was cut off" in world.trial().misses[0].cause
