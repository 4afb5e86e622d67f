"""A chat agent that always answers: primary model, then a cheaper one, then a canned sentence.

Only errors that may pass by themselves are retried (rate limit, time-out, lost connection), with exponential back-off
and jitter: 2-3 s, 4-6 s, 8-12 s and so on, up to a cap; a server that says when to come back is believed. Any other error of
the primary goes to the fallback at once, and so does everything while the primary's circuit breaker is open.
"""

import operator
import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer
from openai import APIConnectionError, APITimeoutError, InternalServerError, RateLimitError
from tenacity import AsyncRetrying, RetryCallState, Retrying, stop_after_attempt

from graphs import prompt_files
from graphs.chat_models import chat_model
from graphs.circuit_breaker import BreakerState, CircuitBreaker

TRANSIENT = (RateLimitError, APITimeoutError, APIConnectionError)
FAILURES = (*TRANSIENT, InternalServerError)
CANNED = "Sorry, I cannot answer right now. Please try again in a few minutes."
JITTER = 0.5  # a wait is up to half longer than its base


class State(TypedDict, total=False):
    """A conversation, and how its last answer came about."""

    messages: Annotated[list[AnyMessage], add_messages]
    answered_by: str
    """Model name, or `canned`."""
    error: str
    """Type name of the primary model's last error when no model answered, else empty."""
    breaker: Annotated[list[BreakerState], operator.add]
    """What the primary model's breaker was while each question was answered."""


class Backoff:
    """Seconds to wait after attempt n: from base x 2^(n-1) to half more than that, or what the server asks for; never over the cap."""

    def __init__(self, *, base_delay_s: float, max_delay_s: float) -> None:
        self.base_delay_s = base_delay_s
        self.max_delay_s = max_delay_s

    def __call__(self, attempt: RetryCallState) -> float:
        """Seconds to wait before the next attempt."""
        shortest = self.base_delay_s * 2.0 ** (attempt.attempt_number - 1)
        jittered = random.uniform(shortest, shortest * (1 + JITTER))  # noqa: S311  # no secret
        return min(self.max_delay_s, max(jittered, retry_after_s(attempt)))


def retry_after_s(attempt: RetryCallState) -> float:
    """Seconds that the server wants to be left alone for, 0 where it does not say."""
    error = attempt.outcome.exception() if attempt.outcome else None
    asked = error.response.headers.get("retry-after", "") if isinstance(error, RateLimitError) else ""
    return float(asked) if asked.replace(".", "", 1).isdigit() else 0.0


Reply = Runnable[list[AnyMessage], State]


def reply_from(name: str) -> Reply:
    """One call to the model, as a state update that says who answered."""

    def stamp(message: AIMessage) -> State:
        return {"messages": [message], "answered_by": name, "error": ""}

    return chat_model(name, max_tokens=60, timeout_s=45) | RunnableLambda(stamp)


def guarded(reply: Reply, breaker: CircuitBreaker) -> Reply:
    """The same call, unless the breaker is open."""

    def call(messages: list[AnyMessage], config: RunnableConfig) -> State:
        with breaker.guarding():
            return reply.invoke(messages, config)

    async def acall(messages: list[AnyMessage], config: RunnableConfig) -> State:
        with breaker.guarding():
            return await reply.ainvoke(messages, config)

    return RunnableLambda(call, afunc=acall, name="guarded")


def retried(reply: Reply, *, attempts: int, backoff: Backoff, breaker: CircuitBreaker) -> Reply:
    """The same call, tried again while there is hope; then its error is raised."""

    def may_pass(attempt: RetryCallState) -> bool:
        error = attempt.outcome.exception() if attempt.outcome else None
        in_time = retry_after_s(attempt) <= backoff.max_delay_s
        return isinstance(error, TRANSIENT) and in_time and breaker.state == "closed"

    policy: dict[str, Any] = {"retry": may_pass, "stop": stop_after_attempt(attempts), "wait": backoff, "reraise": True}

    def call(messages: list[AnyMessage], config: RunnableConfig) -> State:
        return Retrying(**policy)(reply.invoke, messages, config)

    async def acall(messages: list[AnyMessage], config: RunnableConfig) -> State:
        return await AsyncRetrying(**policy)(reply.ainvoke, messages, config)

    return RunnableLambda(call, afunc=acall, name="retried")


def open_questions(messages: Sequence[AnyMessage]) -> list[HumanMessage]:
    """The user's messages without an answer yet: several where they wrote faster than they were answered."""
    answers = sum(isinstance(message, AIMessage) for message in messages)
    return [message for message in messages if isinstance(message, HumanMessage)][answers:]


def up_to_next_question(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The conversation as it would read if every question had waited for its answer, up to the first open one."""
    answers = [message for message in messages if isinstance(message, AIMessage)]
    questions = [message for message in messages if isinstance(message, HumanMessage)]
    answered = [message for turn in zip(questions, answers, strict=False) for message in turn]
    return [*answered, *questions[len(answers) : len(answers) + 1]]


def canned(state: State) -> State:  # noqa: ARG001  # LangGraph names it
    """The answer that needs no model."""
    return {"messages": [AIMessage(CANNED)], "answered_by": "canned"}


def next_question(state: State) -> Literal["answer", "__end__"]:
    """On to the first question that has no answer."""
    return "answer" if open_questions(state["messages"]) else "__end__"


def after_answer(state: State) -> Literal["canned", "answer", "__end__"]:
    """On to the canned answer when no model answered, else to the next question."""
    return "canned" if state["error"] else next_question(state)


def build(
    *,
    prompts: Mapping[str, str] | None = None,
    model: str = "smollm2-135m-instruct",
    fallback_model: str = "smollm2-135m-instruct-backup",
    attempts: int = 4,
    base_delay_s: float = 2.0,
    max_delay_s: float = 30.0,
    opens_after: int = 5,
    cool_down_s: float = 60.0,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[State]:
    """The chain; `attempts` counts all calls to the primary for one question, and `base_delay_s=0` waits not at all."""
    system = SystemMessage(prompt_files.choose(prompts, "assistant"))
    breaker = CircuitBreaker(opens_after=opens_after, cool_down_s=cool_down_s, failures=FAILURES)
    backoff = Backoff(base_delay_s=base_delay_s, max_delay_s=max_delay_s)
    primary = retried(guarded(reply_from(model), breaker), attempts=attempts, backoff=backoff, breaker=breaker)
    chain = primary.with_fallbacks([reply_from(fallback_model)])

    # Whatever a provider raises, the user gets an answer: hence the two broad excepts.
    def answer(state: State, config: RunnableConfig) -> State:
        with breaker.watched() as seen:
            try:
                return {**chain.invoke([system, *up_to_next_question(state["messages"])], config), "breaker": seen}
            except Exception as error:  # noqa: BLE001
                return {"error": type(error).__name__, "answered_by": "", "breaker": seen}

    async def aanswer(state: State, config: RunnableConfig) -> State:
        with breaker.watched() as seen:
            try:
                return {**await chain.ainvoke([system, *up_to_next_question(state["messages"])], config), "breaker": seen}
            except Exception as error:  # noqa: BLE001
                return {"error": type(error).__name__, "answered_by": "", "breaker": seen}

    graph = StateGraph(State)
    graph.add_node("answer", RunnableLambda(answer, afunc=aanswer, name="answer"))
    graph.add_node("canned", canned)
    graph.add_conditional_edges(START, next_question)
    graph.add_conditional_edges("answer", after_answer)
    graph.add_conditional_edges("canned", next_question)
    return graph.compile(checkpointer=checkpointer, name="resilient_chain")
