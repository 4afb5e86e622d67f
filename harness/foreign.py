"""Trials that were run elsewhere: what their exported records say, and no more.

A record is a JSON object: which case, how it ended, and the conversation if there is one, as chat messages. Nothing is made up: a
record without a score is an unscored trial, tokens and dollars are unknown, and so are the nodes that ran.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from harness.errors import UsageError
from harness.experiment import Outcome, SuiteProvenance, Trial
from harness.schema import canonical_json, digest, read_json
from harness.score import Score, failed, passed, unscored
from harness.trace import Place, ToolCall, Trace, Unseen

CASE = ("case", "task_id", "example_id", "reference_example_id", "id")
REPEAT = ("repeat", "trial")
SCORE = ("passed", "score", "reward", "reward_info.reward")
MESSAGES = ("messages", "traj", "outputs.messages")
CHECK = "imported"
_UNSEEN: tuple[Unseen, ...] = ("steps", "states", "calls", "places")


class Fields(NamedTuple):
    """Where a record holds what: dotted paths; empty means the first usual one that is there. A score of `pass_at` or more passes."""

    case: str = ""
    repeat: str = ""
    score: str = ""
    messages: str = ""
    pass_at: float = 1.0


def records(text: str, *, path: str) -> list[Mapping[str, JsonValue]]:
    """Return the records of a file: a JSON list of objects, an object that holds one, or an object a line."""
    try:
        document = read_json(text)
    except ValueError:
        document = [_line(line, path, number) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    found = next((value for value in document.values() if _is_records(value)), [document]) if isinstance(document, dict) else document
    if not _is_records(found):
        message = f"{path}: no records: a JSON list of objects, an object that holds one, or an object a line"
        raise UsageError(message)
    return list(found)


def _line(line: str, path: str, number: int) -> JsonValue:
    try:
        value: JsonValue = read_json(line)
    except ValueError as error:
        message = f"{path}:{number}: not JSON: {error}"
        raise UsageError(message) from None
    return value


def _is_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def trials(found: Iterable[Mapping[str, JsonValue]], fields: Fields, *, suite: str, path: str) -> tuple[Trial, ...]:
    """Return the trials of these records, in the order of cases; repeats that are not numbered are numbered in their order."""
    seen: Counter[str] = Counter()
    made: dict[tuple[str, int], Trial] = {}
    for number, record in enumerate(found, start=1):
        case = _case(record, fields, f"{path}: record {number}")
        seen[case] += 1
        repeat = _repeat(record, fields, default=seen[case])
        if (case, repeat) in made:
            message = f"{path}: record {number}: case {case!r} has a trial {repeat} already"
            raise UsageError(message)
        made[case, repeat] = _trial(record, fields, suite, case, repeat)
    order = {case: place for place, case in enumerate(seen)}
    return tuple(made[key] for key in sorted(made, key=lambda key: (order[key[0]], key[1])))


def provenance(made: Iterable[Trial], *, suite: str, text: str, path: str) -> SuiteProvenance:
    """Return the provenance of imported trials: where they come from, and that no graph was run."""
    cases = sorted({trial.case for trial in made})
    return SuiteProvenance(
        suite=suite,
        variant="default",
        cases=len(cases),
        dataset=path,
        dataset_digest=digest(canonical_json(cases)),
        cassettes_digest=digest(text),
        graph="imported: run elsewhere",
        graph_fingerprint="unknown",
        match="none",
        mode="none",
        build="none",
        checks=(CHECK,),
    )


def _case(record: Mapping[str, JsonValue], fields: Fields, place: str) -> str:
    found = _first(record, (fields.case,) if fields.case else CASE)
    if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
        looked = fields.case or ", ".join(CASE)
        message = f"{place}: no case (looked for {looked}); name the field with --case"
        raise UsageError(message)
    return str(found)


def _repeat(record: Mapping[str, JsonValue], fields: Fields, *, default: int) -> int:
    """Return the number of the repeat, from 1: exports that count from 0 are numbered in their order."""
    found = _first(record, (fields.repeat,)) if fields.repeat else None
    return found if isinstance(found, int) and found >= 1 else default


def _trial(record: Mapping[str, JsonValue], fields: Fields, suite: str, case: str, repeat: int) -> Trial:
    score = _score(record, fields)
    outcomes: dict[str, Outcome] = {"pass": "pass", "fail": "fail", "unscored": "unscored"}
    return Trial(
        suite=suite,
        variant="default",
        case=case,
        repeat=repeat,
        draw=repeat,
        outcome=outcomes[score.status],
        scores=(score,),
        trace=_trace(_first(record, (fields.messages,) if fields.messages else MESSAGES)),
    )


def _score(record: Mapping[str, JsonValue], fields: Fields) -> Score:
    looked = (fields.score,) if fields.score else SCORE
    found = _first(record, looked)
    if not isinstance(found, bool | int | float):
        return unscored(CHECK, CHECK, f"the record has no score (looked for {', '.join(looked)})")
    value = float(found)
    if value >= fields.pass_at:
        return passed(CHECK, CHECK, value)
    return failed(CHECK, CHECK, f"scored {value:g}, below {fields.pass_at:g}", value)


def _first(record: Mapping[str, JsonValue], paths: Iterable[str]) -> JsonValue:
    for path in paths:
        value: JsonValue = dict(record)
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def _trace(messages: JsonValue) -> Trace:
    if not isinstance(messages, list):
        return Trace(unseen=(*_UNSEEN, "tools"))
    chat = [message for message in messages if isinstance(message, dict)]
    said = [message.get("content") for message in chat if message.get("role") in {"assistant", "ai"}]
    texts = [text for text in said if isinstance(text, str) and text]
    return Trace(tools=tuple(_tools(chat)), text=texts[-1] if texts else None, unseen=_UNSEEN)


def _tools(chat: list[dict[str, JsonValue]]) -> Iterator[ToolCall]:
    """Yield the tool calls that an assistant's message asks for, each with the answer that names it."""
    answers = {str(message.get("tool_call_id")): message.get("content") for message in chat if message.get("role") == "tool"}
    for message in chat:
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield _tool(call, answers)


def _tool(call: dict[str, JsonValue], answers: Mapping[str, JsonValue]) -> ToolCall:
    function = call.get("function")
    asked = function if isinstance(function, dict) else call
    args = asked.get("arguments", asked.get("args"))
    output = answers.get(str(call.get("id")))
    return ToolCall(
        place=Place(),
        name=str(asked.get("name")),
        args=_parsed(args) if isinstance(args, str) else args,
        output=output if isinstance(output, str) or output is None else json.dumps(output),
    )


def _parsed(text: str) -> JsonValue:
    try:
        value: JsonValue = read_json(text)
    except ValueError:
        return text
    return value
