"""Trials of an agent behind a URL: its models are answered by a wire on loopback, which serves the one trial that runs."""

import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from langchain_core.messages import AnyMessage
from pydantic import TypeAdapter, ValidationError

from harness import graph
from harness.dataset import Case
from harness.errors import GraphError
from harness.experiment import LiveAttempt
from harness.observe import Observer
from harness.plain import plain
from harness.runner.ended import Ended
from harness.runner.plan import Bench
from harness.schema import canonical_json
from harness.trace import Interrupt, Place, Unseen
from harness.wire.address import Address
from harness.wire.deployed import AgentFailed, Deployed, Snapshot, Update
from harness.wire.guard import unguarded
from harness.wire.kept import Kept
from harness.wire.server import NotServed, WireServer
from harness.wire.trial import TrialWire

_ATTEMPTS = 3
_LIMIT = "GraphRecursionError"
_MESSAGES: TypeAdapter[Any] = TypeAdapter(AnyMessage)
_UNSEEN: tuple[Unseen, ...] = ("tools", "states", "places")
_ASKED_AT = "http://127.0.0.1"  # without the port, which differs from run to run
_CURRENT = Address("", "")


class _Current:
    """The trial that runs, whichever path is asked; what is asked while none runs is counted."""

    def __init__(self) -> None:
        self.wire: TrialWire | None = None
        self.strays = 0

    def trial(self, address: Address) -> TrialWire:  # noqa: ARG002, there is one at a time
        """Return the trial that runs."""
        if self.wire is None:
            self.strays += 1
            message = "no trial is running; an agent has to have asked its models before it answers"
            raise NotServed(message)
        return self.wire

    def restart(self, address: Address) -> None:
        """Refuse: a trial ends when the agent has answered."""
        raise NotServed(str(address))

    def report(self, address: Address | None) -> dict[str, Any]:  # noqa: ARG002, there is one at a time
        """Return whether a trial runs."""
        return {"running": self.wire is not None}


