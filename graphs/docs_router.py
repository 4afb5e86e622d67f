"""A documentation desk: a model names the documentation for a question and how sure it is, a retriever looks there.

The model sees the most similar known questions as earlier turns and is held to a JSON schema. An answer that is none of the three
labels, or that cannot be read, means that every documentation is searched.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict, get_args

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer
from openai import LengthFinishReasonError
from pydantic import BaseModel, Field, ValidationError

from graphs import prompt_files
from graphs.chat_models import chat_model
from graphs.docs_router_notes import Note, NotesRetriever, nearest

Datasource = Literal["python_docs", "js_docs", "golang_docs"]
DATASOURCES: tuple[Datasource, ...] = get_args(Datasource)

TURNS = 3  # messages that a question is understood by
ENDS_CHARS = 300  # of a long question, its start and its end are read
SCHEMA: dict[str, Any] = {
    "title": "route",
    "type": "object",
    "properties": {"datasource": {"type": "string", "enum": list(DATASOURCES)}, "confidence": {"type": "number"}},
    "required": ["datasource", "confidence"],
    "additionalProperties": False,
}


class Route(BaseModel):
    """Where to look, and how sure the model is."""

    datasource: Datasource
    confidence: float = Field(ge=0, le=1)


class State(TypedDict, total=False):
    """A conversation, where its last question was looked up, and what was found."""

    messages: Annotated[list[AnyMessage], add_messages]
    datasource: Datasource | Literal["unknown"]
    confidence: float
    documents: list[Document]


def question_of(messages: Sequence[AnyMessage]) -> str:
    """The last turns as one text, its middle left out if it is long; never empty."""
    text = "\n".join(message.text for message in messages[-TURNS:]).strip()
    whole = len(text) <= 2 * ENDS_CHARS
    return (text if whole else f"{text[:ENDS_CHARS]} … {text[-ENDS_CHARS:]}") or "(empty question)"


def as_turns(note: Note) -> list[AnyMessage]:
    """A known question and where it belongs, as the model should have answered."""
    route = Route.model_validate({"datasource": note.source, "confidence": note.confidence})
    return [HumanMessage(note.question), AIMessage(route.model_dump_json())]


def read_route(parsed: object) -> State:
    """The route in a parsed answer; unknown where it is none."""
    try:
        route = Route.model_validate(parsed)
    except ValidationError:
        return {"datasource": "unknown", "confidence": 0.0}
    return {"datasource": route.datasource, "confidence": route.confidence}


def desk_of(state: State) -> Literal["python_docs", "js_docs", "golang_docs", "all_docs"]:
    """The retriever for the route."""
    datasource = state["datasource"]
    return "all_docs" if datasource == "unknown" else datasource


def looking_in(retriever: NotesRetriever) -> Runnable[State, State]:
    """A node that answers with the best of what a retriever finds."""

    def look(state: State, config: RunnableConfig) -> State:
        documents = retriever.invoke(question_of(state["messages"]), config)
        best = documents[0]
        return {"documents": documents, "messages": [AIMessage(f"{best.metadata['source']}: {best.page_content}")]}

    return RunnableLambda(look)


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    examples: int = 2,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The desk; `examples` is how many similar known questions the model is shown."""
    system = SystemMessage(prompt_files.choose(prompts, "docs_route"))
    router = chat_model(model, max_tokens=40).with_structured_output(SCHEMA, method="json_schema", strict=True, include_raw=True)

    def route(state: State) -> State:
        question = question_of(state["messages"])
        known = nearest(question, count=examples, sources=DATASOURCES)
        turns = [turn for note in reversed(known) for turn in as_turns(note)]
        try:
            answer = router.invoke([system, *turns, HumanMessage(question)])
        except LengthFinishReasonError:
            return read_route(None)
        return read_route(answer["parsed"] if isinstance(answer, dict) else None)

    graph = StateGraph(State)
    graph.add_node("route", route)
    graph.add_edge(START, "route")
    graph.add_conditional_edges("route", desk_of)
    for name, sources in (*((source, (source,)) for source in DATASOURCES), ("all_docs", DATASOURCES)):
        graph.add_node(name, looking_in(NotesRetriever(sources=sources)))
        graph.add_edge(name, END)
    return graph.compile(checkpointer=checkpointer, name="docs_router")
