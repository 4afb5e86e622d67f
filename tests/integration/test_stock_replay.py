"""Stock tools replay what we write: vcrpy and pytest-recording, by themselves, answer the real client from our cassettes."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import openai
import pytest
import vcr

from harness.cassette.convert import fit
from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.vcr_yaml import dumps
from harness.schema import canonical_json

ROOT = Path(__file__).parents[2]
BASE_URL = "https://api.openai.com/v1"
JSON = (("content-type", "application/json"),)
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Là-bas, naïve 😀."}}],
    "usage": USAGE,
}
MESSAGES = [{"role": "user", "content": "Où?"}]


def exchange(*, streamed: bool) -> Exchange:
    """Return an exchange as it is recorded: whole, or as a stream."""
    asked = {"messages": MESSAGES, "model": "m", **({"stream": True} if streamed else {})}
    answer, _ = fit(Response(200, canonical_json(CHAT).encode(), JSON), streamed=streamed)
    return Exchange(
        Request("POST", f"{BASE_URL}/chat/completions", canonical_json(asked).encode(), JSON), answer, latency_s=0.5, place="a#1:x"
    )


@pytest.fixture
def stock(tmp_path):
    """Replay our cassette by stock vcrpy alone, in record mode none; it stays as we wrote it, and all of it is played."""
    path = tmp_path / "one.yaml"
    path.write_text(dumps((exchange(streamed=False), exchange(streamed=True))), "utf-8")
    before = path.read_bytes()
    matchers = ["method", "scheme", "host", "port", "path", "query", "body"]
    with vcr.use_cassette(str(path), record_mode="none", match_on=matchers) as cassette:
        yield
        assert cassette.all_played
    assert path.read_bytes() == before


def test_vcrpy_answers_the_client(stock):
    """The client gets the whole answer and the stream."""
    client = openai.OpenAI(api_key="none", max_retries=0)
    whole = client.chat.completions.create(model="m", messages=MESSAGES)
    chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))

    assert whole.to_dict() == CHAT
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Là-bas, naïve 😀."
    assert chunks[-1].usage.to_dict() == USAGE


def test_vcrpy_answers_the_asynchronous_client(stock):
    """The asynchronous client gets them too."""

    async def ask():
        async with openai.AsyncOpenAI(api_key="none", max_retries=0) as client:
            whole = await client.chat.completions.create(model="m", messages=MESSAGES)
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            return whole, [chunk async for chunk in stream]

    whole, chunks = asyncio.run(ask())

    assert whole.to_dict() == CHAT
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Là-bas, naïve 😀."


THEIR_TESTS = '''
import asyncio
import inspect
import json
from pathlib import Path

import openai
import pytest
import yaml

pytestmark = pytest.mark.vcr(match_on=["method", "scheme", "host", "port", "path", "query", "body"])
HERE = Path(__file__).parent


def interactions(name):
    """Return what a cassette holds of chat completions, read with nothing but PyYAML."""
    found = yaml.safe_load((HERE / "cassettes/test_theirs" / f"{name}.yaml").read_text("utf-8"))["interactions"]
    return [one for one in found if one["request"]["uri"].endswith("/chat/completions")]


def arguments(interaction, create):
    """Return a recorded request as the arguments of the client's method."""
    body = json.loads(interaction["request"]["body"])
    known = inspect.signature(create).parameters
    extra = {key: body.pop(key) for key in list(body) if key not in known}
    return body | {"extra_body": extra}


def sent_to(interaction):
    """Return the base URL of a recorded request."""
    return interaction["request"]["uri"].removesuffix("/chat/completions")


def expected(interaction):
    """Return the text of a recorded answer or stream, read with nothing but json."""
    body = interaction["response"]["body"]["string"]
    if body.startswith("{"):
        return json.loads(body)["choices"][0]["message"]["content"]
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: {")]
    return "".join(part["delta"].get("content") or "" for line in lines for part in json.loads(line)["choices"])


def asked(name):
    """Ask everything a cassette holds, and return what was said."""
    said = []
    for interaction in interactions(name):
        client = openai.OpenAI(api_key="none", max_retries=0, base_url=sent_to(interaction))
        answer = client.chat.completions.create(**arguments(interaction, client.chat.completions.create))
        if isinstance(answer, openai.Stream):
            said.append("".join(part.delta.content or "" for chunk in answer for part in chunk.choices))
        else:
            said.append(answer.choices[0].message.content)
    return said


async def asked_later(name):
    """Ask everything a cassette holds with the asynchronous client."""
    said = []
    for interaction in interactions(name):
        async with openai.AsyncOpenAI(api_key="none", max_retries=0, base_url=sent_to(interaction)) as client:
            answer = await client.chat.completions.create(**arguments(interaction, client.chat.completions.create))
            if isinstance(answer, openai.AsyncStream):
                said.append("".join([part.delta.content or "" async for chunk in answer for part in chunk.choices]))
            else:
                said.append(answer.choices[0].message.content)
    return said


@pytest.mark.parametrize("name", NAMES)
def test_sync(name):
    assert interactions(name)
    assert asked(name) == [expected(interaction) for interaction in interactions(name)]


@pytest.mark.parametrize("name", NAMES)
def test_async(name):
    assert asyncio.run(asked_later(name)) == [expected(interaction) for interaction in interactions(name)]
'''


def test_pytest_recording_answers_the_client(tmp_path):
    """A test project of a user without the harness replays a new cassette and three of this repository by pytest-recording."""
    folder = tmp_path / "cassettes" / "test_theirs"
    folder.mkdir(parents=True)
    (folder / "new.yaml").write_text(dumps((exchange(streamed=False), exchange(streamed=True))), "utf-8")
    for suite in ("research_loop", "resilient_chain", "support_triage"):
        first = min(path for path in (ROOT / "cassettes" / suite).iterdir() if "interactions:\n-" in path.read_text("utf-8"))
        shutil.copyfile(first, folder / f"{suite}.yaml")
    names = sorted(path.stem for path in folder.iterdir())
    for name in names:
        for test in ("sync", "async"):
            shutil.copyfile(folder / f"{name}.yaml", folder / f"test_{test}[{name}].yaml")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "test_theirs.py").write_text(THEIR_TESTS.replace("NAMES", json.dumps(names)), "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:harness", "--record-mode=none", "--block-network", "-p", "no:cacheprovider"]

    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)

    assert "8 passed" in done.stdout, done.stdout + done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_stock_tools_refuse_what_is_not_there(tmp_path):
    """The same client is refused by stock vcrpy when it asks something else: what is proven is not proven by anything at all."""
    path = tmp_path / "one.yaml"
    path.write_text(dumps((exchange(streamed=False),)), "utf-8")
    client = openai.OpenAI(api_key="none", max_retries=0)
    with (
        vcr.use_cassette(str(path), record_mode="none", match_on=["method", "path", "body"]),
        pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException),
    ):
        client.chat.completions.create(model="another", messages=MESSAGES)
