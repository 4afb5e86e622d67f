"""Recording against a real server: only what is missing, in place, at the pace it allows, and nothing that was paid for is lost."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from openai_server import serving

from harness.script import parse

AGENT = """
    import operator
    from pathlib import Path
    from typing import Annotated, TypedDict

    import requests
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph


    class State(TypedDict):
        question: str
        answers: Annotated[list, operator.add]


    def build(prompts, greeting="Hello", model="large", tools=()):
        first = ChatOpenAI(model=model, max_retries=0)
        both = first.with_fallbacks([ChatOpenAI(model="small", max_retries=0)])

        def ask(state):
            system = prompts.get("ask", "Answer.")
            return {"answers": [both.invoke([("system", system), ("user", state["question"])]).content]}

        def check(state):
            system = prompts.get("check", "Check.")
            return {"answers": [first.invoke([("system", system), ("user", state["answers"][-1])]).content]}

        graph = StateGraph(State)
        graph.add_node("ask", ask)
        graph.add_node("check", check)
        graph.add_edge(START, "ask")
        graph.add_edge("ask", "check")
        graph.add_edge("check", END)
        return graph.compile()
"""
RULES = """
- when: {contains: Check}
  reply: {text: "checked", input_tokens: 10, output_tokens: 2}
- when: {}
  reply: {text: "answered", input_tokens: 20, output_tokens: 4}
