"""An exchange: one request on the wire and its response."""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from harness.cassette.compression import decompressed
from harness.errors import CassetteError

DRAWS_AT_MOST = 1000
UNKNOWN_HOST = "redacted.invalid"  # of a request whose address is known no more: its path is the end of one


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends. `headers` are few, lower-case and free of credentials."""

    method: str
    url: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def host(self) -> str:
        """Return the host name, without the port."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answers; the body is never compressed here."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, its response and what is noted beside them.

    `latency_s` is the time to the whole answer, in seconds, `ttft_s` that to the first part of a streamed one; `place` LangGraph's
    position of the request; `variants` the variants it was recorded under; `recorded_at` an ISO 8601 date and time in UTC. `draw` says
    which of several recordings of the same case it belongs to, from 1.
    """

    request: Request
    response: Response
    latency_s: float | None = None
    ttft_s: float | None = None
    place: str | None = None
    variants: tuple[str, ...] = ()
    recorded_at: str | None = None
    scripted: bool = False
    draw: int = 1
    line: int = field(default=0, compare=False)


KEPT_REQUEST_HEADERS = ("accept", "content-type")
_KEPT_RESPONSE_HEADERS = frozenset({"content-type", "retry-after", "retry-after-ms", "location"})


_BOUNDARY = re.compile(r"""(?<=;)(\s*boundary=)("[^"]+"|[^\s;"]+)""", re.IGNORECASE)
_STEADY_BOUNDARY = "part-of-a-form"


def lean_request(request: Request) -> Request:
    """Return the request uncompressed, with the headers that a cassette keeps, and without the random boundary between the parts of a form.

    A body that cannot be uncompressed stays.
    """
    encoding = next((value for key, value in request.headers if key.lower() == "content-encoding"), None)
    try:
        body = decompressed(request.body, encoding)
    except CassetteError:
        body = request.body
    return steady(replace(request, body=body, headers=_kept(request.headers, frozenset(KEPT_REQUEST_HEADERS))))


def steady(request: Request) -> Request:
    """Return a multipart request with a boundary that is always the same: clients draw one at random for each request."""
    kind = next((value for key, value in request.headers if key.lower() == "content-type"), "")
    found = _BOUNDARY.search(kind) if kind.lower().startswith("multipart/") else None
    boundary = found.group(2).strip('"') if found else ""
    if not boundary or boundary == _STEADY_BOUNDARY:
        return request
    headers = tuple(
        (key, _BOUNDARY.sub(rf"\g<1>{_STEADY_BOUNDARY}", value) if key.lower() == "content-type" else value)
        for key, value in request.headers
    )
    return replace(request, body=request.body.replace(b"--" + boundary.encode(), b"--" + _STEADY_BOUNDARY.encode()), headers=headers)


def plain_response(response: Response) -> Response:
    """Return the response uncompressed and with the headers that a cassette keeps.

    A compression that is not known here stays, and the header that tells the client of it; CassetteError for a body that is too large.
    """
    encoding = response.header("content-encoding")
    body = decompressed(response.body, encoding)
    compressed = body is response.body and encoding and not _is_text(body)
    return Response(
        response.status, body, _kept(response.headers, _KEPT_RESPONSE_HEADERS | ({"content-encoding"} if compressed else set()))
    )


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _kept(headers: tuple[tuple[str, str], ...], names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key.lower(), value) for key, value in headers if key.lower() in names))
