"""Logs as JSON lines, each with the session that it belongs to."""

import json
import logging
import os
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger(__name__)

session_id: ContextVar[str | None] = ContextVar("session_id", default=None)
"""The thread that the running code works for."""

_KEY_CHARS = 8  # what is shorter is no key, and may be a part of any word
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "color_message", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, session, event, and what was given as `extra`; never a key of the environment."""

    def __init__(self) -> None:
        super().__init__()
        self._keys = [
            value for name, value in os.environ.items() if name.endswith(("_KEY", "_TOKEN", "_SECRET")) and len(value) >= _KEY_CHARS
        ]

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "session": session_id.get(),
            "event": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return self._without_keys(json.dumps(entry, default=str))

    def _without_keys(self, text: str) -> str:
        for key in self._keys:
            text = text.replace(key, "***")
        return text


def log_as_json(level: int = logging.INFO) -> None:
    """Send every log line to standard error as JSON; requests are logged by the service itself, with their session."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("uvicorn.access", "httpx", "httpx2", "openai"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class RequestLog:
    """Logs each request with its session, its status and its time, without its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            session_id.set(scope.get("path_params", {}).get("thread_id") or scope.get("state", {}).get("session"))
            took = {"method": scope["method"], "path": scope["path"], "status": status, "duration_s": round(time.perf_counter() - began, 4)}
            _LOG.info("request", extra=took)
