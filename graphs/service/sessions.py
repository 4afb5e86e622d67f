"""The runs of a graph: at most one for each thread, each in a task of its own that is awaited when the service ends."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.callbacks import UsageMetadataCallbackHandler
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StreamMode

from graphs.service.documents import Failure, Snapshot, plain
from graphs.service.json_logs import session_id

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

_LOG = logging.getLogger(__name__)
_KEPT = 1000
"""How many threads keep the events of their last run."""


class Busy(Exception):
    """The thread has a run already, or the service has as many as it takes."""


class Closing(Exception):
    """The service is about to end and begins nothing new."""


class Event(NamedTuple):
    """Something that happened in a run: `update`, `token` or `custom`, with its data."""

    kind: str
    data: dict[str, Any]


class Run:
    """One run of a thread: its events so far, and the task that makes them."""

    def __init__(self) -> None:
        self.usage = UsageMetadataCallbackHandler()
        self.error: Failure | None = None
        self.over = False
        self._events: list[Event] = []
        self._changed = asyncio.Condition()
        self.task: asyncio.Task[None]

    async def tell(self, *events: Event, over: bool = False) -> None:
        """Add events, and wake whoever follows."""
        async with self._changed:
            self._events += events
            self.over = self.over or over
            self._changed.notify_all()

    async def events(self) -> AsyncIterator[Event]:
        """Everything from the start of the run to its end, for any number of readers."""
        told = 0
        while fresh := await self._after(told):
            for event in fresh:
                yield event
            told += len(fresh)

    async def _after(self, told: int) -> list[Event]:
        """The events behind the first `told`; waits for one, and there is none where the run is over."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._events) > told or self.over)
            return self._events[told:]


class Sessions:
    """Begins, follows and ends runs. The graph has to have a checkpointer."""

    def __init__(self, graph: CompiledStateGraph[Any], *, at_once: int = 64) -> None:
        self._graph = graph
        self._at_once = at_once
        self._runs: dict[str, Run] = {}
        self.closing = False

    def begin(self, thread_id: str, payload: Any, *, recursion_limit: int, tokens: bool = False) -> Run:
        """Begin a run in the background."""
        if self.closing:
            raise Closing
        if thread_id in self._runs and not self._runs[thread_id].over:
            message = f"thread {thread_id!r} has a run already"
            raise Busy(message)
        if sum(not run.over for run in self._runs.values()) >= self._at_once:
            message = f"{self._at_once} runs are going on already"
            raise Busy(message)
        run = Run()
        self._runs.pop(thread_id, None)  # the newest stands last
        self._runs[thread_id] = run
        modes: list[StreamMode] = ["debug", "custom", "messages"] if tokens else ["debug", "custom"]
        run.task = asyncio.create_task(self._execute(run, thread_id, payload, recursion_limit, modes), name=thread_id)
        self._forget_old_runs()
        return run

    def run(self, thread_id: str) -> Run | None:
        """The newest run of a thread in this process."""
        return self._runs.get(thread_id)

    async def snapshot(self, thread_id: str) -> Snapshot | None:
        """How a thread stands; None for one that nobody started."""
        run = self._runs.get(thread_id)
        found = await self._graph.aget_state({"configurable": {"thread_id": thread_id}})
        if run is None and found.created_at is None:
            return None
        usage = run.usage.usage_metadata if run else {}
        return Snapshot.of(thread_id, found, running=run is not None and not run.over, error=run.error if run else None, usage=usage)

    async def waiting(self, thread_id: str) -> tuple[str, ...]:
        """The nodes that a thread stopped before."""
        return (await self._graph.aget_state({"configurable": {"thread_id": thread_id}})).next

    async def close(self, grace_s: float) -> None:
        """Begin nothing new, let what runs come to its end, and cancel what has not after the grace; its checkpoints stay."""
        self.closing = True
        tasks = [run.task for run in self._runs.values() if not run.over]
        if not tasks:
            return
        _LOG.info("waiting for runs", extra={"runs": len(tasks), "grace_s": grace_s})
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _execute(self, run: Run, thread_id: str, payload: Any, recursion_limit: int, modes: list[StreamMode]) -> None:
        session_id.set(thread_id)
        config: RunnableConfig = {
            "configurable": {"thread_id": thread_id},
            "recursion_limit": recursion_limit,
            "callbacks": [run.usage],
        }
        _LOG.info("run begins", extra={"resumed": payload is None or isinstance(payload, Command)})
        try:
            stream: AsyncIterator[Any] = self._graph.astream(payload, config, stream_mode=modes, subgraphs=True)
            async for namespace, mode, chunk in stream:
                await run.tell(*_told(namespace, mode, chunk))
        except asyncio.CancelledError:
            run.error = Failure(type="Cancelled")
            _LOG.warning("run cut off; its last checkpoint stays")
            raise
        except Exception as error:  # noqa: BLE001  # whatever the graph raises ends this run only
            run.error = Failure(type=type(error).__name__)
            _LOG.exception("run failed")
        else:
            _LOG.info("run ends", extra={"usage": run.usage.usage_metadata})
        finally:
            await run.tell(over=True)

    def _forget_old_runs(self) -> None:
        over = [thread_id for thread_id, run in self._runs.items() if run.over]
        for thread_id in over[: max(0, len(self._runs) - _KEPT)]:
            del self._runs[thread_id]


def _told(namespace: tuple[str, ...], mode: str, chunk: Any) -> list[Event]:
    """What a chunk of LangGraph's stream tells a client; interrupts are told by the snapshot."""
    names = [part.partition(":")[0] for part in namespace]
    if mode == "messages":
        message, metadata = chunk
        return [Event("token", {"node": metadata["langgraph_node"], "namespace": names, "text": message.text})] if message.text else []
    if mode == "custom":
        return [Event("custom", {"namespace": names, "data": plain(chunk)})]
    if chunk["type"] != "task_result" or chunk["payload"]["interrupts"]:
        return []
    task = chunk["payload"]
    return [Event("update", {"node": task["name"], "step": chunk["step"], "namespace": names, "update": plain(task["result"])})]
