"""A research agent that loops on itself: propose a query, search, go on until there is enough or the limit is reached.

The notes it searches are a small file beside it, scored by the words they share with the question and the query; the model
proposes the queries and writes the answer. Nothing found means an answer that says so, without a model call.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer

from graphs import prompt_files
from graphs.chat_models import chat_model

CORPUS = Path(__file__).with_name("research_corpus.json")
NOTES_PER_SEARCH = 3
QUERY_WORDS = 8
NOTHING_FOUND = "I found nothing about that."
STOP_WORDS = (
    "a about all an and are as at be been by can did do does for from had has have how i if in into is it its many me more most much "
    "my not of on one or other over please tell than that the their them there they this to up was we were what when where "
    "which who why will with you your"
)


class Note(TypedDict):
    """One short fact; its topic is the words that it is filed under."""

    topic: str
    text: str


class State(TypedDict, total=False):
    """A question, what was searched and found for it, and its answer."""

    messages: Annotated[list[AnyMessage], add_messages]
    iterations: int
    queries: list[str]
    results: list[Note]
    answer: str


@cache
def corpus() -> tuple[Note, ...]:
    """All notes, in the order of the file."""
    return tuple(Note(topic=topic, text=text) for topic, text in json.loads(CORPUS.read_text(encoding="utf-8")))


def words(text: str) -> frozenset[str]:
    """The words that carry meaning, without a plural s."""
    stop_words = STOP_WORDS.split()
    found = re.findall(r"\w+", text.lower())
    return frozenset(w.removesuffix("s") for w in found if w not in stop_words and len(w) > 1)


def search(query: str, *, known: Sequence[Note]) -> list[Note]:
    """Unknown notes on a topic that the query names, those that share most words with it first, then in the file's order."""
    wanted = words(query)
    related = [note for note in corpus() if wanted & words(note["topic"]) and note not in known]
    return sorted(related, key=lambda note: -len(wanted & words(note["text"])))[:NOTES_PER_SEARCH]


def question(state: State) -> str:
    """The text of the last message."""
    return state["messages"][-1].text.strip() or "(empty question)"


def current(state: State) -> State:
    """The state without what belongs to a question that was answered: the next turn of a thread starts anew."""
    return {"messages": state["messages"]} if state.get("answer") else state


def query_request(state: State) -> str:
    """What the model is told when it is asked for the next query."""
    tried = "; ".join(state.get("queries", [])) or "none"
    return f"Question: {question(state)}\nQueries so far: {tried}\nQuery number {state.get('iterations', 0) + 1}:"


def answer_request(state: State) -> str:
    """What the model is told when it is asked for the answer."""
    notes = "\n".join(f"- {note['text']}" for note in state["results"])
    return f"Notes:\n{notes}\n\nQuestion: {question(state)}"


def first_line(text: str) -> str:
    """A query out of a model's answer: its first line, a few words, no quotes."""
    line = next(iter(text.strip().splitlines()), "")
    return " ".join(line.strip("\"'- ").split()[:QUERY_WORDS])


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    max_iterations: int = 3,
    enough_results: int = 5,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The loop; it ends after `max_iterations` visits of `research`, or sooner with `enough_results` notes."""
    query_prompt = SystemMessage(prompt_files.choose(prompts, "research_query"))
    answer_prompt = SystemMessage(prompt_files.choose(prompts, "research_answer"))
    query_model, answer_model = chat_model(model, max_tokens=16), chat_model(model, max_tokens=60)

    def research(state: State) -> State:
        state = current(state)
        query = first_line(query_model.invoke([query_prompt, HumanMessage(query_request(state))]).text)
        known = state.get("results", [])
        return {
            "iterations": state.get("iterations", 0) + 1,
            "queries": [*state.get("queries", []), query],
            "results": [*known, *search(f"{question(state)} {query}", known=known)],
            "answer": "",
        }

    def decide(state: State) -> Literal["research", "analyze"]:
        limit_reached = state["iterations"] >= max_iterations
        return "analyze" if limit_reached or len(state["results"]) >= enough_results else "research"

    def analyze(state: State) -> State:
        if not state["results"]:
            return {"answer": NOTHING_FOUND, "messages": [AIMessage(NOTHING_FOUND)]}
        message = answer_model.invoke([answer_prompt, HumanMessage(answer_request(state))])
        return {"answer": message.text, "messages": [message]}

    graph = StateGraph(State)
    graph.add_node("research", research)
    graph.add_node("analyze", analyze)
    graph.add_edge(START, "research")
    graph.add_conditional_edges("research", decide)
    graph.add_edge("analyze", END)
    return graph.compile(checkpointer=checkpointer, name="research_loop")
