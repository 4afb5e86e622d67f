"""Worked examples of tool use: what somebody said, the tools called for it, what they answered, and what was said then."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage


class Called(NamedTuple):
    """One tool call of an example and the tool's answer."""

    tool: str
    args: Mapping[str, str]
    result: str


class Example(NamedTuple):
    """A text, the calls to make for it, all at once, and the answer to give then; no answer where the calls leave the agent."""

    text: str
    calls: tuple[Called, ...] = ()
    answer: str = ""


def nearest(examples: Sequence[Example], text: str, *, count: int) -> list[Example]:
    """The examples that share most of their words with the text, the most similar one last."""
    wanted = words(text)
    return sorted(examples, key=lambda example: len(wanted & words(example.text)) / len(wanted | words(example.text)))[-count:]


def words(text: str) -> frozenset[str]:
    """The words of a text, with its marks of question and exclamation."""
    return frozenset(re.findall(r"\w+|[?!]", text.lower()))


def as_turns(examples: Sequence[Example]) -> list[AnyMessage]:
    """Examples as the messages that they would have been."""
    return [message for number, example in enumerate(examples) for message in messages_of(example, number)]


def messages_of(example: Example, number: int) -> list[AnyMessage]:
    """The messages of one example; its number keeps the ids of tool calls apart."""
    ids = [f"example_{number}_{place}" for place, _ in enumerate(example.calls)]
    calls = [
        {"name": called.tool, "args": dict(called.args), "id": name, "type": "tool_call"}
        for name, called in zip(ids, example.calls, strict=True)
    ]
    answers = [ToolMessage(called.result, tool_call_id=name) for name, called in zip(ids, example.calls, strict=True)]
    turns: list[AnyMessage] = [HumanMessage(example.text)]
    turns += [AIMessage("", tool_calls=calls), *answers] if calls else []
    return [*turns, AIMessage(example.answer)] if example.answer else turns
