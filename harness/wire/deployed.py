"""An agent behind a URL: what is said to it over HTTP, and what it says back."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection  # the real ones: imported before anything is patched
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, JsonValue, ValidationError

from harness.schema import first_problem
from harness.wire.guard import unguarded

_PATIENCE_S = 600.0
_LONGEST_EVENT = 64_000_000
_NOT_THERE = frozenset({404, 405})
_OK = range(200, 300)

Document = TypeVar("Document", bound=BaseModel)


class AgentFailed(Exception):
    """The agent could not be asked, or did not answer as the protocol says; `kind` is the type of error that it named itself."""

    def __init__(self, message: str, kind: str = "AgentFailed") -> None:
        self.kind = kind
        super().__init__(message)


class Waiting(BaseModel):
    """An interrupt that waits for an answer."""

    id: str = ""
    value: JsonValue = None


class Failure(BaseModel):
    """The type of the error that ended a run."""

    type: str
    message: str = ""


class Snapshot(BaseModel):
    """How a thread stands after a run."""

    status: Literal["done", "interrupted", "failed"]
    state: dict[str, JsonValue] = {}
    interrupts: tuple[Waiting, ...] = ()
    next: tuple[str, ...] = ()
    error: Failure | None = None


class Update(BaseModel):
    """A node that ran: what it wrote, in which superstep of which subgraph."""

    node: str
    step: int | None = None
    namespace: tuple[str, ...] = ()
    update: JsonValue = None


class Deployed:
    """The endpoints of an agent. One that has no /start is asked by /execute, and then tells no updates (`streams` is False)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self.streams = True
        self._path = parts.path.rstrip("/")
        self._host, self._port, self._secure = parts.hostname or "", parts.port, parts.scheme == "https"

    def is_ready(self) -> bool:
        """Tell whether the agent says that it takes runs; AgentFailed where nobody answers."""
        with self._answer("GET", "/ready", None) as response:
            return response.status in _OK

    def execute(self, body: dict[str, Any]) -> tuple[Snapshot, tuple[Update, ...]]:
        """Run to the end, or to an interrupt; return how it stands and which nodes ran."""
        if self.streams:
            with self._answer("POST", "/start", body) as response:
                if response.status not in _NOT_THERE:
                    self._expect_ok(response, "POST", "/start")
                    return self._followed(body["thread_id"])
            self.streams = False
        return self._posted("/execute", body), ()

    def resume(self, body: dict[str, Any]) -> tuple[Snapshot, tuple[Update, ...]]:
        """Go on with a thread that stopped."""
        if not self.streams:
            return self._posted("/resume", {**body, "wait": True}), ()
        with self._answer("POST", "/resume", body) as response:
            self._expect_ok(response, "POST", "/resume")
        return self._followed(body["thread_id"])

    def _followed(self, thread_id: str) -> tuple[Snapshot, tuple[Update, ...]]:
        path = f"/stream/{quote(thread_id, safe='')}"
        with self._answer("GET", path, None) as response:
            self._expect_ok(response, "GET", path)
            updates: list[Update] = []
            for kind, data in _events(response):
                if kind == "update":
                    updates.append(self._read(Update, data, path))
                elif kind == "end":
                    return self._read(Snapshot, data, path), tuple(updates)
        message = f"GET {self.url}{path}: the stream broke off before its event `end`"
        raise AgentFailed(message)

    def _posted(self, path: str, body: dict[str, Any]) -> Snapshot:
        with self._answer("POST", path, body) as response:
            self._expect_ok(response, "POST", path)
            return self._read(Snapshot, response.read(), path)

    def _read(self, kind: type[Document], data: bytes, path: str) -> Document:
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            told = f"{first_problem(error, kind)}; it said {data[:120].decode('utf-8', 'replace')!r}"
            message = f"{self.url}{path} does not keep to the protocol: {told}"
            raise AgentFailed(message) from None

    def _expect_ok(self, response: HTTPResponse, method: str, path: str) -> None:
        if response.status not in _OK:
            said = response.read(500).decode("utf-8", "replace")
            message = f"{method} {self.url}{path} was answered {response.status}: {said[:200]}"
            raise AgentFailed(message)

    @contextmanager
    def _answer(self, method: str, path: str, body: dict[str, Any] | None) -> Iterator[HTTPResponse]:
        connection = self._connection()
        headers = {"accept": "application/json, text/event-stream"} | ({} if body is None else {"content-type": "application/json"})
        with unguarded():
            try:
                connection.request(method, f"{self._path}{path}", None if body is None else json.dumps(body), headers)
                with connection.getresponse() as response:
                    yield response
            except (OSError, HTTPException) as error:
                message = f"{method} {self.url}{path}: no answer ({error or type(error).__name__})"
                raise AgentFailed(message, kind="Unreachable") from None
            finally:
                connection.close()

    def _connection(self) -> HTTPConnection:
        if self._secure:
            return HTTPSConnection(self._host, self._port, timeout=_PATIENCE_S, context=ssl.create_default_context())
        return HTTPConnection(self._host, self._port, timeout=_PATIENCE_S)


def _events(response: HTTPResponse) -> Iterator[tuple[str, bytes]]:
    """Yield kind and data of each event as it arrives."""
    kind, data = "message", []
    while line := response.readline(_LONGEST_EVENT):
        name, _, value = line.rstrip(b"\r\n").partition(b":")
        if name == b"event":
            kind = value.strip().decode("utf-8", "replace")
        elif name == b"data":
            data.append(value.removeprefix(b" "))
        elif not name and not value and data:
            yield kind, b"\n".join(data)
            kind, data = "message", []
