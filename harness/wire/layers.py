"""The layers behind the seam: replay a cassette, answer by a script, keep what is recorded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from harness.cassette.event_stream import is_event_stream
from harness.cassette.exchange import Exchange, Response, plain_response
from harness.cassette.redact import Redactor
from harness.cassette.segments import segments
from harness.cassette.tape import Cursor, Match, drift_details
from harness.errors import HarnessError
from harness.script import Script, compose
from harness.trace import Place
from harness.wire.budget import Budget, Unpriced
from harness.wire.seam import Ask, Reply
from harness.wire.stops import RecordingStopped

_TOO_MANY = 429
_NOT_KEPT = frozenset({401, 403, 407, 408, 425, _TOO_MANY})
_SERVER_ERROR = 500
_EXPLAINED = {
    401: "the key is missing or wrong",
    403: "the key may not do this",
    407: "the proxy wants credentials",
    _TOO_MANY: "the server is busy, or the account is out of credit",
}


@dataclass(frozen=True, slots=True)
class Replay:
    """Answers from the cassette."""

    cursor: Cursor

    def __call__(self, ask: Ask) -> Reply | None:
        """Return the recorded answer to an equal request."""
        return self._reply(self.cursor.take(ask.digests, place_key(ask)), ask)

    def lend(self, ask: Ask) -> Reply | None:
        """Return the recorded answer and leave it where it is."""
        return self._reply(self.cursor.lend(ask.digests, place_key(ask)), ask)

    def _reply(self, match: Match | None, ask: Ask) -> Reply | None:
        if match is None:
            return None
        drift: tuple[str, ...] = ()
        if match.drift:
            drift = drift_details(self.cursor.cassette.taken_apart(match.exchange.request), ask.segments, match.drift)
        return Reply(
            "script" if match.exchange.scripted else "replay",
            match.exchange.response,
            exchange=match.index,
            latency_s=match.exchange.latency_s,
            ttft_s=match.exchange.ttft_s,
            drift=drift,
            fits=_fits(match.exchange, ask),
        )


def _fits(exchange: Exchange, ask: Ask) -> bool:
    """Tell whether the answer was given to a request of this form, whole or streamed; a mock model's is always whole."""
    streamed = ask.segments.streamed
    if is_event_stream(exchange.response.body) == streamed:
        return True
    return not exchange.scripted and segments(exchange.request).streamed == streamed


@dataclass(slots=True)
class Scripted:
    """Answers by the rules of a script, each rule at most as often as it says."""

    script: Script
    scripted: bool = True
    _used: dict[int, int] = field(default_factory=dict)

    def __call__(self, ask: Ask) -> Reply | None:
        """Return the answer of the first rule that applies."""
        said = self.script.reply(ask.segments, ask.place.node, self._used)
        return None if said is None else Reply("script", compose(said, ask.segments), latency_s=said.latency_s)


@dataclass(slots=True)
class Recorder:
    """The exchanges of one case as they grow while they are recorded; kept are redacted answers of servers that did answer.

    `stopped` says why the trial could not go on: an answer that is not kept, or the bound of the budget (`over_budget`, `unpriced`),
    or the `refusal` to write what arrived.
    """

    exchanges: list[Exchange]
    variant: str
    now: Callable[[], str]
    redactor: Redactor
    budget: Budget
    arrived: Callable[[list[Exchange]], None]
    keep_errors: bool = False
    draw: int = 1
    added: int = 0
    stopped: str = ""
    over_budget: bool = False
    unpriced: str = ""
    refusal: HarnessError | None = None
    _sent: dict[int, tuple[Ask, float]] = field(default_factory=dict)
    _answered: list[Ask] = field(default_factory=list)

    def unanswered(self) -> tuple[Ask, ...]:
        """Return what was sent and never answered, not even when the client asked it again."""
        answered = {(place_key(ask), *ask.digests.values()) for ask in self._answered}
        return tuple(ask for ask, _ in self._sent.values() if (place_key(ask), *ask.digests.values()) not in answered)

    def admit(self, ask: Ask) -> None:
        """Let a request pass if the budget allows it, and nothing stopped the trial before."""
        if self.stopped:
            raise RecordingStopped(self.stopped)
        try:
            reserved = self.budget.reserve(ask)
        except Unpriced as problem:
            self.unpriced = str(problem)
            self._stop(f"model {self.unpriced!r} has no price")
        if reserved is None:
            self.over_budget = True
            self._stop("the next call may go over the bound in dollars")
        else:
            self._sent[id(ask)] = ask, reserved

    def keep(self, ask: Ask, response: Response, latency_s: float, ttft_s: float | None = None) -> int:
        """Keep a live answer, unless it says that the key was wrong, or the server too busy or broken."""
        _, reserved = self._sent.pop(id(ask), (ask, 0.0))
        self._answered.append(ask)
        if not self.keep_errors and (response.status in _NOT_KEPT or response.status >= _SERVER_ERROR):
            self.budget.release(reserved)
            self._stop(f"HTTP {response.status} from {ask.request.host}: {_EXPLAINED.get(response.status, 'the server did not answer')}")
        exchange = Exchange(
            request=ask.request,
            response=self.redactor.response(plain_response(response)),
            latency_s=latency_s,
            ttft_s=ttft_s,
            place=place_key(ask),
            variants=(self.variant,),
            recorded_at=self.now(),
            draw=self.draw,
        )
        self.exchanges.append(exchange)
        self.added += 1
        self.budget.settle(reserved, exchange, ask.segments.model)
        try:
            self.arrived(self.exchanges)
        except HarnessError as error:  # the graph must not take it for an answer
            self.refusal = error
            self._stop(str(error))
        return len(self.exchanges) - 1

    def _stop(self, why: str) -> NoReturn:
        self.stopped = why
        raise RecordingStopped(why)


def place_key(ask: Ask) -> str | None:
    """Return the stable text of a request's place: node, step and branch; None outside any node."""
    return None if ask.place.node is None else place_name(ask.place)


def place_name(place: Place) -> str:
    """Return the stable text of a place."""
    return f"{'/'.join((*place.namespace, place.node or ''))}#{place.step}:{place.path}"
