"""Ways to get a green run that is not deserved, each found by trying: none of them works."""

import pytest

HEAD = """
    import operator
    import sys
    from typing import Annotated, TypedDict

    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send, interrupt


    class State(TypedDict):
        question: str
        answers: Annotated[list, operator.add]


    model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)


    def one(node, **options):
        graph = StateGraph(State)
        graph.add_node("ask", node)
        graph.add_edge(START, "ask")
        graph.add_edge("ask", END)
        return graph.compile(**options)
"""
CASE = {"id": "one", "inputs": {"question": "alpha", "answers": []}}
SAY = '- {when: {}, reply: {text: "fine"}}'


def agent(world, code, *, config="", tables="", rules=None, **case):
    """Write an agent of this code, scripted if there are rules."""
    import textwrap

    world.write("agent.py", textwrap.dedent(HEAD) + "\n\n" + textwrap.dedent(code))
    if rules:
        world.write("script.yaml", rules)
        config = f'script = "script.yaml"\n{config}'
    world.suite(config, tables=tables)
    world.cases({**CASE, **case})


NOT_GREEN = {
    "a factory that exits": ("def build():\n    sys.exit(0)", "", 2),
    "a model asked while the graph is imported": (
        """
        try:
            model.invoke("at import")
        except BaseException:
            pass

        def build():
            return one(lambda state: {"answers": ["x"]})
        """,
        "",
        2,
    ),
    "a static interrupt without a checkpointer": (
        'def build():\n    return one(lambda state: {"answers": ["x"]}, interrupt_before=["ask"])',
        "",
        2,
    ),
    "a model asked in a forked process": (
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        def call(question):
            try:
                return model.invoke(question).content
            except BaseException:
                return "x"

        def ask(state):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
                return {"answers": [pool.submit(call, "alpha").result(timeout=30)]}

        def build():
            return one(ask)
        """,
        "",
        3,
    ),
    "a prompt fetched from the hub": (
        """
        import requests

        def ask(state):
            try:
                return {"answers": [requests.get("https://api.smith.langchain.com/commits/x", timeout=3).text]}
            except Exception:
                return {"answers": ["default"]}

        def build():
            return one(ask)
        """,
        "",
        4,
    ),
    "another door to the network": (
        """
        import _socket
        import socket

        def ask(state):
            for attempt in (
                lambda: socket.gethostbyname("example.com"),
                lambda: _socket.socket().connect(("10.1.2.3", 80)),
                lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, ("10.1.2.3", 53)),
            ):
                try:
                    attempt()
                except BaseException:
                    pass
            return {"answers": ["x"]}

        def build():
            return one(ask)
        """,
        "",
        3,
    ),
    "a check that raises": (
        'def build():\n    return one(lambda state: {"answers": ["x"]})\n\ndef check(outputs):\n    1 / 0',
        'checks = ["agent:check"]',
        5,
    ),
    "a check that exits": (
        'def build():\n    return one(lambda state: {"answers": ["x"]})\n\ndef check(outputs):\n    sys.exit(0)',
        'checks = ["agent:check"]',
        5,
    ),
    "a limit on a node that there is not": (
        'def build():\n    return one(lambda state: {"answers": ["x"]})',
        "limits = { visits = { aks = 1 } }",
        5,
    ),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("code", "config", "exit_code"), NOT_GREEN.values(), ids=NOT_GREEN)
def test_it_is_not_green(world, code, config, exit_code):
    """The run ends with the code that says what is wrong, never with 0 and never with a traceback."""
    agent(world, code, config=config)

    answer = world.harness("run")

    assert answer.code == exit_code, answer.out + answer.err
    assert "Traceback" not in answer.err


def test_a_fault_that_never_strikes_fails(world):
    """A fault case whose fault found no request proves nothing."""
    agent(
        world,
        'def build():\n    return one(lambda state: {"answers": ["x"]})',
        faults=[{"at": {"model_call": 1}, "fault": "timeout"}],
    )

    answer = world.harness("run")

    assert answer.code == 1
    assert "the fault 'timeout' at model_call 1 never struck" in answer.out


def test_an_answer_that_nobody_asked_for_fails(world):
    """If the graph no longer stops for the human, the answers of the case are left over, and that is a failure."""
    agent(
        world,
        'def build(checkpointer):\n    return one(lambda state: {"answers": ["x"]}, checkpointer=checkpointer)',
        resume=[{"approved": True}],
    )

    answer = world.harness("run")

    assert answer.code == 1
    assert "1 of 1 answers in `resume` were not asked for" in answer.out


def test_parallel_interrupts_are_ordered_and_answered(world):
    """Branches that stop for a human in any order are seen, and answered, in the order of the graph's nodes."""
    agent(
        world,
        """
        import random
        import time


        def stop(name):
            def node(state):
                time.sleep(random.random() / 100)
                return {"answers": [f"{name}: {interrupt({'q': name})}"]}
            return node


        def build(checkpointer):
            graph = StateGraph(State)
            for name in "cab":
                graph.add_node(name, stop(name))
                graph.add_edge(START, name)
            return graph.compile(checkpointer=checkpointer)
        """,
        resume=["first", "second", "third"],
        expected={"interrupts": [{"q": "c"}, {"q": "a"}, {"q": "b"}], "output": {"state.answers": ["a: second", "b: third", "c: first"]}},
    )

    answer = world.harness("run", "--repeat", "20")

    assert len(world.distinct_trials()) == 1
    assert answer.code == 0, answer.out


def test_parallel_subgraphs_keep_their_answers(world):
    """Subgraphs in parallel branches that ask the very same thing get the answers recorded at their own branch."""
    agent(
        world,
        """
        import random
        import time


        class Branch(TypedDict):
            topic: str
            answers: Annotated[list, operator.add]


        def inner(state):
            time.sleep(random.random() / 200)
            return {"answers": [state["topic"] + " " + model.invoke("alpha").content]}


        def build():
            sub = StateGraph(Branch)
            sub.add_node("inner", inner)
            sub.add_edge(START, "inner")
            graph = StateGraph(State)
            graph.add_node("sub", sub.compile())
            graph.add_conditional_edges(START, lambda state: [Send("sub", {"topic": str(n), "answers": []}) for n in range(3)], ["sub"])
            return graph.compile()
        """,
    )
    world.record("".join(f'- {{times: 1, when: {{}}, reply: {{text: "draw {number}"}}}}\n' for number in range(3)))

    assert world.harness("run", "--repeat", "15").code == 0

    assert len(world.distinct_trials()) == 1


def test_a_graph_that_changes_its_inputs_changes_no_other_trial(world):
    """Each trial has inputs and parameters of its own."""
    agent(
        world,
        """
        class Plain(TypedDict):
            answers: list


        def build(items):
            items.append(1)
            graph = StateGraph(Plain)
            graph.add_node("ask", lambda state: {"answers": [*state["answers"], len(items), state["answers"].append("m")][:2]})
            graph.add_edge(START, "ask")
            return graph.compile()
        """,
        tables="[suites.agent.variants.default]\nparameters = { items = [] }",
    )

    assert world.harness("run", "--repeat", "3").code == 0
    assert len(world.distinct_trials()) == 1


def test_an_exit_in_an_async_node_spoils_no_other_case(world):
    """SystemExit in one case is that case's crash alone."""
    agent(
        world,
        """
        async def ask(state):
            if state["question"] == "exit":
                sys.exit(0)
            return {"answers": ["x"]}


        def build():
            return one(ask)
        """,
    )
    world.cases({"id": "a", "inputs": {"question": "exit", "answers": []}}, *({**CASE, "id": name} for name in "bc"))

    assert world.harness("run").code == 3
    assert [trial.outcome for trial in world.trials()] == ["error", "pass", "pass"]


def test_odd_states_are_stored(world):
    """Cycles, unset fields, huge numbers, lone surrogates and exceptions that cannot be printed are shown as something."""
    agent(
        world,
        """
        import dataclasses


        @dataclasses.dataclass
        class Odd:
            known: int = 1
            unset: int = dataclasses.field(init=False)


        class Silent(Exception):
            def __str__(self):
                raise ValueError("no text")


        def ask(state):
            if state["question"] == "silent":
                raise Silent
            cycle = {}
            cycle["a"] = cycle["b"] = cycle
            return {"answers": [Odd(), 10**5000, "\\ud800", cycle, {Odd: 1}]}


        def build():
            return one(ask)
        """,
    )
    assert world.harness("run").code == 0
    world.cases({"id": "one", "inputs": {"question": "silent", "answers": []}})
    assert world.harness("run").code == 3


def test_a_named_suite_without_the_variant_is_refused(world):
    """A suite that is asked for by name is not dropped because it lacks the variant."""
    agent(world, 'def build():\n    return one(lambda state: {"answers": ["x"]})')
    text = (world.root / "harness.toml").read_text()
    (world.root / "harness.toml").write_text(text + text.replace("agent]", "other]", 1) + "[suites.other.variants.v2]\n")

    answer = world.harness("run", "agent", "other", "--variant", "v2")

    assert (answer.code, "suite 'agent' has none of the variants v2" in answer.err) == (2, True)


def test_what_the_graph_prints_is_not_on_standard_output(world):
    """--json stays one document."""
    agent(world, 'def build():\n    print("building")\n    return one(lambda state: print("asking") or {"answers": ["x"]})')

    for jobs in ("1", "2"):
        assert world.harness("run", "--json", "-j", jobs).json["verdict"] == "pass"


def test_recording_with_a_wrong_key_or_none_loses_nothing(world, monkeypatch):
    """A refused key is not recorded, a missing one is an error, and the cassette stays as it was."""
    agent(world, 'def build():\n    return one(lambda state: {"answers": [ChatOpenAI(model="m", max_retries=0).invoke("x").content]})')
    assert world.record(SAY).code == 0
    path = world.root / "cassettes/agent/one.yaml"
    before = path.read_bytes()

    refused = world.record('- {when: {}, reply: {status: 401, text: "wrong key"}}', "--all")
    assert (refused.code, path.read_bytes()) == (3, before)
    broken = world.record('- {when: {}, reply: {status: 503, text: "broken"}}', "--all", "--attempts", "1")
    assert (broken.code, path.read_bytes()) == (3, before)
    keyless = world.harness("record", "--all")
    assert keyless.code in {2, 3}
    assert "OPENAI_API_KEY" in keyless.err
    assert path.read_bytes() == before


def test_expectations_and_traces_hold_no_secret(world):
    """An expected address is compared as it is stored: redacted; neither stands in the experiment."""
    agent(
        world,
        'def build():\n    return one(lambda state: {"answers": [model.invoke(state["question"]).content]})',
        inputs={"question": "who is bob@example.com", "answers": []},
        expected={"output": {"state.answers": ["write to bob@example.com"]}},
    )
    world.record('- {when: {}, reply: {text: "write to bob@example.com"}}')

    assert world.harness("run").code == 0
    assert "bob@example.com" not in (next((world.root / "reports/experiments").iterdir()) / "trials.jsonl").read_text()
