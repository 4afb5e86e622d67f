"""Cases of several turns: one thread, one trace, and nothing played that was not reached."""

import pytest

AGENT = """
    from typing import Annotated, TypedDict
    import operator

    from langgraph.graph import END, START, StateGraph
    from langgraph.types import interrupt


    class State(TypedDict, total=False):
        said: str
        heard: Annotated[list[str], operator.add]


    def build(*, checkpointer=None):
        def listen(state):
            return {"heard": [state["said"]]}

        def approve(state):
            return {"heard": [interrupt({"about": state["said"]})]}

        graph = StateGraph(State)
        graph.add_node("listen", listen)
        graph.add_node("approve", approve)
        graph.add_edge(START, "listen")
        graph.add_conditional_edges("listen", lambda state: "approve" if "risky" in state["said"] else END, ["approve", END])
        return graph.compile(checkpointer=checkpointer)
"""


@pytest.fixture
def agent(world):
    """Return a project whose agent remembers what it heard, and asks a human about what is risky."""
    world.write("agent.py", AGENT)
    world.suite()
    return world


def turns(*texts, **parts):
    """Return a case of these turns."""
    first, *more = [{"said": text} for text in texts]
    return {"id": "talk", "inputs": first, "turns": more, **parts}


def test_all_turns_run_on_one_thread(agent):
    """The graph remembers the turns before; the trace holds the steps of all in order, each with its turn."""
    agent.cases(
        turns("one", "two", "three", expected={"path": {"nodes": ["listen"] * 3}, "output": {"state.heard": ["one", "two", "three"]}})
    )

    assert agent.harness("run").code == 0
    places = [step.place for step in agent.trial().trace.steps]
    assert [(place.turn, place.visit) for place in places] == [(1, 1), (2, 2), (3, 3)]
    assert [place.step for place in places] == sorted(place.step for place in places)


def test_async_turns_are_the_same(agent):
    """Under ainvoke the trial has the same bytes."""
    agent.cases(turns("one", "two"))
    agent.harness("run")
    plain = agent.trial()

    agent.suite('mode = "ainvoke"')
    agent.harness("run")

    assert agent.trial() == plain


def test_the_input_of_a_turn_is_no_superstep(agent):
    """Three turns of one node are three supersteps, and a limit of two is passed."""
    agent.cases(turns("one", "two", "three", expected={"limits": {"steps": 2}}))

    answer = agent.harness("run")

    assert answer.code == 1
    assert "3 supersteps, limits.steps = 2" in answer.out


def test_a_router_that_ended_its_turn_decided_for_the_end(agent):
    """What the next turn starts with is not what the router chose."""
    agent.cases(turns("one", "risky", expected={"route": {"approve": "__end__"}}, resume=["yes"]), turns("a", "b") | {"id": "other"})

    assert agent.harness("run").code == 0
    agent.cases(turns("risky", "one", expected={"route": {"approve": "__end__", "listen": "__end__"}}, resume=["yes"]))
    assert agent.harness("run").code == 0


def test_answers_are_given_in_whatever_turn_the_graph_stops(agent):
    """A stop in the second turn takes the answer, and the third turn follows."""
    expected = {"output": {"state.heard": ["one", "risky", "yes", "three"]}, "interrupts": [{"about": "risky"}]}
    agent.cases(turns("one", "risky", "three", resume=["yes"], expected=expected))

    assert agent.harness("run").code == 0


def test_a_turn_that_is_not_reached_fails(agent):
    """The graph waits for a human for good: what was to be said after that proves nothing."""
    agent.cases(turns("risky", "two", expected={"ends": "interrupt"}))

    answer = agent.harness("run")

    assert answer.code == 1
    assert "1 of 1 inputs in `turns` were not played" in " ".join(answer.out.split())


def test_a_graph_without_a_checkpointer_is_refused(agent):
    """Nothing runs; the message names the suite, the case and the remedy."""
    agent.edit("agent.py", "checkpointer=checkpointer)", "checkpointer=None)")
    agent.cases(turns("one", "two"))

    answer = agent.harness("run")

    assert answer.code == 2
    assert "case 'talk' has `turns`, but the graph has no checkpointer" in " ".join(answer.err.split())
    assert "take `checkpointer`" in " ".join(answer.err.split())


def test_show_tells_the_turn(agent):
    """`harness show` notes the turn of a later step."""
    agent.cases(turns("one", "two"))
    agent.harness("run")

    assert "turn 2" in agent.harness("show", "latest", "talk").out
