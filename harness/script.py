"""A script: a mock model that composes provider-correct answers from rules (chat completions, Responses API, embeddings)."""

import fnmatch
import hashlib
from typing import Any

import yaml
from pydantic import Field, JsonValue, ValidationError, model_validator

from harness.cassette.exchange import Response
from harness.cassette.segments import Segments
from harness.errors import ConfigError
from harness.schema import Value, canonical_json, digest, first_problem

_CHARACTERS_A_TOKEN = 4
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class When(Value):
    """Which requests a rule answers; what is left out does not matter. `contains` looks into system prompt and messages."""

    model: str | None = None
    node: str | None = None
    contains: str | None = None


class ScriptedCall(Value):
    """A tool call that the mock model makes; `args` as text is sent as it is, malformed or not."""

    name: str
    args: dict[str, JsonValue] | str = {}


class ScriptedReply(Value):
    """What the mock model says: text, JSON, tool calls, a refusal, or an HTTP error; for embeddings the number of dimensions.

    `latency_s` is how long it takes, in seconds of virtual time.
    """

    text: str | None = None
    data: JsonValue = Field(default=None, alias="json")
    tool_calls: tuple[ScriptedCall, ...] = ()
    refusal: str | None = None
    status: int = Field(default=200, ge=200, le=599)
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_s: float | None = Field(default=None, ge=0)
    dimensions: int = Field(default=8, ge=1)

    @property
    def content(self) -> str | None:
        """Return the text of the answer."""
        return canonical_json(self.data) if self.data is not None else self.text


class Rule(Value):
    """A rule answers at most `times` requests of a trial, all of them where it is left out."""

    when: When = When()
    reply: ScriptedReply
    times: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _says_something(self) -> "Rule":
        if not self.reply.model_fields_set & {"text", "data", "tool_calls", "refusal", "status", "dimensions"}:
            message = "a reply needs text, json, tool_calls, refusal, status or dimensions"
            raise ValueError(message)
        return self

    def applies(self, asked: Segments, node: str | None) -> bool:
        """Tell whether the rule answers a request made in this node."""
        when = self.when
        return (
            (asked.kind == "embedding") == ("dimensions" in self.reply.model_fields_set)
            and asked.kind != "http"
            and (when.model is None or fnmatch.fnmatchcase(asked.model or "", when.model))
            and (when.node is None or when.node == node)
            and (when.contains is None or canonical_json(when.contains)[1:-1] in asked.text("system") + asked.text("messages"))
        )


class Script(Value):
    """Rules in order; the first that applies and is not used up answers."""

    rules: tuple[Rule, ...]

    def answer(self, asked: Segments, node: str | None, used: dict[int, int]) -> Response | None:
        """Compose the answer; `used` counts each rule's answers so far and is updated."""
        said = self.reply(asked, node, used)
        return None if said is None else compose(said, asked)

    def reply(self, asked: Segments, node: str | None, used: dict[int, int]) -> ScriptedReply | None:
        """Return what the mock model says; `used` counts each rule's answers so far and is updated."""
        for index, rule in enumerate(self.rules):
            if rule.applies(asked, node) and (rule.times is None or used.get(index, 0) < rule.times):
                used[index] = used.get(index, 0) + 1
                return rule.reply
        return None


def parse(text: str, *, path: str) -> Script:
    """Read a script from YAML: a list of rules."""
    try:
        rules = yaml.load(text, Loader=_LOADER)  # noqa: S506, a safe loader
        return Script.model_validate_json(canonical_json({"rules": rules or []}))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = f"{path}{f':{mark.line + 1}' if mark else ''}: not YAML: {getattr(error, 'problem', None) or error}"
        raise ConfigError(message) from None
    except ValidationError as error:
        message = f"{path}{_line(text, error)}: {first_problem(error, Script)}"
        raise ConfigError(message) from None
    except (TypeError, ValueError) as error:
        message = f"{path}: not representable as JSON: {error}"
        raise ConfigError(message) from None


def _line(text: str, error: ValidationError) -> str:
    """Return `:line` of the rule that the first problem stands in; nothing where it is not about one rule."""
    place = error.errors(include_url=False)[0]["loc"]
    rules = yaml.compose(text, Loader=_LOADER)
    if len(place) > 1 and isinstance(place[1], int) and isinstance(rules, yaml.SequenceNode):
        return f":{rules.value[place[1]].start_mark.line + 1}"
    return ""


def compose(reply: ScriptedReply, asked: Segments) -> Response:
    """Compose the whole form of an answer, as the endpoint asked would send it."""
    if reply.status >= 400:  # noqa: PLR2004, HTTP's first error status
        body: dict[str, Any] = {
            "error": {"message": reply.text or f"scripted error {reply.status}", "type": "scripted", "param": None, "code": None}
        }
    elif asked.kind == "embedding":
        body = _embeddings(reply, asked)
    elif "/responses" in asked.parts["endpoint"]:
        body = _responses(reply, asked)
    elif asked.parts["endpoint"].partition("?")[0].endswith("/messages"):
        body = _anthropic(reply, asked)
    else:
        body = _chat(reply, asked)
    return Response(reply.status, canonical_json(body).encode("utf-8", "surrogatepass"), (("content-type", "application/json"),))


