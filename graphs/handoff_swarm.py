"""Three agents of a shop and nobody above them: each answers itself, or hands the customer over by a tool.

Every agent is a graph of its own, a model and its tools. A hand-over tool leaves that graph with a command that goes to the colleague
and makes it the active agent, which the thread remembers: the next turn starts there. After a few tool calls in one turn, hand-overs
included, the agent who has the customer is offered no tool any more, and has to answer.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypedDict, get_args

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, ToolRuntime
from langgraph.types import Checkpointer, Command

from graphs import prompt_files
from graphs.chat_models import chat_model
from graphs.worked_examples import Called, Example, as_turns, nearest

Agent = Literal["sales", "support", "billing"]
FIRST: Agent = "sales"
TEXT_CHARS = 400
SHOWN = 2
MORE = "Please tell me more."
PRICES = {"lamp": 30, "chair": 80, "table": 150, "sofa": 600, "desk": 220}
ADVICE = {
    "lamp": "Change the bulb.",
    "chair": "Tighten the four screws.",
    "table": "Turn the feet until it stands.",
    "desk": "Tighten the screws below the top.",
}
INVOICES = {"1001": "60 euros, paid", "1002": "150 euros, open", "1003": "30 euros, paid twice; 30 euros go back"}


class State(TypedDict, total=False):
    """A conversation, and the agent who has the customer."""

    messages: Annotated[list[AnyMessage], add_messages]
    active_agent: Agent


def handed_over(text: str, agent: Agent) -> Example:
    """An example of a hand-over."""
    return Example(text, (Called(f"transfer_to_{agent}", {}, f"Handed over to {agent}."),))


THANKS = Example("Thank you!", answer="You are welcome.")
HELLO = Example("Hello!", answer="Hello! How can I help you?")
BROKEN = ("My bed is broken.", "The bed does not work.", "How do I repair a bed?")
PRICED = ("What does the bed cost?", "How much is a bed?", "I want to buy a bed.")
PAID = ("I paid twice.", "Is my invoice paid?", "I want my money back.")
EXAMPLES: Mapping[Agent, Sequence[Example]] = {
    "sales": (
        *(
            Example(text, (Called("find_price", {"product": "bed"}, "The bed costs 300 euros."),), "The bed costs 300 euros.")
            for text in PRICED
        ),
        *(handed_over(text, "support") for text in BROKEN),
        *(handed_over(text, "billing") for text in PAID),
        HELLO,
        THANKS,
    ),
    "support": (
        *(handed_over(text, "sales") for text in PRICED),
        *(Example(text, (Called("find_advice", {"product": "bed"}, "Turn the screws."),), "Please turn the screws.") for text in BROKEN),
        *(handed_over(text, "billing") for text in PAID),
        HELLO,
        THANKS,
    ),
    "billing": (
        *(handed_over(text, "sales") for text in PRICED),
        *(handed_over(text, "support") for text in BROKEN),
        Example(
            "I paid invoice 900 twice.",
            (Called("find_invoice", {"number": "900"}, "Invoice 900: paid twice."),),
            "Invoice 900 was paid twice.",
        ),
        Example("Is invoice 901 paid?", (Called("find_invoice", {"number": "901"}, "Invoice 901: open."),), "No, invoice 901 is open."),
        Example("I want my money back.", answer="Which invoice is it?"),
        HELLO,
        THANKS,
    ),
}


@tool(description="Price of a product")
def find_price(product: str) -> str:
    """The price of a product, as a sentence."""
    price = PRICES.get(product.lower())
    return f"The {product} costs {price} euros." if price else f"We do not sell {product}."


@tool(description="Repair of a product")
def find_advice(product: str) -> str:
    """How to repair a product."""
    return ADVICE.get(product.lower(), f"There is no advice for {product}.")


@tool(description="State of an invoice")
def find_invoice(number: str) -> str:
    """Whether an invoice is paid."""
    return f"Invoice {number}: {INVOICES.get(number, 'not known')}."


OWN_TOOLS: Mapping[Agent, BaseTool] = {"sales": find_price, "support": find_advice, "billing": find_invoice}


def transfer_to(agent: Agent) -> BaseTool:
    """A tool that hands the customer over to this agent."""

    @tool(f"transfer_to_{agent}", description=f"Hand over to {agent}")
    def transfer(runtime: ToolRuntime) -> Command[Agent]:
        done = ToolMessage(f"Handed over to {agent}.", tool_call_id=runtime.tool_call_id or "")
        update = {"messages": [*runtime.state["messages"], done], "active_agent": agent}
        return Command(goto=agent, graph=Command.PARENT, update=update)

    return transfer


def colleagues(agent: Agent) -> tuple[Agent, ...]:
    """The agents that one can hand over to."""
    return tuple(other for other in get_args(Agent) if other != agent)


def is_handover(message: AnyMessage) -> bool:
    """Tell whether a message asks for a hand-over."""
    return isinstance(message, AIMessage) and any(call["name"].startswith("transfer_to_") for call in message.tool_calls)


def last_request(messages: Sequence[AnyMessage]) -> int:
    """The place of the customer's last message."""
    return max(place for place, message in enumerate(messages) if isinstance(message, HumanMessage))


