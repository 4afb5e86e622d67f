"""The wire: every way of calling a model is recorded, replayed from content, and stopped when it is not on the cassette."""

import pytest

ASK = """
    import asyncio
    import operator
    import threading
    from concurrent.futures import ThreadPoolExecutor
    from typing import Annotated, TypedDict

    from langchain_core.messages import AIMessage
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import RetryPolicy, Send


    class State(TypedDict):
        question: str
        answers: Annotated[list, operator.add]


    class Branch(TypedDict):
        question: str


    model = ChatOpenAI(model="gpt-4o-mini", max_retries=2, temperature=0)


    def one(node, **policies):
        graph = StateGraph(State)
        graph.add_node("ask", node, **policies)
        graph.add_edge(START, "ask")
        graph.add_edge("ask", END)
        return graph.compile()
"""
ECHO = """
    - when: {contains: "alpha"}
      reply: {text: "A is the first letter"}
    - when: {contains: "beta"}
      reply: {text: "B is the second letter"}
    - when: {contains: "gamma"}
      reply: {text: "C is the third letter"}
"""
CASE = {"id": "one", "inputs": {"question": "alpha", "answers": []}, "expected": {"output": {"state.answers": ["A is the first letter"]}}}

WAYS = {
    "invoke": """
        def ask(state):
            return {"answers": [model.invoke(state["question"]).content]}
    """,
    "ainvoke": """
        async def ask(state):
            return {"answers": [(await model.ainvoke(state["question"])).content]}
    """,
    "stream": """
        def ask(state):
            return {"answers": ["".join(chunk.content for chunk in model.stream(state["question"]))]}
    """,
    "astream": """
        async def ask(state):
            return {"answers": ["".join([chunk.content async for chunk in model.astream(state["question"])])]}
    """,
    "batch": """
        def ask(state):
            return {"answers": [message.content for message in model.batch([state["question"]])]}
    """,
    "abatch": """
        async def ask(state):
            return {"answers": [message.content for message in await model.abatch([state["question"]])]}
    """,
    "a bare executor": """
        def ask(state):
            with ThreadPoolExecutor() as pool:
                return {"answers": [pool.submit(model.invoke, state["question"]).result().content]}
    """,
    "run_in_executor": """
        async def ask(state):
            loop = asyncio.get_running_loop()
            message = await loop.run_in_executor(None, model.invoke, state["question"])
            return {"answers": [message.content]}
    """,
    "a bare thread": """
        def ask(state):
            answers = []

            def work():
                try:
                    answers.append(model.invoke(state["question"]).content)
                except BaseException:
                    pass

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            return {"answers": answers}
    """,
    "the OpenAI client itself": """
        def ask(state):
            import openai
            messages = [{"role": "user", "content": state["question"]}]
            return {"answers": [openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content]}
    """,
    "the Responses API": """
        def ask(state):
            return {"answers": [ChatOpenAI(model="gpt-4o-mini", use_responses_api=True).invoke(state["question"]).text]}
    """,
    "requests": """
        def ask(state):
            import os
            import requests
            body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": state["question"]}]}
            url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1") + "/chat/completions"
            return {"answers": [requests.post(url, json=body, timeout=5).json()["choices"][0]["message"]["content"]]}
    """,
    "plain httpx": """
        def ask(state):
            import os
            import httpx
            body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": state["question"]}]}
            url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1") + "/chat/completions"
            return {"answers": [httpx.post(url, json=body).json()["choices"][0]["message"]["content"]]}
    """,
}


def ways():
    """Return every way of asking a model."""
    return [pytest.param(code, id=way) for way, code in WAYS.items()]


def agent(world, code, build="def build():\n    return one(ask)\n"):
    """Write an agent of this code."""
    import textwrap

    world.write("agent.py", textwrap.dedent(ASK) + "\n\n" + textwrap.dedent(code) + "\n\n" + textwrap.dedent(build))
    world.suite()
    world.cases(CASE)


@pytest.mark.parametrize("code", ways())
def test_what_is_recorded_is_replayed(world, code):
    """Each way of asking is recorded from a real server and replayed without one, and the call is seen with its place and tokens."""
    agent(world, code)
    assert world.record(ECHO).code == 0
    assert len(world.asked) == 1

    answer = world.harness("run")

    assert answer.code == 0, answer.out + answer.err
    trial = world.trial()
    assert trial.trace.state["answers"] == ["A is the first letter"]
    (call,) = trial.trace.calls
    assert (call.source, call.model, call.place.node, call.place.visit) == ("replay", "gpt-4o-mini", "ask", 1)
    assert call.usage is not None
    assert call.usage.output_tokens == 5