class Agent:
    """The agent of a suite, started if the config says how, and its wire."""

    def __init__(self, bench: Bench, root: Path) -> None:
        self._suite, self._name, self._variant, self._root = bench.suite, bench.name, bench.variant, root
        self._current = _Current()
        self._kept: Kept | None = None
        host, _, port = (bench.suite.wire or "127.0.0.1:0").rpartition(":")
        self._server = WireServer(self._current, host=host.strip("[]"), port=int(port), route=lambda target: (_CURRENT, target))
        self._server.asked_at = _ASKED_AT
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            self._deployed = self._started() if bench.suite.start else self._found()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the agent, if it was started here, and its wire."""
        if self._kept:
            self._kept.end()
        self._server.stop()

    def converse(self, case: Case, wire: TrialWire, observer: Observer, ended: Ended) -> None:
        """Run a case, and resume it as it says while the agent waits for a human; `ended` is filled as it goes."""
        with self._answering(wire):
            try:
                self._converse(case, observer, ended)
            except AgentFailed as failure:
                ended.ends, ended.crash = "error", failure
            ended.unseen = _UNSEEN if self._deployed.streams else ("steps", *_UNSEEN)
            if ended.crash is None and not wire.notes and any(True for _ in wire.cursor.unused(self._variant)):
                ended.ends, ended.crash = "error", AgentFailed(self._not_asked(), kind="WireNotAsked")

    @contextmanager
    def _answering(self, wire: TrialWire) -> Iterator[None]:
        self._current.wire = wire
        if self._current.strays:
            address = (
                f"a model while no trial was running ({self._current.strays} requests): an agent has to end its work before it answers"
            )
            wire.refused.append((LiveAttempt(place=Place(), address=address), ""))
            self._current.strays = 0
        try:
            yield
        finally:
            self._current.wire = None

    def _converse(self, case: Case, observer: Observer, ended: Ended) -> None:
        thread_id = uuid4().hex
        limit = {} if self._suite.recursion_limit is None else {"recursion_limit": self._suite.recursion_limit}
        snapshot, updates = self._deployed.execute({"inputs": case.inputs, "thread_id": thread_id, **limit})
        told = list(updates)
        ended.answers = list(case.resume)
        while self._waits(snapshot, ended) and ended.answers:
            resume = _resumed(snapshot, ended.answers)
            snapshot, updates = self._deployed.resume({"thread_id": thread_id, "resume": resume, **limit})
            told += updates
        _note_visits(told, observer)

    def _waits(self, snapshot: Snapshot, ended: Ended) -> bool:
        """Take over how the agent stands, and tell whether it waits for a human."""
        ended.state = _revived(snapshot.state)
        ended.ends = "answer"
        if snapshot.status == "failed":
            error = snapshot.error
            kind = error.type if error else "an unnamed error"
            ended.ends = "limit" if kind == _LIMIT else "error"
            said = error.message if error and error.message else "the agent's run failed; its own log says why"
            ended.crash = None if kind == _LIMIT else AgentFailed(f"{self._deployed.url}: {said}", kind=kind)
        waiting = [Interrupt(payload=plain(_revived(each.value))) for each in snapshot.interrupts]
        if snapshot.status == "interrupted":
            waiting = waiting or [Interrupt(node=node) for node in snapshot.next]
            ended.interrupts += tuple(waiting)
            ended.ends = "interrupt"
        return snapshot.status == "interrupted"

    def _found(self) -> Deployed:
        """Return the agent that runs already; GraphError where nobody answers."""
        deployed = Deployed(self._suite.graph)
        try:
            deployed.is_ready()
        except AgentFailed as failure:
            remedy = f"start the agent with OPENAI_BASE_URL={self._server.origin}/v1, or say under `start` how"
            message = f"suites.{self._name}.graph: {failure}; {remedy}"
            raise GraphError(message) from None
        return deployed

    def _started(self) -> Deployed:
        """Start the agent and return it when it is ready; on another port if its own was taken meanwhile."""
        for attempt in range(_ATTEMPTS):
            port = _free_port()
            deployed = Deployed(self._suite.graph.replace("{port}", str(port)))
            command = (self._suite.start or "").replace("{port}", str(port)).replace("{wire}", self._server.origin)
            self._kept = Kept(command, folder=self._root, environment=self._environment(), where=f"suites.{self._name}.start")
            try:
                self._kept.wait_until(lambda deployed=deployed: _is_ready(deployed))  # type: ignore[misc]  # the default binds it
            except GraphError:
                self._kept = None
                if attempt + 1 == _ATTEMPTS or not _is_taken(port):
                    raise
            else:
                break
        return deployed

    def _environment(self) -> Mapping[str, str]:
        """Return what the agent is started with: its models are the wire, and its keys are none that could pay."""
        bases = {"OPENAI_BASE_URL": f"{self._server.origin}/v1", "ANTHROPIC_BASE_URL": self._server.origin}
        return {**os.environ, **dict.fromkeys(graph.PLACEHOLDER_KEYS, graph.PLACEHOLDER), **bases}

    def _not_asked(self) -> str:
        return (
            f"{self._deployed.url} asked its models nothing over the wire, though exchanges are recorded: "
            f"its base URL has to be {self._server.origin}/v1, and it may have no cache that outlives a thread"
        )


def _is_ready(deployed: Deployed) -> bool:
    try:
        return deployed.is_ready()
    except AgentFailed:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_taken(port: int) -> bool:
    with unguarded(), socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _resumed(snapshot: Snapshot, answers: list[Any]) -> Any:
    """Take the answers to what waits off the list, as the in-process trial does."""
    if not snapshot.interrupts:
        answers.pop(0)
        return None
    if len(snapshot.interrupts) == 1:
        return answers.pop(0)
    return {waiting.id: answers.pop(0) for waiting in snapshot.interrupts if answers}


def _revived(value: Any) -> Any:
    """Return a JSON value with its messages as LangChain's, so that they are shown as those of a graph in this process."""
    if isinstance(value, list):
        return [_revived(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("type"), str) and "content" in value:
        try:
            return _MESSAGES.validate_python(value)
        except ValidationError:
            pass
    return {key: _revived(item) for key, item in value.items()}


def _note_visits(updates: Sequence[Update], observer: Observer) -> None:
    """Note the visits in the order of the graph's steps: those of a subgraph, told before it ended, within its own visit."""
    waiting: dict[tuple[str, ...], list[_Visit]] = {}
    for update in updates:
        visit = _Visit(update, waiting.pop((*update.namespace, update.node), []))
        waiting.setdefault(update.namespace, []).append(visit)
    for visits in waiting.values():
        _note(visits, observer, within="")


class _Visit:
    """A visit that was told, with those inside it."""

    def __init__(self, update: Update, inner: list["_Visit"]) -> None:
        self.update, self.inner = update, inner
        self.written = plain(_revived(update.update))


def _note(visits: list[_Visit], observer: Observer, *, within: str) -> None:
    steps = {id(visit): visit.update.step or number for number, visit in enumerate(visits, start=1)}
    ordered = sorted(visits, key=lambda visit: (steps[id(visit)], visit.update.node, canonical_json(visit.written)))
    for number, visit in enumerate(ordered):
        told = visit.update
        place = Place(node=told.node, step=steps[id(visit)], path=f"{number:06d},{told.node}", namespace=told.namespace)
        key = observer.on_visit(place, visit.written, within=within)
        _note(visit.inner, observer, within=key)
