"""Real recorded answers in both forms, judged by the real SDKs: they make of the converted form what they make of the original."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from harness import store
from harness.cassette import vcr_yaml
from harness.cassette.convert import Unfit, fit
from harness.cassette.event_stream import is_event_stream
from harness.cassette.exchange import Exchange, Response
from harness.errors import CassetteError

ROOT = Path(__file__).parents[2]
REFERENCE = os.environ.get("HARNESS_REFERENCE_DATA")
VOLATILE = {
    "id",
    "created",
    "created_at",
    "completed_at",
    "obfuscation",
    "x_groq",
    "native_finish_reason",
}  # the SDK keeps the last two of the first chunk alone
FORGOTTEN = {"usage", "service_tier", "system_fingerprint"}  # the SDK takes them from the last chunk only
REPEATED = {"role", "format"}  # the SDK joins what some providers say in every chunk: assistantassistant
QUESTION: list[Any] = [{"role": "user", "content": "hi"}]


def transport(answer: Response) -> httpx2.MockTransport:
    """Return a transport that gives this answer to everything."""
    return httpx2.MockTransport(lambda _: httpx2.Response(answer.status, content=answer.body, headers=dict(answer.headers)))


def chat(answer: Response) -> Any:
    """Return what the SDK's final chat completion is."""
    with openai.OpenAI(api_key="x", http_client=httpx2.Client(transport=transport(answer)), max_retries=0) as client:
        if not is_event_stream(answer.body):
            return client.chat.completions.create(model="m", messages=QUESTION)
        try:
            with client.chat.completions.stream(model="m", messages=QUESTION) as stream:
                return stream.get_final_completion()
        except openai.LengthFinishReasonError as error:  # the SDK parses no answer that was cut short
            return error.completion


def responses(answer: Response) -> Any:
    """Return what the SDK's final response is."""
    with openai.OpenAI(api_key="x", http_client=httpx2.Client(transport=transport(answer)), max_retries=0) as client:
        if not is_event_stream(answer.body):
            return client.responses.create(model="m", input="hi")
        with client.responses.stream(model="m", input="hi") as stream:
            return [event.response for event in stream if hasattr(event, "response")][-1]


def message(answer: Response) -> Any:
    """Return what the SDK's final message is."""
    with anthropic.Anthropic(api_key="x", http_client=httpx2.Client(transport=transport(answer)), max_retries=0) as client:
        if not is_event_stream(answer.body):
            return client.messages.create(model="m", max_tokens=9, messages=QUESTION)
        with client.messages.stream(model="m", max_tokens=9, messages=QUESTION) as stream:
            return stream.get_final_message()


JUDGES = {"/chat/completions": chat, "/responses": responses, "/messages": message}


def said(value: Any) -> Any:
    """Return what an SDK's object says, without ids and times, and without what is not there."""
    if isinstance(value, dict):
        if len({part["index"] for part in value.get("reasoning_details") or [] if "index" in part}) == 1:
            value = {**value, "reasoning_details": None}  # the SDK makes one of what has one number, whatever it is
        left_out = VOLATILE | ({"index"} if "function" in value else set())  # the SDK leaves it in the calls of a stream
        kept = {key: once(part) if key in REPEATED else said(part) for key, part in value.items() if key not in left_out}
        return {key: part for key, part in kept.items() if part not in (None, [], {}, "")}
    return [said(part) for part in value] if isinstance(value, list) else value


def once(text: Any) -> Any:
    """Return a text that is said once, however often it was."""
    return next((text[:length] for length in range(1, len(text)) if text[:length] * (len(text) // length) == text), text) if text else text


def judge_of(exchange: Exchange) -> Any:
    """Return the judge of a model's answer; None for any other."""
    path = exchange.request.url.partition("?")[0]
    return next((judge for suffix, judge in JUDGES.items() if path.endswith(suffix) and exchange.request.method == "POST"), None)


def compare(exchange: Exchange, seen: Counter) -> str | None:
    """Return how the converted form of an answer differs for the SDK; None where it does not."""
    judge = judge_of(exchange)
    if judge is None or exchange.response.status != 200 or not exchange.response.body:
        return None
    streamed = is_event_stream(exchange.response.body)
    try:
        converted, _ = fit(exchange.response, streamed=not streamed)
    except Unfit as flaw:
        seen[f"refused: {flaw}"] += 1
        return None
    seen[f"{judge.__name__} {'stream' if streamed else 'whole'}"] += 1
    # an SDK may change what it was given: each parses its own
    try:
        original = said(judge(exchange.response).model_dump(mode="json", warnings=False))
    except (RuntimeError, TypeError) as error:  # the SDK's own assembly does not know everything that providers send
        seen[f"the SDK itself: {error}"[:60]] += 1
        return None
    other = said(judge(converted).model_dump(mode="json", warnings=False))
    for key in FORGOTTEN - original.keys():
        other.pop(key, None)
    return None if original == other else f"{json.dumps(original, sort_keys=True)}\n{json.dumps(other, sort_keys=True)}"


def test_our_cassettes():
    """Every answer of the reference suites is the same to the SDK whole and streamed."""
    seen: Counter = Counter()
    for path in sorted((ROOT / "cassettes").glob("*/*.yaml")):
        for exchange in store.read_cassette(ROOT, path.parent.name, path.stem):
            assert compare(exchange, seen) is None, path.name
    assert seen["chat whole"] > 200


@pytest.mark.skipif(REFERENCE is None, reason="HARNESS_REFERENCE_DATA is not set")
def test_cassettes_of_other_projects():
    """Every answer recorded by other projects is the same to the SDK whole and streamed, or is refused for a reason."""
    seen: Counter = Counter()
    differing = {}
    for path in sorted((Path(str(REFERENCE)) / "cassettes").rglob("*.yaml")):
        try:
            exchanges = vcr_yaml.loads(path.read_text("utf-8"), path=path.name)
        except (CassetteError, UnicodeDecodeError):
            continue
        for number, exchange in enumerate(exchanges):
            difference = compare(exchange, seen)
            if difference:
                differing[f"{path.name}#{number}"] = difference
    assert differing == {}
    assert sum(count for kind, count in seen.items() if kind.startswith("refused")) < 0.03 * sum(seen.values()), seen
