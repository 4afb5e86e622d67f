"""Many threads at once: none of their requests goes past the wire, whatever library makes them."""

import http.client
import socket
import ssl

from plain_server import serving_plainly

AGENT = """
    import os
    from concurrent.futures import ThreadPoolExecutor

    import httpx2
    import requests
    from langgraph.graph import MessagesState, StateGraph

    URL = os.environ.get("PLAIN_URL", "http://127.0.0.1:9")


    def ask(number):
        get = requests.get if number % 2 else httpx2.get
        return get(f"{URL}/items?n={number}").json()["path"]


    def fetch(state):
        with ThreadPoolExecutor(8) as pool:
            paths = list(pool.map(ask, range(40)))
        assert paths == [f"/items?n={number}" for number in range(40)], paths
        return {}


    def build():
        return StateGraph(MessagesState).add_node("fetch", fetch).set_entry_point("fetch").set_finish_point("fetch").compile()
"""


def test_what_threads_ask_together_is_all_recorded_and_replayed(world, monkeypatch):
    """Forty requests of eight threads and two libraries: forty are recorded, none of them twice, and forty are played."""
    world.write("agent.py", AGENT)
    world.suite()
    world.cases({"id": "one", "inputs": {"messages": []}})
    with serving_plainly() as server:
        monkeypatch.setenv("PLAIN_URL", f"http://127.0.0.1:{server.server_port}")
        recorded = world.harness("record")
    assert (recorded.code, len(server.asked)) == (0, 40)
    assert "recorded 40 exchanges" in recorded.out

    answer = world.harness("run")

    assert answer.code == 0, answer.out
    assert "40 exchanges played, 0 sockets opened" in answer.out


def test_a_connection_by_tls_can_be_made_though_its_class_is_patched():
    """The constructor of http.client's class for https finds itself, while the module's names are the stubs'."""
    from vcr import patch

    from harness.wire.patch import patched

    real = http.client.HTTPSConnection
    with patched():
        stub = http.client.HTTPSConnection
        assert stub is not real
        with patch.force_reset():
            assert http.client.HTTPSConnection is stub
        connection = stub("127.0.0.1", 9, timeout=3, context=ssl.create_default_context())
        plain = real("127.0.0.1", 9)

    assert (connection.real_connection.port, connection.real_connection.timeout, type(connection.real_connection)) == (9, 3, real)
    assert plain.timeout is socket._GLOBAL_DEFAULT_TIMEOUT
