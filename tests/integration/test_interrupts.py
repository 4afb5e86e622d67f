"""A human in the loop: where a graph stops, what it shows, and how it goes on with the answers of the case."""

import textwrap

import pytest

AGENT = """
    import operator
    from typing import Annotated, TypedDict

    from langgraph.graph import START, StateGraph
    from langgraph.types import Command, Send, interrupt


    class State(TypedDict, total=False):
        notes: Annotated[list, operator.add]


    def graph_of(*edges, **nodes):
        graph = StateGraph(State)
        for name, node in nodes.items():
            graph.add_node(name, node)
        for start, end in edges:
            graph.add_edge(start, end)
        return graph
"""
APPROVAL = """
    def propose(state):
        answer = interrupt({"tool": "pay", "args": {"usd": 7}})
        match answer["type"]:
            case "approve":
                return Command(goto="pay", update={"notes": [{"usd": 7}]})
            case "edit":
                return Command(goto="pay", update={"notes": [answer["args"]]})
            case _:
                return Command(goto="refuse", update={"notes": [answer.get("why", "no")]})


    def build(checkpointer):
        nodes = {
            "propose": propose,
            "pay": lambda state: {"notes": [f"paid {state['notes'][-1]['usd']}"]},
            "refuse": lambda state: {"notes": ["refused"]},
        }
        graph = StateGraph(State)
        graph.add_node("propose", propose, destinations=("pay", "refuse"))
        graph.add_node("pay", nodes["pay"])
        graph.add_node("refuse", nodes["refuse"])
        graph.add_edge(START, "propose")
        return graph.compile(checkpointer=checkpointer)
"""
ECHO = """
    def ask(state):
        return {"notes": [interrupt("well?")]}


    def build(checkpointer):
        return graph_of((START, "ask"), ask=ask).compile(checkpointer=checkpointer)
"""
NESTED = """
    def ask(state):
        return {"notes": [interrupt({"from": "inside"})]}


    def build(checkpointer):
        inner = graph_of((START, "read"), ("read", "ask"), read=lambda state: {"notes": ["read"]}, ask=ask).compile()
        before = {"notes": ["asked"]}
        return graph_of((START, "plan"), ("plan", "team"), plan=lambda state: before, team=inner).compile(checkpointer=checkpointer)
"""
PARALLEL = """
    def ask(branch):
        first = interrupt({"topic": branch["topic"]})
        return {"notes": [branch["topic"], first]}


    def build(checkpointer):
        graph = graph_of(plan=lambda state: {"notes": []}, ask=ask)
        graph.add_edge(START, "plan")
        graph.add_conditional_edges("plan", lambda state: [Send("ask", {"topic": topic}) for topic in "xyz"], ["ask"])
        return graph.compile(checkpointer=checkpointer)
"""
TWICE = """
    def ask(state):
        return {"notes": [interrupt("first"), interrupt("second")]}


    def build(checkpointer):
        return graph_of((START, "ask"), ask=ask).compile(checkpointer=checkpointer)
"""
STATIC = """
    def build(checkpointer):
        inner = graph_of((START, "check"), check=lambda state: {"notes": ["checked"]}).compile(interrupt_before=["check"])
        nodes = {"draft": lambda state: {"notes": ["drafted"]}, "review": inner, "send": lambda state: {"notes": ["sent"]}}
        graph = graph_of((START, "draft"), ("draft", "review"), ("review", "send"), **nodes)
        return graph.compile(checkpointer=checkpointer, interrupt_before=["send"], interrupt_after=["draft"])
"""


def run(world, code, *, resume, expected, exit_code=0):
    """Run a case over the graph, cut off after every superstep as well, and return its trial."""
    world.write("agent.py", textwrap.dedent(AGENT) + "\n\n" + textwrap.dedent(code))
    world.suite()
    world.cases({"id": "one", "inputs": {"notes": []}, "resume": resume, "expected": {**expected, "crash": ["memory", "sqlite"]}})
    answer = world.harness("run")
    assert answer.code == exit_code, answer.out + answer.err
    return world.trial()


@pytest.mark.parametrize(
    ("answer", "nodes", "notes"),
    [
        ({"type": "approve"}, ["propose", "pay"], [{"usd": 7}, "paid 7"]),
        ({"type": "edit", "args": {"usd": 3}}, ["propose", "pay"], [{"usd": 3}, "paid 3"]),
        ({"type": "reject", "why": "too much"}, ["propose", "refuse"], ["too much", "refused"]),
    ],
    ids=["approve", "edit", "reject"],
)
def test_approve_edit_and_reject_go_their_ways(world, answer, nodes, notes):
    """The answer is an object; the graph goes where it leads, with what it holds."""
    run(
        world,
        APPROVAL,
        resume=[answer],
        expected={"interrupts": [{"args": {"usd": 7}}], "path": {"nodes": nodes}, "output": {"state.notes": notes}},
    )


@pytest.mark.parametrize("answer", [None, {}, [], "", 0, False, {"deep": [{"er": None}]}], ids=repr)
def test_any_json_is_an_answer(world, answer):
    """What LangGraph would take for no answer, or for answers by id, arrives as it is written in the case."""
    run(world, ECHO, resume=[answer], expected={"interrupts": ["well?"], "output": {"state.notes": [answer]}})


def test_an_interrupt_in_a_subgraph_is_answered(world):
    """It shows its payload, and the nodes that ran before it do not run again."""
    trial = run(
        world,
        NESTED,
        resume=["yes"],
        expected={"interrupts": [{"from": "inside"}], "output": {"state.notes": ["asked", "asked", "read", "yes"]}},
    )

    inside = [(step.place.node, step.attempts) for step in trial.trace.steps if step.place.namespace]
    assert inside == [("read", 1), ("ask", 2)]


def test_branches_that_stop_at_once_get_their_own_answers(world):
    """Three interrupts of three branches are shown, and answered, in the order of the branches."""
    run(
        world,
        PARALLEL,
        resume=[1, 2, 3],
        expected={"interrupts": [{"topic": "x"}, {"topic": "y"}, {"topic": "z"}], "output": {"state.notes": ["x", 1, "y", 2, "z", 3]}},
    )


def test_branches_without_an_answer_go_on_waiting(world):
    """The others go on; what still waits is shown again, and the trial ends there."""
    trial = run(
        world,
        PARALLEL,
        resume=[1, 2],
        expected={"interrupts": [{"topic": "x"}, {"topic": "y"}, {"topic": "z"}, {"topic": "z"}], "ends": "interrupt"},
    )

    assert trial.trace.ends == "interrupt"


def test_a_node_may_stop_twice(world):
    """The answers of one node are given one after the other."""
    run(world, TWICE, resume=["a", "b"], expected={"interrupts": ["first", "second"], "output": {"state.notes": ["a", "b"]}})


def test_static_interrupts_take_an_answer_each(world):
    """Before a node, after a node and inside a subgraph: the graph waits, shows nothing, and goes on."""
    run(
        world,
        STATIC,
        resume=[None, None, None],
        expected={
            "interrupts": [{"before": "review"}, {"before": "review"}, {"before": "send"}],
            "output": {"state.notes": ["drafted", "drafted", "checked", "sent"]},
        },
    )


def test_an_answer_too_many_fails_the_case(world):
    """A case that answers what was not asked proves nothing; cut off and resumed, it is just so."""
    trial = run(world, ECHO, resume=["yes", "no"], expected={"interrupts": ["well?"]}, exit_code=1)

    assert [score.name for score in trial.scores if score.status == "fail"] == ["resume"]