def _tokens(reply: ScriptedReply, asked: Segments) -> tuple[int, int]:
    """Return the tokens a rule states, or a count by length: a mock has no tokenizer."""
    said = reply.content or canonical_json([call.model_dump() for call in reply.tool_calls])
    inputs = (
        reply.input_tokens if reply.input_tokens is not None else len(asked.text("system") + asked.text("messages")) // _CHARACTERS_A_TOKEN
    )
    return inputs, reply.output_tokens if reply.output_tokens is not None else len(said) // _CHARACTERS_A_TOKEN


def _arguments(call: ScriptedCall) -> str:
    return call.args if isinstance(call.args, str) else canonical_json(call.args)


def _chat(reply: ScriptedReply, asked: Segments) -> dict[str, Any]:
    inputs, outputs = _tokens(reply, asked)
    name = digest(asked.text("messages") + reply.to_json())
    message: dict[str, Any] = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
    if reply.tool_calls:
        message["tool_calls"] = [
            {"id": f"call_{name}{index}", "type": "function", "function": {"name": call.name, "arguments": _arguments(call)}}
            for index, call in enumerate(reply.tool_calls)
        ]
    finish = reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")
    return {
        "id": f"chatcmpl-{name}",
        "object": "chat.completion",
        "created": 0,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {"prompt_tokens": inputs, "completion_tokens": outputs, "total_tokens": inputs + outputs},
    }


def _responses(reply: ScriptedReply, asked: Segments) -> dict[str, Any]:
    inputs, outputs = _tokens(reply, asked)
    name = digest(asked.text("messages") + reply.to_json())
    output: list[dict[str, Any]] = []
    if reply.content is not None or reply.refusal is not None:
        spoken: dict[str, Any] = {"type": "output_text", "text": reply.content, "annotations": [], "logprobs": []}
        part = spoken if reply.refusal is None else {"type": "refusal", "refusal": reply.refusal}
        output.append({"id": f"msg_{name}", "type": "message", "role": "assistant", "status": "completed", "content": [part]})
    output += [
        {
            "id": f"fc_{name}{index}",
            "type": "function_call",
            "call_id": f"call_{name}{index}",
            "name": call.name,
            "arguments": _arguments(call),
            "status": "completed",
        }
        for index, call in enumerate(reply.tool_calls)
    ]
    usage = {
        "input_tokens": inputs,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": outputs,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": inputs + outputs,
    }
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": 0,
        "status": "incomplete" if reply.finish_reason == "length" else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if reply.finish_reason == "length" else None,
        "error": None,
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": True,
        "text": {"format": asked.parts["response_format"] or {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }


_STOP_REASONS = {"length": "max_tokens", "tool_calls": "tool_use", "stop": "end_turn"}


def _anthropic(reply: ScriptedReply, asked: Segments) -> dict[str, Any]:
    inputs, outputs = _tokens(reply, asked)
    name = digest(asked.text("messages") + reply.to_json())
    content: list[dict[str, Any]] = [{"type": "text", "text": text} for text in (reply.refusal, reply.content) if text]
    content += [
        {"type": "tool_use", "id": f"toolu_{name}{index}", "name": call.name, "input": call.args if isinstance(call.args, dict) else {}}
        for index, call in enumerate(reply.tool_calls)
    ]
    finish = reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")
    return {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": "refusal" if reply.refusal else _STOP_REASONS.get(finish, finish),
        "stop_sequence": None,
        "usage": {"input_tokens": inputs, "output_tokens": outputs},
    }


def _embeddings(reply: ScriptedReply, asked: Segments) -> dict[str, Any]:
    texts = asked.parts["messages"]
    is_one = not isinstance(texts, list) or all(isinstance(token, int) for token in texts)  # a list of numbers is one text's tokens
    texts = [texts] if is_one else texts
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(canonical_json(text), reply.dimensions)}
        for index, text in enumerate(texts)
    ]
    inputs = reply.input_tokens if reply.input_tokens is not None else len(asked.text("messages")) // _CHARACTERS_A_TOKEN
    return {"object": "list", "model": asked.model, "data": data, "usage": {"prompt_tokens": inputs, "total_tokens": inputs}}


def _vector(text: str, dimensions: int) -> list[float]:
    """Return a vector that depends on the text alone."""
    stream = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    return [int.from_bytes(stream[2 * index : 2 * index + 2]) / 32767.5 - 1 for index in range(dimensions)]
