"""The graph: a guardrail, a router, and three ways to an answer.

The guardrail (yes or no) and the router (RAG, DATA or GENERAL) ask a cheap model; what is looked up and the answers come from a
strong one. Every model call is held to a JSON schema where it decides something, is shown the most similar labelled questions, and
stays within a budget of tokens.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, cast, get_args

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer

from graphs import prompt_files, vector_index
from graphs.rag_data_agent import context, database, lookup
from graphs.rag_data_agent.model import Chat, chat_model, choice, closed, query_schema, read

Route = Literal["RAG", "DATA", "GENERAL"]
Allowed = Literal["yes", "no"]

EXAMPLES = Path(__file__).with_name("examples.jsonl")
CHEAP, STRONG = "smollm2-135m-instruct-backup", "smollm2-135m-instruct"
REFUSAL = "I cannot help with that."
TOO_LONG = "Your message is too long for me. Please send a shorter one."
TOPIC_CHARS = 400  # what a question is about is seen from its start and its end
SHORT_CHARS = 40  # a question this short may belong to the one before it
SHOWN = 3  # examples
AGENTS: Mapping[Route, Literal["rag_agent", "data_agent", "general"]] = {"RAG": "rag_agent", "DATA": "data_agent", "GENERAL": "general"}


class State(TypedDict, total=False):
    """A conversation, and what was decided about its last question."""

    messages: Annotated[list[AnyMessage], add_messages]
    allowed: Allowed
    route: Route


def last_question(state: State) -> str:
    """What the user said last; never empty."""
    return next((m.text.strip() for m in reversed(state["messages"]) if isinstance(m, HumanMessage)), "") or "(empty message)"


def topic(state: State) -> str:
    """What a question is about: its start and its end, after the question before it if it is short."""
    asked = [m.text.strip() for m in state["messages"] if isinstance(m, HumanMessage)]
    question = last_question(state)
    if len(question) > TOPIC_CHARS:
        question = f"{question[: TOPIC_CHARS // 2]} … {question[-TOPIC_CHARS // 2 :]}"
    before = asked[-2][:TOPIC_CHARS] if len(asked) > 1 and len(question) <= SHORT_CHARS else ""
    return f"{before}\n{question}".strip()


def turns(examples: list[Document], answer: Callable[[Mapping[str, Any]], Any]) -> list[BaseMessage]:
    """Labelled questions as turns of a conversation, the most similar one last."""
    return [
        message
        for example in reversed(examples)
        for message in (HumanMessage(example.page_content), AIMessage(json.dumps(answer(example.metadata), ensure_ascii=False)))
    ]


def asks_for(name: str, arguments: dict[str, Any]) -> AIMessage:
    """A message that calls one tool."""
    return AIMessage("", tool_calls=[ToolCall(name=name, args=arguments, id=f"{name}-1", type="tool_call")])


def found_in(state: State) -> str:
    """What the tools returned after the last question."""
    last = state["messages"][-1]
    return last.text if isinstance(last, ToolMessage) else "nothing"


def refuse(state: State) -> State:  # noqa: ARG001  # LangGraph names it
    """The answer to what the guardrail stopped."""
    return {"messages": [AIMessage(REFUSAL)]}


def too_long(state: State) -> State:  # noqa: ARG001  # LangGraph names it
    """The answer to a question that would take most of the budget; no model is asked."""
    return {"messages": [AIMessage(TOO_LONG)]}


def after_guardrail(state: State) -> Literal["route_question", "refuse"]:
    """On to the router only when the guardrail said yes."""
    return "route_question" if state["allowed"] == "yes" else "refuse"


def after_route(state: State) -> Literal["rag_agent", "data_agent", "general"]:
    """The agent of the route."""
    return AGENTS[state["route"]]


def after_data_agent(state: State) -> Literal["data_tools", "answer"]:
    """On to the database if a query was chosen."""
    last = state["messages"][-1]
    return "data_tools" if isinstance(last, AIMessage) and last.tool_calls else "answer"


def before_guardrail(state: State) -> Literal["guardrail", "too_long"]:
    """A question may take half of the budget; the rest is kept for what is found and for the history."""
    return "too_long" if context.tokens(last_question(state)) > context.TOKEN_BUDGET // 2 else "guardrail"


def history(state: State) -> list[BaseMessage]:
    """The last turns before the last question, as they were said: without tool calls and their outputs."""
    messages = state["messages"]
    asked = max((place for place, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
    return context.last_turns([m for m in messages[:asked] if isinstance(m, HumanMessage | AIMessage) and m.text])


class Desk:
    """The nodes that ask a model."""

    def __init__(self, *, prompts: Mapping[str, str] | None, cheap: str, strong: str, token_budget: int) -> None:
        names = ("guardrail", "route_question", "rag_query", "data_query", "shop_answer", "shop_chat")
        self._systems = {name: SystemMessage(prompt_files.choose(prompts, name)) for name in names}
        self._token_budget = token_budget
        self._guard = chat_model(cheap, max_tokens=12, schema=choice("allowed", get_args(Allowed)))
        self._router = chat_model(cheap, max_tokens=12, schema=choice("route", get_args(Route)))
        self._searcher = chat_model(strong, max_tokens=32, schema=closed({"query": {"type": "string", "maxLength": 60}}))
        self._querier = chat_model(strong, max_tokens=60, schema=query_schema())
        self._speaker = chat_model(strong, max_tokens=48)

    def _ask(self, chat: Chat, prompt: str, conversation: Sequence[BaseMessage]) -> AIMessage:
        return chat(context.fitted(self._systems[prompt], conversation, budget=self._token_budget))

    def guardrail(self, state: State) -> State:
        """May the question be answered? An answer that cannot be read means no."""
        about = topic(state)
        shown = turns(vector_index.nearest(EXAMPLES, about, count=SHOWN), lambda labels: {"allowed": labels["allowed"]})
        allowed = read(self._ask(self._guard, "guardrail", [*shown, HumanMessage(about)]), "allowed")
        return {"allowed": "yes" if allowed == "yes" else "no"}

    def route_question(self, state: State) -> State:
        """Who answers the question? An answer that cannot be read means plain chat."""
        about = topic(state)
        shown = turns(
            vector_index.nearest(EXAMPLES, about, count=SHOWN, only={"allowed": "yes"}), lambda labels: {"route": labels["route"]}
        )
        route = read(self._ask(self._router, "route_question", [*shown, HumanMessage(about)]), "route")
        return {"route": cast("Route", route) if route in get_args(Route) else "GENERAL"}

    def rag_agent(self, state: State) -> State:
        """Ask for a search in the handbook; the question itself is searched for where the model gives no query."""
        about = topic(state)
        shown = turns(vector_index.nearest(EXAMPLES, about, count=SHOWN, only={"route": "RAG"}), lambda labels: {"query": labels["search"]})
        query = read(self._ask(self._searcher, "rag_query", [*shown, HumanMessage(about)]), "query")
        return {"messages": [asks_for("rag_search", {"query": query or about})]}

    def data_agent(self, state: State) -> State:
        """Ask for one of the fixed queries, or for none."""
        about = topic(state)
        shown = turns(
            vector_index.nearest(EXAMPLES, about, count=SHOWN, only={"route": "DATA"}),
            lambda labels: {"call": {key: labels[key] for key in ("query", "arguments") if key in labels}},
        )
        call = read(self._ask(self._querier, "data_query", [*shown, HumanMessage(about)]), "call")
        if not isinstance(call, dict) or not isinstance(call.get("arguments"), dict):
            return {}
        return {"messages": [asks_for("run_query", {"query": str(call.get("query")), "arguments": call["arguments"]})]}

    def answer(self, state: State) -> State:
        """Answer from what was found."""
        question = HumanMessage(f"Found:\n{found_in(state)}\n\nQuestion: {last_question(state)}")
        return {"messages": [self._ask(self._speaker, "shop_answer", [*history(state), question])]}

    def general(self, state: State) -> State:
        """Answer without looking anything up."""
        question = HumanMessage(last_question(state))
        return {"messages": [self._ask(self._speaker, "shop_chat", [*history(state), question])]}


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = STRONG,
    routing_model: str = CHEAP,
    token_budget: int = context.TOKEN_BUDGET,
    connection: sqlite3.Connection | None = None,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The agent; `model` answers, `routing_model` guards and routes, and `connection` is the shop's database."""
    desk = Desk(prompts=prompts, cheap=routing_model, strong=model, token_budget=token_budget)
    graph = StateGraph(State)
    for node in (desk.guardrail, desk.route_question, desk.rag_agent, desk.data_agent, desk.answer, desk.general, refuse, too_long):
        graph.add_node(node.__name__, node)
    graph.add_node("rag_tools", lookup.tools_node(lookup.rag_search_tool()))
    graph.add_node("data_tools", lookup.tools_node(lookup.run_query_tool(connection or database.connect())))

    graph.add_conditional_edges(START, before_guardrail)
    graph.add_conditional_edges("guardrail", after_guardrail)
    graph.add_conditional_edges("route_question", after_route)
    graph.add_edge("rag_agent", "rag_tools")
    graph.add_edge("rag_tools", "answer")
    graph.add_conditional_edges("data_agent", after_data_agent)
    graph.add_edge("data_tools", "answer")
    for last in ("answer", "general", "refuse", "too_long"):
        graph.add_edge(last, END)
    return graph.compile(checkpointer=checkpointer, name="rag_data_agent")