def tool_calls(messages: Sequence[AnyMessage]) -> int:
    """How many tools were called in this turn, hand-overs included."""
    return sum(isinstance(message, ToolMessage) for message in messages[last_request(messages) :])


def conversation(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The messages without the hand-overs, which are no business of the next agent; long ones are cut."""
    hidden = {call["id"] for message in messages if isinstance(message, AIMessage) and is_handover(message) for call in message.tool_calls}
    seen = [m for m in messages if not is_handover(m) and not (isinstance(m, ToolMessage) and m.tool_call_id in hidden)]
    return [HumanMessage(m.text[:TEXT_CHARS].strip() or "(empty message)") if isinstance(m, HumanMessage) else m for m in seen]


def build_agent(agent: Agent, *, prompt: str, chat: ChatOpenAI, max_tool_calls: int) -> CompiledStateGraph[State]:
    """One agent: it answers, or uses its tool and then answers, or hands over."""
    tools = [*(transfer_to(other) for other in colleagues(agent)), OWN_TOOLS[agent]]
    with_tools = chat.bind_tools(tools)

    def model(state: State) -> State:
        messages = conversation(state["messages"])
        if tool_calls(state["messages"]) >= max_tool_calls:
            return {"messages": [one_step(chat.invoke([SystemMessage(prompt), *messages]), agent, most_calls=0)]}
        examples = as_turns(nearest(EXAMPLES[agent], messages[last_request(messages)].text, count=SHOWN))
        return {"messages": [one_step(with_tools.invoke([SystemMessage(prompt), *examples, *messages]), agent, most_calls=1)]}

    def after_model(state: State) -> Literal["tools", "__end__"]:
        last = state["messages"][-1]
        return "tools" if isinstance(last, AIMessage) and last.tool_calls else "__end__"

    graph = StateGraph(State)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", after_model)
    graph.add_edge("tools", "model")
    return graph.compile(name=agent)


def one_step(answer: AIMessage, agent: Agent, *, most_calls: int) -> AIMessage:
    """The answer in the agent's name with no more tool calls than it may have: nobody is handed over twice at once."""
    calls = answer.tool_calls[:most_calls]
    text = answer.text if calls or answer.text.strip() else MORE
    return AIMessage(text, name=agent, tool_calls=calls, id=answer.id, usage_metadata=answer.usage_metadata)


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    max_tool_calls: int = 3,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The swarm; it remembers the active agent from turn to turn if it has a checkpointer."""

    def active(state: State) -> Agent:
        return state.get("active_agent", FIRST)

    chat = chat_model(model, max_tokens=30)
    graph = StateGraph(State)
    for agent in get_args(Agent):
        built = build_agent(agent, prompt=prompt_files.choose(prompts, f"swarm_{agent}"), chat=chat, max_tool_calls=max_tool_calls)
        graph.add_node(agent, built, destinations=colleagues(agent))
        graph.add_edge(agent, END)
    graph.add_conditional_edges(START, active, list(get_args(Agent)))
    return graph.compile(checkpointer=checkpointer, name="handoff_swarm")
