"""Coverage on real graphs: the edges that the compiled graph declares, and those that an observed execution took."""

import asyncio
import operator
from typing import Annotated, Literal, TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from langgraph._internal._runnable import RunnableCallable
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from harness.coverage import covered, taken
from harness.observe import Observer
from harness.shape import shape
from harness.trace import Interrupt, Trace


class State(TypedDict, total=False):
    """Where to go, and what ran."""

    way: str
    seen: Annotated[list[str], operator.add]


def step(name):
    """Return a node that notes that it ran."""

    def node(state):
        return {"seen": [name]}

    return node


def trace_of(graph, inputs, *, ends="answer", resume=None, interrupts=()):
    """Run a graph and return what was observed."""
    observer = Observer()
    config = {"callbacks": [observer], "configurable": {"thread_id": "1"}}
    try:
        graph.invoke(inputs, config)
        if resume is not None:
            graph.invoke(Command(resume=resume), config)
    except LookupError:
        ends = "error"
    return Trace(steps=observer.story().steps(), ends=ends, interrupts=interrupts)


def missing(graph, *traces, kind="edges"):
    """Return what no trace took."""
    known = shape(graph)
    found = [taken(trace, known) for trace in traces]
    assert not known.unknown
    assert not any(one.undeclared for one in found)
    return sorted(set(covered(known, found[0], kind).missing).intersection(*(covered(known, one, kind).missing for one in found)))


def router(labels):
    """Return a graph whose conditional edge gives its ways names."""
    graph = StateGraph(State).add_node("a", step("a")).add_node("b", step("b")).add_node("c", step("c"))
    graph.add_edge(START, "a").add_conditional_edges("a", lambda state: state["way"], labels)
    return graph.add_edge("b", END).add_edge("c", END).compile()


def test_a_choice_takes_the_edge_that_it_names():
    """A conditional edge counts by its label, whatever node that stands for; the others are missing."""
    graph = router({"left": "b", "right": "c", "stop": END})

    assert missing(graph, trace_of(graph, {"way": "left"})) == ["a → END", "a → c", "c → END"]
    assert missing(graph, trace_of(graph, {"way": "stop"})) == ["a → b", "a → c", "b → END", "c → END"]
    assert missing(graph, *(trace_of(graph, {"way": way}) for way in ("left", "right", "stop"))) == []


def test_labels_that_are_crossed_names_of_nodes_are_labels_first():
    """A label that happens to be another node's name leads where the graph says."""
    graph = router({"b": "c", "c": "b"})
    known = shape(graph)

    assert "a → c" in taken(trace_of(graph, {"way": "b"}), known).edges
    assert "a → b" not in taken(trace_of(graph, {"way": "b"}), known).edges


def parallel():
    """Return a graph with two branches, each of which may go on to the same node or end."""

    def choose(name):
        def choice(state) -> Literal["join", "__end__"]:
            return "join" if name in state["way"] else END

        return choice

    graph = StateGraph(State).add_node("left", step("left")).add_node("right", step("right")).add_node("join", step("join"))
    graph.add_edge(START, "left").add_edge(START, "right").add_edge("join", END)
    return graph.add_conditional_edges("left", choose("l")).add_conditional_edges("right", choose("r")).compile()


def test_of_two_branches_only_the_one_that_chose_took_its_edge():
    """Where two nodes of a superstep could have gone on, the one that ended is not counted as going on."""
    graph = parallel()

    assert missing(graph, trace_of(graph, {"way": "l"})) == ["left → END", "right → join"]
    assert missing(graph, trace_of(graph, {"way": "l"}), trace_of(graph, {"way": "r"})) == []


def test_edges_of_a_fan_out_are_taken_by_its_branches():
    """`Send` takes the edge to the node that it sends to, however many branches there are."""

    def spread(state) -> list[Send]:
        return [Send("work", {"way": str(number)}) for number in range(int(state["way"]))]

    graph = StateGraph(State).add_node("plan", step("plan")).add_node("work", step("work")).add_node("sum", step("sum"))
    graph.add_edge(START, "plan").add_conditional_edges("plan", spread, ["work", "sum"]).add_edge("work", "sum").add_edge("sum", END)
    graph = graph.compile()

    assert missing(graph, trace_of(graph, {"way": "3"})) == ["plan → sum"]


def test_a_join_is_taken_when_all_its_sources_ran():
    """An edge from several nodes is one for each; it counts though its sources ran in different supersteps."""
    graph = StateGraph(State)
    for name in ("a", "b", "late", "join"):
        graph.add_node(name, step(name))
    graph.add_edge(START, "a").add_edge(START, "b").add_edge("b", "late").add_edge(["a", "late"], "join").add_edge("join", END)
    graph = graph.compile()

    assert missing(graph, trace_of(graph, {})) == []


