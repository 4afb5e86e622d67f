"""`harness cassettes scan`, and the redactors of a config."""

import base64
import gzip

import pytest

LETTERS = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4fGh7jKl0nOp3r"
KEY = "sk-" + "proj-" + LETTERS
RANDOM = "q7RzK2vXw9LmB4nTc6YpD8sFhJ3gQeUa1ZoV5iWb"


def cassette(body, *, binary=False):
    """Return a cassette whose answer has this body."""
    told = f"!!binary {base64.b64encode(body).decode()}" if binary else repr(body)
    return (
        "interactions:\n- request: {method: POST, uri: 'https://h/x', body: '{}', headers: {}}\n"
        f"  response:\n    status: {{code: 200, message: ''}}\n    headers: {{}}\n    body:\n      string: {told}\nversion: 1\n"
    )


CLEAN = cassette("hello")
PLANTED = {
    "plain": (cassette(f"it is {KEY}"), "openai-key", 7),
    "base64": (cassette(base64.b64encode(f"it is {KEY}".encode()).decode()), "openai-key", 2),
    "compressed": (cassette(gzip.compress(f"it is {KEY}".encode(), mtime=0), binary=True), "openai-key", 2),
    "random": (cassette(f"it is {RANDOM}"), "high-entropy", 7),
    "header": (CLEAN.replace("headers: {}\n    body", "headers:\n      x-api-key:\n      - abc123def456\n    body"), "named-secret", 7),
}


@pytest.mark.parametrize(("text", "kind", "line"), PLANTED.values(), ids=PLANTED)
def test_what_is_found(world, text, kind, line):
    """A finding is told with path, line and kind, without the secret, and ends the command with 1. No config is needed."""
    path = world.write("cassettes/agent/one.yaml", text)
    answer = world.harness("cassettes", "scan")
    named = world.harness("cassettes", "scan", str(path))

    assert (answer.code, named.code) == (1, 1)
    assert f"cassettes/agent/one.yaml:{line}: {kind} (" in answer.out
    assert KEY not in answer.out + answer.err
    assert RANDOM not in answer.out + answer.err


def test_a_clean_project(world):
    """Nothing found is 0."""
    world.write("cassettes/agent/one.yaml", CLEAN)
    answer = world.harness("cassettes", "scan")

    assert (answer.code, answer.out) == (0, "")
    assert "1 file(s) scanned: 0 finding(s), 0 unreadable" in answer.err


def test_an_unreadable_file(world):
    """A file that is no cassette, or is not there, is 2 and named; what its text shows is told all the same."""
    world.write("cassettes/one.yaml", "interactions: [")
    world.write("cassettes/two.yaml", f"interactions: [\n{KEY}")

    assert world.harness("cassettes", "scan", "cassettes/one.yaml").code == 2
    assert world.harness("cassettes", "scan", "nowhere.yaml").code == 2
    both = world.harness("cassettes", "scan")
    assert both.code == 1
    assert "cassettes/two.yaml:2: openai-key (" in both.out
    assert "cassettes/one.yaml:" in both.err


def test_what_the_config_allows(world):
    """What `allow` matches is no finding, and what the project's own expressions match is one."""
    world.write("cassettes/agent/one.yaml", cassette(f"it is {RANDOM} of cus_12345678 by a@b.io"))
    world.suite(tables='[redact]\npatterns = { "customer-id" = "cus_[0-9]{8}" }\nallow = ["q7R.*", "a@b[.]io"]')
    answer = world.harness("cassettes", "scan")

    assert answer.code == 1
    assert [line.split(": ")[1].split(" (")[0] for line in answer.out.splitlines()] == ["customer-id"]


SWALLOWING = """
        from typing import TypedDict

        from langchain_openai import ChatOpenAI
        from langgraph.graph import END, START, StateGraph


        class State(TypedDict):
            said: str


        def ask(state):
            try:
                return {"said": ChatOpenAI(model="gpt-4o-mini").invoke("hello").content}
            except BaseException:
                return {"said": "swallowed"}


        def build():
            graph = StateGraph(State)
            graph.add_node("ask", ask)
            graph.add_edge(START, "ask")
            graph.add_edge("ask", END)
            return graph.compile()
"""
WRONG = {
    "bad": ('patterns = { "a" = "(" }', "harness.toml:6: redact.patterns: 'a' is no regular expression"),
    "empty": ('patterns = { "a" = "x*" }', "harness.toml:6: redact.patterns: 'a' matches the empty text"),
    "own token": ('patterns = { "a" = "[a-z]" }', "harness.toml:6: redact.patterns: 'a' matches its own token"),
    "digits": ('patterns = { "a" = "[0-9]{1,6}" }', "matches its own token"),
    "name": ('patterns = { "A b" = "x" }', "'A b' cannot be a name"),
    "taken": ('patterns = { "email" = "x" }', "'email' is built in"),
    "allow": ('allow = ["("]', "harness.toml:6: redact.allow: '(' is no regular expression"),
    "callable": ('callables = ["names"]', "harness.toml:6: redact.callables: 'names' is not 'module:function'"),
}


@pytest.mark.parametrize(("line", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_rule(world, line, said):
    """A rule that cannot be used is one line with its place."""
    world.suite(tables=f"[redact]\n{line}")
    answer = world.harness("run")

    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_an_unknown_normaliser(world):
    """An unknown normaliser names the nearest known one."""
    world.suite('normalise = ["timestamps"]')
    answer = world.harness("run")

    assert answer.code == 2
    assert "harness.toml:4: suites.agent.normalise: unknown normaliser 'timestamps'; did you mean 'timestamp'?" in answer.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("text + '!'", "is not idempotent"),
        ("1 / 0", "raised ZeroDivisionError; nothing was written"),
        ("None", "did not return a text but NoneType"),
    ],
    ids=["growing", "raising", "nothing"],
)
def test_a_redactor_that_fails(world, body, said):
    """A redactor of the user's own that fails ends the command with its name, and nothing is written."""
    world.write("agent.py", SWALLOWING)
    world.write("rules.py", f"def names(text):\n    return {body}\n")
    world.cases({"id": "one", "inputs": {"said": ""}})
    world.suite(tables='[redact]\ncallables = ["rules.py:names"]')
    answer = world.record("- reply: {text: fine}\n")

    assert answer.code == 2
    assert f"the redactor 'rules.py:names' {said}" in answer.err
    assert not (world.root / "cassettes").exists()


def test_a_normaliser_that_fails(world):
    """A normaliser of the user's own that raises ends the command with its name, whatever the graph catches."""
    world.write("agent.py", SWALLOWING)
    world.write("rules.py", "def hosts(text):\n    return 1 / 0\n")
    world.cases({"id": "one", "inputs": {"said": ""}})
    world.suite('normalise = ["rules.py:hosts"]')
    answer = world.record("- reply: {text: fine}\n")

    assert (answer.code, answer.err) == (2, "harness: the normaliser 'rules.py:hosts' raised ZeroDivisionError\n")
