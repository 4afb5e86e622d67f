"""What a failed run of a model shows of the server's answer: LangChain keeps it whole, the text of an error may hold status and body."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from harness.foreign.records import at
from harness.foreign.traces.messages import Unshown, fields_of
from harness.foreign.traces.seen import Run

ERROR = 400
_IN_TEXT = re.compile(r"Error code: (\d{3}) - (\{.{1,20000}\})")
_STATUS_IN_TEXT = re.compile(r"Error code: (\d{3})\b")
_KEPT = ("content-type", "retry-after", "retry-after-ms")
_RETRIED = frozenset({408, 409, 429})
_OF_SERVERS = 500


class ServerAnswer(NamedTuple):
    """What a server answered: status, body and headers."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...]


def server_answer(run: Run) -> ServerAnswer:
    """Return the answer that a failed run tells; Unshown with what it lacks."""
    answer = _kept(run) or _told(run)
    if answer is None:
        kind = re.match(r"[A-Za-z_][\w.]*", str(run.get("error")))
        status = _STATUS_IN_TEXT.search(str(run.get("error")))
        named = f" with {kind[0]}" if kind else ""
        message = f"it failed{named}, and {'the body of ' if status else ''}what the server answered is not in it"
        raise Unshown(message)
    return answer


def _kept(run: Run) -> ServerAnswer | None:
    """Return the answer that LangChain keeps beside an error, unless part of another came first."""
    messages = list(_messages(at(dict(run), "outputs.generations")))
    told = fields_of(messages[0]).get("response_metadata") if len(messages) == 1 else None
    status = told.get("status_code") if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(status, int) or told.get("body") is None:
        return None
    body, headers = told["body"], told.get("headers")
    if status < ERROR and not isinstance(body, dict):
        return None
    lowered = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, dict) else {}
    found = tuple((name, lowered[name]) for name in _KEPT if isinstance(lowered.get(name), str))
    return _answer(status, body, found)


def _messages(generations: Any) -> Iterator[dict[str, Any]]:
    for every in generations if isinstance(generations, list) else ():
        for one in every if isinstance(every, list) else ():
            if isinstance(one, dict) and isinstance(one.get("message"), dict):
                yield one["message"]


def _told(run: Run) -> ServerAnswer | None:
    """Return the answer whose status and body an OpenAI client has put into the text of its error."""
    for found in _IN_TEXT.finditer(str(run.get("error"))):
        try:
            body = ast.literal_eval(found[2])
            return _answer(int(found[1]), body, ())
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def _answer(status: int, body: Any, headers: tuple[tuple[str, str], ...]) -> ServerAnswer:
    if isinstance(body, str):
        return ServerAnswer(status, body, headers)
    named = headers if any(name == "content-type" for name, _ in headers) else (("content-type", "application/json"), *headers)
    return ServerAnswer(status, json.dumps(body, ensure_ascii=False), named)


def hidden_retries(run: Run, status: int) -> str | None:
    """Say that a client may have asked again by itself, where it does so for such an answer and is not told to let it be."""
    again = status in _RETRIED or status >= _OF_SERVERS
    if not again or at(dict(run), "serialized.kwargs.max_retries") == 0:
        return None
    lack = f"a client that retries by itself asks again after status {status}, and what it was answered is not in it"
    return f"{lack}; max_retries=0 replays what is"
