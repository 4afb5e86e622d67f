"""Records of any exporter: which case, its score, how it ended, what it used, and the conversation if there is one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import JsonValue

from harness.errors import UsageError
from harness.experiment import Trial, outcome
from harness.foreign.chat import chat
from harness.foreign.records import Record, at
from harness.foreign.trials import UNSEEN, Key, crash_of, ended
from harness.score import Score, failed, passed, unscored
from harness.trace import Told, Trace

CHECK = "imported"
_USUAL = {
    "case": ("case", "task_id", "example_id", "reference_example_id", "id"),
    "score": ("passed", "score", "reward", "reward_info.reward"),
    "messages": ("messages", "traj", "outputs.messages"),
    "error": ("error",),
}


class Fields(NamedTuple):
    """Where a record holds what: dotted paths; empty means the first usual one that is there. A score of `pass_at` or more passes."""

    case: str = ""
    repeat: str = ""
    score: str = ""
    messages: str = ""
    error: str = ""
    tokens: str = ""
    cost: str = ""
    pass_at: float = 1.0


@dataclass(slots=True)
class Plain:
    """Makes trials of a suite, and notes which of the fields that the user named it has met."""

    fields: Fields
    suite: str
    checks: tuple[str, ...] = (CHECK,)
    _met: set[str] = field(default_factory=set)

    def read(self, record: Record) -> tuple[Key, Trial]:
        """Return the trial of a record, its repeat still to be numbered; UsageError for what it cannot be."""
        key = Key(self._case(record), self._repeat(record), record.place)
        trace = ended(self._trace(record), crash_of(self._found(record, "error")))
        score = self._score(record)
        how = outcome(trace, (score,), (), (), expects_error=False)
        return key, Trial(suite=self.suite, variant="default", case=key.case, outcome=how, scores=(score,), trace=trace)

    def unmet(self) -> Iterator[str]:
        """Yield the fields that were named and that no record has, as options."""
        named = self.fields._asdict()
        yield from (f"--{name} {named[name]!r}" for name in named if name != "pass_at" and named[name] and name not in self._met)

    def _found(self, record: Record, name: str) -> JsonValue:
        named = getattr(self.fields, name)
        for path in (named,) if named else _USUAL.get(name, ()):
            value = at(dict(record.value), path)
            if value is not None:
                self._met.add(name)
                return value
        return None

    def _case(self, record: Record) -> str:
        found = self._found(record, "case")
        if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
            looked = self.fields.case or ", ".join(_USUAL["case"])
            message = f"{record.place}: no case (looked for {looked}); name the field with --case"
            raise UsageError(message)
        return str(found)

    def _repeat(self, record: Record) -> int | None:
        found = self._found(record, "repeat")
        if found is not None and (not isinstance(found, int) or isinstance(found, bool) or found < 0):
            message = f"{record.place}: --repeat {self.fields.repeat!r} is {found!r}, not a number from 0 or 1"
            raise UsageError(message)
        return found

    def _score(self, record: Record) -> Score:
        found = self._found(record, "score")
        if found is None:
            looked = self.fields.score or ", ".join(_USUAL["score"])
            return unscored(CHECK, CHECK, f"the record has no score (looked for {looked})")
        value = self._number(record, "score", found, "true, false or a number")
        if value >= self.fields.pass_at:
            return passed(CHECK, CHECK, value)
        return failed(CHECK, CHECK, f"scored {value:g}, below {self.fields.pass_at:g}", value)

    def _number(self, record: Record, name: str, found: JsonValue, wanted: str) -> float:
        try:
            if isinstance(found, bool | int | float):
                return float(found)
        except OverflowError:
            pass
        shown = repr(found) if len(repr(found)) < 60 else f"{repr(found)[:60]}…"  # noqa: PLR2004, as much as a line shows
        message = f"{record.place}: its {name} is {shown}, which is not {wanted}; name the field with --{name}"
        raise UsageError(message)

    def _trace(self, record: Record) -> Trace:
        cost, tokens = self._found(record, "cost"), self._found(record, "tokens")
        told = Told(
            tokens=None if tokens is None else round(self._amount(record, "tokens", tokens)),
            cost_usd=None if cost is None else self._amount(record, "cost", cost),
        )
        found = chat(self._found(record, "messages"))
        if found is None:
            return Trace(unseen=(*UNSEEN, "tools"), told=told)
        return Trace(tools=found.tools, text=found.text, unseen=UNSEEN, told=told)

    def _amount(self, record: Record, name: str, found: JsonValue) -> float:
        value = self._number(record, name, found, "a number")
        if value < 0 or isinstance(found, bool):
            message = f"{record.place}: its {name} is {found!r}, which is no amount; name the field with --{name}"
            raise UsageError(message)
        return value
