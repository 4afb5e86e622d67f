"""A graph that crashes while it is recorded anew costs no recording."""

AGENT = """
    from langchain_openai import ChatOpenAI
    from langgraph.graph import MessagesState, StateGraph


    def ask(state):
        return {"messages": [ChatOpenAI(model="gpt-4o-mini").invoke(state["messages"])]}


    def build():
        return StateGraph(MessagesState).add_node("ask", ask).set_entry_point("ask").set_finish_point("ask").compile()
"""


def test_a_crash_while_all_is_recorded_anew_leaves_the_cassette(world):
    """What the graph no longer asks because it crashed is not taken for trimmed: the file stays as it was, to the byte."""
    world.write("agent.py", AGENT)
    world.suite()
    world.cases({"id": "one", "inputs": {"messages": [["user", "Hello?"]]}})
    assert world.record("- {reply: {text: Yes.}}\n").code == 0
    path = world.root / "cassettes" / "agent" / "one.yaml"
    before = path.read_bytes()
    world.edit("agent.py", "return {", "return {1 / 0: 0} and {")

    answer = world.record("- {reply: {text: Yes.}}\n", "--all")

    assert answer.code == 3
    assert "ZeroDivisionError" in answer.out + answer.err
    assert path.read_bytes() == before
