"""The layers behind the seam: replay a cassette, answer by a script, keep what is recorded."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.cassette.exchange import Exchange, Response, plain_response
from harness.cassette.redact import redact_bytes
from harness.cassette.segments import segments
from harness.cassette.tape import Cursor, Match, drift_details
from harness.script import Script
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
        return self._reply(self.cursor.take(ask.digests, place_key(ask)), ask)

    def lend(self, ask: Ask) -> Reply | None:
        """Return the recorded answer and leave it where it is."""
        return self._reply(self.cursor.lend(ask.digests, place_key(ask)), ask)

    @staticmethod
    def _reply(match: Match | None, ask: Ask) -> Reply | None:
        if match is None:
            return None
        drift: tuple[str, ...] = ()
        if match.drift:
            drift = drift_details(segments(match.exchange.request), ask.segments, match.drift)
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


@dataclass(slots=True)
class Recorder:
    """The exchanges of one case as they grow while they are recorded; kept are redacted answers of servers that did answer."""

    exchanges: list[Exchange]
    variant: str
    now: Callable[[], str]
    added: int = 0

    def store(self, ask: Ask, response: Response, latency_s: float) -> int | None:
        """Keep a live answer, unless it says that the key was wrong, or the server too busy or broken."""
        if response.status in _NOT_KEPT or response.status >= _SERVER_ERROR:
            return None
        plain = plain_response(response)
        self.exchanges.append(
            Exchange(
                request=ask.request,
                response=replace(plain, body=redact_bytes(plain.body)),
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
    place = ask.place
    if place.node is None:
        return None
    return f"{'/'.join((*place.namespace, place.node))}#{place.step}:{place.path}"
