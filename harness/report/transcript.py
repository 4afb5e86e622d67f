"""A transcript: the exchanges of one cassette as a conversation that one can read."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from harness.cassette.answer import read
from harness.cassette.exchange import Exchange
from harness.cassette.redact import BUILT_IN
from harness.cassette.segments import NAMES, segments
from harness.report.figure import count
from harness.report.text import excerpt, line, visible
from harness.schema import canonical_json

_SHOWN = 320
_MESSAGES = 6
_LABEL = 10


def transcript(exchanges: Sequence[Exchange], *, title: str, width: int, digests: bool) -> Iterator[str]:
    """Yield the lines of a transcript: what was asked, what was answered, and what is noted beside it, in short."""
    yield f"{line(title)}: {count(len(exchanges))} {'exchange' if len(exchanges) == 1 else 'exchanges'}"
    for number, exchange in enumerate(exchanges, start=1):
        yield ""
        yield from _exchange(number, exchange, width=width)
        if digests:
            found = segments(exchange.request).digests()
            yield from _labelled("digests", ", ".join(f"{name} {found[name]}" for name in NAMES), width)


def _exchange(number: int, exchange: Exchange, *, width: int) -> Iterator[str]:
    asked = segments(exchange.request)
    head = (f"{number}", exchange.place or "", asked.parts["endpoint"], asked.model or "")
    yield "  ".join(line(BUILT_IN.text(part)) for part in head if part)
    yield from _labelled("noted", _notes(exchange), width)
    for system in asked.parts["system"] or ():
        yield from _labelled("system", _text(system), width)
    yield from _messages(asked.parts["messages"], width)
    tools = _tool_names(asked.parts["tools"])
    if tools:
        yield from _labelled("tools", tools, width)
    yield from _answer(exchange, width)


def _notes(exchange: Exchange) -> str:
    latency = "" if exchange.latency_s is None else f"{exchange.latency_s:.3f} s"
    recorded = f"recorded {exchange.recorded_at}" if exchange.recorded_at else ""
    variants = f"variants {', '.join(exchange.variants)}" if exchange.variants else ""
    draw = f"draw {exchange.draw}" if exchange.draw > 1 else ""
    return "; ".join(note for note in (latency, draw, variants, recorded, "scripted" if exchange.scripted else "") if note)


def _messages(messages: Any, width: int) -> Iterator[str]:
    """Yield the messages, the middle of a long conversation left out."""
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        yield from _labelled("asked", _text(messages), width) if messages else ()
        return
    half = _MESSAGES // 2
    left_out = len(messages) - _MESSAGES
    for message in messages if left_out <= 0 else messages[:half]:
        yield from _message(message, width)
    if left_out > 0:
        yield from _labelled("…", f"{left_out} more messages", width)
        for message in messages[-half:]:
            yield from _message(message, width)


def _message(message: dict[str, Any], width: int) -> Iterator[str]:
    role = str(message.get("role") or message.get("type") or "message")
    rest = {key: value for key, value in message.items() if key not in {"role", "content"}}
    content = _text(message["content"]) if message.get("content") else ""
    yield from _labelled(role, " ".join(part for part in (content, canonical_json(rest) if rest else "") if part), width)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _tool_names(tools: Any) -> str:
    offered = next((part for part in tools or () if isinstance(part, list)), [])
    names = [(tool.get("function") or tool).get("name") or tool.get("type") for tool in offered if isinstance(tool, dict)]
    return ", ".join(str(name) for name in names)


def _answer(exchange: Exchange, width: int) -> Iterator[str]:
    response, answer = exchange.response, read(exchange.response)
    usage = f", {count(answer.usage.input_tokens)} + {count(answer.usage.output_tokens)} tokens" if answer.usage else ""
    model = f" {answer.model}" if answer.model else ""
    finish = f", {answer.finish_reason}" if answer.finish_reason else ""
    yield from _labelled("answer", f"{response.status}{model}{finish}{usage}", width)
    for label, text in (("text", answer.text), ("error", answer.error)):
        if text:
            yield from _labelled(label, text, width)
    for call in answer.tool_requests:
        yield from _labelled("calls", f"{call.name}({canonical_json(call.args)})", width)
    if not (answer.text or answer.error or answer.tool_requests):
        yield from _labelled("body", response.body.decode("utf-8", "replace"), width)


def _labelled(label: str, text: str, width: int) -> Iterator[str]:
    """Yield a text in short, folded, behind its label; nothing for an empty one."""
    clean = BUILT_IN.text(text)
    shown = visible(clean[:_SHOWN] + ("…" if len(clean) > _SHOWN else "")).expandtabs(4)
    room = max(20, width - _LABEL - 3)
    folded = [part for row in shown.split("\n") for part in textwrap.wrap(row, room, break_on_hyphens=False)]
    for number, part in enumerate(folded):
        yield f"   {(excerpt(label, _LABEL - 1) if number == 0 else '').ljust(_LABEL)}{part}"
