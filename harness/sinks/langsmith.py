"""LangSmith's API: the SDK's client as the transport, each request once and for a bounded time, each failure one line."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from harness.cassette.redact import BUILT_IN
from harness.errors import SinkError
from harness.mirror import Call, encoded
from harness.schema import digest
from harness.sinks.reading import Reading
from harness.sinks.sender import NoAnswer, Reply, Stopped

TIMEOUT_S = (5.0, 20.0)
"""To connect, and between two parts of an answer."""

_NAMES = ("LANGSMITH", "LANGCHAIN")
_HOSTED = "https://api.smith.langchain.com"
_HERE = {"allow_redirects": False}  # the key goes nowhere else
_SHOWN = 200
_BAD_REQUEST, _UNAUTHORISED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _BUSY = 400, 401, 403, 404, 409, 429


class NotThere(SinkError):
    """LangSmith has nothing at this address, or nothing that the key may see."""


class Conflict(SinkError):
    """LangSmith refuses what contradicts what it has; the text is its own."""


class LangSmith:
    """A workspace of LangSmith. The key and the address come from the environment, as LangSmith's own SDK takes them.

    `owner` tells workspaces apart without telling the key, `place` is the workspace's address; `compresses` says whether forms of runs are
    sent compressed.
    """

    def __init__(self) -> None:
        key = _setting("API_KEY")
        if not has_key():
            message = "LangSmith needs a key: set LANGSMITH_API_KEY; it is read from the environment alone"
            raise SinkError(message)
        if not (key.isascii() and key.isprintable()):
            message = "LANGSMITH_API_KEY: it holds a character that no key has, such as the end of a line"
            raise SinkError(message)
        self.address = _address()
        self.owner = digest(f"{self.address} {_setting('WORKSPACE_ID')} {key}")
        self.place = f"{self.address} {_setting('WORKSPACE_ID')}".strip()
        self.compresses = False
        self._client = _client(self.address, key)

    def get(self, path: str) -> dict[str, Any]:
        """Return what stands at a path."""
        return self._ask("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a document to a path and return the answer."""
        return self._ask("POST", path, json=dict(body))

    def learn(self, reading: Reading) -> None:
        """Ask what the server can do; one that does not answer is not asked again, and the reason is told by what would be sent."""
        try:
            flags = reading.info().get("instance_flags") or {}
            self.compresses = bool(flags.get("zstd_compression_enabled"))
            reading.sender.has_newer_runs_only = bool(flags.get("sdb_query_enabled")) and not flags.get("ch_query_enabled", True)
        except SinkError as problem:
            reading.sender.stop(str(problem))

    def send(self, call: Call, *, within_s: float) -> Reply:
        """Send a call once and return the answer, whatever it is; NoAnswer where none came."""
        from langsmith import utils  # noqa: PLC0415, costs half a second
        from requests import RequestException  # noqa: PLC0415, comes with it

        try:
            content = {**_HERE, "timeout": tuple(min(longest_s, within_s) for longest_s in TIMEOUT_S), **self._content(call)}
            response = self._client.request_with_retries(call.method, self._path(call.path), request_kwargs=content)
        except (utils.LangSmithError, RequestException) as error:
            response = _response(error)
            if response is None:
                message = f"{self.address}: {_silence(error)}"
                raise NoAnswer(message) from None  # the SDK's own text shows a part of the key
        return Reply(response.status_code, self._document(response), _seconds(response.headers.get("retry-after")))

    def _document(self, response: Any) -> Any:
        """Return the JSON of an answer; what a server says of an error is without secrets. Stopped where it leads elsewhere, or is none."""
        if response.status_code >= _BAD_REQUEST:
            return {"detail": _said(response)}
        if response.is_redirect:
            raise Stopped(self._moved(response))
        try:
            return response.json() if response.content.strip() else None
        except ValueError:
            message = f"{self.address}: it did not answer with JSON; look at LANGSMITH_ENDPOINT"
            raise Stopped(message) from None

    def _path(self, path: str) -> str:
        """Return a path as it stands behind the address, which may name the version that the path begins with."""
        if path.startswith("/api/"):  # from the root of the server, whatever version the address names
            return self.address.removesuffix("/v1").removesuffix("/api") + path
        return path.removeprefix("/v1") if self.address.endswith("/v1") else path

    def _content(self, call: Call) -> dict[str, Any]:
        body = encoded(call)
        if body.data is None:
            return {}
        headers, data = {"Content-Type": body.content_type}, body.data
        if self.compresses and call.sized:
            import zstandard  # noqa: PLC0415, only where there is a push

            data = zstandard.ZstdCompressor().compress(body.data)
            headers |= {"Content-Encoding": "zstd"}
        return {"data": data, "headers": headers}

    def _ask(self, method: Literal["GET", "POST"], path: str, **how: Any) -> dict[str, Any]:
        from langsmith import utils  # noqa: PLC0415, costs half a second
        from requests import RequestException  # noqa: PLC0415, comes with it

        try:
            response = self._client.request_with_retries(method, path, **_HERE, **how)
            if response.is_redirect:
                raise SinkError(self._moved(response))
            answer = response.json()
        except (utils.LangSmithError, RequestException, ValueError) as error:
            raise self._problem(error, path) from None  # the SDK's own text shows a part of the key
        if not isinstance(answer, dict):
            message = f"{self.address}: {path} did not answer with an object"
            raise SinkError(message)
        return answer

    def _moved(self, response: Any) -> str:
        where = urlsplit(response.headers["location"]).hostname or "another path"
        return f"{self.address}: it answered {response.status_code} and leads to {where}, which is not followed; look at LANGSMITH_ENDPOINT"

    def _problem(self, error: Exception, path: str) -> SinkError:
        """Return what went wrong, told by the status of the answer where there was one."""
        response = _response(error)
        if response is None:
            return SinkError(f"{self.address}: {_silence(error)}")
        status: int = response.status_code
        said = _said(response)
        if status == _NOT_FOUND:
            return NotThere(f"{self.address}: there is no {path}, or the key may not see it")
        if status == _CONFLICT:
            return Conflict(said)
        known = {
            _UNAUTHORISED: "the key is not accepted (401); look at LANGSMITH_API_KEY",
            _FORBIDDEN: f"the key may not do this (403): {said}",
            _BUSY: "too many requests (429); try again later",
        }
        return SinkError(f"{self.address}: {known.get(status) or f'{path} answered {status}: {said}'}")