def test_a_node_that_raises_takes_no_edge():
    """What stands behind a crash was not reached."""

    def broken(state):
        raise LookupError

    graph = StateGraph(State).add_node("a", step("a")).add_node("b", broken)
    graph = graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", END).compile()

    assert missing(graph, trace_of(graph, {})) == ["b → END"]


def test_an_error_handler_is_no_way_of_its_own():
    """What LangGraph runs inside a failing node is neither an edge nor undeclared."""

    def broken(state):
        raise LookupError

    graph = StateGraph(State).add_node("a", broken, error_handler=step("handled")).add_node("b", step("b"))
    graph = graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", END).compile()

    assert missing(graph, trace_of(graph, {})) == ["a → b", "b → END"]


def swarm(*, declared):
    """Return a graph that goes where a command says."""

    def a(state):
        return Command(goto=state["way"], update={"seen": ["a"]})

    graph = StateGraph(State).add_node("a", a, destinations=("b", "c") if declared else None)
    return graph.add_node("b", step("b")).add_node("c", step("c")).add_edge(START, "a").compile()


def test_commands_take_the_edges_that_they_declare():
    """A `Command` counts where its destinations are declared."""
    assert missing(swarm(declared=True), trace_of(swarm(declared=True), {"way": "b"})) == ["a → c"]


def test_an_undeclared_command_is_told():
    """A way that nothing declares is named: the edges of such a graph cannot be known."""
    graph = swarm(declared=False)

    assert taken(trace_of(graph, {"way": "b"}), shape(graph)).undeclared == {"a → b"}


def test_subgraphs_have_edges_of_their_own_each_time_they_run():
    """Edges inside a subgraph count under its name; a loop around it runs it anew."""
    inner = StateGraph(State).add_node("one", step("one")).add_node("two", step("two")).add_edge(START, "one")
    inner.add_conditional_edges("one", lambda state: "two" if len(state["seen"]) > 2 else END, ["two", END]).add_edge("two", END)
    outer = StateGraph(State).add_node("team", inner.compile()).add_edge(START, "team")
    outer.add_conditional_edges("team", lambda state: END if len(state["seen"]) > int(state["way"]) else "team", ["team", END])
    graph = outer.compile()

    assert missing(graph, trace_of(graph, {"way": "0", "seen": []})) == ["team → team", "team/one → team/two", "team/two → team/END"]
    assert missing(graph, trace_of(graph, {"way": "5", "seen": []})) == []


def test_a_command_to_the_parent_leaves_the_subgraph():
    """A hand-off out of a subgraph takes the edge of the node around it, and none inside."""

    def leave(state):
        return Command(goto="b", graph=Command.PARENT)

    inner = StateGraph(State).add_node("leave", leave).add_edge(START, "leave").add_edge("leave", END).compile()
    graph = StateGraph(State).add_node("team", inner, destinations=("b",)).add_node("b", step("b")).add_edge(START, "team")
    graph = graph.add_edge("b", END).compile()

    assert missing(graph, trace_of(graph, {})) == ["team/leave → team/END"]


def test_a_router_without_a_mark_counts_by_what_ran_next():
    """Libraries build routers that callbacks do not show; then the next superstep tells."""
    graph = StateGraph(State).add_node("a", step("a")).add_node("b", step("b")).add_edge(START, "a").add_edge("b", END)
    graph = graph.add_conditional_edges("a", RunnableCallable(lambda state: state["way"], trace=False), ["b", END]).compile()

    assert missing(graph, trace_of(graph, {"way": "b"})) == ["a → END"]
    assert missing(graph, trace_of(graph, {"way": END})) == ["a → b", "b → END"]
    assert missing(graph, trace_of(graph, {"way": END}, ends="limit")) == ["a → END", "a → b", "b → END"]


def test_async_graphs_are_covered_alike():
    """Routers and nodes that are coroutines leave the same marks."""

    async def a(state):
        return {"seen": ["a"]}

    async def choose(state) -> Literal["b", "__end__"]:
        return "b"

    graph = StateGraph(State).add_node("a", a).add_node("b", a).add_edge(START, "a").add_edge("b", END)
    graph = graph.add_conditional_edges("a", choose).compile()
    observer = Observer()
    asyncio.run(graph.ainvoke({}, {"callbacks": [observer]}))

    assert missing(graph, Trace(steps=observer.story().steps())) == ["a → END"]