@pytest.mark.parametrize("code", ways())
def test_a_missing_exchange_is_stale(world, code):
    """Each way of asking ends stale, exit code 4, when the question changed since it was recorded."""
    agent(world, code)
    world.record(ECHO)
    world.cases({**CASE, "inputs": {"question": "beta", "answers": []}})

    answer = world.harness("run")

    assert answer.code == 4, answer.out + answer.err
    (trial,) = world.trials()
    assert trial.outcome == "stale"
    assert trial.misses[0].differs == ("messages",)
    assert "alpha" in trial.misses[0].diff
    assert "beta" in trial.misses[0].diff


SWALLOWERS = {
    "except Exception": """
        def ask(state):
            try:
                return {"answers": [model.invoke(state["question"]).content]}
            except Exception:
                return {"answers": ["A is the first letter"]}
    """,
    "a bare except": """
        def ask(state):
            try:
                return {"answers": [model.invoke(state["question"]).content]}
            except:
                return {"answers": ["A is the first letter"]}
    """,
    "except Exception around ainvoke": """
        async def ask(state):
            try:
                return {"answers": [(await model.ainvoke(state["question"])).content]}
            except Exception:
                return {"answers": ["A is the first letter"]}
    """,
    "except Exception around abatch": """
        async def ask(state):
            try:
                return {"answers": [message.content for message in await model.abatch([state["question"]])]}
            except Exception:
                return {"answers": ["A is the first letter"]}
    """,
    "except Exception around stream": """
        def ask(state):
            try:
                return {"answers": ["".join(chunk.content for chunk in model.stream(state["question"]))]}
            except Exception:
                return {"answers": ["A is the first letter"]}
    """,
    "except Exception around astream": """
        async def ask(state):
            try:
                return {"answers": ["".join([chunk.content async for chunk in model.astream(state["question"])])]}
            except Exception:
                return {"answers": ["A is the first letter"]}
    """,
    "gather with return_exceptions": """
        async def ask(state):
            found = await asyncio.gather(model.ainvoke(state["question"]), return_exceptions=True)
            return {"answers": [getattr(message, "content", "A is the first letter") for message in found]}
    """,
    "with_fallbacks": """
        from langchain_core.runnables import RunnableLambda

        canned = model.with_fallbacks([RunnableLambda(lambda _: AIMessage("A is the first letter"))], exceptions_to_handle=(BaseException,))

        def ask(state):
            return {"answers": [canned.invoke(state["question"]).content]}
    """,
    "with_fallbacks, async": """
        from langchain_core.runnables import RunnableLambda

        async def fixed(_):
            return AIMessage("A is the first letter")

        canned = model.with_fallbacks([RunnableLambda(fixed)])

        async def ask(state):
            return {"answers": [(await canned.ainvoke(state["question"])).content]}
    """,
    "with_retry": """
        stubborn = model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)

        def ask(state):
            try:
                return {"answers": [stubborn.invoke(state["question"]).content]}
            except Exception:
                return {"answers": ["A is the first letter"]}
    """,
    "a tool node": """
        from langchain_core.tools import tool
        from langgraph.prebuilt import ToolNode

        @tool
        def look(question: str) -> str:
            '''Look something up.'''
            return model.invoke(question).content

        tools = ToolNode([look], handle_tool_errors=True)

        def ask(state, config):
            call = {"name": "look", "args": {"question": state["question"]}, "id": "1", "type": "tool_call"}
            try:
                tools.invoke({"messages": [AIMessage("", tool_calls=[call])]}, config)
            except BaseException:
                pass
            return {"answers": ["A is the first letter"]}
    """,
}


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in SWALLOWERS.items()])
def test_a_swallowed_miss_is_stale_all_the_same(world, code):
    """Code that turns the miss into the right answer does not pass: the note outside the graph decides."""
    agent(world, code)
    world.write("cassettes/agent/one.yaml", "version: 1\ninteractions: []\n")

    answer = world.harness("run")

    assert answer.code == 4, answer.out + answer.err
    assert world.trial().outcome == "stale"
    assert world.trial().trace.calls


def test_a_retry_policy_does_not_hide_a_miss(world):
    """A node under a retry policy that retries everything ends stale, without asking again and again."""
    agent(
        world,
        """
        def ask(state):
            try:
                return {"answers": [model.invoke(state["question"]).content]}
            except BaseException as error:
                raise RuntimeError("transient") from error
        """,
        """
        def build():
            return one(ask, retry_policy=RetryPolicy(max_attempts=3, initial_interval=0, jitter=False, retry_on=RuntimeError))
        """,
    )

    answer = world.harness("run")

    assert answer.code == 4
    assert len(world.trial().misses) == 1


