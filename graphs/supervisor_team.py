"""A team under a supervisor: it says who works next, and every worker reports back to it, until it says that all is done.

The researcher is a graph of its own. The conversation is the only memory: what the team has done for a request are the reports,
named by worker, since the last message of the user. A name that nobody has ends the work, and so does the limit of reports.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict, cast, get_args

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer
from openai import LengthFinishReasonError

from graphs import prompt_files
from graphs.chat_models import chat_model
from graphs.research_loop import Note, corpus, first_line, search

Worker = Literal["researcher", "analyzer", "writer"]
Choice = Literal["researcher", "analyzer", "writer", "end"]
Output = Literal["json_schema", "text"]
Chat = Runnable[list[AnyMessage], AIMessage]

REQUEST_CHARS = 600
NOTHING_FOUND = "I found nothing about that."
NOTHING_DONE = "There is nothing for the team to do."
UNFINISHED = "The team stopped before it was done."
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"next": {"type": "string", "enum": list(get_args(Choice))}},
    "required": ["next"],
    "additionalProperties": False,
}
RESPONSE_FORMAT = {"type": "json_schema", "json_schema": {"name": "decision", "strict": True, "schema": SCHEMA}}
EXAMPLES: Mapping[tuple[str, ...], tuple[tuple[str, Choice], ...]] = {
    (): (
        ("Good morning!", "end"),
        ("Write a short text about salt.", "researcher"),
        ("Thanks a lot.", "end"),
        ("Compare two rivers.", "researcher"),
    ),
    ("researcher",): (
        ("Write a short text about salt.", "writer"),
        ("Compare two rivers.", "analyzer"),
        ("Tell me about rain.", "writer"),
    ),
    ("researcher", "analyzer"): (("Compare two rivers.", "writer"), ("Which tower is taller?", "writer")),
}
FINISHED: tuple[tuple[str, Choice], ...] = (("Write a short text about salt.", "end"), ("Compare two rivers.", "end"))


class State(TypedDict, total=False):
    """A conversation, and the supervisor's last decision."""

    messages: Annotated[list[AnyMessage], add_messages]
    next: Choice
    raw: str
    """The model's decision as it came; empty when the limit decided."""


class Research(TypedDict, total=False):
    """The researcher's own state; it shares the conversation with the team."""

    messages: Annotated[list[AnyMessage], add_messages]
    query: str
    notes: list[Note]


