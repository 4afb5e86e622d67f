"""What changes from run to run: normalisers look past it, a frozen trial does not have it."""

import pytest

AGENT = """
    import random
    import time
    import uuid
    from datetime import UTC, datetime
    from time import time as seconds
    from typing import Annotated, TypedDict
    from uuid import uuid4

    import operator
    from langchain_openai import ChatOpenAI
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send


    class State(TypedDict):
        said: Annotated[list, operator.add]


    def ask(state):
        before = time.monotonic()
        time.sleep(0.001)
        passed = time.monotonic() > before
        drawn = f"{uuid4()} {uuid.uuid4()} {uuid.uuid1()} {random.random()} {random.choice('abcdef')} {passed} in {state['branch']}"
        prompt = f"System time: {datetime.now(UTC).isoformat()}. It is {time.time()} {seconds()}. %s" % (drawn if DRAWN else "")
        answer = ChatOpenAI(model="gpt-4o-mini").invoke([("system", prompt), ("user", f"branch {state['branch']}")])
        return {"said": [answer.content, drawn] if DRAWN else [answer.content]}


    def build():
        graph = StateGraph(State)
        graph.add_node("start", lambda state: {})
        graph.add_node("ask", ask)
        graph.add_edge(START, "start")
        graph.add_conditional_edges("start", lambda state: [Send("ask", {"branch": number}) for number in range(4)])
        graph.add_edge("ask", END)
        return graph.compile(checkpointer=InMemorySaver())


    DRAWN = True
"""
TIMED = AGENT.replace("DRAWN = True", "DRAWN = False").replace(" It is {time.time()} {seconds()}.", "")
RULES = "- reply: {text: fine}\n"
FREEZE = 'freeze = { time = "2026-01-01T00:00:00Z", uuid = true, random = 7 }'


@pytest.mark.parametrize(("normalise", "code"), [('normalise = ["timestamp"]', 0), ("", 4)], ids=["normalised", "as it is"])
def test_a_time_in_the_prompt(world, normalise, code):
    """A prompt that tells the time replays under the normaliser, and is stale without."""
    world.write("agent.py", TIMED)
    world.cases({"id": "one", "inputs": {"said": []}})
    world.suite(normalise)

    assert world.record(RULES).code == 0
    assert world.harness("run").code == code


def test_a_miss_shows_what_was_normalised(world):
    """The difference that a miss shows has the normaliser's name in the place of what it replaced; the file has the text as it was sent."""
    world.write("agent.py", TIMED)
    world.cases({"id": "one", "inputs": {"said": []}})
    world.suite('normalise = ["timestamp"]')
    world.record(RULES)
    world.edit("agent.py", "System time:", "System clock:")
    world.harness("run")

    assert "<timestamp>" in world.trial().misses[0].diff
    assert "<timestamp>" not in (world.root / "cassettes/agent/one.yaml").read_text("utf-8")


def test_own_normalisers(world):
    """Expressions and functions of the user's own are normalisers too."""
    world.write(
        "agent.py", TIMED.replace("System time: {datetime.now(UTC).isoformat()}", "ORD-{time.time_ns()} at run {time.perf_counter_ns()}!")
    )
    world.write("rules.py", "import re\n\n\ndef runs(text):\n    return re.sub(r'run [0-9]+', 'run', text)\n")
    world.cases({"id": "one", "inputs": {"said": []}})
    world.suite('normalise = ["order-id", "rules.py:runs"]', tables='[normalise]\norder-id = "ORD-[0-9]+"')

    assert world.record(RULES).code == 0
    assert world.harness("run").code == 0


def test_a_frozen_trial(world):
    """With clock, UUIDs and random numbers frozen, recording and replaying ask the same, in parallel branches too."""
    world.write("agent.py", AGENT)
    world.cases(*({"id": name, "inputs": {"said": []}} for name in ("one", "two")))
    world.suite(FREEZE)

    assert world.record(RULES).code == 0
    assert world.harness("run").code == 0
    said = [trial.trace.state["said"] for trial in world.trials()]
    assert all("True" in drawn for one in said for drawn in one[1::2])
    assert len({drawn.split()[0] for one in said for drawn in one[1::2]}) == 8
    assert len({drawn.split()[3] for drawn in said[0][1::2]}) == 4
    cassette = (world.root / "cassettes/agent/one.yaml").read_text("utf-8")
    assert "System time: 2026-01-01T00:00:00+00:00. It is 1767225600.0 1767225600.0" in cassette
    assert "recorded_at: '2026-01-01T00" not in cassette


def test_a_frozen_trial_in_two_processes(world):
    """One process or two, the bytes are the same."""
    world.write("agent.py", AGENT)
    world.cases(*({"id": f"case-{number}", "inputs": {"said": []}} for number in range(4)))
    world.suite(FREEZE)
    world.record(RULES)
    world.harness("run")
    world.harness("run", "-j", "2")
    one, two = sorted((world.root / "reports/experiments").glob("*/trials.jsonl"))

    assert one.read_bytes() == two.read_bytes()


def test_nothing_stays_frozen():
    """After the block, the clock goes on, and random numbers continue where they were."""
    import random
    import time
    import uuid

    from harness.freeze import frozen

    random.seed(1)
    first = random.getrandbits(64)
    random.seed(1)
    with frozen(time="2026-01-01T00:00:00Z", uuids=True, seed=7, case="one", place=lambda: "here"):
        inside = (time.time(), uuid.uuid4(), random.getrandbits(64))
    with frozen(time="2026-01-01T00:00:00Z", uuids=True, seed=7, case="one", place=lambda: "here"):
        assert inside == (time.time(), uuid.uuid4(), random.getrandbits(64))

    assert random.getrandbits(64) == first
    assert time.time() > 1767225600.0
    assert uuid.uuid4() != inside[1]


def test_a_time_of_toml_is_taken(world):
    """The time of `freeze` may be written as a date-time of TOML, without quotes."""
    world.write("agent.py", AGENT)
    world.cases({"id": "one", "inputs": {"said": []}})
    world.suite("freeze = { time = 2026-01-01T00:00:00Z, uuid = true, random = 7 }")

    assert world.record(RULES).code == 0
    assert world.harness("run").code == 0


def test_what_is_looked_past_is_no_change_when_all_is_recorded_anew(world):
    """Recorded anew with another time in the prompt that a normaliser looks past, and the same answers: no byte changes."""
    world.write("agent.py", TIMED)
    world.cases({"id": "one", "inputs": {"said": []}})
    world.suite('normalise = ["timestamp"]')
    world.record(RULES)
    before = (world.root / "cassettes/agent/one.yaml").read_bytes()

    answer = world.record(RULES, "--all", "--json")

    assert [answer.json["total"][name] for name in ("asked", "update")] == [4, 0]
    assert (world.root / "cassettes/agent/one.yaml").read_bytes() == before
