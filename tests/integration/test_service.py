"""The reference service, as a real process over real HTTP, its models a real server on loopback."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from openai_server import serving
from service_process import service_of, wait_until

from harness.script import parse

RULES = """
- when: {contains: "odd"}
  reply: {status: 400, text: "no such thing"}
- reply: {text: "It is seven.", input_tokens: 12, output_tokens: 4}
"""
GRAPH = ("resilient_chain", "--parameter", "base_delay_s=0")


def asked(text="What is the time?", **fields):
    """Return the body of a run."""
    return {"inputs": {"messages": [{"role": "user", "content": text}]}, **fields}


@pytest.fixture(scope="module")
def models():
    """Serve models."""
    with serving(parse(RULES, path="rules")) as server:
        yield server


@pytest.fixture(scope="module")
def service(models, tmp_path_factory):
    """Serve the chain that always answers."""
    with service_of(tmp_path_factory.mktemp("service"), *GRAPH, base_url=models.base_url, key="sk-a-secret-of-the-tests") as service:
        yield service


def test_a_run_begins_at_once_and_is_streamed(service):
    """/start returns the thread, /stream tells each node and then how the thread stands, /status says the same."""
    assert service.ask("POST", "/start", asked(thread_id="t-1")) == (202, {"thread_id": "t-1"})

    *updates, (kind, end) = service.events("t-1")

    assert [(name, data["node"], data["step"]) for name, data in updates] == [("update", "answer", 1)]
    assert (kind, end["status"], end["state"]["messages"][-1]["content"]) == ("end", "done", "It is seven.")
    assert service.ask("GET", "/status/t-1") == (200, end)
    (usage,) = end["usage"].values()
    assert (usage["input_tokens"], usage["output_tokens"]) == (12, 4)
    assert service.events("t-1")[-1] == (kind, end)


def test_tokens_are_streamed_where_they_are_asked_for(service):
    """With `tokens`, the text comes in pieces that make up the final message."""
    service.ask("POST", "/start", asked(thread_id="t-2", tokens=True))

    events = service.events("t-2")

    pieces = [data["text"] for kind, data in events if kind == "token"]
    assert "".join(pieces) == "It is seven."
    assert len(pieces) > 1


def test_a_run_may_be_waited_for(service):
    """/execute answers when the run has ended; a thread keeps its conversation."""
    service.ask("POST", "/execute", asked(thread_id="t-3"))

    status, end = service.ask("POST", "/execute", asked("And now?", thread_id="t-3"))

    assert (status, end["status"], len(end["state"]["messages"])) == (200, "done", 4)


def test_a_thread_without_a_name_gets_one(service):
    """Two runs without a thread are two threads."""
    names = {service.ask("POST", "/execute", asked())[1]["thread_id"] for _ in range(2)}

    assert len(names) == 2


def test_runs_of_many_threads_go_on_at_once(service):
    """Many clients are served at the same time, each with its own answer."""
    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda number: service.ask("POST", "/execute", asked(f"{number}?", thread_id=f"many-{number}")), range(16)))

    assert [(status, end["state"]["messages"][0]["content"]) for status, end in ends] == [(200, f"{number}?") for number in range(16)]


def test_health_and_readiness_are_told(service):
    """The process is alive, and takes runs."""
    assert service.ask("GET", "/health") == (200, {"status": "ok"})
    assert service.ask("GET", "/ready") == (200, {"status": "ready"})


@pytest.mark.parametrize(
    ("path", "body", "status"),
    {
        "no inputs": ("/execute", {}, 422),
        "unknown field": ("/execute", asked(extra=1), 422),
        "unknown input": ("/execute", {"inputs": {"mesages": []}}, 422),
        "inputs of another kind": ("/start", {"inputs": []}, 422),
        "odd thread": ("/start", asked(thread_id="../x"), 422),
        "no limit at all": ("/start", asked(recursion_limit=100_000), 422),
        "not JSON": ("/execute", b"{", 422),
        "too large": ("/execute", b'{"inputs": {"messages": "' + b"x" * 2_000_000 + b'"}}', 413),
        "nothing waits": ("/resume", {"thread_id": "nobody"}, 409),
    }.values(),
    ids=["no-inputs", "field", "input", "kind", "thread", "limit", "not-json", "too-large", "nothing-waits"],
)
def test_what_cannot_be_run_is_refused(service, path, body, status):
    """Input is checked before anything runs."""
    assert service.ask("POST", path, body)[0] == status


def test_what_there_is_not_is_not_found(service):
    """A thread that nobody started has no status and no stream."""
    assert service.ask("GET", "/status/nobody")[0] == 404
    assert service.ask("GET", "/stream/nobody")[0] == 404


def test_every_line_of_the_log_names_its_session_and_no_key(service):
    """Lines are JSON; those of a run and of its requests name its thread, and the key is in none."""
    service.ask("POST", "/execute", asked(thread_id="logged"))
    wait_until(lambda: any(line["session"] == "logged" and line["event"] == "request" for line in service.log()))

    lines = service.log()

    assert all({"time", "level", "logger", "session", "event"} <= line.keys() for line in lines)
    assert [line["event"] for line in lines if line["session"] == "logged"] == ["run begins", "run ends", "request"]
    assert "sk-a-secret-of-the-tests" not in json.dumps(lines)


APPROVAL = """
from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    paid: str


