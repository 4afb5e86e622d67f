"""The layers behind the seam: replay a cassette, answer by a script, damage by faults, keep what is recorded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from harness.cassette.exchange import Exchange, Response, plain_response
from harness.cassette.redact import Redactor
from harness.cassette.tape import Cursor, drift_details
from harness.dataset import Fault, FaultSpec
from harness.schema import canonical_json
from harness.script import Script
from harness.trace import Place
from harness.wire.trial import Ask, Reply

_TOO_MANY = 429
_NOT_KEPT = frozenset({401, 403, 407, _TOO_MANY})
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Replay:
    """Answers from the cassette."""

    cursor: Cursor

    def __call__(self, ask: Ask) -> Reply | None:
        """Return the recorded answer to an equal request."""
        match = self.cursor.take(ask.digests, place_key(ask))
        if match is None:
            return None
        drift: tuple[str, ...] = ()
        if match.drift:
            drift = drift_details(self.cursor.cassette.taken_apart(match.exchange.request), ask.segments, match.drift)
        source = "script" if match.exchange.scripted else "replay"
        return Reply(source, match.exchange.response, exchange=match.index, latency_s=match.exchange.latency_s, drift=drift)  # type: ignore[arg-type]  # mypy widens the Literal


@dataclass(slots=True)
class Scripted:
    """Answers by the rules of a script, each rule at most as often as it says."""

    script: Script
    scripted: bool = True
    _used: dict[int, int] = field(default_factory=dict)

    def __call__(self, ask: Ask) -> Reply | None:
        """Return the answer of the first rule that applies."""
        found = self.script.answer(ask.segments, ask.place.node, self._used)
        return None if found is None else Reply("script", found)


@dataclass(frozen=True, slots=True)
class Faults:
    """Damages chosen requests before anything else can answer them."""

    specs: Sequence[FaultSpec]
    _struck: set[int] = field(default_factory=set)

    def __call__(self, ask: Ask) -> Reply | None:
        """Return the fault that strikes this request."""
        for index, spec in enumerate(self.specs):
            if _strikes(spec, ask):
                self._struck.add(index)
                return _fault_reply(spec)
        return None

    def unstruck(self) -> tuple[FaultSpec, ...]:
        """Return the faults that struck nothing."""
        return tuple(spec for index, spec in enumerate(self.specs) if index not in self._struck)


def _strikes(spec: FaultSpec, ask: Ask) -> bool:
    kind = "embedding" if spec.at.embedding else "chat"
    if ask.segments.kind != kind or (spec.at.node and spec.at.node != ask.place.node):
        return False
    first = spec.at.embedding or spec.at.model_call or 1
    number = ask.number_in_node if spec.at.node else ask.number
    return first <= number < first + spec.times


def _fault_reply(spec: FaultSpec) -> Reply:
    fault: Fault = spec.fault
    match fault:
        case "rate_limit":
            return Reply("fault", _rate_limited(spec.retry_after_s), fault=fault)
        case "timeout" | "connect_error":
            return Reply("fault", failure=fault, fault=fault)
    assert_never(fault)


def _rate_limited(retry_after_s: float | None) -> Response:
    error = {"message": "Rate limit reached (injected by the harness)", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    headers = [("content-type", "application/json")]
    if retry_after_s is not None:
        headers += [("retry-after-ms", f"{retry_after_s * 1000:g}"), ("retry-after", f"{retry_after_s:g}")]
    return Response(_TOO_MANY, canonical_json({"error": error}).encode(), tuple(headers))


@dataclass(slots=True)
class Recorder:
    """The exchanges of one case as they grow while they are recorded; kept are redacted answers of servers that did answer."""

    exchanges: list[Exchange]
    variant: str
    now: Callable[[], str]
    redactor: Redactor
    added: int = 0

    def store(self, ask: Ask, response: Response, latency_s: float) -> int | None:
        """Keep a live answer, unless it says that the key was wrong, or the server too busy or broken."""
        if response.status in _NOT_KEPT or response.status >= _SERVER_ERROR:
            return None
        self.exchanges.append(
            Exchange(
                request=ask.request,
                response=self.redactor.response(plain_response(response)),
                latency_s=latency_s,
                place=place_key(ask),
                variants=(self.variant,),
                recorded_at=self.now(),
            )
        )
        self.added += 1
        return len(self.exchanges) - 1


def place_key(ask: Ask) -> str | None:
    """Return the stable text of a request's place: node, step and branch; None outside any node."""
    return None if ask.place.node is None else place_name(ask.place)


def place_name(place: Place) -> str:
    """Return the stable text of a place."""
    return f"{'/'.join((*place.namespace, place.node or ''))}#{place.step}:{place.path}"
