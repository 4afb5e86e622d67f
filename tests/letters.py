"""An agent that tells letters from numbers: a model classifies, an edge routes; and the rules of its model."""

AGENT = """
    import operator
    from typing import Annotated, TypedDict

    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph


    class State(TypedDict):
        question: str
        kind: str
        answers: Annotated[list, operator.add]


    def classify(state):
        return {"kind": ChatOpenAI(model="gpt-4o-mini").invoke(state["question"]).content}


    def letter(state):
        return {"answers": ["a letter"]}


    def number(state):
        return {"answers": ["a number"]}


    def build():
        graph = StateGraph(State)
        graph.add_node("classify", classify)
        graph.add_node("letter", letter)
        graph.add_node("number", number)
        graph.add_edge(START, "classify")
        graph.add_conditional_edges("classify", lambda state: state["kind"], {"letter": "letter", "number": "number"})
        graph.add_edge("letter", END)
        graph.add_edge("number", END)
        return graph.compile()
"""
RULES = """
    - when: {contains: "seven"}
      reply: {text: "number"}
    - when: {}
      reply: {text: "letter"}
"""


def case(number, word="alpha", route="letter"):
    """Return a case of this agent."""
    return {
        "id": f"case-{number:03d}",
        "inputs": {"question": f"{number}: {word}"},
        "expected": {"route": {"classify": route}},
        "tags": [route],
    }
