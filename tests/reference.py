"""Other projects' cassettes: every file is read, and every question of a known API asked again by the real client, over our wire.

`python tests/reference.py` prints the table of the outcome, `python tests/reference.py PAGE` puts it into a page of the documentation.
The folder is named by HARNESS_REFERENCE_DATA.
"""

import asyncio
import inspect
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import openai

from harness import store
from harness.cassette.answer import events, is_event_stream
from harness.cassette.dialect import base64_text, gzipped, json_text
from harness.cassette.exchange import UNKNOWN_HOST, Exchange
from harness.cassette.miss import Known
from harness.cassette.redact import BUILT_IN
from harness.cassette.tape import Cassette, Cursor
from harness.errors import CassetteError, WireStop
from harness.trace import Place
from harness.wire.layers import Replay
from harness.wire.patch import patched
from harness.wire.trial import TrialWire, running

APIS = {"/chat/completions": "chat.completions", "/responses": "responses"}
BASE_URL = "https://api.openai.com/v1"
WAYS = ("sync", "async", "sync, streamed", "async, streamed")
START, END = "<!-- outcome -->\n", "<!-- end of outcome -->\n"
SUFFIX = re.compile(r"(\.(yaml|msgpack|json))(\.(gz|zlib))?$")


@dataclass
class Sent:
    """What became of the requests that were sent in one way."""

    asked: int = 0
    answered: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class File:
    """One file: what it holds or why it is refused, and what became of its requests."""

    project: str
    name: str
    dialect: str
    exchanges: tuple[Exchange, ...] = ()
    refused: str | None = None
    sent: dict[str, Sent] = field(default_factory=lambda: {way: Sent() for way in WAYS})


def dialect_of(data: bytes) -> str:
    """Name the dialect of a file, for the table."""
    if gzipped.claims(data):
        return "gzip, YAML, parallel lists"
    if base64_text.claims(data):
        return "base64, zlib, MessagePack"
    if json_text.claims(data):
        return "JSON, one exchange a file"
    return "VCR YAML, version 1"


