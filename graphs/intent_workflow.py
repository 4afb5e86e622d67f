"""A workflow by intent: a model says what is wanted, a conditional edge hands the request to the agent for it.

The model sees the two most similar known requests as earlier turns and is held to a JSON schema. Whatever else it answers counts as
research, which does no harm.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict, cast, get_args

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer
from openai import LengthFinishReasonError

from graphs import prompt_files
from graphs.chat_models import chat_model
from graphs.word_index import WordIndex

Intent = Literal["research", "code", "analysis"]
Agent = Literal["research_agent", "code_agent", "analysis_agent"]

REQUESTS = Path(__file__).with_name("intent_workflow_requests.json")
REQUEST_CHARS = 600
SCHEMA: dict[str, Any] = {
    "title": "intent",
    "type": "object",
    "properties": {"intent": {"type": "string", "enum": list(get_args(Intent))}},
    "required": ["intent"],
    "additionalProperties": False,
}


class State(TypedDict, total=False):
    """A conversation, and what is wanted in it."""

    messages: Annotated[list[AnyMessage], add_messages]
    intent: Intent


class Request(NamedTuple):
    """A known request and its intent."""

    text: str
    intent: Intent


@cache
def known_requests() -> tuple[tuple[Request, ...], WordIndex]:
    """All known requests, and the index by which they are found."""
    stored = json.loads(REQUESTS.read_text("utf-8"))
    requests = tuple(Request(text, intent) for intent, texts in stored.items() for text in texts)
    return requests, WordIndex([request.text for request in requests])


def request_of(messages: Sequence[AnyMessage]) -> str:
    """The last message, cut to what is needed to understand it; never empty."""
    text = messages[-1].text.strip() if messages else ""
    return text[:REQUEST_CHARS] or "(empty request)"


def similar_turns(request: str, *, count: int) -> list[AnyMessage]:
    """The most similar known requests with their intents, the nearest one last."""
    requests, index = known_requests()
    found = [requests[place] for place in reversed(index.nearest(request, count=count))]
    return [turn for known in found for turn in (HumanMessage(known.text), AIMessage(json.dumps({"intent": known.intent})))]


def read_intent(parsed: object) -> Intent:
    """The intent in a parsed answer; research where it is none."""
    intent = parsed.get("intent") if isinstance(parsed, dict) else None
    return cast("Intent", intent) if intent in get_args(Intent) else "research"


def agent_of(state: State) -> Agent:
    """The agent for the intent."""
    agents: dict[Intent, Agent] = {"research": "research_agent", "code": "code_agent", "analysis": "analysis_agent"}
    return agents[state["intent"]]


def agent(chat: ChatOpenAI, prompt: str) -> Runnable[State, State]:
    """An agent with a prompt of its own."""
    system = SystemMessage(prompt)

    def act(state: State, config: RunnableConfig) -> State:
        request = HumanMessage(request_of(state["messages"]))
        return {"messages": [chat.invoke([system, request], config)]}

    return RunnableLambda(act)


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    examples: int = 2,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The workflow; `examples` is how many similar known requests the classifier is shown."""
    system = SystemMessage(prompt_files.choose(prompts, "intent"))
    classifier = chat_model(model, max_tokens=20).with_structured_output(SCHEMA, method="json_schema", strict=True, include_raw=True)
    chat = chat_model(model, max_tokens=32)

    def classify(state: State) -> State:
        request = request_of(state["messages"])
        try:
            answer = classifier.invoke([system, *similar_turns(request, count=examples), HumanMessage(request)])
        except LengthFinishReasonError:
            return {"intent": read_intent(None)}
        return {"intent": read_intent(answer["parsed"] if isinstance(answer, dict) else None)}

    graph = StateGraph(State)
    graph.add_node("classify", classify)
    graph.add_edge(START, "classify")
    graph.add_conditional_edges("classify", agent_of)
    for name in get_args(Agent):
        graph.add_node(name, agent(chat, prompt_files.choose(prompts, name)))
        graph.add_edge(name, END)
    return graph.compile(checkpointer=checkpointer, name="intent_workflow")
