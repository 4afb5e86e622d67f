"""A connection that is lost in the middle of an answer is what each client library takes for that."""

import asyncio
import http.client
import json
import urllib.request

import aiohttp
import httpx
import httpx2
import openai
import pytest
import requests
from exchanges import said, tape
from wire_server import ask, client_of, project_of, server_of

from harness.cassette.miss import Known
from harness.cassette.redact import BUILT_IN
from harness.cassette.tape import Cassette, Cursor
from harness.dataset import FaultPlace, FaultSpec
from harness.script import parse
from harness.trace import Place
from harness.wire.faults import Faults
from harness.wire.layers import Scripted
from harness.wire.patch import patched
from harness.wire.trial import TrialWire, running, wire_call

URL = "https://api.openai.com/v1/chat/completions"
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "count"}]}
WORDS = "one two three four five six"


def wire():
    """Return a trial whose model loses the connection of its first answer."""
    answers = Scripted(parse(f"- {{when: {{}}, reply: {{text: {WORDS}}}}}", path="rules"))
    cut = FaultSpec(at=FaultPlace(model_call=1), fault="cut_stream")
    faults = Faults((cut,), below=(answers,))
    cursor = Cursor(Cassette(()), "semantic")
    return TrialWire([faults, answers], cursor=cursor, position=lambda: (Place(), ""), known=Known(), redactor=BUILT_IN)


def whole(seen):
    """Ask for a whole answer."""
    openai.OpenAI(api_key="a key", max_retries=0).chat.completions.create(**QUESTION)


def streamed(seen):
    """Ask for a stream, and keep what arrives."""
    for chunk in openai.OpenAI(api_key="a key", max_retries=0).chat.completions.create(**QUESTION, stream=True):
        seen.append(chunk.choices[0].delta.content)


def whole_async(seen):
    """Ask for a whole answer in an event loop."""
    asyncio.run(openai.AsyncOpenAI(api_key="a key", max_retries=0).chat.completions.create(**QUESTION))


def streamed_async(seen):
    """Ask for a stream in an event loop, and keep what arrives."""

    async def work():
        async for chunk in await openai.AsyncOpenAI(api_key="a key", max_retries=0).chat.completions.create(**QUESTION, stream=True):
            seen.append(chunk.choices[0].delta.content)

    asyncio.run(work())


def by_aiohttp(seen):
    """Ask by aiohttp."""

    async def work():
        async with aiohttp.ClientSession() as session, session.post(URL, json=QUESTION) as answer:
            await answer.read()

    asyncio.run(work())


def by_urllib(seen):
    """Ask by the standard library."""
    urllib.request.urlopen(urllib.request.Request(URL, json.dumps(QUESTION).encode())).read()


WAYS = {
    "whole": (whole, openai.APIConnectionError),
    "streamed": (streamed, openai.APIConnectionError),
    "whole, async": (whole_async, openai.APIConnectionError),
    "streamed, async": (streamed_async, openai.APIConnectionError),
    "httpx": (lambda _: httpx.post(URL, json=QUESTION), httpx.RemoteProtocolError),
    "httpx2": (lambda _: httpx2.post(URL, json=QUESTION), httpx2.RemoteProtocolError),
    "requests": (lambda _: requests.post(URL, json=QUESTION, timeout=5), requests.ConnectionError),
    "urllib": (by_urllib, http.client.IncompleteRead),
    "aiohttp": (by_aiohttp, aiohttp.ClientPayloadError),
}


@pytest.mark.parametrize(("way", "error"), WAYS.values(), ids=WAYS)
def test_the_exception_is_the_clients_own(way, error):
    """Each library raises its own exception; what had arrived of a stream was seen before."""
    seen = []
    with patched(), running(wire()) as trial, pytest.raises(error):
        way(seen)

    assert "".join(filter(None, seen)) == ("one two three four " if way in {streamed, streamed_async} else "")
    call = wire_call(trial.notes[0], Place())
    assert (call.source, call.fault, call.status) == ("fault", "cut_stream", 200)
    assert call.error == "the connection was lost in the middle of the answer"


@pytest.mark.parametrize("ask_it", [whole, streamed], ids=["whole", "streamed"])
def test_whoever_asks_again_is_answered(ask_it):
    """The answer stays where it was: the next request gets it in full."""
    with patched(), running(wire()):
        with pytest.raises(openai.APIConnectionError):
            ask_it([])
        seen = []
        ask_it(seen)

    assert "".join(filter(None, seen)) in {WORDS, ""}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_served_answer_breaks_off(world, stream):
    """The server sends half of the answer to an agent in another process, then closes the connection."""
    project = project_of(world)
    world.cases({"id": "cut", "inputs": {}, "faults": [{"at": {"model_call": 1}, "fault": "cut_stream"}]})
    tape(project, "cut", said("capital?", WORDS))
    words = []

    with server_of(project) as server, client_of(server, "agent/cut", max_retries=0) as client:
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            words.extend(chunk.choices[0].delta.content or "" for chunk in ask(client, stream=stream))
        answer = ask(client)

    assert "".join(words) == ("one two three four " if stream else "")
    assert answer.choices[0].message.content == WORDS
