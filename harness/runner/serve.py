"""The trials of a wire server: opened when they are first asked, replayed or recorded, and what became of them."""

import difflib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness import prompt, store
from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.miss import Known
from harness.cassette.normalise import Normaliser
from harness.cassette.segments import Segments, segments
from harness.cassette.tape import Cursor
from harness.config import Project, Suite
from harness.dataset import Case, FaultSpec, parse
from harness.errors import CassetteError, ConfigError, HarnessError
from harness.prompt import Prompts
from harness.runner.rules import normalisers_of, redactor_of, taped
from harness.script import Script
from harness.script import parse as parse_script
from harness.trace import Place
from harness.wire.address import Address
from harness.wire.budget import Budget
from harness.wire.faults import Faults
from harness.wire.layers import Recorder, Replay, Scripted
from harness.wire.seam import Ask
from harness.wire.server import NotServed
from harness.wire.stops import RecordingStopped
from harness.wire.trial import TrialWire

_TOO_MANY_NAMES = 20


@dataclass(frozen=True, slots=True)
class ServedSuite:
    """A suite as the server needs it: no graph is loaded. `prompts` holds, by variant, the versions of each prompt, its own first."""

    name: str
    suite: Suite
    cases: dict[str, Case]
    prompts: dict[str, Prompts]
    script: Script | None
    normalisers: tuple[Normaliser, ...]

    def taken_apart(self, request: Request) -> Segments:
        """Take a redacted request apart as this suite compares it: its texts normalised."""
        return segments(request, self.normalisers)


@dataclass(slots=True)
class ServedTrial:
    """A trial that clients in other processes ask."""

    address: Address
    wire: TrialWire
    faults: Faults

    @property
    def unused(self) -> int:
        """Count the exchanges of its variant that it has not played."""
        return sum(1 for _ in self.wire.cursor.unused(self.address.variant))

    def report(self) -> dict[str, Any]:
        """Return what it was asked, as JSON."""
        sources = [note.reply.source if note.reply else "none" for note in list(self.wire.notes)]
        return {
            "suite": self.address.suite,
            "variant": self.address.variant,
            "case": self.address.case,
            "trial": self.address.label,
            "asked": len(sources),
            "played": sources.count("replay"),
            "recorded": sources.count("live"),
            "scripted": sources.count("script"),
            "faults": sources.count("fault"),
            "missed": len(self.wire.misses),
            "unused": self.unused,
            "unstruck": [spec.fault for spec in self.faults.unstruck()],
            "drift": sorted({drift for note in list(self.wire.notes) if note.reply for drift in note.reply.drift}),
            "misses": [{**miss.model_dump(mode="json", exclude_defaults=True), "text": str(miss)} for miss, _ in self.wire.misses],
        }


@dataclass(slots=True)
class _Growing:
    """The exchanges of one case while they are recorded, shared by its trials."""

    exchanges: list[Exchange]
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Live:
    """Keeps what the real server answers; what is not worth keeping reaches the client all the same."""

    def __init__(self, recorder: Recorder, growing: _Growing, note: Callable[[str], None]) -> None:
        self._recorder, self._growing, self._note = recorder, growing, note

    def admit(self, ask: Ask) -> None:
        """Let every request pass."""
        self._recorder.admit(ask)

    def keep(self, ask: Ask, response: Response, latency_s: float, ttft_s: float | None) -> int | None:
        """Store an answer with those of the other trials of its case; None where it is not kept."""
        with self._growing.lock:
            before = len(self._growing.exchanges)
            try:
                return self._recorder.keep(ask, response, latency_s, ttft_s)
            except (RecordingStopped, CassetteError) as stop:
                del self._growing.exchanges[before:]
                if isinstance(stop, CassetteError) or self._recorder.refusal is not None:
                    self._note(str(stop))
                self._recorder.stopped, self._recorder.refusal = "", None
                return None


