"""A tool agent that always ends: with an answer, or with a sentence that says why it stopped.

A turn may spend so many model calls, tool calls, supersteps and seconds; whichever is used up first ends it. A tool that is
unknown, misused, slow or broken ends nothing: the model is told in words, and may do better.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from threading import Thread
from typing import Annotated, Any, Literal, TypedDict, TypeVar, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.managed import RemainingSteps
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Checkpointer, Command

from graphs import prompt_files
from graphs.chat_models import chat_model
from graphs.safe_agent_tools import TOOLS

NS = 1_000_000_000
LONGEST_OUTPUT = 500
STEPS_TO_GO_ON = 3
"""Supersteps that a node needs: its own, that of the node after it, and one for the sentence that says why the agent stopped."""

Stop = Literal["iterations", "tool_calls", "steps", "time", "model"]
REASONS: Mapping[Stop, str] = {
    "iterations": "I thought about it too often",
    "tool_calls": "I used my tools too often",
    "steps": "it takes too many steps",
    "time": "it takes too long",
    "model": "my model does not answer",
}

ResultT = TypeVar("ResultT")
ToolOutput = ToolMessage | Command[Any]


class State(TypedDict, total=False):
    """A conversation, and what its last turn spent."""

    messages: Annotated[list[AnyMessage], add_messages]
    iterations: int
    """Model calls of the turn."""
    tool_calls: int
    """Tool calls of the turn that were run."""
    spent_ns: int
    """Nanoseconds that the turn waited for model and tools."""
    stopped_by: Stop | None
    """What ended the turn without an answer of the model's."""
    remaining_steps: RemainingSteps


def example(question: str, tool: str, args: dict[str, Any], *, output: str, answer: str) -> list[AnyMessage]:
    """A worked example: a question, a tool call, its output, the answer."""
    call = {"name": tool, "args": args, "id": f"example-{tool}"}
    return [HumanMessage(question), AIMessage("", tool_calls=[call]), ToolMessage(output, tool_call_id=call["id"]), AIMessage(answer)]


FEET = {"amount": 3, "unit": "mile", "to": "foot"}
ROME = {"country": "Italy", "fact": "capital"}
EXAMPLES: tuple[AnyMessage, ...] = (
    *example("What is 12 times 7?", "calculate", {"expression": "12 * 7"}, output="84", answer="12 times 7 is 84."),
    *example("How many feet are 3 miles?", "convert", FEET, output="15840 foot", answer="3 miles are 15840 feet."),
    *example("What is the capital of Italy?", "look_up", ROME, output="Rome", answer="The capital of Italy is Rome."),
)


@dataclass(frozen=True)
class Budget:
    """What a turn may spend."""

    iterations: int
    tool_calls: int
    time_s: float
    tool_time_s: float

    def left_s(self, state: State) -> float:
        """Seconds that are left of the turn."""
        return max(0.0, (round(self.time_s * NS) - state["spent_ns"]) / NS)

    def used_up(self, state: State) -> Stop | None:
        """What leaves no room for another round, if anything does."""
        if not self.left_s(state):
            return "time"
        if state["iterations"] >= self.iterations:
            return "iterations"
        if state["tool_calls"] >= self.tool_calls:
            return "tool_calls"
        return self.out_of_steps(state)

    def out_of_steps(self, state: State) -> Stop | None:
        """Whether the recursion limit is so near that only the last sentence can follow."""
        return "steps" if state["remaining_steps"] < STEPS_TO_GO_ON else None


def within(limit_s: float, call: Callable[[], ResultT]) -> ResultT:
    """What the call returns, or TimeoutError after so many seconds; a late call goes on, since Python cannot stop a thread."""
    done: Future[ResultT] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001  # raised again where the result is waited for
            done.set_exception(error)

    Thread(target=copy_context().run, args=(run,), daemon=True).start()
    return done.result(timeout=limit_s)


def begin(state: State) -> State:  # noqa: ARG001  # LangGraph names it
    """A new turn, which has spent nothing."""
    return {"iterations": 0, "tool_calls": 0, "spent_ns": 0, "stopped_by": None}


def wants_tools(message: AnyMessage) -> bool:
    """Whether the model asks for tools, with arguments that can be read or not."""
    return isinstance(message, AIMessage) and bool(message.tool_calls or message.invalid_tool_calls)