def read_all(folder: Path) -> list[File]:
    """Read every cassette of the collection as a case of a project; what is only read must stay as it is."""
    paths = sorted(path for path in (folder / "cassettes").rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as root:
        suite = Path(root, "cassettes", "suite")
        suite.mkdir(parents=True)
        return [read(Path(root), suite, path, folder, str(number)) for number, path in enumerate(paths)]


def read(root: Path, suite: Path, path: Path, folder: Path, case: str) -> File:
    """Read one cassette as that of a case."""
    data = path.read_bytes()
    copy = suite / f"{case}{SUFFIX.search(path.name).group()}"
    shutil.copyfile(path, copy)
    project, _, name = str(path.relative_to(folder / "cassettes")).partition("/")
    one = File(project, name, dialect_of(data))
    try:
        one.exchanges = store.read_cassette(root, "suite", case)
    except CassetteError as error:
        one.refused = str(error)
    if copy.read_bytes() != data or len(list(suite.iterdir())) != int(case) + 1:
        message = f"{name} was written to"
        raise AssertionError(message)
    return one


def api_of(exchange: Exchange) -> str | None:
    """Return the API that an exchange asked, if it is one of OpenAI's two."""
    path = exchange.request.url.partition("?")[0]
    found = next((api for api in APIS if path.endswith(api)), None)
    return found if exchange.request.body.startswith(b"{") else None


def call(client: openai.OpenAI | openai.AsyncOpenAI, exchange: Exchange) -> Callable[[], object]:
    """Return the call that a user would make to send this request."""
    api = api_of(exchange)
    url = exchange.request.url.partition("?")[0]
    base_url = BASE_URL if exchange.request.host == UNKNOWN_HOST else url.removesuffix(api)
    resource = client.with_options(base_url=base_url)
    for name in APIS[api].split("."):
        resource = getattr(resource, name)
    body = json.loads(exchange.request.body)
    known = inspect.signature(resource.create).parameters
    extra = {name: value for name, value in body.items() if name not in known}
    arguments = {name: value for name, value in body.items() if name in known}
    return lambda: resource.create(**arguments, **({"extra_body": extra} if extra else {}))


def recorded(exchange: Exchange) -> object:
    """Return what the client is to say: the values of the answer, of its events, or of its error."""
    body = exchange.response.body
    if is_event_stream(body):
        said = list(events(body))
        failed = next((index for index, event in enumerate(said) if event.get("error")), None)
        return said if failed is None else [*said[:failed], said[failed]["error"]]
    try:
        value = json.loads(body)
    except ValueError:
        return body.decode()
    if exchange.response.status >= 400:
        return exchange.response.status, value.get("error", value)
    return value


def said(call: Callable[[], object]) -> object:
    """Make a call and return what the client said, as values."""
    try:
        answer = call()
        if not isinstance(answer, openai.Stream):
            return answer.to_dict() if hasattr(answer, "to_dict") else answer
        chunks = []
        try:
            chunks += (chunk.to_dict() for chunk in answer)
        except openai.APIError as error:
            return [*chunks, error.body]
    except openai.APIStatusError as error:
        return error.status_code, error.body
    return chunks


async def said_later(call: Callable[[], object]) -> object:
    """Make a call of the asynchronous client and return what it said, as values."""
    try:
        answer = await call()
        if not isinstance(answer, openai.AsyncStream):
            return answer.to_dict() if hasattr(answer, "to_dict") else answer
        chunks = []
        try:
            async for chunk in answer:
                chunks.append(chunk.to_dict())  # noqa: PERF401, those before an error count
        except openai.APIError as error:
            return [*chunks, error.body]
    except openai.APIStatusError as error:
        return error.status_code, error.body
    return chunks


def note(one: File, way: str, index: int, got: object) -> None:
    """Count one request, and keep what was wrong with its answer."""
    exchange = one.exchanges[index]
    expected = recorded(exchange)
    for name in (way, *([f"{way}, streamed"] if is_event_stream(exchange.response.body) else [])):
        one.sent[name].asked += 1
        one.sent[name].answered += expected == got
    if expected != got:
        one.sent[way].wrong.append(f"{one.name} [{index}], {way}: {got!r:.300} instead of {expected!r:.300}")


def wrong(files: list[File]) -> list[str]:
    """Return what was answered wrongly."""
    return [text for one in files for sent in one.sent.values() for text in sent.wrong]


def wire_of(one: File) -> TrialWire:
    """Return a trial's wire over the exchanges of a file."""
    cursor = Cursor(Cassette(one.exchanges), "semantic")
    return TrialWire([Replay(cursor)], cursor=cursor, position=lambda: (Place(), ""), known=Known(), redactor=BUILT_IN)


def asked_of(one: File) -> list[tuple[int, Exchange]]:
    """Return the exchanges of a file that the clients can send."""
    return [(index, exchange) for index, exchange in enumerate(one.exchanges) if api_of(exchange)]


def send(files: list[File]) -> None:
    """Send every request again, synchronously."""
    client = openai.OpenAI(api_key="none", max_retries=0)
    for one in files:
        with running(wire_of(one)):
            for index, exchange in asked_of(one):
                try:
                    got = said(call(client, exchange))
                except (WireStop, openai.OpenAIError) as error:
                    got = repr(error)
                note(one, "sync", index, got)


async def send_later(files: list[File]) -> None:
    """Send every request again, asynchronously."""
    async with openai.AsyncOpenAI(api_key="none", max_retries=0) as client:
        for one in files:
            with running(wire_of(one)):
                for index, exchange in asked_of(one):
                    try:
                        got = await said_later(call(client, exchange))
                    except (WireStop, openai.OpenAIError) as error:
                        got = repr(error)
                    note(one, "async", index, got)


def outcome(folder: Path) -> list[File]:
    """Read every cassette and send what can be sent."""
    files = read_all(folder)
    with patched():
        send(files)
        asyncio.run(send_later(files))
    return files


HEAD = ("project", "dialect", "files", "loaded", "refused", "exchanges", "sent", *WAYS)


def row(name: str, dialect: str, files: list[File]) -> tuple[str, ...]:
    """Return the figures of some files."""
    refused = sum(one.refused is not None for one in files)
    asked = sum(one.sent["sync"].asked for one in files)
    counts = (len(files), len(files) - refused, refused, sum(len(one.exchanges) for one in files), asked)
    answered = (f"{sum(one.sent[way].answered for one in files)} of {sum(one.sent[way].asked for one in files)}" for way in WAYS)
    return (name, dialect, *map(str, counts), *answered)


def table(files: list[File]) -> str:
    """Return the outcome as a table of Markdown, and the reasons of the refusals."""
    kind = lambda one: (one.project, one.dialect)  # noqa: E731
    rows = [row(*name, list(group)) for name, group in itertools.groupby(sorted(files, key=kind), key=kind)]
    rows.append(row("all", "", files))
    lines = [HEAD, ["---"] * 2 + ["---:"] * (len(HEAD) - 2), *rows]
    reasons = Counter(re.sub(r"^[^:]*:\d+: ", "", one.refused) for one in files if one.refused)
    return "".join(
        [*(f"| {' | '.join(line)} |\n" for line in lines), "\n", *(f"- {count} refused: {reason}\n" for reason, count in reasons.items())]
    )


def put_into(page: str, text: str) -> str:
    """Return a page with the text between its two marks."""
    before, _, rest = page.partition(START)
    return f"{before}{START}{text}{END}{rest.partition(END)[2]}"


def main() -> None:
    """Print the table and what was answered wrongly, or write the table into a page."""
    files = outcome(Path(os.environ["HARNESS_REFERENCE_DATA"]))
    if len(sys.argv) > 1:
        page = Path(sys.argv[1])
        page.write_text(put_into(page.read_text("utf-8"), table(files)), "utf-8")
    else:
        print(table(files), *wrong(files), sep="\n")


if __name__ == "__main__":
    main()