def test_a_start_that_chooses_the_end_is_taken_without_any_node():
    """An execution that visits nothing took the edge from the start to the end."""
    graph = StateGraph(State).add_node("a", step("a")).add_conditional_edges(START, lambda state: state["way"], ["a", END])
    graph = graph.add_edge("a", END).compile()

    assert missing(graph, trace_of(graph, {"way": END})) == ["START → a", "a → END"]


@pytest.mark.parametrize("kind", ["dynamic", "before", "after"])
def test_an_interrupt_is_covered_where_a_trial_stops(kind):
    """Nodes that call `interrupt`, and static interrupts, are known from the graph and covered by a stop, resumed or not."""

    def ask(state):
        return {"way": interrupt({"question": "go on?"})} if state["way"] == "stop" else {}

    nodes = {"dynamic": ask, "before": step("ask"), "after": step("ask")}
    static = {"before": {"interrupt_before": ["ask"]}, "after": {"interrupt_after": ["ask"]}}.get(kind, {})
    graph = StateGraph(State).add_node("ask", nodes[kind]).add_node("act", step("act"))
    graph = graph.add_edge(START, "ask").add_edge("ask", "act").add_edge("act", END).compile(checkpointer=InMemorySaver(), **static)
    waiting = {"before": (Interrupt(node="ask"),), "after": (Interrupt(node="act"),)}.get(kind, ())
    name = "after ask" if kind == "after" else "ask"

    assert missing(graph, Trace(), kind="interrupts") == [name]
    assert missing(graph, trace_of(graph, {"way": "stop"}, resume="yes", interrupts=waiting), kind="interrupts") == []


def test_fallbacks_are_known_through_the_functions_of_a_node():
    """A node that reaches a model to fall back on, by a function of its own, may fall back; one that parses with a fallback may not."""
    model = FakeListChatModel(responses=["x"])
    chain = model.with_fallbacks([model | StrOutputParser()])
    parser = RunnableLambda(step("x")).with_fallbacks([RunnableLambda(step("y"))])

    def call(state):
        return chain.invoke(state["way"])

    def answer(state):
        return {"seen": [call(state)]}

    def parse(state):
        return parser.invoke(state)

    graph = StateGraph(State).add_node("answer", answer).add_node("parse", parse).add_edge(START, "answer")
    graph = graph.add_edge("answer", "parse").compile()

    assert shape(graph).fallbacks == ("answer",)


def test_what_declares_no_edges_says_so():
    """An open-ended conditional edge and a graph of functions cannot be covered, and say why."""

    @entrypoint()
    def functional(state):
        return state

    graph = StateGraph(State).add_node("a", step("a")).add_edge(START, "a").add_conditional_edges("a", lambda state: "a").compile()

    assert shape(graph).unknown == "the conditional edge of a does not say where it may lead"
    assert shape(functional).unknown == "the graph is no StateGraph: it declares no edges"


AGENT = """
    from typing import Literal, TypedDict
    from langgraph.graph import END, START, StateGraph

    class State(TypedDict):
        way: str

    def choose(state) -> Literal["left", "right"]:
        return state["way"]

    def build():
        graph = StateGraph(State)
        for name in ("left", "right"):
            graph.add_node(name, lambda state: state).add_edge(name, END)
        return graph.add_conditional_edges(START, choose).compile()
"""


def test_a_gate_on_coverage_names_what_no_case_takes(world):
    """A suite that leaves an edge out fails a gate that asks for all, in words, and the document lists it."""
    world.write("agent.py", AGENT)
    world.cases({"id": "a", "inputs": {"way": "left"}})
    world.suite(tables='[suites.agent.gate]\n"edges.coverage" = { min = 1.0 }')

    answer = world.harness("run", "--json")

    suite = answer.json["suites"]["agent"]
    missing = ["START → right", "right → END"]
    assert answer.code == 1
    assert suite["coverage"]["edges"] == {"taken": 2, "known": 4, "missing": missing}
    assert suite["reasons"] == [f"edges.coverage is 0.5, below min 1, not taken: {', '.join(missing)}"]


def test_a_selection_has_no_coverage(world):
    """Where cases were left out, coverage has no value and its bound is not evaluated."""
    world.write("agent.py", AGENT)
    world.cases({"id": "a", "inputs": {"way": "left"}}, {"id": "b", "inputs": {"way": "right"}})
    world.suite(tables='[suites.agent.gate]\n"edges.coverage" = { min = 1.0 }')

    assert "agent: edges 4/4\n" in world.harness("run").out
    answer = world.harness("run", "--filter", "a", "--json")

    suite = answer.json["suites"]["agent"]
    assert answer.code == 0
    assert suite["coverage"] is None
    assert suite["metric_reasons"]["edges.coverage"] == "only selected cases ran"
