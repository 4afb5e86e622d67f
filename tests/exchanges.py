"""Exchanges made up for a test, and cassettes of them."""

import json

from harness.cassette import vcr_yaml
from harness.cassette.exchange import Exchange, Request
from harness.cassette.segments import segments
from harness.script import ScriptedReply, compose

MODEL = "gpt-4o-mini"


def said(question, answer, *, number=0, system=None, model=MODEL, variants=("default",), **notes):
    """Return the exchange of one question and its answer; `number` tells answers apart that say the same."""
    messages = [{"role": "user", "content": question}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    body = {"model": model, "messages": messages, **notes.pop("settings", {})}
    request = Request("POST", "https://api.openai.com/v1/chat/completions", json.dumps(body).encode())
    reply = answer if isinstance(answer, ScriptedReply) else ScriptedReply(text=answer, input_tokens=5 + number)
    return Exchange(request, compose(reply, segments(request)), variants=variants, **notes)


def tape(world, case, *exchanges, suite="agent"):
    """Write the cassette of a case."""
    path = world.root / "cassettes" / suite / vcr_yaml.file_name(case)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(vcr_yaml.dumps(exchanges), "utf-8")
    return path
