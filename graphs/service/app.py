"""The HTTP side of the service."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, HTTPException, Request, Response, status
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from graphs.service.documents import Begin, Resume, Snapshot, Start, Started, ThreadId
from graphs.service.json_logs import RequestLog
from graphs.service.sessions import Busy, Closing, Run, Sessions

_LOG = logging.getLogger(__name__)
_LARGEST_BODY = 1_000_000


class Factory(Protocol):
    """Builds the graph of the service."""

    def __call__(self, *, checkpointer: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any]:
        """The graph, with this checkpointer."""


def create_app(factory: Factory, checkpointer: AbstractAsyncContextManager[BaseCheckpointSaver[Any]], *, grace_s: float = 20.0) -> FastAPI:
    """The application; runs that are going on when it ends have `grace_s` seconds to come to their end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with checkpointer as saver:
            graph = factory(checkpointer=saver)
            app.state.known_inputs = frozenset(graph.builder.schemas[graph.builder.input_schema])
            app.state.sessions = Sessions(graph)
            _LOG.info("ready", extra={"graph": graph.name})
            yield
            await app.state.sessions.close(grace_s)
            _LOG.info("ended")

    app = FastAPI(title="agent", lifespan=lifespan, max_body_size=_LARGEST_BODY, docs_url=None, redoc_url=None)
    app.add_middleware(RequestLog)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(Closing, _closing)
    _add_routes(app)
    return app


def sessions_of(request: Request) -> Sessions:
    """The sessions of the running application."""
    sessions: Sessions = request.app.state.sessions
    return sessions


Running = Annotated[Sessions, Depends(sessions_of)]


async def known(body: Start, request: Request) -> None:
    """Refuse inputs that the graph has no place for."""
    request.state.session = body.thread_id
    unknown = sorted(body.inputs.keys() - request.app.state.known_inputs)
    if unknown:
        detail = f"unknown inputs {', '.join(unknown)}; the graph takes {', '.join(sorted(request.app.state.known_inputs))}"
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, detail)


async def newest_run(thread_id: ThreadId, sessions: Running) -> Run:
    """The newest run of a thread in this process."""
    run = sessions.run(thread_id)
    if run is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"thread {thread_id!r} has no run here")
    return run


def _add_routes(app: FastAPI) -> None:
    app.post("/start", status_code=status.HTTP_202_ACCEPTED)(start)
    app.get("/stream/{thread_id}", response_class=EventSourceResponse)(stream)
    app.get("/status/{thread_id}")(thread_status)
    app.post("/resume", response_model=Snapshot | Started)(resume)
    app.post("/execute")(execute)
    app.get("/health")(health)
    app.get("/ready")(ready)


async def start(body: Begin, request: Request, sessions: Running) -> Started:
    """Begin a run in the background and return at once."""
    await known(body, request)
    sessions.begin(body.thread_id, body.inputs, recursion_limit=body.recursion_limit, tokens=body.tokens)
    return Started(thread_id=body.thread_id)


async def stream(thread_id: ThreadId, run: Annotated[Run, Depends(newest_run)], sessions: Running) -> AsyncIterator[ServerSentEvent]:
    """The newest run of a thread from its start on, event by event; the last one, `end`, is its snapshot."""
    async for event in run.events():
        yield ServerSentEvent(event=event.kind, data=event.data)
    yield ServerSentEvent(event="end", data=await sessions.snapshot(thread_id))


async def thread_status(thread_id: ThreadId, sessions: Running) -> Snapshot:
    """How a thread stands."""
    snapshot = await sessions.snapshot(thread_id)
    if snapshot is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no thread {thread_id!r}")
    return snapshot


async def resume(body: Resume, request: Request, sessions: Running, response: Response) -> Snapshot | Started:
    """Go on with a thread that stopped: for a human, at a static interrupt, or because the service was ended."""
    request.state.session = body.thread_id
    if not await sessions.waiting(body.thread_id):
        raise HTTPException(status.HTTP_409_CONFLICT, f"thread {body.thread_id!r} does not wait for anything")
    payload: Command[Any] | None = None if body.resume is None else Command(resume=body.resume)
    run = sessions.begin(body.thread_id, payload, recursion_limit=body.recursion_limit, tokens=body.tokens)
    if body.wait:
        return await _finished(body.thread_id, run, sessions)
    response.status_code = status.HTTP_202_ACCEPTED
    return Started(thread_id=body.thread_id)


async def execute(body: Start, request: Request, sessions: Running) -> Snapshot:
    """Run and wait for the end."""
    await known(body, request)
    run = sessions.begin(body.thread_id, body.inputs, recursion_limit=body.recursion_limit)
    return await _finished(body.thread_id, run, sessions)


async def _finished(thread_id: str, run: Run, sessions: Sessions) -> Snapshot:
    async for _ in run.events():
        pass
    snapshot = await sessions.snapshot(thread_id)
    if snapshot is None:
        raise HTTPException(status.HTTP_500_INTERNAL_SERVER_ERROR, f"thread {thread_id!r} left no checkpoint")
    return snapshot


async def health() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


async def ready(sessions: Running) -> dict[str, str]:
    """The process takes runs."""
    if sessions.closing:
        raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, "closing")
    return {"status": "ready"}


async def _busy(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status.HTTP_409_CONFLICT)


async def _closing(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "the service is about to end"}, status.HTTP_503_SERVICE_UNAVAILABLE)
