"""A tool agent that asks a human before it does anything risky.

The model chooses a tool or answers. A risky call stops at `approve`, a node of its own behind the model's, so that resuming repeats no
model call: the human approves it, rejects it, or edits its arguments. A question gets one call at most: after its outcome the model
is held to an answer, for it would ask for what was rejected again. A tool that fails is tried three times more; then the agent
says so. With `review`, the graph also stops before its last node, and a human may look at the answer.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, cast

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Checkpointer, Command, interrupt
from openai import LengthFinishReasonError
from pydantic import BaseModel, ValidationError

from graphs import prompt_files, vector_index
from graphs.chat_models import chat_model

EXAMPLES = Path(__file__).with_name("approval_agent_examples.jsonl")
SHOWN = 3  # examples
RETRIES = 3
QUESTION_CHARS = 600
FAILED = "Sorry, that did not work. A colleague will look at it."
UNREADABLE = "Sorry, I did not understand that."


@tool
def lookup_account(account: str) -> str:
    """Look up the balance of an account."""
    return f"account {account} is open, balance {sum(account.encode()) % 90 + 10} euros"


@tool
def send_refund(account: str, amount: int) -> str:
    """Pay money back to an account."""
    return f"{amount} euros paid to account {account}"


@tool
def close_account(account: str) -> str:
    """Close an account for good."""
    return f"account {account} is closed"


TOOLS: Mapping[str, BaseTool] = {one.name: one for one in (lookup_account, send_refund, close_account)}
RISKY = frozenset({"send_refund", "close_account"})


class State(TypedDict, total=False):
    """A conversation, and the last call that a human approved."""

    messages: Annotated[list[AnyMessage], add_messages]
    approved: str
    """Id of the tool call."""
    reviewed: bool


def closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object with exactly these fields."""
    return {"type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False}


ANSWER = closed({"answer": {"type": "string", "maxLength": 120}})
ARGUMENTS: Mapping[str, Any] = {"account": {"type": "string", "pattern": "^[A-Z]-[0-9]{1,4}$"}, "amount": {"type": "integer"}}
CALLS = [
    closed({"tool": {"type": "string", "enum": [name]}, "arguments": closed({key: ARGUMENTS[key] for key in one.args})})
    for name, one in TOOLS.items()
]


def as_turns(examples: Sequence[Document]) -> list[BaseMessage]:
    """Labelled messages as turns of a conversation, the most similar one last."""
    return [
        message
        for example in reversed(examples)
        for message in (HumanMessage(example.page_content), as_decision(example.metadata["decision"]))
    ]


def as_decision(decision: Mapping[str, Any]) -> AIMessage:
    """A decision as the model writes it."""
    return AIMessage(json.dumps({"decision": decision}, ensure_ascii=False))


def shown(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The conversation as the model reads it: decisions as JSON, what tools returned as results."""
    return [as_said(message) for message in messages]


def as_said(message: BaseMessage) -> BaseMessage:
    """One message of it."""
    if isinstance(message, ToolMessage):
        return HumanMessage(f"Result: {message.text[:QUESTION_CHARS]}")
    if isinstance(message, AIMessage):
        decision = (
            {"tool": message.tool_calls[0]["name"], "arguments": message.tool_calls[0]["args"]}
            if message.tool_calls
            else {"answer": message.text}
        )
        return as_decision(decision)
    return HumanMessage(message.text.strip()[:QUESTION_CHARS] or "(empty message)")


def read_decision(text: str, *, call_id: str) -> AIMessage:
    """The message that a decision means; one that cannot be read is an apology."""
    try:
        decision = json.loads(text)["decision"]
        if "answer" in decision:
            return AIMessage(str(decision["answer"]))
        return AIMessage("", tool_calls=[ToolCall(name=decision["tool"], args=dict(decision["arguments"]), id=call_id, type="tool_call")])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError):
        return AIMessage(UNREADABLE)


def pending_call(state: State) -> ToolCall:
    """The call that the model asked for last."""
    return next(message.tool_calls[0] for message in reversed(state["messages"]) if isinstance(message, AIMessage) and message.tool_calls)


def only_approved(request: ToolCallRequest, execute: Callable[[ToolCallRequest], ToolMessage | Command[Any]]) -> ToolMessage | Command[Any]:
    """The last line of defence: a risky call that nobody approved is not executed, however it got here."""
    call = request.tool_call
    if call["name"] in RISKY and request.state.get("approved") != call["id"]:
        return ToolMessage("refused: nobody approved it", tool_call_id=call["id"] or "", name=call["name"])
    return execute(request)


def problem_with(call: ToolCall, answer: Any) -> str | None:
    """What is wrong with a human's answer; None if it can be followed."""
    match answer:
        case {"decision": "approve" | "reject"}:
            return None
        case {"decision": "edit", "arguments": dict(arguments)}:
            try:
                cast("type[BaseModel]", TOOLS[call["name"]].args_schema).model_validate(arguments, strict=True, extra="forbid")
            except ValidationError as error:
                return f"the arguments do not fit: {error.errors()[0]['msg']}"
            return None
    return "answer with a decision: approve, reject, or edit with arguments"


def approve(state: State) -> Command[Literal["tools", "agent"]]:
    """Wait for a human; ask again while the answer cannot be followed."""
    call = pending_call(state)
    request: dict[str, Any] = {"action": call["name"], "arguments": call["args"]}
    answer = interrupt(request)
    while problem := problem_with(call, answer):
        answer = interrupt({**request, "problem": problem})
    if answer["decision"] == "reject":
        rejection = ToolMessage(f"rejected: {answer.get('reason', 'no reason given')}", tool_call_id=call["id"] or "", name=call["name"])
        return Command(goto="agent", update={"messages": [rejection]})
    update: dict[str, Any] = {"approved": call["id"]}
    if answer["decision"] == "edit":
        asked = state["messages"][-1]
        update["messages"] = [AIMessage("", id=asked.id, tool_calls=[{**call, "args": answer["arguments"]}])]
    return Command(goto="tools", update=update)


def after_tools(state: State) -> Literal["agent", "tools", "error"]:
    """Back to the agent; again to a tool that failed, until it has used up its retries."""
    failures = 0
    for message in reversed(state["messages"]):
        if not isinstance(message, ToolMessage) or message.status != "error":
            break
        failures += 1
    if not failures:
        return "agent"
    return "tools" if failures <= RETRIES else "error"


def error(state: State) -> State:  # noqa: ARG001  # LangGraph names it
    """The answer when a tool goes on failing."""
    return {"messages": [AIMessage(FAILED)]}


def review(state: State) -> State:  # noqa: ARG001  # LangGraph names it
    """Reached when a human has looked at the answer and let the graph go on."""
    return {"reviewed": True}


def asker(name: str, decision: Mapping[str, Any]) -> Callable[[list[BaseMessage]], str]:
    """A deterministic chat model with short answers, held to a schema; an answer that is cut off is read as far as it goes."""
    chat = chat_model(name, max_tokens=60)
    schema = {"name": "decision", "strict": True, "schema": closed({"decision": decision})}
    held = chat.bind(response_format={"type": "json_schema", "json_schema": schema})

    def ask(messages: list[BaseMessage]) -> str:
        try:
            return held.invoke(messages).text
        except LengthFinishReasonError as cut_off:
            return cut_off.completion.choices[0].message.content or ""

    return ask


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    review_answers: bool = False,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The agent; it needs a checkpointer to stop for a human. `review_answers` stops it before each answer, too."""
    system = SystemMessage(prompt_files.choose(prompts, "account_agent"))
    decide = asker(model, {"anyOf": [*CALLS, ANSWER]})
    answer = asker(model, ANSWER)
    done: Literal["review", "__end__"] = "review" if review_answers else "__end__"

    def agent(state: State) -> State:
        said = shown(state["messages"])
        examples = as_turns(vector_index.nearest(EXAMPLES, said[-1].text, count=SHOWN))
        ask = answer if isinstance(state["messages"][-1], ToolMessage) else decide
        return {"messages": [read_decision(ask([system, *examples, *said]), call_id=f"call-{len(said)}")]}

    def after_agent(state: State) -> Literal["approve", "tools", "review", "__end__"]:
        last = state["messages"][-1]
        if not isinstance(last, AIMessage) or not last.tool_calls:
            return done
        return "approve" if last.tool_calls[0]["name"] in RISKY else "tools"

    graph = StateGraph(State)
    graph.add_node("agent", agent)
    graph.add_node("approve", approve)
    graph.add_node("tools", ToolNode(list(TOOLS.values()), handle_tool_errors=True, wrap_tool_call=only_approved))
    graph.add_node("error", error)
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", after_agent, ["approve", "tools", done])
    graph.add_conditional_edges("tools", after_tools)
    graph.add_edge("error", END)
    if review_answers:
        graph.add_node("review", review)
        graph.add_edge("review", END)
    return graph.compile(checkpointer=checkpointer, interrupt_before=["review"] if review_answers else None, name="approval_agent")
