"""Match policies: what may drift between recording and replay, and how a miss names what differs."""

import pytest

AGENT = """
    from typing import TypedDict

    from langchain_core.messages import HumanMessage, SystemMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph


    class State(TypedDict, total=False):
        question: str
        answer: str


    @tool
    def look(number: int) -> str:
        '''Look a number up.'''
        return "found"


    model = ChatOpenAI(model="gpt-4o-mini", temperature=0.0, max_tokens=50).bind_tools([look])


    def ask(state):
        return {"answer": model.invoke([SystemMessage("You are a terse clerk."), HumanMessage(state["question"])]).content}


    def build():
        graph = StateGraph(State)
        graph.add_node("ask", ask)
        graph.add_edge(START, "ask")
        graph.add_edge("ask", END)
        return graph.compile()
"""


@pytest.fixture
def recorded(world):
    """Return a project with one recorded case."""

    def make():
        world.write("agent.py", AGENT)
        world.suite()
        world.cases({"id": "one", "inputs": {"question": "how many"}, "expected": {"output": {"state.answer": "seven"}}})
        assert world.record('- {when: {}, reply: {text: "seven"}}').code == 0

    world.prepare(make)
    return world


EDITS = {
    "a parameter": ("temperature=0.0", "temperature=0.5", "sampling"),
    "a tool's description": ("Look a number up.", "Look something up.", "tools"),
    "the model": ("gpt-4o-mini", "gpt-4o", "model"),
    "a word of the prompt": ("terse clerk", "verbose clerk", "system"),
    "nothing that is sent": ("def ask(state):", "def ask(state):\n    unused = 1", None),
}
TOLERATED = {"strict": set(), "semantic": {"sampling"}, "messages": {"sampling", "tools"}}


@pytest.mark.parametrize("policy", TOLERATED)
@pytest.mark.parametrize(("old", "new", "part"), EDITS.values(), ids=EDITS)
def test_a_policy_tolerates_what_it_says_and_reports_it(recorded, policy, old, new, part):
    """What the policy tolerates passes and is reported as drift; anything else is stale and named."""
    recorded.suite(f'match = "{policy}"')
    recorded.edit("agent.py", old, new)

    answer = recorded.harness("run")
    trial = recorded.trial()

    if part is None:
        assert answer.code == 0
        assert trial.trace.calls[0].drift == ()
    elif part in TOLERATED[policy]:
        assert answer.code == 0
        assert [name.partition(".")[0] for name in trial.trace.calls[0].drift] == [part]
    else:
        assert answer.code == 4
        assert trial.misses[0].differs == (part,)


def test_drift_names_the_parameter(recorded):
    """A drifted parameter is named by its key."""
    recorded.edit("agent.py", "max_tokens=50", "max_tokens=60")

    assert recorded.harness("run").code == 0
    (drift,) = recorded.trial().trace.calls[0].drift
    assert f"drift: {drift} in 1 call of 1 case: one" in recorded.harness("gate").out.replace("\n    ", " ")
    assert drift in {"sampling.max_tokens", "sampling.max_completion_tokens"}


def test_strict_fails_on_unused_exchanges(recorded):
    """Under `strict`, an exchange of the variant that nobody asked for is a failure; otherwise it is counted."""
    recorded.edit("agent.py", 'return {"answer": model', 'return {"answer": "seven"} if state else {"answer": model')

    assert recorded.harness("run").code == 0
    assert recorded.trial().unused == 1
    assert "1 recorded exchange not asked for in 1 case: one" in recorded.harness("gate").out
    recorded.suite('match = "strict"')
    answer = recorded.harness("run")
    assert answer.code == 1
    assert "were not asked for" in answer.out


def test_recorded_through_invoke_replays_as_a_stream_and_back(recorded):
    """A whole answer stands in for a stream and a stream for a whole answer, marked as converted."""
    whole = 'model.invoke([SystemMessage("You are a terse clerk."), HumanMessage(state["question"])]).content'
    streamed = (
        '"".join(chunk.content for chunk in model.stream([SystemMessage("You are a terse clerk."), HumanMessage(state["question"])]))'
    )
    recorded.edit("agent.py", whole, streamed)
    assert recorded.harness("run").code == 0
    assert recorded.trial().trace.calls[0].converted

    recorded.record('- {when: {}, reply: {text: "seven"}}', "--all")
    assert "data: {" in (recorded.root / "cassettes/agent/one.yaml").read_text()
    assert recorded.harness("run").code == 0
    assert not recorded.trial().trace.calls[0].converted
    recorded.edit("agent.py", streamed, whole)
    assert recorded.harness("run").code == 0
    assert recorded.trial().trace.calls[0].converted


def test_recording_fetches_only_what_is_missing(recorded):
    """Recording asks for what the cassettes lack, --all for everything; what is recorded already is left to the byte."""
    path = recorded.root / "cassettes/agent/one.yaml"
    before = path.read_bytes()

    recorded.record('- {when: {}, reply: {text: "eight"}}')
    assert (recorded.asked, path.read_bytes()) == ([], before)

    recorded.edit("agent.py", "terse clerk", "brief clerk")
    recorded.record('- {when: {}, reply: {text: "eight"}}')
    assert len(recorded.asked) == 1
    assert path.read_text().count("- request:") == 1  # the new form stands in the place of the old one

    recorded.record('- {when: {}, reply: {text: "nine"}}', "--all")
    assert "eight" not in path.read_text()


def test_no_secret_reaches_the_cassette(recorded, monkeypatch):
    """The key that authorises a recording, and one that stands in a message, are not on disk; replay still matches."""
    secret = "sk-proj-" + "A1b2C3d4" * 5
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    recorded.cases(
        {"id": "two", "inputs": {"question": f"is {secret} mine, says joe@example.com"}, "expected": {"output": {"state.answer": "no"}}}
    )

    recorded.record('- {when: {}, reply: {text: "no"}}')

    text = (recorded.root / "cassettes/agent/two.yaml").read_text()
    assert secret not in text
    assert "joe@example.com" not in text
    assert "<openai-key-" in text
    assert recorded.harness("run").code == 0


def test_errors_of_the_server_are_recorded_or_not_by_kind(recorded):
    """A refused request (400) is recorded and replayed as the SDK's exception; a busy or broken server (429, 5xx) is not."""
    recorded.edit("agent.py", "temperature=0.0", "temperature=0.0, max_retries=0")
    (recorded.root / "cassettes/agent/one.yaml").unlink()
    recorded.record('- {when: {}, reply: {status: 400, text: "too long"}}')
    assert recorded.harness("run").code == 3
    assert "InvalidRequest" in recorded.trial().trace.crash.type

    recorded.record('- {when: {}, reply: {status: 503, text: "overloaded"}}', "--all", "--attempts", "1")
    assert "overloaded" not in (recorded.root / "cassettes/agent/one.yaml").read_text()