def since_request(messages: list[AnyMessage]) -> tuple[str, list[AnyMessage]]:
    """The user's last request, and the messages after it."""
    place = max((number for number, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    request = messages[place].text.strip()[:REQUEST_CHARS] if place >= 0 else ""
    return request or "(empty request)", messages[place + 1 :]


def reports(messages: list[AnyMessage], *workers: Worker) -> list[AnyMessage]:
    """What these workers, or all of them, have reported on the last request."""
    _, later = since_request(messages)
    return [message for message in later if message.name in (workers or get_args(Worker))]


def report(worker: Worker, text: str) -> AIMessage:
    """A report to the supervisor, who knows it by its name."""
    return AIMessage(text, name=worker)


def work_request(messages: list[AnyMessage], title: str, *workers: Worker) -> HumanMessage:
    """What a worker is told: the reports that it needs, then the request."""
    request, _ = since_request(messages)
    found = "\n".join(message.text for message in reports(messages, *workers)) or "none"
    return HumanMessage(f"{title}:\n{found}\n\nRequest: {request}")


def decision_turns(messages: list[AnyMessage]) -> list[AnyMessage]:
    """Decisions of earlier requests at the same state of the work, as turns of a conversation, and then the one to take."""
    request, _ = since_request(messages)
    done = tuple(str(message.name) for message in reports(messages))
    turns = [
        turn for text, choice in EXAMPLES.get(done, FINISHED) for turn in (situation(text, done), AIMessage(json.dumps({"next": choice})))
    ]
    return [*turns, situation(request, done)]


def situation(request: str, done: tuple[str, ...]) -> HumanMessage:
    """A request and who has worked on it."""
    return HumanMessage(f"Request: {request}\nDone: {', '.join(done) or 'nobody'}")


def read_choice(answer: str) -> Choice:
    """The name in an answer; anything but a name that is known means the end."""
    try:
        found = json.loads(answer)
    except json.JSONDecodeError:
        return "end"
    name = found.get("next") if isinstance(found, dict) else None
    return cast("Choice", name) if name in get_args(Choice) else "end"


def closing(messages: list[AnyMessage]) -> AIMessage:
    """The last words to the user: what was written, else why nothing was."""
    written, all_reports = reports(messages, "writer"), reports(messages)
    if written:
        return AIMessage(written[-1].text)
    return AIMessage(UNFINISHED if all_reports else NOTHING_DONE)


def build_researcher(chat: Chat, prompt: SystemMessage) -> CompiledStateGraph[Research]:
    """The researcher: a query, a search for what was not reported yet, a report."""

    def query(state: Research) -> Research:
        request, _ = since_request(state["messages"])
        return {"query": first_line(chat.invoke([prompt, HumanMessage(f"Request: {request}\nQuery:")]).text)}

    def look_up(state: Research) -> Research:
        request, _ = since_request(state["messages"])
        reported = "\n".join(message.text for message in reports(state["messages"], "researcher"))
        known = [note for note in corpus() if note["text"] in reported]
        return {"notes": search(f"{request} {state['query']}", known=known)}

    def found_any(state: Research) -> Literal["report_notes", "report_nothing"]:
        return "report_notes" if state["notes"] else "report_nothing"

    def report_notes(state: Research) -> Research:
        return {"messages": [report("researcher", "\n".join(f"- {note['text']}" for note in state["notes"]))]}

    def report_nothing(state: Research) -> Research:  # noqa: ARG001  # LangGraph names it
        return {"messages": [report("researcher", NOTHING_FOUND)]}

    graph = StateGraph(Research)
    for node in (query, look_up, report_notes, report_nothing):
        graph.add_node(node)
    graph.add_edge(START, "query")
    graph.add_edge("query", "look_up")
    graph.add_conditional_edges("look_up", found_any)
    graph.add_edge("report_notes", END)
    graph.add_edge("report_nothing", END)
    return graph.compile(name="researcher")


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    output: Output = "json_schema",
    max_reports: int = 5,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The team; after `max_reports` reports on one request the supervisor ends it without being asked."""
    system, query, analysis, writing = (
        SystemMessage(prompt_files.choose(prompts, f"team_{name}")) for name in ("supervisor", "query", "analyzer", "writer")
    )
    decider = chat_model(model, max_tokens=20)
    decide = decider.bind(response_format=RESPONSE_FORMAT) if output == "json_schema" else decider
    analyst, author = chat_model(model, max_tokens=40), chat_model(model, max_tokens=50)

    def ask(messages: list[AnyMessage]) -> str:
        try:
            return decide.invoke([system, *decision_turns(messages)]).text
        except LengthFinishReasonError as error:
            return error.completion.choices[0].message.content or ""

    def supervisor(state: State) -> State:
        messages = state["messages"]
        raw = "" if len(reports(messages)) >= max_reports else ask(messages)
        choice = read_choice(raw)
        return {"next": choice, "raw": raw, "messages": [closing(messages)] if choice == "end" else []}

    def chosen(state: State) -> Literal["researcher", "analyzer", "writer", "__end__"]:
        return "__end__" if state["next"] == "end" else state["next"]

    def analyzer(state: State) -> State:
        answer = analyst.invoke([analysis, work_request(state["messages"], "Facts", "researcher")])
        return {"messages": [report("analyzer", answer.text)]}

    def writer(state: State) -> State:
        answer = author.invoke([writing, work_request(state["messages"], "Notes", "researcher", "analyzer")])
        return {"messages": [report("writer", answer.text)]}

    graph = StateGraph(State)
    graph.add_node(supervisor)
    graph.add_node("researcher", build_researcher(chat_model(model, max_tokens=16), query))
    graph.add_node(analyzer)
    graph.add_node(writer)
    graph.add_edge(START, "supervisor")
    graph.add_conditional_edges("supervisor", chosen)
    for worker in get_args(Worker):
        graph.add_edge(worker, "supervisor")
    return graph.compile(checkpointer=checkpointer, name="supervisor_team")
