"""What a model is shown of a conversation: its last turns, tool outputs cut, and never more tokens than the budget."""

import re
from collections.abc import Sequence

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, trim_messages

TURNS = 5
TOOL_CHARS = 2_000
TOKEN_BUDGET = 8_000
MESSAGE_TOKENS = 8  # what the chat template puts around a message
_CUT = " […]"
_PIECE = re.compile(r"[A-Za-z]{1,3}|[^\sA-Za-z]|\s{2,}|[^\S ]")


class OverBudgetError(ValueError):
    """What must be shown does not fit into the budget."""


def tokens(text: str) -> int:
    """An estimate of tokens from above: three letters are one token at least, and a sign beyond ASCII one for each byte."""
    return sum(1 if piece.isascii() else len(piece.encode("utf-8", "replace")) for piece in _PIECE.findall(text))


def message_tokens(messages: list[BaseMessage]) -> int:
    """The same of whole messages."""
    return sum(tokens(message.text) + MESSAGE_TOKENS for message in messages)


def cut(text: str, *, chars: int = TOOL_CHARS) -> str:
    """A text of so many characters at most, which says that it was cut."""
    return text if len(text) <= chars else text[: chars - len(_CUT)] + _CUT


def last_turns(messages: Sequence[BaseMessage], *, turns: int = TURNS) -> list[BaseMessage]:
    """The messages from the start of the last turns on; a turn starts with what the user said."""
    starts = [index for index, message in enumerate(messages) if isinstance(message, HumanMessage)]
    return list(messages[starts[-turns] :]) if len(starts) > turns else list(messages)


def fitted(system: SystemMessage, conversation: Sequence[BaseMessage], *, budget: int = TOKEN_BUDGET) -> list[BaseMessage]:
    """The system message and the end of the conversation, without the oldest turns that would pass the budget."""
    room = budget - message_tokens([system])
    kept = trim_messages(list(conversation), max_tokens=room, token_counter=message_tokens, strategy="last", start_on="human")
    if not kept or kept[-1] is not conversation[-1]:
        message = f"the question alone takes more than {budget} tokens"
        raise OverBudgetError(message)
    return [system, *kept]
