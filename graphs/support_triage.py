"""A ticket desk: a model labels the ticket, a conditional edge hands it to the right team, the team confirms.

The model sees the most similar labelled tickets as earlier turns of the conversation (few-shot by nearest neighbour), and
may be held to a JSON schema. Whatever it answers, the ticket reaches a team: a label that is unknown or cannot be read
means the general team.
"""

import json
from collections.abc import Mapping, Sequence
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
from graphs.support_triage_examples import Example, embedder, load

Category = Literal["billing", "technical", "general"]
Priority = Literal["low", "medium", "high", "critical"]
Team = Literal["billing_team", "technical_team", "general_team"]
Output = Literal["json_schema", "text"]

TICKET_CHARS = 800  # what a ticket is about is said at its start
RESPONSE_TIME: dict[Priority, str] = {
    "critical": "within 1 hour",
    "high": "within 4 hours",
    "medium": "within 1 working day",
    "low": "within 3 working days",
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": list(get_args(Category))},
        "priority": {"type": "string", "enum": list(get_args(Priority))},
        "reasoning": {"type": "string", "maxLength": 60},
    },
    "required": ["category", "priority", "reasoning"],
    "additionalProperties": False,
}
RESPONSE_FORMAT = {"type": "json_schema", "json_schema": {"name": "triage", "strict": True, "schema": SCHEMA}}


class State(TypedDict, total=False):
    """A conversation about one ticket, and how it was labelled."""

    messages: Annotated[list[AnyMessage], add_messages]
    category: Category
    priority: Priority
    reasoning: str
    raw: str
    """The model's answer as it came."""


class Label(TypedDict):
    """What a ticket is about and how soon it must be seen."""

    category: Category
    priority: Priority
    reasoning: str


def ticket_text(messages: Sequence[AnyMessage]) -> str:
    """The last message, cut to what is needed to label it; never empty."""
    text = messages[-1].text.strip() if messages else ""
    return text[:TICKET_CHARS] or "(empty message)"


def read_label(answer: str) -> Label:
    """The label in an answer, from the first brace on; what is missing or unknown becomes general or medium."""
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(answer, max(answer.find("{"), 0))
    except json.JSONDecodeError as error:
        return {"category": "general", "priority": "medium", "reasoning": f"malformed answer: {error}"}
    if not isinstance(found, dict):
        return {"category": "general", "priority": "medium", "reasoning": "malformed answer: not an object"}
    category, priority = found.get("category"), found.get("priority")
    return {
        "category": cast("Category", category) if category in get_args(Category) else "general",
        "priority": cast("Priority", priority) if priority in get_args(Priority) else "medium",
        "reasoning": str(found.get("reasoning", "")),
    }


def as_turns(example: Example) -> list[AnyMessage]:
    """A labelled ticket as a question and its answer."""
    answer = {"category": example.category, "priority": example.priority, "reasoning": example.reasoning}
    return [HumanMessage(example.text), AIMessage(json.dumps(answer))]


def labeller(name: str, output: Output) -> Runnable[list[AnyMessage], AIMessage]:
    """A deterministic chat model with short answers, held to the schema or free."""
    chat = chat_model(name, max_tokens=80)
    return chat.bind(response_format=RESPONSE_FORMAT) if output == "json_schema" else chat


def team_of(state: State) -> Team:
    """The team that a ticket of this category goes to."""
    return cast("Team", f"{state['category']}_team")


def billing_team(state: State) -> State:
    """Confirm a question of money."""
    return confirm(state, queue="billing")


def technical_team(state: State) -> State:
    """Confirm a fault."""
    return confirm(state, queue="technical support")


def general_team(state: State) -> State:
    """Confirm everything else."""
    return confirm(state, queue="general enquiries")


def confirm(state: State, *, queue: str) -> State:
    """A reply that names the queue and when an answer will come; no model writes it."""
    priority = state["priority"]
    reply = f"Your message is with {queue} (priority {priority}). You will hear from us {RESPONSE_TIME[priority]}."
    return {"messages": [AIMessage(reply)]}


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    examples: int = 1,
    output: Output = "json_schema",
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The desk; `examples` is how many similar labelled tickets the model is shown (0: none, and no embedding call)."""
    system = SystemMessage(prompt_files.choose(prompts, "triage"))
    chat = labeller(model, output)
    embeddings = embedder(model)

    def similar(ticket: str) -> list[Example]:
        return load().nearest(embeddings.embed_query(ticket), count=examples) if examples else []

    def ask(ticket: str) -> str:
        turns = [turn for example in reversed(similar(ticket)) for turn in as_turns(example)]
        try:
            return chat.invoke([system, *turns, HumanMessage(ticket)]).text
        except LengthFinishReasonError as error:
            return error.completion.choices[0].message.content or ""

    def classify(state: State) -> State:
        raw = ask(ticket_text(state["messages"]))
        label = read_label(raw)
        return {"category": label["category"], "priority": label["priority"], "reasoning": label["reasoning"], "raw": raw}

    graph = StateGraph(State)
    graph.add_node("classify", classify)
    graph.add_edge(START, "classify")
    graph.add_conditional_edges("classify", team_of)
    for team in (billing_team, technical_team, general_team):
        graph.add_node(team)
        graph.add_edge(team.__name__, END)
    return graph.compile(checkpointer=checkpointer, name="support_triage")