"""
OTHER = RULES.replace("answered", "replied")
PRICES = '[prices."large"]\ninput = 1000\noutput = 1000\n'
CASES = ("one", "two", "three")


@pytest.fixture
def agent(world):
    """Return a project of three cases, two calls each, whose prompts are versioned."""
    world.write("agent.py", AGENT)
    world.write("prompts/ask/v1.md", "Answer the question in one word.\n")
    world.write("prompts/check/v1.md", "Check the answer. Say if it is right.\n")
    world.suite(tables=PRICES)
    world.cases(*({"id": name, "inputs": {"question": f"question {name}", "answers": []}} for name in CASES))
    return world


def cassette(world, case="one"):
    """Return the interactions of a cassette."""
    return yaml.safe_load((world.root / f"cassettes/agent/{case}.yaml").read_text())["interactions"]


def models(interactions):
    """Return the model that each interaction asked."""
    return [json.loads(interaction["request"]["body"])["model"] for interaction in interactions]


def files(world):
    """Return the text of every cassette by name."""
    return {path.name: path.read_text() for path in sorted((world.root / "cassettes").rglob("*.yaml"))}


def timeless(texts):
    """Return cassettes without the port, the time and the latency."""
    return {name: re.sub(r":\d{4,5}/v1|(?:latency_s|recorded_at): .*", "", text) for name, text in texts.items()}


def test_what_is_missing_is_created_and_nothing_is_asked_twice(agent):
    """A case without a cassette gets one; the second time nothing is asked and no byte changes."""
    first = agent.record(RULES, "--json")
    before = files(agent)
    second = agent.record(RULES, "--json")

    total = first.json["total"]
    assert (first.code, total["create"], total["asked"], total["tokens"], total["unpriced"]) == (0, 6, 6, 108, 0)
    assert total["cost_usd"] == pytest.approx(0.108)
    assert (second.json["total"]["asked"], agent.asked, files(agent)) == (0, [], before)


def test_a_changed_prompt_is_fixed_in_place(agent):
    """One word of one prompt: the exchange that asked the old form is replaced where it stood, the rest stays as it is to the byte."""
    agent.record(RULES)
    before = cassette(agent)
    agent.edit("prompts/check/v1.md", "right", "correct")

    answer = agent.record(RULES, "--json")

    after = cassette(agent)
    assert [answer.json["total"][name] for name in ("create", "fix", "trim", "update", "asked")] == [0, 3, 0, 0, 3]
    assert (len(after), after[0]) == (2, before[0])
    assert "correct" in after[1]["request"]["body"]
    assert agent.harness("run").code == 0
    assert agent.trials()[0].unused == 0


def test_what_another_variant_uses_is_kept(agent):
    """If a variant still asks the old form, it stays and loses the mark of the one that does not; when both moved on, it goes."""
    agent.write("prompts/check/v2.md", "Check the answer. Say if it is right.\n")
    agent.suite(
        tables=PRICES
        + '[suites.agent.variants.default]\nprompts = { check = "v1" }\n[suites.agent.variants.other]\nprompts = { check = "v2" }\n'
    )
    agent.record(RULES, "--variant", "default", "--variant", "other", "--filter", "one")
    agent.edit("prompts/check/v1.md", "right", "correct")

    agent.record(RULES, "--filter", "one")
    kept = cassette(agent)
    agent.edit("prompts/check/v2.md", "right", "correct")
    agent.record(RULES, "--variant", "other", "--filter", "one")

    assert [interaction["harness"]["variants"] for interaction in kept] == [["default", "other"], ["other"], ["default"]]
    after = cassette(agent)
    assert agent.asked == []
    assert [interaction["harness"]["variants"] for interaction in after] == [["default", "other"], ["default", "other"]]


def test_recording_all_anew_updates_and_trims(agent):
    """With --all, an answer that changed is updated in place, what nothing asks for goes, and what is the same stays to the byte."""
    agent.record(RULES)
    before = files(agent)
    same = agent.record(RULES, "--all", "--json")
    assert (same.json["total"]["asked"], same.json["total"]["update"]) == (6, 0)
    assert files(agent) == before

    agent.edit("agent.py", 'graph.add_edge("ask", "check")\n    graph.add_edge("check", END)', 'graph.add_edge("ask", END)')
    changed = agent.record(OTHER, "--all", "--json")

    assert [changed.json["total"][name] for name in ("create", "fix", "trim", "update")] == [0, 0, 3, 3]
    assert [interaction["response"]["body"]["string"].count("replied") for interaction in cassette(agent)] == [1]


BUSY = ((429, {"retry-after": "0"}), (529, {"retry-after-ms": "1"}), (503, {"retry-after": "0.01"}))


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_busy_server_is_asked_again_and_the_graph_never_knows(agent, way):
    """429, 503 and 529 are waited out below the graph: no fallback is asked, and only the answer is stored."""
    if way == "async":
        agent.edit("agent.py", "def ask(", "async def ask(")
        agent.edit("agent.py", "both.invoke([", "(await both.ainvoke([")
        agent.edit("agent.py", 'state["question"])]).content', 'state["question"])])).content')

    answer = agent.record(RULES, "--filter", "one", busy=BUSY)

    assert (answer.code, len(agent.asked)) == (0, 5)
    assert models(cassette(agent)) == ["large", "large"]
    assert [interaction["response"]["status"]["code"] for interaction in cassette(agent)] == [200, 200]
    assert agent.harness("run", "--filter", "one").code == 0


def test_what_requests_asks_is_asked_again_too(agent):
    """A client built on http.client waits out a busy server as well."""
    agent.edit(
        "agent.py",
        'both.invoke([("system", system), ("user", state["question"])]).content',
        'requests.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json=dict(model="large", messages=[dict(role="user",'
        ' content="x")]), timeout=9).json()["choices"][0]["message"]["content"]',
    )
    agent.edit("agent.py", "import operator", "import operator\nimport os")

    answer = agent.record(RULES, "--filter", "one", busy=BUSY)

    assert (answer.code, len(agent.asked), len(cassette(agent))) == (0, 5, 2)


@pytest.mark.parametrize(
    ("status", "arguments", "asked"),
    [(429, ("--attempts", "3"), 3), (429, ("--attempts", "9"), 1), (401, (), 1)],
    ids=["bounded attempts", "a wait beyond the bound", "a wrong key"],
)
def test_a_server_that_does_not_answer_stops_the_trial(agent, status, arguments, asked):
    """What cannot be recorded ends the trial: the fallback is not recorded in its place, and nothing is stored."""
    wait = "100000" if asked == 1 else "0"
    answer = agent.record(RULES, "--filter", "one", *arguments, busy=[(status, {"retry-after": wait})] * 20)

    assert (answer.code, len(agent.asked), files(agent)) == (3, asked, {})
    assert f"agent/one: HTTP {status} from 127.0.0.1" in answer.err
    assert {json.loads(request.body)["model"] for request in agent.asked} == {"large"}


def test_errors_are_kept_on_request(agent):
    """With --keep-errors the 429 and what the graph then does are the recording."""
    answer = agent.record(RULES, "--filter", "one", "--keep-errors", "--attempts", "1", busy=[(429, {})])

    assert answer.code == 0
    assert [interaction["response"]["status"]["code"] for interaction in cassette(agent)] == [429, 200, 200]
    assert models(cassette(agent)) == ["large", "small", "large"]


def test_only_readable_compression_is_asked_for(agent):
    """The server is asked for gzip or nothing, whatever the client can read."""
    agent.record(RULES, "--filter", "one")

    assert {dict(request.headers)["accept-encoding"] for request in agent.asked} == {"gzip, identity"}


def test_the_bound_in_dollars_holds(agent):
    """The call that might go over is not sent, exit code 7; what was paid for is kept, and the next recording goes on from there."""
    dear = RULES.replace("output_tokens: 4", "output_tokens: 100").replace("output_tokens: 2", "output_tokens: 60")
    stopped = agent.record(dear, "--max-cost", "0.35", "--json")
    paid = sum(len(yaml.safe_load(text)["interactions"]) for text in files(agent).values())
    spent = stopped.json["total"]["cost_usd"]
    rest = agent.record(RULES, "--json")

    assert (stopped.code, stopped.json["exit_code"]) == (7, 7)
    assert 0 < spent <= 0.35
    assert 0 < paid == stopped.json["total"]["asked"] < 6
    assert (rest.code, rest.json["total"]["asked"]) == (0, 6 - paid)


def test_a_bound_without_prices_is_refused(agent):
    """A model of unknown price makes the bound impossible to hold: exit code 2 names the model and the remedy, nothing is asked."""
    agent.suite()
    answer = agent.record(RULES, "--max-cost", "1")

    assert (answer.code, agent.asked) == (2, [])
    assert "model 'large' has no price; add [prices.\"large\"]" in answer.err


def test_it_is_refused_in_ci(agent, monkeypatch):
    """Where CI is set nothing is recorded, unless it is forced; a dry run is allowed."""
    monkeypatch.setenv("CI", "true")
    refused = agent.record(RULES)
    assert (refused.code, agent.asked, files(agent)) == (2, [], {})
    assert "CI is set" in refused.err

    assert agent.harness("record", "--dry-run").code == 0
    assert agent.record(RULES, "--force").code == 0


def test_workers_change_no_byte(agent):
    """Two workers write the cassettes that one does."""
    agent.record(RULES)
    alone = files(agent)
    for path in (agent.root / "cassettes/agent").iterdir():
        path.unlink()
    answer = agent.record(RULES, "-j", "2", "--json")

    assert (answer.code, [case["case"] for case in answer.json["cases"]]) == (0, list(CASES))
    assert timeless(files(agent)) == timeless(alone)


def arrived(world):
    """Return the answers on disk, each once: while a case is settled, they stand in its cassette and apart from it."""
    found = set()
    for folder in ("cassettes", ".harness/recording"):
        for path in yaml_files(world.root / folder):
            case = path.stem if folder == "cassettes" else path.parent.name
            with contextlib.suppress(FileNotFoundError):  # its case is whole by now
                for each in yaml.safe_load(path.read_text())["interactions"]:
                    found.add((case, each["request"]["body"], each["response"]["body"]["string"]))
    return found


def yaml_files(folder):
    """Yield the YAML files below a folder; unlike rglob, os.walk does not mind a folder that goes meanwhile."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names if name.endswith(".yaml"))


