"""A study desk that routes by meaning: the question's embedding picks the subject, and only then a model is asked.

The subject is the one whose example questions are nearest by cosine similarity. A question that is near to none gets no subject,
and an answer that no model writes.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypedDict, cast

from langchain_core.messages import AIMessage, AnyMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer

from graphs import prompt_files
from graphs.chat_models import chat_model
from graphs.semantic_router_subjects import embed, load

Subject = Literal["physics", "math", "chemistry", "no_route"]

TURNS = 3  # messages that a question is understood by
NO_SUBJECT = "I can help with physics, mathematics and chemistry. What would you like to know?"


class State(TypedDict, total=False):
    """A conversation, and the subject of its last question."""

    messages: Annotated[list[AnyMessage], add_messages]
    subject: Subject
    similarity: float
    """Cosine similarity to the nearest subject."""
    margin: float
    """How much nearer that subject is than the second one."""
    clearance: float
    """How far the similarity is from the threshold, on either side."""


def question_of(messages: Sequence[AnyMessage]) -> str:
    """The last turns as one text."""
    return "\n".join(message.text for message in messages[-TURNS:])


def subject_of(state: State) -> Subject:
    """Where the question goes."""
    return state["subject"]


def no_route(state: State) -> State:  # noqa: ARG001  # LangGraph names it
    """The answer that needs no model."""
    return {"messages": [AIMessage(NO_SUBJECT)]}


def answer_by(chat: ChatOpenAI, prompt: str) -> Runnable[State, State]:
    """A node that answers with the prompt of its subject."""
    system = SystemMessage(prompt)

    def answer(state: State, config: RunnableConfig) -> State:
        return {"messages": [chat.invoke([system, *state["messages"][-TURNS:]], config)]}

    return RunnableLambda(answer)


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    threshold: float = 0.06,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The desk; a question that is less similar than `threshold` to every subject gets no route."""
    chat = chat_model(model, max_tokens=24)

    def route(state: State) -> State:
        question = question_of(state["messages"])
        if not question.strip():
            return {"subject": "no_route", "similarity": 0.0, "margin": 0.0, "clearance": threshold}
        match = load().nearest(embed(question))
        subject = cast("Subject", match.subject) if match.similarity >= threshold else "no_route"
        clearance = round(abs(match.similarity - threshold), 3)
        return {"subject": subject, "similarity": match.similarity, "margin": match.margin, "clearance": clearance}

    graph = StateGraph(State)
    graph.add_node("route", route)
    graph.add_edge(START, "route")
    graph.add_conditional_edges("route", subject_of)
    for subject in ("physics", "math", "chemistry"):
        graph.add_node(subject, answer_by(chat, prompt_files.choose(prompts, subject)))
        graph.add_edge(subject, END)
    graph.add_node("no_route", no_route)
    graph.add_edge("no_route", END)
    return graph.compile(checkpointer=checkpointer, name="semantic_router")
