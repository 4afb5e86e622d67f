"""The real server behind a recording server: a request goes on to it as the client sent it, and the answer comes back in pieces."""

import http.client
import urllib.request
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlsplit

from harness.cassette.exchange import Request
from harness.errors import UsageError

_TIMEOUT_S = 600.0
_PIECE_BYTES = 65536
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "expect"}
)
_OWN = _HOP_BY_HOP | {"host", "accept-encoding", "proxy-authorization"}


class BrokenAnswer(Exception):
    """The real server could not be reached, or its answer was cut off."""


class _AsItIs(urllib.request.HTTPErrorProcessor):
    """Takes errors and redirections as answers like any other."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:  # noqa: ARG002, urllib's signature
        """Return the response."""
        return response

    def https_response(self, request: urllib.request.Request, response: Any) -> Any:  # noqa: ARG002, urllib's signature
        """Return the response."""
        return response


class Upstream:
    """Where requests go on to: scheme and host of a URL. Its path is where its API begins."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            self.host, self.port = parts.hostname or "", parts.port
        except ValueError:
            parts, self.host = urlsplit(""), ""
        if parts.scheme not in {"http", "https"} or not self.host:
            message = f"--upstream {url!r}: not a URL; write it like https://api.openai.com/v1"
            raise UsageError(message)
        self.origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.path = parts.path.rstrip("/")
        self._opener = urllib.request.build_opener(_AsItIs())

    def send(self, request: Request) -> "LiveAnswer":
        """Send a request on; BrokenAnswer where there is no answer."""
        headers = {name: value for name, value in request.headers if name.lower() not in _OWN}
        asked = urllib.request.Request(request.url, request.body or None, headers, method=request.method)  # noqa: S310, of one origin, checked
        try:
            return LiveAnswer(self._opener.open(asked, timeout=_TIMEOUT_S))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BrokenAnswer(str(error) or type(error).__name__) from None


class LiveAnswer:
    """An answer on its way: status and headers, then the pieces of its body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = tuple((name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP)
        self.length_known = response.getheader("content-length") is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._response.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives; BrokenAnswer where it is cut off."""
        try:
            while piece := self._response.read1(_PIECE_BYTES):
                yield piece
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BrokenAnswer(str(error) or type(error).__name__) from None
        if self._response.length:
            message = f"{self._response.length} bytes are missing"
            raise BrokenAnswer(message)
