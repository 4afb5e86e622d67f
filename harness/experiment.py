"""An experiment: all trials of a run, with provenance. Immutable once it is done."""

import datetime as dt
from typing import Literal, Self, TypeVar

from pydantic import JsonValue, ValidationError

from harness.cassette.miss import Miss, remedy
from harness.coverage import Shape
from harness.errors import ExperimentTooNew, ExperimentTooOld, ExperimentUnreadable
from harness.schema import Value, first_problem
from harness.score import Score
from harness.terms import Bound, Quarantine
from harness.trace import Place, Trace

FORMAT = 1  # 1: the first

OVER_BUDGET = "budget"
"""The check that a trial fails which its budget stopped; it has no other score."""

Outcome = Literal["pass", "fail", "stale", "error", "unscored"]


class LiveAttempt(Value):
    """A connection that the code under test tried to open past the wire; it was refused."""

    place: Place
    address: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.place} tried to connect to {self.address}{hint}"


class Trial(Value):
    """One run of one case under one variant.

    `draw` says which of several recordings of its case a repeat replayed, `played` counts exchanges answered from the cassette,
    `recorded` live ones, `unused` those of its own variant and draw that it did not ask for; `sockets` counts connections opened to
    hosts that the config allows.
    """

    suite: str
    variant: str
    case: str
    repeat: int = 1
    outcome: Outcome
    trace: Trace
    scores: tuple[Score, ...] = ()
    misses: tuple[Miss, ...] = ()
    live: tuple[LiveAttempt, ...] = ()
    played: int = 0
    recorded: int = 0
    unused: int = 0
    sockets: int = 0
    draw: int = 1

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Return what no other trial of the experiment has."""
        return (self.suite, self.variant, self.case, self.repeat)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why the trial is not a pass, the weightiest first."""
        if self.misses:
            return (*(str(miss) for miss in self.misses), *remedy(self.misses))
        reasons = [str(attempt) for attempt in self.live]
        if self.outcome == "error" and self.trace.crash:
            crash = self.trace.crash
            reasons.append(f"{crash.type} in node {crash.node!r}: {crash.message}" if crash.node else f"{crash.type}: {crash.message}")
        reasons += [f"{score.name}: {score.reason}" for score in self.scores if score.status == "fail"]
        return tuple(reasons)


def outcome(
    trace: Trace,
    scores: tuple[Score, ...],
    misses: tuple[Miss, ...],
    live: tuple[LiveAttempt, ...],
    *,
    expects_error: bool,
    optional: frozenset[str] = frozenset(),
) -> Outcome:
    """Decide how a trial ended: stale outranks error, error fail, fail unscored, and only what was measured in full is a pass.

    `optional` names the checks that may be unscored in a trial that passes.
    """
    if misses:
        return "stale"
    if live or (trace.ends == "error" and not expects_error):
        return "error"
    states = {score.status for score in scores}
    if "fail" in states:
        return "fail"
    unmeasured = any(score.status == "unscored" and score.check not in optional for score in scores)
    return "pass" if "pass" in states and not unmeasured else "unscored"


class SuiteProvenance(Value):
    """What exactly was run for one suite under one variant, and the gate it has to pass; `faults` were added to those of every case.

    `unasked` names the bounds that only a preset asks for: they hold where they can be measured.
    """

    suite: str
    variant: str
    cases: int
    dataset: str
    dataset_digest: str
    cassettes: str = ""
    cassettes_digest: str
    graph: str
    graph_fingerprint: str
    prompts: dict[str, str] = {}
    model: str | None = None
    parameters: dict[str, JsonValue] = {}
    match: str
    mode: str
    build: str
    checks: tuple[str, ...]
    routes: dict[str, str] = {}
    confidence: dict[str, str] = {}
    gate: dict[str, Bound] = {}
    unasked: tuple[str, ...] = ()
    must_pass: tuple[str, ...] = ()
    quarantine: dict[str, Quarantine] = {}
    normalise: tuple[str, ...] = ()
    freeze: dict[str, JsonValue] = {}
    latencies: dict[str, float] = {}
    faults: tuple[str, ...] = ()
    selected: bool = False
    shape: Shape = Shape(unknown="the experiment does not say which edges there are")

    @property
    def to_cover(self) -> Shape:
        """Return what the trials should cover: nothing that can be told where cases may be left out."""
        return Shape(unknown="only selected cases ran") if self.selected else self.shape

    @property
    def name(self) -> str:
        """Return the suite's name, with `@variant` unless it is the default one."""
        return suite_name(self.suite, self.variant)

    def quarantined(self, today: dt.date | None) -> frozenset[str]:
        """Return the cases whose quarantine counts on a day; none where no day is given."""
        return frozenset(case for case, one in self.quarantine.items() if today is not None and today <= one.until)


def suite_name(suite: str, variant: str) -> str:
    """Return `suite`, or `suite@variant` for a variant other than `default`."""
    return suite if variant == "default" else f"{suite}@{variant}"


class Experiment(Value):
    """The head of an experiment: what was run, where from, with what. Times are ISO 8601 in UTC.

    `stopped` says which case the budget of the whole run stopped it before, and why; `verdict` is the gate's when the run ended,
    against the baselines of that time.
    """

    format: int = FORMAT
    id: str
    status: Literal["running", "done", "stopped"] = "running"
    stopped: str = ""
    started_at: str
    finished_at: str | None = None
    commit: str | None = None
    packages: dict[str, str] = {}
    price_table: str = ""
    repeat: int = 1
    command: tuple[str, ...] = ()
    exchanges_played: int = 0
    sockets_opened: int = 0
    verdict: str = ""
    suites: tuple[SuiteProvenance, ...]

    @classmethod
    def read(cls, text: str, *, path: str) -> Self:
        """Read the text of an experiment.json; too old, too new and unreadable are different errors."""
        return read_stored(cls, text, FORMAT, path=path, what="an experiment", remedy="run the suite again")


class _Format(Value):
    model_config = {"extra": "ignore"}
    format: int = FORMAT


Stored = TypeVar("Stored", bound=Value)


def read_stored(model: type[Stored], text: str, newest: int, *, path: str, what: str, remedy: str) -> Stored:
    """Read a stored document of the format `newest`; `what` it should be and the `remedy` for an older one are for the errors."""
    found = _format_of(text, path, what)
    if found > newest:
        message = f"{path}: format {found} is newer than {newest}, the newest this harness reads; upgrade langgraph-harness"
        raise ExperimentTooNew(message)
    if found < newest:
        message = f"{path}: format {found} is no longer read (this harness reads {newest}); {remedy}"
        raise ExperimentTooOld(message)
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        message = f"{path}: {first_problem(error, model)}"
        raise ExperimentUnreadable(message) from None


def _format_of(text: str, path: str, what: str) -> int:
    try:
        return _Format.model_validate_json(text).format
    except ValidationError as error:
        message = f"{path}: not {what}: {first_problem(error, _Format)}"
        raise ExperimentUnreadable(message) from None


def read_trial(line: str, *, path: str, number: int) -> Trial:
    """Read one line of a trials.jsonl."""
    try:
        return Trial.model_validate_json(line)
    except ValidationError as error:
        message = f"{path}:{number}: not a trial: {first_problem(error, Trial)}"
        raise ExperimentUnreadable(message) from None
