"""A guide to cities: a controller asks specialist agents, which are its tools, several at once if need be, and then answers.

Each specialist is an agent with a model of its own: it looks up one kind of fact and puts it into words. After its rounds of asking
the controller is offered no agent any more, and has to answer.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypedDict, get_args

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Checkpointer

from graphs import prompt_files
from graphs.chat_models import chat_model
from graphs.worked_examples import Called, Example, as_turns, nearest

Subject = Literal["weather", "history", "food"]
FACTS: Mapping[str, Mapping[Subject, str]] = json.loads(Path(__file__).with_name("city_facts.json").read_text(encoding="utf-8"))
QUESTION_CHARS = 400
SHOWN = 1
NO_ANSWER = "I cannot say."


class State(TypedDict, total=False):
    """A conversation."""

    messages: Annotated[list[AnyMessage], add_messages]


def asked(text: str, answer: str, *calls: tuple[Subject, str, str]) -> Example:
    """An example of a question, the agents asked with their city and answer, and what is answered then."""
    return Example(text, tuple(Called(f"{subject}_agent", {"city": city}, result) for subject, city, result in calls), answer)


EXAMPLES = (
    asked("Is it warm in Rome?", "Rome has 24 degrees.", ("weather", "Rome", "Rome has 24 degrees.")),
    asked("What is the weather in Rome?", "Rome has 24 degrees.", ("weather", "Rome", "Rome has 24 degrees.")),
    asked("Who founded Lima?", "Pizarro founded Lima.", ("history", "Lima", "Pizarro founded Lima.")),
    asked("How old is Lima?", "Lima is from 1535.", ("history", "Lima", "Lima is from 1535.")),
    asked("What do people eat in Lima?", "They eat ceviche.", ("food", "Lima", "They eat ceviche.")),
    asked(
        "How is the weather in Rome, and what can I eat there?",
        "Rome has 24 degrees, and one eats pasta.",
        ("weather", "Rome", "Rome has 24 degrees."),
        ("food", "Rome", "They eat pasta."),
    ),
    asked(
        "How old is Lima, and what do people eat there?",
        "Lima is from 1535, and one eats ceviche.",
        ("history", "Lima", "Lima is from 1535."),
        ("food", "Lima", "They eat ceviche."),
    ),
    asked(
        "Compare the weather of Rome and Lima.",
        "Rome is warmer than Lima.",
        ("weather", "Rome", "Rome has 24 degrees."),
        ("weather", "Lima", "Lima has 18 degrees."),
    ),
    asked("Hello!", "Hello! Which city do you want to know about?"),
    asked("Thank you!", "You are welcome."),
)


def since_question(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The last question, cut and never empty, and what came after it."""
    place = max(number for number, message in enumerate(messages) if isinstance(message, HumanMessage))
    return [HumanMessage(messages[place].text[:QUESTION_CHARS].strip() or "(empty question)"), *messages[place + 1 :]]


def rounds(messages: Sequence[AnyMessage]) -> int:
    """How often agents were asked for the last question."""
    return sum(isinstance(message, AIMessage) and bool(message.tool_calls) for message in messages)


def answer_request(messages: Sequence[AnyMessage]) -> HumanMessage:
    """What the controller is told when it has to answer: what the agents said, then the question."""
    said = "\n".join(f"- {message.text}" for message in messages if isinstance(message, ToolMessage))
    return HumanMessage(f"Facts:\n{said}\n\nQuestion: {messages[0].text}")


def specialist(subject: Subject, *, prompt: SystemMessage, chat: ChatOpenAI) -> BaseTool:
    """An agent as a tool: it knows one kind of fact about cities; a city that it does not know needs no model."""

    def ask(city: str) -> str:
        known = FACTS.get(city.strip().title())
        if known is None:
            return f"I know nothing about {city}."
        return chat.invoke([prompt, HumanMessage(f"Fact: {city}: {known[subject]}\nQuestion: {subject} of {city}")]).text

    async def aask(city: str) -> str:
        known = FACTS.get(city.strip().title())
        if known is None:
            return f"I know nothing about {city}."
        return (await chat.ainvoke([prompt, HumanMessage(f"Fact: {city}: {known[subject]}\nQuestion: {subject} of {city}")])).text

    return StructuredTool.from_function(ask, aask, name=f"{subject}_agent", description=f"Knows the {subject} of a city")


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    max_rounds: int = 1,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The guide; for one question it asks agents at most `max_rounds` times, any number of them at once."""
    system = SystemMessage(prompt_files.choose(prompts, "city_controller"))
    answer_prompt, agent_prompt = (SystemMessage(prompt_files.choose(prompts, name)) for name in ("city_answer", "city_agent"))
    answering, agent_chat = chat_model(model, max_tokens=40), chat_model(model, max_tokens=24)
    agents = [specialist(subject, prompt=agent_prompt, chat=agent_chat) for subject in get_args(Subject)]
    asking = chat_model(model, max_tokens=80).bind_tools(agents)

    def controller(state: State) -> State:
        messages = since_question(state["messages"])
        if rounds(messages) >= max_rounds:
            answer = answering.invoke([answer_prompt, answer_request(messages)])
            return {"messages": [AIMessage(answer.text.strip() or NO_ANSWER, id=answer.id, usage_metadata=answer.usage_metadata)]}
        examples = as_turns(nearest(EXAMPLES, messages[0].text, count=SHOWN))
        answer = asking.invoke([system, *examples, *messages])
        return {"messages": [answer if answer.tool_calls or answer.text.strip() else AIMessage(NO_ANSWER, id=answer.id)]}

    def after_controller(state: State) -> Literal["agents", "__end__"]:
        last = state["messages"][-1]
        return "agents" if isinstance(last, AIMessage) and last.tool_calls else "__end__"

    graph = StateGraph(State)
    graph.add_node("controller", controller)
    graph.add_node("agents", ToolNode(agents))
    graph.add_edge(START, "controller")
    graph.add_conditional_edges("controller", after_controller)
    graph.add_edge("agents", "controller")
    return graph.compile(checkpointer=checkpointer, name="tool_controller")