def as_answer(reply: AIMessage) -> list[AnyMessage]:
    """What is kept of a reply: a refusal as its text, nothing of an empty one."""
    text = reply.text.strip() or reply.additional_kwargs.get("refusal") or ""
    if wants_tools(reply):
        return [reply]
    return [reply.model_copy(update={"content": text})] if text else []


def misspelt(message: AIMessage) -> list[ToolMessage]:
    """What the model is told of calls whose arguments are no JSON."""
    return [
        ToolMessage(f"Error: the arguments of {call['name']} are not valid JSON.", tool_call_id=call["id"] or "", status="error")
        for call in message.invalid_tool_calls
    ]


def not_run(message: AnyMessage) -> list[ToolMessage]:
    """An answer for each call that will not be run: a conversation may not hold a call without one."""
    calls = [*message.tool_calls, *message.invalid_tool_calls] if isinstance(message, AIMessage) else []
    return [ToolMessage("Not run: the limits are reached.", tool_call_id=call["id"] or "", status="error") for call in calls]


def told(error: Exception) -> str:
    """What the model is told of a tool that raised."""
    return f"Error: {error}"


def tidied(output: ToolOutput) -> ToolOutput:
    """A tool's output without control characters, and cut where it is long."""
    if not isinstance(output, ToolMessage):
        return output
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", output.text)
    return output.model_copy(update={"content": text[:LONGEST_OUTPUT] or "(nothing)"})


def late(call: Mapping[str, Any]) -> ToolMessage:
    """What the model is told of a tool that did not return in time."""
    return ToolMessage(f"Error: {call['name']} did not return in time.", tool_call_id=call["id"], status="error")


def give_up(state: State) -> State:
    """The sentence that says why there is no answer, and what was found before."""
    messages = state["messages"]
    reason = REASONS[state["stopped_by"] or "model"]
    outputs = [message.text for message in messages[-2:] if isinstance(message, ToolMessage) and message.status == "success"]
    found = f" The last thing that I found: {outputs[-1]}" if outputs else ""
    return {"messages": [*not_run(messages[-1]), AIMessage(f"I have to stop without a sure answer: {reason}.{found}")]}


def after_agent(state: State) -> Literal["agent", "tools", "give_up", "__end__"]:
    """On to the tools that the model asks for; an empty reply, which was not kept, is asked for again."""
    if state["stopped_by"]:
        return "give_up"
    if wants_tools(state["messages"][-1]):
        return "tools"
    return "__end__" if isinstance(state["messages"][-1], AIMessage) else "agent"


def after_tools(state: State) -> Literal["agent", "give_up"]:
    """Back to the model, unless time or steps are used up."""
    return "give_up" if state["stopped_by"] else "agent"


