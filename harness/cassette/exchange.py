"""An exchange: one request on the wire and its response."""

import zlib
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from harness.errors import CassetteError

MAX_BODY_BYTES = 64 * 1024 * 1024
_GZIP_START = b"\x1f\x8b"
_GZIP_OR_ZLIB = 47  # zlib's window bits for "either, by its header"


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

    `latency_s` is the time to the whole answer, in seconds; `place` LangGraph's position of the request;
    `variants` the variants it was recorded under; `recorded_at` an ISO 8601 date and time in UTC.
    """

    request: Request
    response: Response
    latency_s: float | None = None
    place: str | None = None
    variants: tuple[str, ...] = ()
    recorded_at: str | None = None
    scripted: bool = False
    line: int = field(default=0, compare=False)


_KEPT_REQUEST_HEADERS = frozenset({"content-type", "accept"})
_KEPT_RESPONSE_HEADERS = frozenset({"content-type", "retry-after", "retry-after-ms", "location"})


def lean_request(request: Request) -> Request:
    """Return the request uncompressed and with the headers that a cassette keeps; a body that cannot be uncompressed stays."""
    encoding = next((value for key, value in request.headers if key.lower() == "content-encoding"), None)
    try:
        body = decompressed(request.body, encoding)
    except CassetteError:
        body = request.body
    return replace(request, body=body, headers=_kept(request.headers, _KEPT_REQUEST_HEADERS))


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


def decompressed(body: bytes, encoding: str | None) -> bytes:
    """Return the body without its gzip or deflate compression; as it is where the header lies about it.

    CassetteError where it is cut off, or larger than MAX_BODY_BYTES.
    """
    if (encoding or "").strip().lower() not in {"gzip", "deflate", "x-gzip"} or not body:
        return body
    plain, rest = b"", body
    while rest.startswith(_GZIP_START) or rest is body:  # gzip may hold several members
        member = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            plain += member.decompress(rest, MAX_BODY_BYTES + 1 - len(plain))
        except zlib.error:
            return body
        if len(plain) > MAX_BODY_BYTES:
            message = f"a compressed body is larger than {MAX_BODY_BYTES} bytes"
            raise CassetteError(message)
        if not member.eof:
            message = "a compressed body is cut off"
            raise CassetteError(message)
        rest = member.unused_data
    return plain