FAN_OUT = """
    import random
    import time

    {prefix}def ask(state: Branch):
        {pause}
        message = {call}(f"Tell me the letter of {{state['question']}}")
        return {{"answers": [(state["question"], message.content)]}}


    def spread(state):
        return [Send("ask", {{"question": question}}) for question in state["question"].split()]


    def build():
        graph = StateGraph(State)
        graph.add_node("ask", ask)
        graph.add_conditional_edges(START, spread, ["ask"])
        graph.add_edge("ask", END)
        return graph.compile()
"""


@pytest.mark.parametrize(
    ("prefix", "pause", "call"),
    [
        ("", "time.sleep(random.random() / 200)", "model.invoke"),
        ("async ", "await asyncio.sleep(random.random() / 200)", "await model.ainvoke"),
    ],
    ids=["sync", "async"],
)
def test_parallel_branches_get_their_own_answers(world, prefix, pause, call):
    """Branches that ask similar questions at once get their own answers in each of 100 runs, and the trials are equal to the byte."""
    agent(world, FAN_OUT.format(prefix=prefix, pause=pause, call=call), "")
    questions = ["alpha", "beta", "gamma"] * 4
    letters = {"alpha": "A is the first letter", "beta": "B is the second letter", "gamma": "C is the third letter"}
    expected = [[question, letters[question]] for question in questions]
    world.cases(
        {"id": "one", "inputs": {"question": " ".join(questions), "answers": []}, "expected": {"output": {"state.answers": expected}}}
    )
    assert world.record(ECHO).code == 0

    answer = world.harness("run", "--repeat", "100")

    assert answer.code == 0, answer.out + answer.err
    trials = world.trials()
    assert len(trials) == 100
    assert len(world.distinct_trials()) == 1


def test_identical_branches_keep_the_answers_of_their_places(world):
    """Branches that ask the very same thing get the answer that was recorded at their own place."""
    agent(
        world,
        """
        def ask(state: Branch):
            return {"answers": [model.invoke("alpha").content + " for " + state["question"]]}


        def spread(state):
            return [Send("ask", {"question": str(number)}) for number in range(3)]


        def build():
            graph = StateGraph(State)
            graph.add_node("ask", ask)
            graph.add_conditional_edges(START, spread, ["ask"])
            graph.add_edge("ask", END)
            return graph.compile()
        """,
        "",
    )
    rules = "".join(f'- {{times: 1, when: {{contains: alpha}}, reply: {{text: "draw {number}"}}}}\n' for number in range(3))
    world.record(rules)
    world.harness("run")
    first = world.trial().trace.state["answers"]

    assert sorted(text[:6] for text in first) == ["draw 0", "draw 1", "draw 2"]
    world.harness("run", "--repeat", "20")
    assert [trial.trace.state["answers"] for trial in world.trials()] == [first] * 20


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("socket.create_connection(('127.0.0.1', 9), timeout=1)", "127.0.0.1:9"),
        ("with socket.socket() as it: it.connect_ex(('10.1.2.3', 80))", "10.1.2.3:80"),
        ("socket.getaddrinfo('example.com', 443)", "example.com:443"),
        ("with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it: it.sendto(b'x', ('127.0.0.1', 53))", "127.0.0.1:53"),
    ],
)
def test_a_socket_is_refused_by_name(world, line, address):
    """A graph that opens a socket of its own ends as an error that names node and address, even if it swallows the refusal."""
    agent(
        world,
        f"""
        import socket

        def ask(state):
            try:
                {line}
            except BaseException:
                pass
            return {{"answers": ["A is the first letter"]}}
        """,
    )

    answer = world.harness("run")

    assert answer.code == 3
    assert f"node 'ask' (visit 1, step 1) tried to connect to {address}" in answer.out


def test_an_allowed_host_is_reached(world):
    """A loopback service that the config names may be connected to."""
    from openai_server import serving

    from harness.script import Script

    with serving(Script(rules=())) as server:
        agent(
            world,
            f"""
            import socket

            def ask(state):
                socket.create_connection(("127.0.0.1", {server.server_port})).close()
                return {{"answers": ["A is the first letter"]}}
            """,
        )
        world.suite(f'allow_hosts = ["127.0.0.1:{server.server_port}"]')

        assert world.harness("run").code == 0


def test_one_more_question_than_recorded_is_stale(world):
    """Asking the same thing more often than it was recorded is a miss that says so."""
    agent(world, WAYS["invoke"])
    world.record(ECHO)
    world.edit("agent.py", '[model.invoke(state["question"]).content]', '[model.invoke(state["question"]).content for _ in range(2)][:1]')

    answer = world.harness("run")

    assert answer.code == 4
    assert "already played" in world.trial().misses[0].cause
