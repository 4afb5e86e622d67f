"""A chat agent that always answers: primary model, then a cheaper one, then a canned sentence.

Only errors that may pass by themselves are retried (rate limit, time-out, lost connection), with exponential back-off
and jitter: 2-3 s, 4-6 s, 8-12 s and so on, up to a cap. Any other error of the primary goes to the fallback at once.
"""

import random
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer
from openai import APIConnectionError, APITimeoutError, RateLimitError
from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from graphs import prompt_files

TRANSIENT = (RateLimitError, APITimeoutError, APIConnectionError)
CANNED = "Sorry, I cannot answer right now. Please try again in a few minutes."
JITTER = 0.5  # a wait is up to half longer than its base


class State(TypedDict, total=False):
    """A conversation, and how its last answer came about."""

    messages: Annotated[list[AnyMessage], add_messages]
    answered_by: str
    """Model name, or `canned`."""
    error: str
    """Type name of the primary model's last error when no model answered, else empty."""


class Backoff:
    """Seconds to wait after attempt n: from base x 2^(n-1) to half more than that, never over the cap."""

    def __init__(self, *, base_delay_s: float, max_delay_s: float) -> None:
        self.base_delay_s = base_delay_s
        self.max_delay_s = max_delay_s

    def __call__(self, attempt: RetryCallState) -> float:
        """Seconds to wait before the next attempt."""
        shortest = self.base_delay_s * 2.0 ** (attempt.attempt_number - 1)
        return min(self.max_delay_s, random.uniform(shortest, shortest * (1 + JITTER)))  # noqa: S311  # no secret


Reply = Runnable[list[AnyMessage], State]


def chat_model(name: str) -> ChatOpenAI:
    """A chat model whose retries are ours alone."""
    return ChatOpenAI(
        model=name,
        temperature=0,
        seed=7,
        max_tokens=60,  # type: ignore[call-arg]  # an alias that the plugin-less mypy cannot see
        timeout=45,
        max_retries=0,
        use_responses_api=False,
        extra_body={"cache_prompt": False},
    )


def reply_from(name: str) -> Reply:
    """One call to the model, as a state update that says who answered."""

    def stamp(message: AIMessage) -> State:
        return {"messages": [message], "answered_by": name, "error": ""}

    return chat_model(name) | RunnableLambda(stamp)


def retried(reply: Reply, *, attempts: int, backoff: Backoff) -> Reply:
    """The same call, tried again while its error is transient; then that error is raised."""
    policy: dict[str, Any] = {
        "retry": retry_if_exception_type(TRANSIENT),
        "stop": stop_after_attempt(attempts),
        "wait": backoff,
        "reraise": True,
    }

    def call(messages: list[AnyMessage], config: RunnableConfig) -> State:
        return Retrying(**policy)(reply.invoke, messages, config)

    async def acall(messages: list[AnyMessage], config: RunnableConfig) -> State:
        return await AsyncRetrying(**policy)(reply.ainvoke, messages, config)

    return RunnableLambda(call, afunc=acall, name="retried")


def canned(state: State) -> State:  # noqa: ARG001  # LangGraph names it
    """The answer that needs no model."""
    return {"messages": [AIMessage(CANNED)], "answered_by": "canned"}


def after_answer(state: State) -> Literal["canned", "__end__"]:
    """On to the canned answer when no model answered."""
    return "canned" if state["error"] else "__end__"


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    fallback_model: str = "smollm2-135m-instruct-backup",
    attempts: int = 3,
    base_delay_s: float = 2.0,
    max_delay_s: float = 30.0,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The chain; `attempts` counts all calls to the primary, and `base_delay_s=0` waits not at all."""
    system = SystemMessage(prompt_files.choose(prompts, "assistant"))
    backoff = Backoff(base_delay_s=base_delay_s, max_delay_s=max_delay_s)
    primary = retried(reply_from(model), attempts=attempts, backoff=backoff)
    chain = primary.with_fallbacks([reply_from(fallback_model)])

    # Whatever a provider raises, the user gets an answer: hence the two broad excepts.
    def answer(state: State, config: RunnableConfig) -> State:
        try:
            return chain.invoke([system, *state["messages"]], config)
        except Exception as error:  # noqa: BLE001
            return {"error": type(error).__name__, "answered_by": ""}

    async def aanswer(state: State, config: RunnableConfig) -> State:
        try:
            return await chain.ainvoke([system, *state["messages"]], config)
        except Exception as error:  # noqa: BLE001
            return {"error": type(error).__name__, "answered_by": ""}

    graph = StateGraph(State)
    graph.add_node("answer", RunnableLambda(answer, afunc=aanswer, name="answer"))
    graph.add_node("canned", canned)
    graph.add_edge(START, "answer")
    graph.add_conditional_edges("answer", after_answer)
    graph.add_edge("canned", END)
    return graph.compile(checkpointer=checkpointer, name="resilient_chain")
