"""The check `crash`: a trial is cut off after every superstep and resumed by a new graph, on real checkpointers."""

import textwrap

import pytest

HEAD = """
    import operator
    from typing import Annotated, TypedDict

    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Command, Send, interrupt


    class State(TypedDict, total=False):
        notes: Annotated[list, operator.add]
        plan: str


    model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)


    def ask(question):
        return model.invoke(question).text
"""
RULES = """
- {when: {contains: plan}, reply: {text: a plan}}
- {when: {contains: tea}, reply: {text: hot}}
- {when: {contains: rain}, reply: {text: wet}}
- {when: {contains: sum}, reply: {text: hot and wet}}
"""
SOUND = """
    def plan(state):
        return {"plan": ask("plan it")}


    def look(branch):
        return {"notes": [ask("look at " + branch["topic"])]}


    def approve(state):
        return {"notes": [interrupt({"notes": state["notes"]})["answer"]]}


    def finish(state):
        return {"notes": [ask("sum up " + ", ".join(state["notes"]))]}


    def build(checkpointer=None):
        graph = StateGraph(State)
        graph.add_node(plan)
        graph.add_node(look)
        graph.add_node(approve)
        graph.add_node("review", lambda state: {"notes": ["reviewed"]})
        graph.add_node(finish)
        graph.add_edge(START, "plan")
        graph.add_conditional_edges("plan", lambda state: [Send("look", {"topic": topic}) for topic in ("tea", "rain")], ["look"])
        graph.add_edge("look", "approve")
        graph.add_edge("approve", "review")
        graph.add_edge("review", "finish")
        return graph.compile(checkpointer=checkpointer, interrupt_before=["review"])
"""
CASE = {
    "id": "one",
    "inputs": {"notes": []},
    "resume": [{"answer": "yes"}, None],
    "expected": {
        "output": {"state.notes": ["hot", "wet", "yes", "reviewed", "hot and wet"]},
        "interrupts": [{"notes": ["hot", "wet"]}, None],
    },
}


def agent(world, code, *, config='checks = ["output", "interrupts", "crash"]', case=CASE, top=""):
    """Write an agent and its config."""
    world.write("agent.py", textwrap.dedent(HEAD) + "\n\n" + textwrap.dedent(code))
    world.suite(config)
    world.edit("harness.toml", "[suites.agent]", f"{top}\n[suites.agent]")
    world.cases(case)


def crashes(world):
    """Return the scores of the check by name."""
    return {score.name: score for score in world.trial().scores if score.check == "crash"}


def in_async_form(code):
    """Return a graph whose nodes have no synchronous form."""
    for name in ("plan", "look", "finish"):
        code = code.replace(f"def {name}(", f"async def {name}(")
    return code.replace("ask(", "await aask(").replace("await aask(question)", "ask(question)")


AASK = """
    async def aask(question):
        return (await model.ainvoke(question)).text


"""


@pytest.mark.parametrize("form", ["sync", "async"])
def test_a_sound_graph_ends_the_same_on_every_checkpointer(world, form, database):
    """Cut off after each superstep, with parallel branches and both kinds of interrupts, it ends the same and asks nothing twice."""
    agent(
        world,
        SOUND if form == "sync" else AASK + in_async_form(SOUND),
        config='checks = ["output", "interrupts", "crash"]\ncheckpointers = ["memory", "sqlite", "postgres"]',
        top='postgres_env = "THE_DATABASE"',
    )
    world._monkeypatch.setenv("THE_DATABASE", database)
    assert world.record(RULES).code == 0

    answer = world.harness("run")

    assert answer.code == 0, answer.out + answer.err
    trial = world.trial()
    assert [(one.backend, one.cut_after, one.differs) for one in trial.trace.recoveries] == [
        ("memory", (0, 1, 2, 3, 4), ()),
        ("sqlite", (0, 1, 2, 3, 4), ()),
        ("postgres", (0, 1, 2, 3, 4), ()),
    ]
    assert {name: score.status for name, score in crashes(world).items()} == {
        "crash.memory": "pass",
        "crash.sqlite": "pass",
        "crash.postgres": "pass",
    }
    assert trial.played == 4
    assert _tables(database) == []


