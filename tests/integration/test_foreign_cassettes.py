"""A case whose cassette another tool recorded: it is replayed as it is, and never written to."""

import gzip
import json

import pytest
import yaml

AGENT = """
    from typing import TypedDict

    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph


    class State(TypedDict, total=False):
        questions: list[str]
        answers: list[str]


    def ask(state):
        model = ChatOpenAI(model="gpt-4o-mini", temperature=0.0)
        return {"answers": [model.invoke(question).text for question in state["questions"]]}


    def build():
        return StateGraph(State).add_node(ask).add_edge(START, "ask").add_edge("ask", END).compile()
"""
RULES = """
    - when: {contains: "alpha"}
      reply: {text: "A, asked anew"}
    - when: {contains: "beta"}
      reply: {text: "B is the second letter"}
"""


def case(*questions, case="one", answers=("A is the first letter", "B is the second letter")):
    """Return a case that asks some questions."""
    return {"id": case, "inputs": {"questions": questions}, "expected": {"output": {"state.answers": list(answers[: len(questions)])}}}


def recorded(question="alpha", answer="A is the first letter", *, url="https://api.openai.com/v1/chat/completions"):
    """Return an interaction as vcrpy writes it, its answer compressed."""
    asked = {"messages": [{"content": question, "role": "user"}], "model": "gpt-4o-mini", "temperature": 0.0, "stream": False}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    said = {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [choice], "usage": usage}
    body = gzip.compress(json.dumps(said).encode(), mtime=0)
    headers = {"Content-Type": ["application/json"], "Content-Encoding": ["gzip"], "Set-Cookie": ["secret"]}
    return {
        "request": {"method": "POST", "uri": url, "body": json.dumps(asked), "headers": {"authorization": ["REDACTED"]}},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": body}},
    }


def langchain_tests(*interactions):
    """Write interactions as langchain-tests does."""
    document = {"requests": [one["request"] for one in interactions], "responses": [one["response"] for one in interactions]}
    return gzip.compress(yaml.safe_dump(document).encode(), mtime=0)


def alone(interaction):
    """Write one exchange as a test server does that keeps each in a file."""
    response = interaction["response"]
    text = gzip.decompress(response["body"]["string"]).decode()
    return json.dumps(interaction | {"response": {**response, "body": text}}, indent=2).encode()


def vcrpy(*interactions):
    """Write interactions as vcrpy does."""
    return yaml.safe_dump({"version": 1, "interactions": list(interactions)}).encode()


def project(world, name, data, *cases):
    """Write an agent, its cases and a cassette of another's making; return the cassette's path."""
    world.write("agent.py", AGENT)
    world.suite()
    world.cases(*cases)
    path = world.write(f"cassettes/agent/{name}", "")
    path.write_bytes(data)
    return path


FILES = {
    "vcrpy": ("one.yaml", vcrpy(recorded())),
    "another ending": ("one.yml", vcrpy(recorded())),
    "langchain-tests": ("one.yaml.gz", langchain_tests(recorded())),
    "a redacted address": ("one.yaml.gz", langchain_tests(recorded(url="**REDACTED**"))),
    "one exchange in JSON": ("one.json", alone(recorded())),
}


@pytest.mark.parametrize("command", ["run", "record"])
@pytest.mark.parametrize(("name", "data"), FILES.values(), ids=FILES)
def test_it_is_replayed_and_not_written(world, command, name, data):
    """The case passes from the file as it is; neither running nor recording, which finds nothing missing, writes to it or beside it."""
    path = project(world, name, data, case("alpha"))

    answer = world.harness("run") if command == "run" else world.record(RULES)

    assert answer.code == 0, answer.out + answer.err
    assert path.read_bytes() == data
    assert [found.name for found in path.parent.iterdir()] == [name]
    if command == "run":
        assert [call.source for call in world.trial().trace.calls] == ["replay"]


@pytest.mark.parametrize("url", ["https://api.openai.com/v1/chat/completions", "**REDACTED**"], ids=["an address", "a redacted address"])
def test_recording_adds_beside_it(world, url):
    """What recording adds goes, with all that was there, to the case's own file; the other stays as it is and is not read any more."""
    path = project(world, "one.yaml.gz", langchain_tests(recorded(url=url)), case("alpha", "beta"))
    before = path.read_bytes()

    added = world.record(RULES)
    path.write_bytes(before + b"damaged")
    answer = world.harness("run")

    assert added.code == 0, added.out + added.err
    assert len(world.asked) == 1
    assert sorted(found.name for found in path.parent.iterdir()) == ["one.yaml", "one.yaml.gz"]
    assert path.read_bytes() == before + b"damaged"
    assert answer.code == 0, answer.out + answer.err
    assert world.trial().trace.state["answers"] == ["A is the first letter", "B is the second letter"]


def test_a_miss_over_a_redacted_address_names_what_changed(world):
    """Where the question changed, the message names that, and not the address that is known no more."""
    project(world, "one.yaml.gz", langchain_tests(recorded(url="**REDACTED**")), case("beta"))

    answer = world.harness("run")

    assert answer.code == 4
    assert world.trial().misses[0].differs == ("messages",)


def test_two_of_them_for_one_case(world):
    """Two cassettes for one case end the command with exit code 2 and both names."""
    project(world, "one.yaml.gz", langchain_tests(recorded()), case("alpha"))
    (world.root / "cassettes/agent/one.yml").write_bytes(vcrpy(recorded()))

    answer = world.harness("run")

    assert answer.code == 2
    assert "cassettes/agent/one.yml and cassettes/agent/one.yaml.gz: two cassettes for the case 'one'; keep one" in answer.err


@pytest.mark.parametrize("command", ["run", "record"])
def test_cases_that_differ_in_capitals_only(world, command):
    """Cases that would share a file on some machines are refused on every machine."""
    project(world, "One.yaml", vcrpy(recorded()), case("alpha"), case("alpha", case="One"))

    answer = world.harness(command)

    assert answer.code == 2
    assert "the cases 'one' and 'One' differ in capitals only" in answer.err