def _setting(name: str) -> str:
    return next((value for prefix in _NAMES if (value := os.environ.get(f"{prefix}_{name}", "").strip())), "")


def _address() -> str:
    found = _setting("ENDPOINT") or _HOSTED
    if not _is_address(found):
        message = f"LANGSMITH_ENDPOINT: {found!r} is no address; it begins with https:// or http://"
        raise SinkError(message)
    return found.rstrip("/")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _client(address: str, key: str) -> Any:
    """Return a client that starts no thread, asks nothing of itself, and goes by nothing that is set for tracing."""
    from langsmith import Client, utils  # noqa: PLC0415, costs half a second
    from urllib3.util import Retry  # noqa: PLC0415, comes with it

    connect_s, read_s = TIMEOUT_S
    try:
        with _without("LANGSMITH_RUNS_ENDPOINTS"):  # where else an agent is traced to
            return Client(
                api_url=address,
                api_key=key,
                auto_batch_tracing=False,
                info={},
                retry_config=Retry(total=0, raise_on_status=False),
                timeout_ms=(round(connect_s * 1000), round(read_s * 1000)),
                tracing_mode="langsmith",
                tracing_sampling_rate=1.0,
            )
    except (utils.LangSmithError, ValueError, OSError) as error:
        message = f"the environment does not suit LangSmith's SDK: {BUILT_IN.text(' '.join(str(error).split()))}"
        raise SinkError(message) from None


@contextlib.contextmanager
def _without(name: str) -> Iterator[None]:
    """Hide a variable of the environment in this block."""
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value


def _response(error: BaseException) -> Any:
    """Return the response that an error of the SDK is about, which only what it was raised from holds."""
    seen: BaseException | None = error
    while seen is not None:
        response = getattr(seen, "response", None)
        if response is not None:
            return response
        seen = seen.__cause__ or seen.__context__
    return None


def _silence(error: BaseException) -> str:
    names = {type(one).__name__ for one in _chain(error)}
    if any("Timeout" in name for name in names):
        return f"no answer within {TIMEOUT_S[1]:g} s; look at LANGSMITH_ENDPOINT"
    return "it did not answer with JSON" if any("JSON" in name for name in names) else "it cannot be reached; look at LANGSMITH_ENDPOINT"


def _chain(error: BaseException | None) -> list[BaseException]:
    return [] if error is None else [error, *_chain(error.__cause__ or error.__context__)]


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a Retry-After; None where there are none, or where it names a day."""
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


def _said(response: Any) -> str:
    """Return what a server says of an error, in one line without secrets."""
    try:
        document = response.json()
        text = str(document.get("detail") or document.get("error") or document) if isinstance(document, dict) else str(document)
    except ValueError:
        text = response.text
    return BUILT_IN.text(" ".join(text.split()))[:_SHOWN] or "nothing"


def has_key() -> bool:
    """Tell whether the environment has a key."""
    return bool(_setting("API_KEY"))


def hidden_here() -> frozenset[str]:
    """Return the parts of runs that the environment says are not to be shown, as LangSmith's own SDK takes it."""
    return frozenset(part for part in ("inputs", "outputs", "metadata") if _setting(f"HIDE_{part.upper()}") == "true")
