"""A miss: a request that is not on the cassette, what it differs in from the nearest exchange, and what renewing it costs."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harness.cassette.answer import read
from harness.cassette.cause import Cause, Prompts, causes
from harness.cassette.exchange import Exchange, Request
from harness.cassette.likeness import nearest, parting
from harness.cassette.segments import MATCHED, Segments, segments
from harness.cassette.tape import Cursor
from harness.price import Price, cost_usd
from harness.schema import Value
from harness.trace import Place, Usage

_SHOWN = 60
_ERROR = 400
_FILTER = re.compile(r"[\w+.:/-]+")
_WORDS = frozenset({"and", "or", "not"})


class Miss(Value):
    """A request that the cassette does not answer.

    `differs` names the parts of the nearest exchange that differ, `causes` say what that means and `cause` says it in one line.
    `tokens` and `cost_usd` estimate, by the nearest exchange, what re-recording the call costs; `command` does it.
    `follows` tells that the request came after another miss and may differ only because of that one.
    """

    place: Place
    request: str
    model: str | None = None
    nearest: int | None = None
    differs: tuple[str, ...] = ()
    diff: str = ""
    cause: str = ""
    causes: tuple[Cause, ...] = ()
    tokens: int | None = None
    cost_usd: float | None = None
    command: str = ""
    follows: bool = False
    thread: str | None = None

    def __str__(self) -> str:
        diff = f": {self.diff}" if self.diff else ""
        thread = f" [from thread {self.thread!r}]" if self.thread else ""
        later = " (it may follow from the first)" if self.follows else ""
        return f"{self.place} asked for something that is not on the cassette: {self.cause}{diff}{later}{thread}"


@dataclass(frozen=True, slots=True)
class Known:
    """What a miss is explained by: every stored prompt, the parameters that the variant sets, the prices, the command that records."""

    prompts: Prompts = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()
    prices: Mapping[str, Price] = field(default_factory=dict)
    command: str = ""


def explain(
    request: Request, cursor: Cursor, place: Place, known: Known, *, thread: str | None = None, avoid: Collection[int] = ()
) -> Miss:
    """Compare a request with the nearest exchange of the cassette; `avoid` names exchanges that are less near than their equals."""
    asked = cursor.cassette.taken_apart(request)
    shown = f"{request.method} {request.url.partition('?')[0]}"
    base = Miss(place=place, request=shown, model=asked.model, thread=thread, command=known.command)
    exchanges = cursor.cassette.exchanges
    if not exchanges:
        return _because(base, Cause(kind="empty", text="the cassette is empty"))
    if cursor.holds(asked.digests()):
        text = "asked more often than recorded: every recorded answer to this request is already played"
        return _priced(_because(base, Cause(kind="exhausted", text=text)), cursor.equal(asked.digests()), exchanges, known)
    elsewhere = cursor.elsewhere(asked.digests())
    if elsewhere is not None:
        return _priced(_because(base, _not_drawn(cursor)), elsewhere, exchanges, known)
    own = [index for index, exchange in enumerate(exchanges) if exchange.draw == cursor.draw]
    index = nearest(asked, cursor.cassette, among=own or range(len(exchanges)), played=cursor.played | set(avoid))
    recorded = cursor.cassette.taken_apart(exchanges[index].request)
    differs = tuple(name for name in MATCHED[cursor.policy] if asked.text(name) != recorded.text(name))
    found = _because(base, *causes(recorded, asked, differs, prompts=known.prompts, parameters=known.parameters))
    diff = _first_difference(recorded, asked, differs[0]) if differs else ""
    return _priced(found.model_copy(update={"differs": differs, "diff": diff}), index, exchanges, known)


def record_command(suite: str, variant: str, case: str | None) -> str:
    """Return the command that records what a suite, or one case of it, lacks."""
    named = f" --filter {case}" if case is not None and _FILTER.fullmatch(case) and case not in _WORDS else ""
    return f"harness record {suite}{named}{'' if variant == 'default' else f' --variant {variant}'}"


def remedy(misses: tuple[Miss, ...]) -> tuple[str, ...]:
    """Return, in one line, the command that records what a trial missed, and what is known of its cost; nothing where there is none."""
    command = next((miss.command for miss in misses if miss.command), None)
    if command is None:
        return ()
    return (f"record it with `{command}`, {price_of([miss.tokens for miss in misses], [miss.cost_usd for miss in misses])}",)


def price_of(tokens: Sequence[int | None], dollars: Sequence[float | None]) -> str:
    """Say what requests cost by estimates, and of how many nothing is known: `at about 250 tokens, $0.000014`."""
    known, unknown = [number for number in tokens if number is not None], sum(number is None for number in tokens)
    length = f"about {sum(known):,} tokens" if known else "an unknown number of tokens"
    length += f" and an unknown number for {_requests(unknown)}" if known and unknown else ""
    priced, silent = [cost for cost in dollars if cost is not None], sum(cost is None for cost in dollars)
    cost = f"${sum(priced):.6f}" if priced else "price unknown"
    return f"at {length}, {cost}{f' and an unknown price for {_requests(silent)}' if priced and silent else ''}"


def _requests(number: int) -> str:
    return f"{number:,} request" if number == 1 else f"{number:,} requests"


def unscripted(request: Request, place: Place) -> Miss:
    """Return the miss of a request that no rule of a script answers and that has no cassette."""
    shown = f"{request.method} {request.url}"
    base = Miss(place=place, request=shown, model=segments(request).model)
    return _because(base, Cause(kind="unscripted", text="no rule of the script answers it"))


def unfit(request: Request, place: Place, index: int | None, flaw: str, *, streamed: bool) -> Miss:
    """Return the miss of a request whose recorded answer cannot be given in the form that was asked for."""
    asked, form = segments(request), "a stream" if streamed else "a whole answer"
    cause = f"{form} was asked for and the other form is recorded, which cannot stand in: {flaw}; record it anew with --all"
    shown = f"{request.method} {request.url.partition('?')[0]}"
    base = Miss(place=place, request=shown, model=asked.model, nearest=index)
    return _because(base, Cause(kind="form", text=cause))


def usage_cost(exchange: Exchange, prices: Mapping[str, Price]) -> tuple[Usage | None, float | None]:
    """Return the tokens and the computed dollars of an exchange, None where it or the price table does not say.

    What is no model, and an error, cost nothing.
    """
    answer, asked = read(exchange.response), segments(exchange.request)
    if asked.kind == "http" or exchange.response.status >= _ERROR:
        return Usage(), 0.0
    cost = cost_usd(answer.usage, models=(answer.model, asked.model), host=exchange.request.host, own=prices)
    return answer.usage, cost


def _because(miss: Miss, *why: Cause) -> Miss:
    return miss.model_copy(update={"causes": why, "cause": "; ".join(map(str, why))})


def _not_drawn(cursor: Cursor) -> Cause:
    """Say that another draw of the case answers a request."""
    lacks = "has no answer to it, another draw has" if cursor.draw in cursor.cassette.draws else "is not recorded"
    return Cause(kind="draw", text=f"draw {cursor.draw} {lacks}")


def _priced(miss: Miss, index: int, exchanges: tuple[Exchange, ...], known: Known) -> Miss:
    usage, cost = usage_cost(exchanges[index], known.prices)
    return miss.model_copy(update={"nearest": index, "tokens": usage.total_tokens if usage else None, "cost_usd": cost})


def _first_difference(recorded: Segments, asked: Segments, name: str) -> str:
    """Show the first place where a part differs, with a little of what stands around it."""
    before, after = recorded.text(name), asked.text(name)
    start = max(0, parting(before, after) - 15)
    return f"recorded {_excerpt(before, start)}, now {_excerpt(after, start)}"


def _excerpt(text: str, start: int) -> str:
    end = start + _SHOWN
    return repr(("…" if start else "") + text[start:end] + ("…" if end < len(text) else ""))
