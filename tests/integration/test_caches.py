"""What a cache of the code under test answers: no request, not paid, seen as such, the same answer."""

import pytest

MODEL_CACHE = """
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph

set_llm_cache(InMemoryCache())


def ask(state):
    model = ChatOpenAI(model="gpt-4o-mini", temperature=0, use_responses_api=False)
    return {"messages": [AIMessage(model.invoke(state["messages"][:1]).text)]}


async def aask(state):
    model = ChatOpenAI(model="gpt-4o-mini", temperature=0, use_responses_api=False)
    return {"messages": [AIMessage((await model.ainvoke(state["messages"][:1])).text)]}


def build(*, asynchronous=False):
    graph = StateGraph(MessagesState)
    graph.add_node("first", aask if asynchronous else ask)
    graph.add_node("second", aask if asynchronous else ask)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return graph.compile()
"""
NODE_CACHE = """
from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy


class State(TypedDict, total=False):
    question: str
    answer: str
    rounds: int


def ask(state):
    model = ChatOpenAI(model="gpt-4o-mini", temperature=0, use_responses_api=False)
    return {"answer": model.invoke(state["question"]).text}


def count(state):
    return {"rounds": state.get("rounds", 0) + 1}


graph = StateGraph(State)
graph.add_node("ask", ask, cache_policy=CachePolicy(key_func=lambda state: state["question"]))
graph.add_node("count", count)
graph.add_edge(START, "ask")
graph.add_edge("ask", "count")
graph.add_conditional_edges("count", lambda state: "ask" if state["rounds"] < 3 else END)
graph = graph.compile(cache=InMemoryCache())
"""
RULES = '- reply: {text: "Paris.", input_tokens: 100, output_tokens: 20}'


def case(name="one", **expected):
    """Return a case that asks for a capital."""
    return {"id": name, "inputs": {"messages": [{"role": "user", "content": "capital?"}]}, "expected": expected}


@pytest.mark.parametrize("asynchronous", ["false", "true"], ids=["sync", "async"])
def test_a_models_cached_answer_is_seen_and_not_paid(world, asynchronous):
    """The second of two equal calls is answered by LangChain's cache: the same text, one call paid, one cached."""
    world.write("agent.py", MODEL_CACHE)
    world.suite(tables=f"[suites.agent.variants.default]\nparameters = {{ asynchronous = {asynchronous} }}")
    world.cases(case(output={"text": "Paris."}, limits={"model_calls": 1, "tokens": 120}))
    assert world.record(RULES).code == 0

    answer = world.harness("run", "--json")

    assert answer.code == 0, answer.json["suites"]["agent"]["reasons"]
    trace = world.trial().trace
    assert [message["content"] for message in trace.state["messages"][1:]] == ["Paris.", "Paris."]
    assert (len(trace.model_calls), trace.total_tokens) == (1, 120)
    (cached,) = trace.cached
    assert (cached.place.node, cached.place.visit, cached.usage.total_tokens) == ("second", 1, 120)
    assert cached.model.startswith("gpt-4o-mini")
    nodes = answer.json["suites"]["agent"]["costs"]["by_node"]
    assert {name: (spent["calls"], spent["cached"]) for name, spent in nodes.items()} == {"first": (1, 0), "second": (0, 1)}
    assert nodes["second"]["cost_usd"] == 0.0
    assert "answered from a cache, not paid" in world.harness("show", "latest", "one").out


def test_no_trial_is_answered_by_the_cache_of_another(world):
    """Each trial begins with empty caches, so that the order of cases and the number of workers change nothing."""
    world.write("agent.py", MODEL_CACHE)
    world.suite()
    world.cases(case("one"), case("two"))
    assert world.record(RULES).code == 0

    world.harness("run", "--repeat", "2")

    assert [(len(trial.trace.model_calls), len(trial.trace.cached)) for trial in world.trials()] == [(1, 1)] * 4


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_a_nodes_cached_visit_is_seen_and_not_paid(world, mode):
    """LangGraph's node cache answers later visits: they are in the trace, marked, and only the first one is paid."""
    world.write("agent.py", NODE_CACHE)
    world.suite(f'mode = "{mode}"', graph="agent.py:graph")
    path = ["ask", "count"] * 3
    expected = {"path": {"nodes": path}, "output": {"state.answer": "Paris."}, "limits": {"model_calls": 1, "visits": {"ask": 3}}}
    world.cases(*({"id": name, "inputs": {"question": "capital?"}, "expected": expected} for name in ("one", "two")))
    assert world.record(RULES).code == 0

    answer = world.harness("run", "--json")

    assert answer.code == 0, answer.json["suites"]["agent"]["reasons"]
    steps = world.trials()[1].trace.steps
    assert [(step.place.node, step.place.step, step.cached) for step in steps] == [
        ("ask", 1, False),
        ("count", 2, False),
        ("ask", 3, True),
        ("count", 4, False),
        ("ask", 5, True),
        ("count", 6, False),
    ]
    assert steps[2].update == {"answer": "Paris."}
    assert answer.json["suites"]["agent"]["costs"]["by_node"]["ask"]["cached"] == 4
    assert "from the cache" in world.harness("show", "latest", "one").out


def test_tokens_that_the_provider_had_cached_have_their_own_price(world):
    """A prompt that the provider itself kept is paid, at the price of `cached_input`."""
    world.write("agent.py", MODEL_CACHE)
    world.suite(tables="[prices.gpt-4o-mini]\ninput = 1.0\noutput = 2.0\ncached_input = 0.1")
    world.cases(case())
    assert world.record(RULES).code == 0
    (path,) = (world.root / "cassettes/agent").iterdir()
    text = path.read_text("utf-8")
    assert '"prompt_tokens":100' in text.replace(" ", "")
    world.edit(str(path.relative_to(world.root)), '"prompt_tokens"', '"prompt_tokens_details": {"cached_tokens": 80}, "prompt_tokens"')

    world.harness("run")

    assert world.trial().trace.cost_usd == pytest.approx((20 * 1.0 + 80 * 0.1 + 20 * 2.0) / 1_000_000)