def pay(state):
    return {"paid": interrupt({"action": "pay"})["by"]}


def crash(state):
    if state["paid"] == "nobody":
        raise LookupError("sk-a-secret-of-the-tests")
    return {}


def build(*, checkpointer):
    graph = StateGraph(State).add_node(pay).add_node(crash)
    return graph.add_edge(START, "pay").add_edge("pay", "crash").add_edge("crash", END).compile(checkpointer=checkpointer)
"""


def test_a_thread_that_waits_survives_the_process(models, tmp_path):
    """A thread kept in SQLite waits for a human, the service ends, another one takes the answer and goes on; a failure says its type."""
    kept = tmp_path / "threads.sqlite"
    arguments = [*approval(tmp_path), "--checkpointer", str(kept)]
    with service_of(tmp_path, *arguments, base_url=models.base_url) as service:
        for thread in ("one", "two"):
            status, waits = service.ask("POST", "/execute", {"inputs": {}, "thread_id": thread})
            assert (status, waits["status"], waits["interrupts"][0]["value"], waits["next"]) == (
                200,
                "interrupted",
                {"action": "pay"},
                ["pay"],
            )
        assert service.end() == 0

    with service_of(tmp_path, *arguments, base_url=models.base_url, key="sk-a-secret-of-the-tests") as service:
        assert service.ask("GET", "/status/one")[1]["status"] == "interrupted"
        assert service.ask("POST", "/resume", {"thread_id": "one", "resume": {"by": "me"}}) == (202, {"thread_id": "one"})
        *_, (_, end) = service.events("one")
        status, failed = service.ask("POST", "/resume", {"thread_id": "two", "resume": {"by": "nobody"}, "wait": True})

        assert (end["status"], end["state"]) == ("done", {"paid": "me"})
        assert (failed["status"], failed["error"]) == ("failed", {"type": "LookupError"})
        assert "sk-a-secret-of-the-tests" not in json.dumps(service.log())


def approval(folder):
    """Write a graph that stops for a human where the service looks for graphs, and return how it is named."""
    (folder / "approval_graph.py").write_text(APPROVAL)
    return ["approval_graph:build"]


def test_a_run_in_flight_is_ended_before_the_service_ends(tmp_path):
    """SIGTERM in the middle of a run: nothing new is taken, the run gets its answer, who waits gets it, the service exits 0."""
    with (
        serving(parse(RULES, path="rules")) as models,
        ThreadPoolExecutor(1) as pool,
        service_of(tmp_path, *GRAPH, base_url=models.base_url) as service,
    ):
        models.gate.clear()
        waiting = pool.submit(service.ask, "POST", "/execute", asked(thread_id="late"))
        wait_until(lambda: models.asked)
        service.process.terminate()
        wait_until(lambda: "Shutting down" in events_of(service))
        models.gate.set()

        assert service.process.wait(120) == 0
        assert waiting.result()[1]["state"]["messages"][-1]["content"] == "It is seven."
        events = events_of(service)
        assert events.index("Shutting down") < events.index("run ends") < events.index("ended")


def events_of(service):
    """Return what a service logged, in order."""
    return [line["event"] for line in service.log()]


def test_a_run_that_does_not_end_is_cut_off_after_the_grace(tmp_path):
    """A run whose model never answers is cancelled; the service says so, and ends all the same."""
    with serving(parse(RULES, path="rules")) as models:
        models.hang_after = 0
        with service_of(tmp_path, *GRAPH, "--grace-s", "0.2", base_url=models.base_url) as service:
            service.ask("POST", "/start", asked(thread_id="stuck"))
            wait_until(lambda: models.asked)

            assert service.end() == 0
            lines = service.log()

    assert [line["session"] for line in lines if line["event"].startswith("run cut off")] == ["stuck"]