def _tables(database):
    """Return what a database holds besides its own."""
    import psycopg

    with psycopg.connect(database) as connection:
        return connection.execute(
            "SELECT schemaname FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()


FORGETFUL = """
    def build(checkpointer=None):
        remembered = {}

        def plan(state):
            remembered["plan"] = ask("plan it")
            return {"notes": ["planned"]}

        def finish(state):
            return {"notes": [remembered.get("plan") or ASK_AGAIN]}

        graph = StateGraph(State)
        graph.add_node(plan)
        graph.add_node("wait", lambda state: {"notes": ["waited"]})
        graph.add_node(finish)
        graph.add_edge(START, "plan")
        graph.add_edge("plan", "wait")
        graph.add_edge("wait", "finish")
        return graph.compile(checkpointer=checkpointer)
"""
PLAIN = {"id": "one", "inputs": {"notes": []}}


def test_what_is_kept_beside_the_state_is_missed(world):
    """A graph that keeps something in its process fails; the supersteps after which that shows are named, and what differs."""
    agent(world, FORGETFUL.replace("ASK_AGAIN", '"nothing"'), case=PLAIN, config='checks = ["crash"]\ncheckpointers = ["sqlite"]')
    assert world.record(RULES).code == 0

    answer = world.harness("run")

    assert answer.code == 1, answer.out
    score = crashes(world)["crash.sqlite"]
    assert score.reason == ('cut off after supersteps 1, 2 and resumed on sqlite: state.notes.2 is "nothing", it was "a plan"')


def test_a_request_that_is_paid_twice_is_told(world):
    """A graph that asks again what it forgot is not given the recorded answer a second time."""
    agent(world, FORGETFUL.replace("ASK_AGAIN", 'ask("plan it")'), case=PLAIN)
    assert world.record(RULES).code == 0

    assert world.harness("run").code == 1

    reason = crashes(world)["crash.memory"].reason
    assert reason.startswith("cut off after supersteps 1, 2 and resumed on memory: node 'finish' (step 3) asked for something"), reason
    assert "every recorded answer to this request is already played" in reason


def test_a_request_that_a_script_answers_twice_is_told(world):
    """A mock model answers as often as it is asked; the requests are counted."""
    world.write("script.yaml", RULES)
    agent(world, FORGETFUL.replace("ASK_AGAIN", 'ask("plan it")'), case=PLAIN, config='script = "script.yaml"\nchecks = ["crash"]')

    assert world.harness("run").code == 1

    assert "2 requests instead of 1" in crashes(world)["crash.memory"].reason


LOOP = """
    def build(checkpointer=None):
        graph = StateGraph(State)
        graph.add_node("again", lambda state: {"notes": ["again"]})
        graph.add_edge(START, "again")
        graph.add_conditional_edges("again", lambda state: "again" if len(state["notes"]) < ROUNDS else END, ["again", END])
        return graph.compile(checkpointer=checkpointer)
"""


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
@pytest.mark.parametrize("rounds", [3, 99])
def test_the_recursion_limit_counts_all_supersteps(world, rounds, limit):
    """A resumed graph has what was left of its limit, so that it reaches it where it would have."""
    ends = "answer" if limit > rounds else "limit"
    agent(
        world,
        LOOP.replace("ROUNDS", str(rounds)),
        case={**PLAIN, "expected": {"ends": ends}},
        config=f'checks = ["crash"]\nrecursion_limit = {limit}',
    )

    answer = world.harness("run")

    assert answer.code == 0, answer.out + answer.err
    assert crashes(world)["crash.memory"].status == "pass"


def test_a_case_may_ask_for_it_alone(world):
    """`expected.crash` names the checkpointers for one case; the suite lists no checks, and the other case is not rehearsed."""
    agent(world, LOOP.replace("ROUNDS", "3"), config="")
    world.cases({**PLAIN, "expected": {"crash": ["memory", "sqlite"]}}, {**PLAIN, "id": "two"})

    answer = world.harness("run")

    assert answer.code == 0, answer.out
    assert [[one.backend for one in trial.trace.recoveries] for trial in world.trials()] == [["memory", "sqlite"], []]


def test_a_crash_in_a_node_is_the_same_after_a_resume(world):
    """A case that is expected to crash crashes as well when it was cut off before."""
    agent(
        world,
        LOOP.replace("ROUNDS", "9").replace('{"notes": ["again"]}', '{"notes": ["again"], "plan": "ab"[len(state["notes"])]}'),
        case={**PLAIN, "expected": {"ends": "error"}},
    )

    answer = world.harness("run")

    assert answer.code == 0, answer.out
    assert [one.cut_after for one in world.trial().trace.recoveries] == [(0, 1, 2)]


@pytest.mark.parametrize(
    ("code", "config", "case", "message"),
    [
        (
            "def build():\n    return StateGraph(State).add_node(ask).set_entry_point('ask').compile()",
            'checks = ["crash"]',
            PLAIN,
            (
                "harness: harness.toml: suites.agent.graph: the check 'crash' resumes a new graph from stored checkpoints; "
                "let the factory take `checkpointer`"
            ),
        ),
        (
            LOOP,
            'checks = ["crash"]\ncheckpointers = ["postgres"]',
            PLAIN,
            (
                "harness: harness.toml: suites.agent.checkpointers: 'postgres' needs a connection string in the variable "
                "HARNESS_POSTGRES, which is not set"
            ),
        ),
        (
            LOOP,
            "",
            {**PLAIN, "expected": {"crash": ["postgres"]}},
            (
                "harness: datasets/agent.jsonl: case 'one': expected.crash: 'postgres' needs a connection string in the variable "
                "HARNESS_POSTGRES, which is not set"
            ),
        ),
        (
            LOOP,
            'checkpointers = ["redis"]',
            PLAIN,
            "harness: harness.toml:5: suites.agent.checkpointers.0: input should be 'memory', 'sqlite' or 'postgres' (got 'redis')",
        ),
    ],
    ids=["no checkpointer", "no address", "no address, case", "unknown"],
)
def test_what_cannot_be_rehearsed_is_refused(world, code, config, case, message):
    """One line says what is missing, before anything runs."""
    world._monkeypatch.delenv("HARNESS_POSTGRES", raising=False)
    agent(world, textwrap.dedent(code).replace("ROUNDS", "3"), config=config, case=case)

    answer = world.harness("run")

    assert answer.code == 2
    assert answer.err.strip() == message


def test_a_database_that_cannot_be_reached_is_told(world):
    """The variable is named, its content is not."""
    pytest.importorskip("psycopg")
    agent(world, LOOP.replace("ROUNDS", "3"), config='checks = ["crash"]\ncheckpointers = ["postgres"]')
    world._monkeypatch.setenv("HARNESS_POSTGRES", "postgresql://someone:a-pass-word@127.0.0.1:1/nothing")

    answer = world.harness("run")

    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("harness: the database of HARNESS_POSTGRES cannot be reached: ")
    assert "a-pass-word" not in answer.err


def test_repeats_and_workers_rehearse_the_same(world):
    """The bytes of the trials are those of one process."""
    agent(world, LOOP.replace("ROUNDS", "3"), config='checks = ["crash"]\ncheckpointers = ["memory", "sqlite"]')
    world.cases(PLAIN, {**PLAIN, "id": "two"})

    assert world.harness("run", "--repeat", "2").code == 0
    assert world.harness("run", "--repeat", "2", "-j", "2").code == 0

    first, second = [path.read_bytes() for path in sorted((world.root / "reports/experiments").glob("*/trials.jsonl"))]
    assert first == second


@pytest.mark.parametrize("check", ["crash", "streaming"])
def test_an_agent_behind_a_url_is_not_rehearsed(world, check):
    """Its graph is in another process; the config is refused before anything is asked."""
    world.suite(f'checks = ["{check}"]\nwire = "127.0.0.1:8377"', graph="http://127.0.0.1:9")
    world.cases(PLAIN)

    answer = world.harness("run")

    assert answer.code == 2
    assert answer.err.strip() == (
        "harness: harness.toml: suites.agent.graph: the checks 'crash' and 'streaming' need the graph itself, not an agent behind a URL"
    )