class Service:
    """Opens trials by their address. With `now`, which returns the time, what the cassettes lack is recorded."""

    def __init__(self, project: Project, suites: Sequence[str], *, now: Callable[[], str] | None = None) -> None:
        self.problems: list[str] = []
        self._root = project.root
        self._redactor = redactor_of(project)
        self._suites = {
            name: _suite(project, name, recorded=now is not None) for name in suites or _served(project, recorded=now is not None)
        }
        self._now = now
        self._running: dict[Address, ServedTrial] = {}
        self._ended: list[ServedTrial] = []
        self._growing: dict[tuple[str, str], _Growing] = {}
        self._lock = threading.RLock()

    def trial(self, address: Address) -> TrialWire:
        """Return the trial at an address, started afresh if none runs there."""
        with self._lock:
            if address not in self._running:
                try:
                    self._running[address] = self._opened(address)
                except HarnessError as error:
                    self._note(str(error))
                    raise
            return self._running[address].wire

    def restart(self, address: Address) -> None:
        """End the trial at an address; what it was asked still counts."""
        with self._lock:
            self._find(address)
            if address in self._running:
                self._ended.append(self._running.pop(address))

    def report(self, address: Address | None) -> dict[str, Any]:
        """Return what one trial, or every trial, was asked so far."""
        with self._lock:
            if address is None:
                mode = "record" if self._now else "replay"
                return {"mode": mode, "trials": [trial.report() for trial in self.trials()], "problems": list(self.problems)}
            return (self._running.get(address) or self._opened(address)).report()

    def trials(self) -> list[ServedTrial]:
        """Return the trials so far, those that were restarted first."""
        return [*self._ended, *self._running.values()]

    def close(self) -> None:
        """Note on the exchanges which variants played them, where this is a recording."""
        for trial in self.trials() if self._now else ():
            growing = self._growing[(trial.address.suite, trial.address.case)]
            with growing.lock:
                self._mark(trial, growing)

    def _mark(self, trial: ServedTrial, growing: _Growing) -> None:
        variant, before = trial.address.variant, list(growing.exchanges)
        for index in trial.wire.cursor.played:
            exchange = growing.exchanges[index]
            if exchange.variants and variant not in exchange.variants:
                growing.exchanges[index] = replace(exchange, variants=(*exchange.variants, variant))
        if growing.exchanges != before:
            self._write(trial.address, growing)

    def _find(self, address: Address) -> tuple[ServedSuite, Case]:
        served = self._suites.get(address.suite)
        if served is None:
            message = f"no suite {address.suite!r} is served{_nearest(address.suite, self._suites)}"
            raise NotServed(message)
        if address.variant not in served.suite.variants:
            message = f"suite {address.suite!r} has no variant {address.variant!r}{_nearest(address.variant, served.suite.variants)}"
            raise NotServed(message)
        if address.case not in served.cases:
            message = f"{served.suite.dataset} has no case {address.case!r}{_nearest(address.case, served.cases)}"
            raise NotServed(message)
        return served, served.cases[address.case]

    def _opened(self, address: Address) -> ServedTrial:
        served, case = self._find(address)
        exchanges = self._exchanges(address)
        cursor = Cursor(taped(exchanges, self._redactor, served.taken_apart), served.suite.match, address.variant)
        replay = Replay(cursor)
        scripted = [Scripted(served.script)] if served.script else []
        faults = Faults(_on_wire(case), below=(*scripted, replay.lend))
        wire = TrialWire(
            [faults, *scripted, replay],
            cursor=cursor,
            position=lambda: (Place(), ""),
            known=Known(served.prompts[address.variant], command=f"harness serve --record {address.suite}"),
            redactor=self._redactor,
            live=self._live(address, self._now) if self._now else None,
        )
        return ServedTrial(address, wire, faults)

    def _exchanges(self, address: Address) -> tuple[Exchange, ...]:
        """Return what is recorded for a case, as it is now."""
        key = (address.suite, address.case)
        if key in self._growing:
            return tuple(self._growing[key].exchanges)
        exchanges = store.read_cassette(self._root, self._suites[address.suite].suite.cassettes or address.suite, address.case)
        if self._now:
            self._growing[key] = _Growing(list(exchanges))
        return exchanges

    def _live(self, address: Address, now: Callable[[], str]) -> _Live:
        growing = self._growing[(address.suite, address.case)]

        def arrived(exchanges: list[Exchange]) -> None:
            store.write_cassette(self._root, address.suite, address.case, tuple(exchanges), self._redactor)

        return _Live(
            Recorder(growing.exchanges, address.variant, now, self._redactor, budget=Budget({}), arrived=arrived), growing, self._note
        )

    def _write(self, address: Address, growing: _Growing) -> None:
        try:
            store.write_cassette(self._root, address.suite, address.case, tuple(growing.exchanges), self._redactor)
        except CassetteError as error:
            self._note(str(error))

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _served(project: Project, *, recorded: bool) -> list[str]:
    """Return the suites of a project, those with cassettes of their own if they are to be recorded."""
    return [name for name, suite in project.config.suites.items() if not (recorded and suite.cassettes)]


def _suite(project: Project, name: str, *, recorded: bool) -> ServedSuite:
    suite = project.suite(name)
    if recorded and suite.cassettes:
        message = f"{project.where(name, 'cassettes')}: it replays the cassettes of {suite.cassettes!r}; record that suite"
        raise ConfigError(message)
    dataset = parse(store.read_dataset_text(project.root, suite.dataset), name=name, path=suite.dataset)
    versions = store.read_prompts(project.root, project.config.prompts_dir)
    active = store.read_active(project.root, project.config.prompts_dir, versions)
    prompts: dict[str, Prompts] = {
        variant: {
            key: {chosen.version: chosen.text, **versions[key]}
            for key, chosen in prompt.choose(versions, settings.prompts, active, where=project.where(name, f"variants.{variant}")).items()
        }
        for variant, settings in suite.variants.items()
    }
    script = parse_script(store.read_script_text(project.root, suite.script), path=suite.script) if suite.script else None
    return ServedSuite(name, suite, {case.id: case for case in dataset.cases}, prompts, script, normalisers_of(project, name))


def _on_wire(case: Case) -> tuple[FaultSpec, ...]:
    """Return the faults of a case; an agent in another process has no nodes and no tools, so one there could never strike."""
    for spec in case.faults:
        if spec.at.node or spec.at.is_tool:
            where = f"node {spec.at.node!r}" if spec.at.node else "a tool"
            message = f"case {case.id!r} has a fault at {where}, and an agent in another process has no nodes or tools; use at.model_call"
            raise ConfigError(message)
    return case.faults


def _nearest(name: str, known: Sequence[str] | dict[str, Any]) -> str:
    """Return the known names most like `name`, or all where they are few."""
    alike = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if alike:
        return f"; did you mean {' or '.join(map(repr, alike))}?"
    return f"; known: {', '.join(sorted(known))}" if len(known) <= _TOO_MANY_NAMES else ""