class Agent:
    """The two nodes that wait: for the model, and for the tools."""

    def __init__(self, chat: Runnable[list[AnyMessage], AIMessage], prompt: str, budget: Budget) -> None:
        self.chat = chat
        self.opening = [SystemMessage(prompt), *EXAMPLES]
        self.budget = budget
        self.toolbox = ToolNode(TOOLS, handle_tool_errors=told, wrap_tool_call=self.run_tool, awrap_tool_call=self.arun_tool)

    # Whatever a provider raises, the user gets a sentence: hence the two broad excepts.
    def ask(self, state: State, config: RunnableConfig) -> State:
        """Ask the model."""
        started = time.monotonic_ns()
        try:
            reply = within(self.budget.left_s(state), lambda: self.chat.invoke(self.asked(state), config))
        except Exception:  # noqa: BLE001
            return self.heard(state, None, started)
        return self.heard(state, reply, started)

    async def aask(self, state: State, config: RunnableConfig) -> State:
        """Ask the model, asynchronously."""
        started = time.monotonic_ns()
        try:
            reply = await asyncio.wait_for(self.chat.ainvoke(self.asked(state), config), self.budget.left_s(state))
        except Exception:  # noqa: BLE001
            return self.heard(state, None, started)
        return self.heard(state, reply, started)

    def asked(self, state: State) -> list[AnyMessage]:
        """The conversation as the model sees it."""
        return [*self.opening, *state["messages"]]

    def heard(self, state: State, reply: AIMessage | None, started: int) -> State:
        """What the node writes: a reply that is no answer goes on only while there is a budget for it."""
        spent: State = {"iterations": state["iterations"] + 1, "spent_ns": state["spent_ns"] + time.monotonic_ns() - started}
        after: State = {**state, **spent}
        if reply is None:
            return {**spent, "stopped_by": "model" if self.budget.left_s(after) else "time"}
        kept = as_answer(reply)
        is_answer = bool(kept) and not wants_tools(reply)
        return {**spent, "messages": kept, "stopped_by": None if is_answer else self.budget.used_up(after)}

    def use_tools(self, state: State, config: RunnableConfig) -> State:
        """Run the tools that the model asked for."""
        started = time.monotonic_ns()
        called, refused = self.affordable(state)
        outputs = self.toolbox.invoke({**state, "messages": [called]}, config)["messages"] if called.tool_calls else []
        return self.used(state, called, [*outputs, *refused], started)

    async def ause_tools(self, state: State, config: RunnableConfig) -> State:
        """Run the tools that the model asked for, asynchronously."""
        started = time.monotonic_ns()
        called, refused = self.affordable(state)
        outputs = (await self.toolbox.ainvoke({**state, "messages": [called]}, config))["messages"] if called.tool_calls else []
        return self.used(state, called, [*outputs, *refused], started)

    def affordable(self, state: State) -> tuple[AIMessage, list[ToolMessage]]:
        """The model's message with the calls that the budget allows, and what is said to the others."""
        said = cast("AIMessage", state["messages"][-1])
        left = self.budget.tool_calls - state["tool_calls"]
        called = said.model_copy(update={"tool_calls": said.tool_calls[:left]})
        beyond = said.model_copy(update={"tool_calls": said.tool_calls[left:], "invalid_tool_calls": []})
        return called, [*misspelt(said), *not_run(beyond)]

    def used(self, state: State, called: AIMessage, outputs: list[AnyMessage], started: int) -> State:
        """What the node writes: outputs, and what they have cost."""
        spent: State = {
            "tool_calls": state["tool_calls"] + len(called.tool_calls),
            "spent_ns": state["spent_ns"] + time.monotonic_ns() - started,
        }
        in_time = self.budget.left_s({**state, **spent}) > 0
        return {**spent, "messages": outputs, "stopped_by": self.budget.out_of_steps(state) if in_time else "time"}

    def run_tool(self, request: ToolCallRequest, run: Callable[[ToolCallRequest], ToolOutput]) -> ToolOutput:
        """Run one tool, but not for longer than it may."""
        try:
            return tidied(within(self.tool_time_s(request), lambda: run(request)))
        except TimeoutError:
            return late(request.tool_call)

    async def arun_tool(self, request: ToolCallRequest, run: Callable[[ToolCallRequest], Awaitable[ToolOutput]]) -> ToolOutput:
        """Run one tool, but not for longer than it may, asynchronously."""
        try:
            return tidied(await asyncio.wait_for(run(request), self.tool_time_s(request)))
        except TimeoutError:
            return late(request.tool_call)

    def tool_time_s(self, request: ToolCallRequest) -> float:
        """Seconds that this tool may take."""
        return min(self.budget.tool_time_s, self.budget.left_s(request.state))


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    max_iterations: int = 5,
    max_tool_calls: int = 20,
    time_limit_s: float = 45.0,
    tool_time_limit_s: float = 10.0,
    recursion_limit: int = 15,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The agent; the four limits hold for a turn, `tool_time_limit_s` for one call of a tool."""
    budget = Budget(iterations=max_iterations, tool_calls=max_tool_calls, time_s=time_limit_s, tool_time_s=tool_time_limit_s)
    chat = chat_model(model, max_tokens=80, timeout_s=time_limit_s).bind_tools(TOOLS)
    agent = Agent(chat, prompt_files.choose(prompts, "safe_agent"), budget)

    graph = StateGraph(State)
    graph.add_node(begin)
    graph.add_node("agent", RunnableLambda(agent.ask, afunc=agent.aask, name="agent"))
    graph.add_node("tools", RunnableLambda(agent.use_tools, afunc=agent.ause_tools, name="tools"))
    graph.add_node(give_up)
    graph.add_edge(START, "begin")
    graph.add_edge("begin", "agent")
    graph.add_conditional_edges("agent", after_agent)
    graph.add_conditional_edges("tools", after_tools)
    graph.add_edge("give_up", END)
    return graph.compile(checkpointer=checkpointer, name="safe_agent").with_config(recursion_limit=recursion_limit)