def killed(world, *arguments, after, by=signal.SIGKILL):
    """Start a recording in a process of its own, end it by a signal once its server hangs, and return its exit code."""
    wanted = len(arrived(world)) + after
    with serving(parse(OTHER, path="rules")) as server:
        server.hang_after = after
        environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "k"}
        command = [sys.executable, "-m", "harness.cli", "record", *arguments]
        process = subprocess.Popen(command, cwd=world.root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        late = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < late and (len(server.asked) <= after or len(arrived(world)) < wanted):
            time.sleep(0.02)
        process.send_signal(by)
        return process.wait(timeout=300)


@pytest.mark.parametrize(
    ("by", "arguments", "code"),
    [(signal.SIGKILL, (), -9), (signal.SIGINT, (), 130), (signal.SIGINT, ("-j", "2"), 130)],
    ids=["kill -9", "Ctrl-C", "Ctrl-C with workers"],
)
def test_a_killed_recording_loses_nothing_that_was_paid_for(agent, by, arguments, code):
    """However it ends, every answer that had arrived is on disk, and the next recording asks for the rest alone."""
    assert killed(agent, *arguments, after=3, by=by) == code
    assert len(arrived(agent)) == 3

    answer = agent.record(OTHER, "--json")

    assert (answer.code, answer.json["total"]["asked"]) == (0, 3)
    assert agent.harness("run").code == 0


def test_a_killed_recording_anew_keeps_the_old_cassette_and_the_new_answers(agent):
    """With --all the cassette stays whole until the case is; what had arrived is taken over, not asked again."""
    agent.record(RULES)
    before = files(agent)
    assert killed(agent, "--all", "--filter", "one", after=1) == -9
    assert files(agent) == before

    answer = agent.record(OTHER, "--all", "--filter", "one", "--json")

    assert (answer.code, answer.json["total"]["asked"], answer.json["total"]["taken_over"]) == (0, 1, 1)
    assert "replied" in files(agent)["one.yaml"]
    assert list((agent.root / ".harness").rglob("*.yaml")) == []


def test_a_killed_recording_of_a_changed_prompt_ends_in_the_file_that_an_unbroken_one_writes(agent):
    """Answers that an interrupted recording paid for replace the old form of their request like any other: nothing unused is left."""
    agent.record(OTHER)
    agent.edit("prompts/ask/v1.md", "word", "term")
    agent.edit("prompts/check/v1.md", "right", "correct")
    assert killed(agent, after=1) == -9

    answer = agent.record(OTHER, "--json")

    assert [answer.json["total"][name] for name in ("create", "fix", "asked", "taken_over")] == [0, 6, 5, 1]
    assert [len(cassette(agent, name)) for name in CASES] == [2, 2, 2]


def test_answers_of_an_interrupted_recording_anew_that_nothing_asks_for_are_not_added(agent):
    """Killed under --all, recorded again without: what is on the cassette is replayed and no copy of it is added."""
    agent.record(RULES)
    before = files(agent)
    assert killed(agent, "--all", "--filter", "one", after=1) == -9

    answer = agent.record(RULES, "--json")

    assert (answer.code, answer.json["total"]["create"], answer.json["total"]["taken_over"], files(agent)) == (0, 0, 0, before)


@pytest.mark.parametrize("arguments", [(), ("--all",)], ids=["what is missing", "anew"])
def test_a_fallback_is_not_recorded_in_place_of_a_server_out_of_reach(agent, monkeypatch, arguments):
    """A model whose server cannot be reached is not recorded: its fallback's answer is no stand-in, and what was recorded stays."""
    agent.edit("agent.py", "model=model, max_retries=0)", 'model=model, max_retries=0, base_url=os.environ.get("FIRST"))')
    agent.edit("agent.py", "import operator", "import operator\nimport os")
    agent.edit(
        "agent.py",
        'first.invoke([("system", system), ("user", state["answers"]',
        'both.invoke([("system", system), ("user", state["answers"]',
    )
    agent.record(RULES)
    before = files(agent)
    if not arguments:
        agent.edit("prompts/ask/v1.md", "word", "term")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refused
        monkeypatch.setenv("FIRST", f"http://127.0.0.1:{closed.getsockname()[1]}/v1")
        answer = agent.record(OTHER, *arguments)

    assert (answer.code, files(agent)) == (3, before)
    assert "agent/one: 127.0.0.1 did not answer what node 'ask' (step 1) asked; not recorded" in answer.err
    monkeypatch.delenv("FIRST")
    again = agent.record(OTHER, *arguments, "--json")
    assert (again.code, {model for name in CASES for model in models(cassette(agent, name))}) == (0, {"large"})
    assert list((agent.root / ".harness").rglob("*.yaml")) == []


def test_a_connection_that_broke_and_was_tried_again_is_recorded(agent):
    """A request that the client itself sends once more, after no answer came, is answered: the case is recorded in whole."""
    agent.edit("agent.py", "first = ChatOpenAI(model=model, max_retries=0)", "first = ChatOpenAI(model=model, max_retries=1)")
    answer = agent.record(RULES, busy=[(-1, {})])

    assert (answer.code, len(agent.asked), models(cassette(agent))) == (0, 7, ["large", "large"])


def test_a_secret_that_redaction_missed_is_not_kept(agent, monkeypatch):
    """What still looks like a secret is refused, exit code 2, even where the graph takes the refusal for a reason to fall back."""
    from harness.cassette.scan import Finding
    from harness.store import cassettes

    monkeypatch.setattr(cassettes, "scan", lambda _data, path, _redactor: (Finding(path, 1, "odd-key", "123abc"),))
    answer = agent.record(RULES, "--filter", "one")

    assert (answer.code, len(agent.asked), files(agent)) == (2, 1, {})
    assert "it would hold something like a secret (odd-key)" in answer.err


def test_a_dry_run_sees_beyond_the_first_miss(agent):
    """Each call that is stale of itself is named with its cause; nothing is asked and nothing written."""
    agent.record(RULES)
    before = files(agent)
    agent.edit("prompts/ask/v1.md", "one word", "two words")
    agent.edit("prompts/check/v1.md", "right", "correct")

    answer = agent.harness("record", "--dry-run", "--json")

    assert (answer.code, files(agent)) == (0, before)
    found = {(call["case"], call["node"], call["model"], call["cause"], call["tokens"]) for call in answer.json["calls"]}
    assert found == {
        expected
        for case in CASES
        for expected in ((case, "ask", "large", "prompt ask (v1) edited", 24), (case, "check", "large", "prompt check (v1) edited", 12))
    }
    assert answer.json["total"] == {
        "calls": 6,
        "cases": 3,
        "tokens": 108,
        "unknown_tokens": 0,
        "cost_usd": pytest.approx(0.108),
        "unknown_cost": 0,
    }
    assert not (agent.root / "reports").exists()


def test_a_dry_run_says_what_may_follow(agent):
    """A call after a changed one that still matches may change with the answer before it."""
    agent.record(RULES)
    agent.edit("prompts/ask/v1.md", "one word", "two words")

    answer = agent.harness("record", "--dry-run", "--filter", "one")

    assert "would ask live: 1 call of 1 case, about 24 tokens, $0.024000" in answer.out
    assert "may follow, if the answers before them change: 1 call of 1 case" in answer.out


def test_a_dry_run_admits_what_it_does_not_know(agent):
    """Without a cassette the first call is known, its cost and what follows are not."""
    answer = agent.harness("record", "--dry-run", "--filter", "one")

    assert "the cassette is empty: 1 call of 1 case, tokens unknown, cost unknown" in answer.out
    assert "unknown: what 1 case would ask after that" in answer.out


def test_a_dry_run_of_all_counts_every_call(agent):
    """--all --dry-run counts what is recorded too."""
    agent.record(RULES)

    assert agent.harness("record", "--all", "--dry-run", "--json").json["total"]["calls"] == 6
    assert agent.harness("record", "--dry-run").out == "nothing would be asked live\n"


def test_a_stale_trial_tells_causes_from_consequences(agent):
    """A swallowed miss: what the graph asks then is told apart, by a part of its own or by its messages alone."""
    agent.record(RULES)
    agent.edit("prompts/ask/v1.md", "one word", "two words")
    agent.edit("agent.py", 'return {"answers": [both.invoke(', 'return {"answers": [swallow(both.invoke, ')
    agent.edit("agent.py", '("user", state["question"])]).content]}', '("user", state["question"])])]}')
    agent.edit("agent.py", "class State", SWALLOW)
    answer = agent.harness("run", "--filter", "one")

    assert answer.code == 4
    assert [(miss.place.node, miss.follows) for miss in agent.trial().misses] == [("ask", False), ("check", True)]
    assert "1 call is stale of itself, 1 follows; record what is missing with `harness record agent --filter one`" in plain(answer.out)
    assert "$0.036000" in answer.out

    agent.edit("prompts/check/v1.md", "right", "correct")
    agent.harness("run", "--filter", "one")
    assert [miss.follows for miss in agent.trial().misses] == [False, False]
    shown = plain(agent.harness("show", "latest", "one").out)
    assert "prompt check (v1) edited" in shown
    assert "record it with `harness record agent --filter one`, at about 36 tokens, $0.036000" in shown


SWALLOW = """def swallow(ask, messages):
    try:
        return ask(messages).content
    except BaseException:
        return "nothing"


class State"""


def plain(text):
    """Return a text in one line."""
    return " ".join(text.split())


def test_drift_is_counted_by_class(agent):
    """What the policy tolerates is said over the whole run, by what drifted, in the summary and in the document."""
    agent.record(RULES)
    agent.edit("agent.py", 'model="small", max_retries=0', 'model="small", max_retries=0, temperature=0.5')
    agent.edit("agent.py", "model=model, max_retries=0", "model=model, max_retries=0, temperature=0.5")

    answer = agent.harness("run", "--json")

    assert answer.json["suites"]["agent"]["drift"] == {"sampling.temperature": {"calls": 6, "cases": 3}}
    assert "drift: sampling.temperature in 6 calls of 3 cases" in agent.harness("gate").out


def test_under_strict_a_parameter_nobody_set_is_the_librarys(agent):
    """A parameter that changed while all else is equal is a library's default, unless the variant sets it."""
    agent.record(RULES)
    agent.suite('match = "strict"', tables=PRICES)
    agent.edit("agent.py", "model=model, max_retries=0", "model=model, max_retries=0, temperature=0.5")

    agent.harness("run", "--filter", "one")

    assert agent.trial().misses[0].cause == "library default temperature: absent -> 0.5"


def test_another_stored_version_is_named(agent):
    """Where the recorded text is that of another version, both are named."""
    agent.record(RULES)
    agent.write("prompts/check/v2.md", "Judge whether this reply holds. Check it twice.\n")

    answer = agent.harness("record", "--dry-run", "--filter", "one")

    assert "prompt check v1 -> v2: 1 call of 1 case" in answer.out


def test_a_prompt_that_only_some_cases_use(agent):
    """A change of a prompt touches the cases that ask with it, and no other."""
    agent.edit("agent.py", 'prompts.get("ask", "Answer.")', 'prompts["ask" if "one" in state["question"] else "check"]')
    agent.record(RULES)
    before = files(agent)
    agent.edit("prompts/ask/v1.md", "one word", "two words")

    foreseen = agent.harness("record", "--dry-run", "--json")
    agent.record(RULES)

    assert [(call["case"], call["node"]) for call in foreseen.json["calls"]] == [("one", "ask")]
    assert {name for name, text in files(agent).items() if text != before[name]} == {"one.yaml"}
    assert len(agent.asked) == 1


FAN_OUT = """
    import operator
    from typing import Annotated, TypedDict

    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send


    class State(TypedDict):
        question: str
        answers: Annotated[list, operator.add]


    def asked(model, text):
        try:
            return ChatOpenAI(model=model, max_retries=0).invoke(text).content
        except BaseException:
            return None


    def ask(state):
        return {"answers": [asked("large", state["question"]) or asked("small", state["question"]) or "nothing"]}


    def build():
        graph = StateGraph(State)
        graph.add_node("ask", ask)
        graph.add_node("sum", lambda state: {"answers": [asked("large", "Sum up: " + " ".join(state["answers"]))]})
        graph.add_conditional_edges(START, lambda state: [Send("ask", {"question": word}) for word in state["question"].split()], ["ask"])
        graph.add_edge("ask", "sum")
        graph.add_edge("sum", END)
        return graph.compile()
"""


def test_a_parallel_branch_cannot_follow_from_another(world):
    """Of swallowed misses, those of parallel branches are causes; a fallback of the same node and a later summary may only follow."""
    world.write("agent.py", FAN_OUT)
    world.suite()
    world.cases({"id": "one", "inputs": {"question": "a b", "answers": []}})
    world.record(RULES)
    world.cases({"id": "one", "inputs": {"question": "c d", "answers": []}})

    answer = world.harness("run")

    misses = [(miss.place.node, miss.model, miss.follows) for miss in world.trial().misses]
    assert sorted(misses) == [
        ("ask", "large", False),
        ("ask", "large", False),
        ("ask", "small", True),
        ("ask", "small", True),
        ("sum", "large", True),
    ]
    assert misses[:2] == [("ask", "large", False)] * 2
    assert "2 calls are stale of themselves, 3 follow" in plain(answer.out)


def test_two_recordings_of_one_suite_do_not_meet(agent):
    """While a suite is recorded, another recording of it is refused, exit code 2, and asks nothing."""
    with serving(parse(RULES, path="rules")) as server:
        server.hang_after = 1
        environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "k"}
        command = [sys.executable, "-m", "harness.cli", "record"]
        first = subprocess.Popen(command, cwd=agent.root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(server.asked) < 2 and first.poll() is None:
            time.sleep(0.02)
        second = subprocess.run(command, cwd=agent.root, env=environment, capture_output=True, text=True, check=False)
        first.kill()
        first.wait()

        assert (second.returncode, len(server.asked)) == (2, 2)
        assert "suite 'agent' is being recorded by another process" in second.stderr
    assert agent.record(RULES, "--json").json["total"]["asked"] == 5


def test_what_is_unknown_is_not_nothing(agent):
    """Where no answer has a price, the dollars are null in the document and called unknown, never 0."""
    agent.edit("harness.toml", '[prices."large"]', '[prices."other"]')
    recorded = agent.record(RULES, "--json")
    said = agent.record(RULES, "--all").out
    foreseen = agent.harness("record", "--all", "--dry-run", "--json")

    assert [recorded.json["total"][name] for name in ("tokens", "cost_usd", "unpriced", "unmeasured")] == [108, None, 6, 0]
    assert said == "recorded 6 exchanges; 108 tokens, cost unknown\n"
    assert [foreseen.json["total"][name] for name in ("tokens", "cost_usd", "unknown_cost")] == [108, None, 6]


@pytest.mark.parametrize("arguments", [("--max-cost", "nan"), ("--rate", "nan"), ("--rate", "inf")], ids="=".join)
def test_a_bound_that_is_no_number_is_refused(agent, arguments):
    """`nan` bounds nothing: exit code 2 names the option, and nothing is asked."""
    answer = agent.record(RULES, *arguments)

    assert (answer.code, agent.asked) == (2, [])
    assert f"'{arguments[0]}'" in answer.err


def test_tools_over_http_cost_no_tokens(agent):
    """A request to something that is no model is recorded and foreseen as one that costs nothing."""
    agent.edit("agent.py", "import operator", "import operator\nimport os")
    url = 'os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1") + "/tool"'
    agent.edit("agent.py", 'prompts.get("check", "Check.")', f'"Check " + str(requests.post({url}, json=[1], timeout=9).status_code)')

    recorded = agent.record(RULES, "--filter", "one", "--json")
    foreseen = agent.harness("record", "--all", "--dry-run", "--filter", "one", "--json")

    assert [recorded.json["total"][name] for name in ("asked", "unpriced", "tokens")] == [3, 0, 36]
    assert [foreseen.json["total"][name] for name in ("calls", "unknown_cost", "tokens")] == [3, 0, 36]
